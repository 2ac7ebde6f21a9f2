//! Fields of load and scenario files: numbers, durations and times as people write them, checked with their path.

use std::num::NonZeroU32;

use serde::Deserialize;

use super::job_log::{duration, time};

/// What is wrong with a field of a load or a scenario: where, and what should stand there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct FieldError {
    /// Path of the field, as in `parts[2].poisson.rate`.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// A checked field.
pub(super) type Checked<T> = Result<T, FieldError>;

/// A number, or text that says one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Number(f64),
    Text(String),
}

/// Seconds, the end excluded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Its start.
    pub from: f64,
    /// Its end.
    pub to: f64,
}

impl Scalar {
    /// As it is written.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.trim().to_owned(),
        }
    }

    /// A duration, seconds, 0 or more.
    pub(super) fn seconds(&self, at: &str) -> Checked<f64> {
        let text = self.text();
        let what =
            || format!("{text:?} is not a duration: write seconds (90) or units (90s, 2m, 1h 30m, 7d)");
        duration(&text).ok_or_else(|| FieldError { path: at.to_owned(), what: what() })
    }

    /// A duration, seconds, above 0.
    pub(super) fn above_zero(&self, at: &str) -> Checked<f64> {
        match self.seconds(at)? {
            seconds if seconds > 0.0 => Ok(seconds),
            _ => wrong(at.to_owned(), "it must be above 0"),
        }
    }

    /// An instant, Unix seconds.
    pub(super) fn time(&self, at: &str) -> Checked<f64> {
        let text = self.text();
        let what = || format!("{text:?} is not a time: write a date (2024-01-01T08:00:00Z) or Unix seconds");
        time(&text).ok_or_else(|| FieldError { path: at.to_owned(), what: what() })
    }

    /// A number, 0 or more.
    pub(super) fn number(&self, at: &str) -> Checked<f64> {
        let text = self.text();
        let number = text.parse().ok().filter(|number: &f64| *number >= 0.0 && number.is_finite());
        let what = || format!("{text:?} is not a number, 0 or more");
        number.ok_or_else(|| FieldError { path: at.to_owned(), what: what() })
    }
}

impl Span {
    /// Whether an instant lies in it.
    pub fn holds(&self, at: f64) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// The same, so many seconds later.
    #[must_use]
    pub fn later(self, by: f64) -> Self {
        Self { from: self.from + by, to: self.to + by }
    }
}

/// A duration that has a default.
pub(super) fn seconds_or(at: &str, seconds: Option<&Scalar>, default: f64) -> Checked<f64> {
    seconds.map_or(Ok(default), |seconds| seconds.seconds(at))
}

/// A number between two others, these included.
pub(super) fn within(at: &str, number: f64, low: f64, high: f64) -> Checked<f64> {
    if (low..=high).contains(&number) {
        Ok(number)
    } else {
        wrong(at.to_owned(), &format!("{number} is not between {low} and {high}"))
    }
}

/// A count of one or more.
pub(super) fn count(at: &str, number: u32) -> Checked<NonZeroU32> {
    NonZeroU32::new(number).map_or_else(|| wrong(at.to_owned(), "one at least is needed"), Ok)
}

/// That something is wrong with a field.
pub(super) fn wrong<T>(path: String, what: &str) -> Checked<T> {
    Err(FieldError { path, what: what.to_owned() })
}
