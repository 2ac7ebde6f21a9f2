//! How far the run is: one line that is written over and over on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::lock_step::Moment;

/// Between two updates on a terminal (real time).
const REFRESH: Duration = Duration::from_millis(100);

/// Between two lines elsewhere, seconds (virtual time).
const LINE_EVERY: f64 = 12.0 * 3600.0;

/// Shows progress on standard error.
pub(super) enum Progress {
    /// Not at all.
    Silent,
    /// On one line.
    Terminal {
        /// When it was last written.
        shown: Option<Instant>,
    },
    /// Line after line.
    Lines {
        /// When the next one is due (virtual time).
        next: f64,
    },
}

impl Progress {
    pub(super) fn new(silent: bool) -> Self {
        if silent {
            Self::Silent
        } else if io::stderr().is_terminal() {
            Self::Terminal { shown: None }
        } else {
            Self::Lines { next: 0.0 }
        }
    }

    /// Shows a moment, where it is time to.
    pub(super) fn show(&mut self, moment: &Moment<'_>) {
        match self {
            Self::Silent => {}
            Self::Terminal { shown } if shown.is_some_and(|shown| shown.elapsed() < REFRESH) => {}
            Self::Terminal { shown } => {
                *shown = Some(Instant::now());
                write(format_args!("\r{}\x1b[K", line(moment)));
            }
            Self::Lines { next } if moment.at < *next => {}
            Self::Lines { next } => {
                *next = moment.at + LINE_EVERY;
                say(&line(moment));
            }
        }
    }

    /// Leaves a finished line behind, and room below it.
    pub(super) fn finish(&mut self) {
        if let Self::Terminal { shown: Some(_) } = self {
            write(format_args!("\n\n"));
            *self = Self::Silent;
        }
    }
}

/// Writes a line to standard error.
pub(super) fn say(line: &str) {
    write(format_args!("{line}\n"));
}

/// A moment of the log's clock, to the minute.
#[expect(clippy::cast_possible_truncation, reason = "seconds of this century")]
pub(super) fn date(at: f64) -> String {
    Timestamp::from_second(at as i64).unwrap_or_default().strftime("%Y-%m-%d %H:%M").to_string()
}

fn line(moment: &Moment<'_>) -> String {
    let Moment { at, pool, target } = moment;
    let target = target.map_or("?".to_owned(), |target| target.to_string());
    let (waiting, workers, so_far) = (pool.waiting(), pool.replicas(), pool.summary());
    // Of no jobs the mean is a negative zero.
    let wait = so_far.wait_mean.abs();
    let at = date(*at);
    format!("{at}  waiting {waiting:4}  workers {workers:3}  target {target:>3}  mean wait {wait:6.1} s")
}

/// Progress that cannot be shown is no reason to stop.
fn write(text: std::fmt::Arguments<'_>) {
    let mut err = io::stderr().lock();
    let _ = err.write_fmt(text).and_then(|()| err.flush());
}
