//! Values as the operator writes them: scalars as text, lists of them, durations, globs.

use std::{fmt, str::FromStr as _};

use regex::Regex;
use serde::{Deserialize, Deserializer, de};

/// A YAML scalar as its text (`3`, `true`, `2m`), so that one parser serves the file and metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

/// One text or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut all = Texts::deserialize(deserializer)?.0;
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(Self(one)),
            _ => Err(de::Error::custom("a single value is wanted here, not a list")),
        }
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> de::Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true or false, or a list of them")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Texts, E> {
        Ok(Texts(vec![value.to_owned()]))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Texts, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Texts, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Texts, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Texts, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Texts, A::Error> {
        let mut all = Vec::new();
        while let Some(Text(one)) = items.next_element()? {
            all.push(one);
        }
        Ok(Texts(all))
    }
}

/// Parses a duration: `90` (seconds), `90s`, `2m`, `1h 30m`, `7d`.
///
/// # Errors
/// Says what was wanted. Negative durations are refused.
pub fn seconds(text: &str) -> Result<f64, String> {
    let wanted = || format!("{text:?} is not a duration: write seconds (90) or units (90s, 2m, 1h 30m, 7d)");
    let value = match text.trim().parse::<f64>() {
        Ok(number) => number,
        Err(_) => jiff::Span::from_str(text.trim())
            .and_then(|span| span.total((jiff::Unit::Second, jiff::SpanRelativeTo::days_are_24_hours())))
            .map_err(|_| wanted())?,
    };
    if value.is_finite() && value >= 0.0 { Ok(value) } else { Err(wanted()) }
}

/// A name pattern in which `*` stands for any text.
#[derive(Debug, Clone)]
pub struct Glob {
    pattern: String,
    regex: Regex,
}

impl Glob {
    /// Makes a pattern; every text is one.
    pub fn new(pattern: &str) -> Self {
        let body = regex::escape(pattern).replace(r"\*", ".*");
        let regex = Regex::new(&format!("(?s)^{body}$")).expect("an escaped text is a valid regex");
        Self { pattern: pattern.to_owned(), regex }
    }

    /// Whether the whole of `name` fits.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_seconds_and_units() {
        for (text, wanted) in [
            ("90", 90.0),
            ("1.5", 1.5),
            ("90s", 90.0),
            ("2m", 120.0),
            ("1h 30m", 5400.0),
            ("7d", 604_800.0),
            ("500ms", 0.5),
        ] {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for text in ["", "soon", "-1", "-2m", "nan", "inf", "2 parsecs"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        assert!(Glob::new("chem-*").matches("chem-a") && Glob::new("*").matches(""));
        assert!(!Glob::new("chem-*").matches("bio-chem-a") && !Glob::new("a.c").matches("abc"));
    }
}
