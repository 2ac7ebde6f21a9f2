//! Texts with places in them: `{queue}:processing:{worker}`.
//!
//! Parameters are put in once, when the configuration is read. What a ref may choose, the queue's
//! name, is put in last and never looked at again, so it cannot bring places of its own. Braces
//! around any other word stay as they are: Redis Cluster's hash tags are written `{{queue}}`.

use std::borrow::Cow;

use regex::Regex;

use crate::config::source::Parameters;

/// A text with places for the queue, the worker and the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Queue,
    Worker,
    Now,
}

/// What goes into the places.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places<'a> {
    /// The queue's name.
    pub(super) queue: &'a str,
    /// A worker's name.
    pub(super) worker: &'a str,
    /// The server's time, in the unit of the recipe.
    pub(super) now: &'a str,
}

impl Template {
    /// Finds the places of a text.
    pub(super) fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((at, name, part)) = first_place(rest) {
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            parts.push(part);
            rest = &rest[at + name.len()..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Self(parts)
    }

    /// Whether it has a place for a worker's name.
    pub(super) fn names_worker(&self) -> bool {
        self.0.contains(&Part::Worker)
    }

    /// Whether it has a place for the queue's name.
    pub(super) fn names_queue(&self) -> bool {
        self.0.contains(&Part::Queue)
    }

    /// The text with its places filled.
    pub(super) fn fill(&self, places: Places<'_>) -> String {
        self.0.iter().map(|part| part.fill(places)).collect()
    }

    /// A Redis pattern that finds every text of this form; `queue`, where given, is put in.
    pub(super) fn pattern(&self, queue: Option<&str>) -> String {
        let parts = self.0.iter().map(|part| match (part, queue) {
            (Part::Text(text), _) => Cow::Owned(escape_pattern(text)),
            (Part::Queue, Some(queue)) => Cow::Owned(escape_pattern(queue)),
            _ => Cow::Borrowed("*"),
        });
        parts.collect()
    }

    /// A regex that takes a text of this form apart, into `queue` and `worker`.
    pub(super) fn regex(&self) -> Regex {
        let (mut queue, mut worker) = (0, 0);
        let body = self.0.iter().map(|part| match part {
            Part::Text(text) => regex::escape(text),
            // A second place of the same name must merely be there: regexes know no back-references.
            Part::Queue
                if {
                    queue += 1;
                    queue == 1
                } =>
            {
                "(?<queue>.+)".to_owned()
            }
            Part::Worker
                if {
                    worker += 1;
                    worker == 1
                } =>
            {
                "(?<worker>.+)".to_owned()
            }
            _ => ".+".to_owned(),
        });
        let body: String = body.collect();
        Regex::new(&format!("(?s)^{body}$")).expect("escaped texts and fixed groups are a valid regex")
    }
}

impl Part {
    fn fill<'a>(&'a self, places: Places<'a>) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Queue => places.queue,
            Self::Worker => places.worker,
            Self::Now => places.now,
        }
    }
}

fn first_place(text: &str) -> Option<(usize, &'static str, Part)> {
    [("{queue}", Part::Queue), ("{worker}", Part::Worker), ("{now}", Part::Now)]
        .into_iter()
        .filter_map(|(name, part)| text.find(name).map(|at| (at, name, part)))
        .min_by_key(|(at, ..)| *at)
}

fn escape_pattern(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Puts parameters into a text: one text for each value of a parameter that has several, and none
/// where a parameter that it names has no value.
pub(super) fn with_parameters(text: &str, declared: &[&str], parameters: &Parameters) -> Vec<String> {
    let mut texts = vec![text.to_owned()];
    for name in declared {
        let place = format!("{{{name}}}");
        if text.contains(&place) {
            let values = parameters.many(name);
            texts = values.iter().flat_map(|v| texts.iter().map(|t| t.replace(&place, v))).collect();
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_name_brings_no_places_of_its_own() {
        let template = Template::new("{queue}:{now}");
        assert_eq!(
            template.fill(Places { queue: "{now}{worker}", now: "7", worker: "w" }),
            "{now}{worker}:7"
        );
    }

    #[test]
    fn braces_of_hash_tags_stay() {
        let template = Template::new("jobs:{{queue}}:wait");
        assert_eq!(template.fill(Places { queue: "md", ..Places::default() }), "jobs:{md}:wait");
    }

    #[test]
    fn a_key_is_found_by_pattern_and_taken_apart_again() {
        let template = Template::new("q[1]:{queue}:processing:{worker}");
        assert_eq!(template.pattern(None), r"q\[1\]:*:processing:*");
        assert_eq!(template.pattern(Some("m*d")), r"q\[1\]:m\*d:processing:*");
        let regex = template.regex();
        let found = regex.captures("q[1]:a:b:processing:pod-1").unwrap();
        assert_eq!((&found["queue"], &found["worker"]), ("a:b", "pod-1"));
        assert!(!regex.is_match("q1:a:processing:pod"));
    }

    #[test]
    fn several_values_make_several_texts_and_none_makes_none() {
        let parameters = Parameters([("key".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into());
        assert_eq!(with_parameters("LLEN {key}", &["key", "other"], &parameters), ["LLEN a", "LLEN b"]);
        assert!(with_parameters("LLEN {other}", &["key", "other"], &parameters).is_empty());
    }
}
