//! A question in PromQL with places for the queue's name: `sum(jobs_waiting{queue="{queue}"})`.
//!
//! Names come from triggers, so from tenants. A place stands only in the double-quoted value of a label matcher, and
//! whatever is put there is the name and nothing else: it cannot end the string, nor act as a pattern in `=~`.

use std::fmt::Write as _;

/// Where the queue's name goes.
const PLACE: &str = "{queue}";

/// A question, taken apart at its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromQl {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Queue(Matcher),
}

/// How a label's value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matcher {
    /// `=` or `!=`.
    Equal,
    /// `=~` or `!~`.
    Pattern,
}

impl PromQl {
    /// Finds the places of a question. Whether all else is PromQL, the server says.
    ///
    /// # Errors
    /// Says which place could not hold every name.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("a question in PromQL, such as jobs_submitted_total{queue=\"{queue}\"}".to_owned());
        }
        let mut parts = Parts::default();
        let mut rest = text;
        // What stands before, without whitespace and comments.
        let mut before = String::new();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '"' | '\'' | '`' => literal_length(rest)?,
                '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
                '\\' => return Err("a backslash stands outside of a string".to_owned()),
                _ if rest.starts_with(PLACE) => PLACE.len(),
                other => other.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            match (Matcher::before(&before), token.contains(PLACE)) {
                (Some(matcher), true) if first == '"' => parts.split(token, matcher),
                (_, true) => return Err(MISPLACED.to_owned()),
                (_, false) => parts.push(token),
            }
            if first != '#' && !first.is_whitespace() {
                before.push_str(token);
            }
            rest = after;
        }
        Ok(Self { text: text.to_owned(), parts: parts.0 })
    }

    /// As it was written, places included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has a place for the queue's name.
    pub fn names_queue(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Queue(_)))
    }

    /// The question about one queue.
    pub fn about(&self, queue: &str) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Queue(Matcher::Equal) => escaped(queue),
            Part::Queue(Matcher::Pattern) => escaped(&regex::escape(queue)),
        };
        self.parts.iter().map(part).collect()
    }
}

const MISPLACED: &str = "{queue} stands only in the double-quoted value of a label, such as queue=\"{queue}\": \
                         elsewhere a queue's name could change the question";

impl Matcher {
    fn before(text: &str) -> Option<Self> {
        if text.ends_with("=~") || text.ends_with("!~") {
            Some(Self::Pattern)
        } else {
            text.ends_with('=').then_some(Self::Equal)
        }
    }
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Part::Text(before)) => before.push_str(text),
            _ => self.0.push(Part::Text(text.to_owned())),
        }
    }

    fn split(&mut self, literal: &str, matcher: Matcher) {
        for (at, text) in literal.split(PLACE).enumerate() {
            if at > 0 {
                self.0.push(Part::Queue(matcher));
            }
            self.push(text);
        }
    }
}

/// Bytes of the string that a text begins with, its quotes included.
fn literal_length(text: &str) -> Result<usize, String> {
    let mut chars = text.char_indices();
    let quote = chars.next().map_or('"', |(_, quote)| quote);
    while let Some((at, char)) = chars.next() {
        match char {
            _ if char == quote => return Ok(at + quote.len_utf8()),
            '\\' if quote != '`' => {
                let kind = chars.next().map_or('\n', |(_, kind)| kind);
                let (digits, radix) = match kind {
                    'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => (0, 10),
                    'x' => (2, 16),
                    'u' => (4, 16),
                    'U' => (8, 16),
                    '0'..='7' => (2, 8),
                    _ if kind == quote => (0, 10),
                    _ => return Err(format!("a string holds \\{kind}, which PromQL does not know")),
                };
                // A place must not stand where digits belong: those of a name would be taken for them.
                if !(0..digits).all(|_| chars.next().is_some_and(|(_, digit)| digit.is_digit(radix))) {
                    return Err(format!(
                        "a string holds \\{kind} without the {digits} digits that belong to it"
                    ));
                }
            }
            '\n' if quote != '`' => break,
            _ => {}
        }
    }
    Err(format!("a string that begins with {quote} is not closed"))
}

/// A text as it stands in a double-quoted string.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\\' | '"' => escaped.extend(['\\', char]),
            '\n' => escaped.push_str("\\n"),
            // Prometheus takes U+FFFD in a question for bytes that are no text.
            _ if char.is_control() || char == char::REPLACEMENT_CHARACTER => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(char));
            }
            _ => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a string says, and what comes after it, as Prometheus reads it; `None` where it never ends.
    fn read(text: &str) -> Option<(String, &str)> {
        let mut said = String::new();
        let mut chars = text.strip_prefix('"')?.chars();
        loop {
            match chars.next()? {
                '"' => return Some((said, chars.as_str())),
                '\n' | char::REPLACEMENT_CHARACTER => return None,
                '\\' => match chars.next()? {
                    'n' => said.push('\n'),
                    'u' => {
                        let digits: String = chars.by_ref().take(4).collect();
                        said.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    char @ ('\\' | '"') => said.push(char),
                    _ => return None,
                },
                char => said.push(char),
            }
        }
    }

    /// Names that try.
    fn names() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "\"",
            "\\",
            "\n",
            "\r",
            "`",
            "'",
            "#",
            "{queue}",
            "\\\"",
            "\\u0022",
            "} or vector(1)",
            ".*",
            "md",
            "\u{0}",
            "\u{fffd}",
            "\u{7f}",
            "ö",
            "\u{2028}",
            "x41",
            "\"} or {a=\"",
        ]);
        prop_oneof![any::<String>(), prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat()),]
    }

    proptest! {
        #[test]
        fn a_string_ends_where_it_should_whatever_the_name(name in names(), prefix in "[a-z]{0,3}(\\\\\\\\)?") {
            let tail = "\", b='c'}[5m])";
            let question = format!("rate(a{{q = \"{prefix}{PLACE}-{PLACE}{tail}");
            let filled = PromQl::new(&question).unwrap().about(&name);
            let literal = filled.strip_prefix("rate(a{q = ").unwrap();
            let (said, after) = read(literal).unwrap();
            prop_assert_eq!(said, format!("{}{name}-{name}", prefix.replace("\\\\", "\\")));
            prop_assert_eq!(after, &tail[1..]);
        }

        #[test]
        fn a_name_is_no_pattern(name in names(), other in names()) {
            let filled = PromQl::new("a{q=~\"{queue}|x{queue}\"}").unwrap().about(&name);
            let (pattern, after) = read(filled.strip_prefix("a{q=~").unwrap()).unwrap();
            prop_assert_eq!(after, "}");
            let pattern = regex::Regex::new(&format!("^(?s:{pattern})$")).unwrap();
            prop_assert!(pattern.is_match(&name));
            prop_assert_eq!(pattern.is_match(&other), other == name || other == format!("x{name}"));
        }

        #[test]
        fn what_has_no_place_is_asked_as_it_stands(question in "[a-z(){}=~!,\\[\\] #0-9\n]{1,30}", name in names()) {
            if let Ok(promql) = PromQl::new(&question) {
                prop_assert!(!promql.names_queue());
                prop_assert_eq!(promql.about(&name), question);
            }
        }
    }

    #[test]
    fn places_are_found_where_they_may_stand() {
        for (question, filled) in [
            ("a{q=\"{queue}\"}", "a{q=\"md\"}"),
            ("a{q!=\n  # why\n \"{queue}\"}", "a{q!=\n  # why\n \"md\"}"),
            ("a{q=~\"x-{queue}-.*\", b=\"\\\"{queue}\"}", "a{q=~\"x-md-.*\", b=\"\\\"md\"}"),
            ("{__name__=\"{queue}_total\"}", "{__name__=\"md_total\"}"),
            ("a{b='\"', q=\"{queue}\", c=`\\`}", "a{b='\"', q=\"md\", c=`\\`}"),
        ] {
            let promql = PromQl::new(question).unwrap();
            assert!(promql.names_queue());
            assert_eq!((promql.about("md").as_str(), promql.text()), (filled, question));
        }
    }

    #[test]
    fn a_place_that_could_not_hold_every_name_is_refused() {
        for (question, words) in [
            ("", "a question in PromQL"),
            ("jobs_{queue}", MISPLACED),
            ("a{queue}", MISPLACED),
            ("a{q='{queue}'}", MISPLACED),
            ("a{q=`{queue}`}", MISPLACED),
            ("a # {queue}", MISPLACED),
            ("a{q=\"x\"} # \"\n or b{c=\"d\" \"{queue}\"", MISPLACED),
            ("label_replace(a, \"b\", \"{queue}\", \"\", \"\")", MISPLACED),
            ("a{q=\"\\{queue}\"}", "\\{, which PromQL does not know"),
            ("a{q=\"\\x4{queue}\"}", "\\x without the 2 digits"),
            ("a{q=\"\\u{queue}\"}", "\\u without the 4 digits"),
            ("a{q=\"\\1{queue}\"}", "\\1 without the 2 digits"),
            ("a{q=\"{queue}", "is not closed"),
            ("a{q=\"{queue}\\\"}", "is not closed"),
            ("a{q=\"\n{queue}\"}", "is not closed"),
            ("a\\\"{q=\"{queue}\"}", "a backslash stands outside"),
        ] {
            let said = PromQl::new(question).unwrap_err();
            assert!(said.contains(words), "{question}: {said}");
        }
    }
}
