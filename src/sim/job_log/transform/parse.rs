//! Transforms as text: `window=10..40`, `median=5m`, `thin=owners/4@7`.

use std::{fmt, num::NonZeroU32, str::FromStr};

use super::{Bound, ThinBy, Transform, TransformError, Unit, Window};
use crate::sim::job_log::text::{date, duration, seconds, shown_date};

const KINDS: &str = "write window=FROM..TO (days or dates), dense=SHARE, median=DURATION, cap=DURATION, \
                     thin=owners/N or thin=jobs/N (with @SEED), time=FACTOR, tasks=cpus or tasks=gpus (with /MOST), \
                     queue=NAME,..., owner=NAME,..., with-run, start=TIME, released";

impl FromStr for Transform {
    type Err = TransformError;

    fn from_str(text: &str) -> Result<Self, TransformError> {
        let text = text.trim();
        let (kind, value) = text.split_once('=').unwrap_or((text, ""));
        let wrong =
            |expected: &str| TransformError::Text { text: text.to_owned(), expected: expected.to_owned() };
        let positive = |expected| {
            let number: Option<f64> = value.parse().ok();
            number.filter(|number| *number > 0.0 && number.is_finite()).ok_or_else(|| wrong(expected))
        };
        let seconds_of =
            || duration(value).ok_or_else(|| wrong("a duration is 90 (seconds), 90s, 5m, 1h 30m"));
        let names = || {
            let names: Vec<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
            let given = names.iter().all(|name| !name.is_empty());
            if given { Ok(names) } else { Err(wrong("names stand with commas between them")) }
        };
        match kind {
            "window" => window(value).map(Self::Window).ok_or_else(|| {
                wrong("a window is FROM..TO, of days after the start (10..40) or dates (2017-10-02..), FROM before TO")
            }),
            "dense" => match positive("a share is above 0 and at most 1")? {
                share if share <= 1.0 => Ok(Self::Dense(share)),
                _ => Err(wrong("a share is above 0 and at most 1")),
            },
            "median" => seconds_of().map(Self::MedianRun),
            "cap" => seconds_of().map(Self::CapRun),
            "thin" => thin(value).ok_or_else(|| wrong("it is owners/N or jobs/N, N from 1, or jobs/N@SEED")),
            "time" => positive("a factor is above 0").map(Self::ScaleTime),
            "tasks" => tasks(value).ok_or_else(|| wrong("it is cpus or gpus, or cpus/MOST, MOST from 1")),
            "queue" => names().map(Self::Queues),
            "owner" => names().map(Self::Owners),
            "with-run" if text == kind => Ok(Self::WithRun),
            "start" => seconds(value)
                .or_else(|| date(value))
                .map(Self::Start)
                .ok_or_else(|| wrong("a time is Unix seconds, or a date as in 2024-01-01T08:00:00Z")),
            "released" if text == kind => Ok(Self::Released),
            _ => Err(wrong(KINDS)),
        }
    }
}

fn window(text: &str) -> Option<Window> {
    let bound = |text: &str| match text.trim() {
        "" => Some(None),
        text => seconds(text).map(Bound::Day).or_else(|| date(text).map(Bound::Date)).map(Some),
    };
    let (from, to) = text.split_once("..")?;
    let window = Window { from: bound(from)?, to: bound(to)? };
    let is_empty = match (window.from, window.to) {
        (Some(Bound::Day(from)), Some(Bound::Day(to))) | (Some(Bound::Date(from)), Some(Bound::Date(to))) => {
            from >= to
        }
        _ => false,
    };
    (!is_empty).then_some(window)
}

fn thin(text: &str) -> Option<Transform> {
    let (what, seed) = match text.split_once('@') {
        Some((what, seed)) => (what, seed.parse().ok()?),
        None => (text, 0),
    };
    let (by, one_in) = what.split_once('/')?;
    let by = match by {
        "owners" => ThinBy::Owners,
        "jobs" => ThinBy::Jobs,
        _ => return None,
    };
    Some(Transform::Thin { by, one_in: one_in.parse().ok()?, seed })
}

fn tasks(text: &str) -> Option<Transform> {
    let (unit, cap) = match text.split_once('/') {
        Some((unit, cap)) => (unit, Some(cap.parse::<NonZeroU32>().ok()?)),
        None => (text, None),
    };
    let unit = match unit {
        "cpus" => Unit::Cpus,
        "gpus" => Unit::Gpus,
        _ => return None,
    };
    Some(Transform::Expand { unit, cap })
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window(Window { from, to }) => {
                let bound = |bound: &Option<Bound>| match bound {
                    None => String::new(),
                    Some(Bound::Day(day)) => day.to_string(),
                    Some(Bound::Date(time)) => shown_date(*time),
                };
                write!(f, "window={}..{}", bound(from), bound(to))
            }
            Self::Dense(share) => write!(f, "dense={share}"),
            Self::MedianRun(seconds) => write!(f, "median={seconds}"),
            Self::CapRun(seconds) => write!(f, "cap={seconds}"),
            Self::Thin { by, one_in, seed } => {
                let by = match by {
                    ThinBy::Owners => "owners",
                    ThinBy::Jobs => "jobs",
                };
                write!(f, "thin={by}/{one_in}@{seed}")
            }
            Self::ScaleTime(factor) => write!(f, "time={factor}"),
            Self::Expand { unit, cap } => {
                let unit = match unit {
                    Unit::Cpus => "cpus",
                    Unit::Gpus => "gpus",
                };
                write!(f, "tasks={unit}")?;
                cap.map_or(Ok(()), |cap| write!(f, "/{cap}"))
            }
            Self::Queues(names) => write!(f, "queue={}", names.join(",")),
            Self::Owners(names) => write!(f, "owner={}", names.join(",")),
            Self::WithRun => f.write_str("with-run"),
            Self::Start(time) => write!(f, "start={}", shown_date(*time)),
            Self::Released => f.write_str("released"),
        }
    }
}
