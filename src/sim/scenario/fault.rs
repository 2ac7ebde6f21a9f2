//! What goes wrong in a scenario.

use serde::Deserialize;

use crate::sim::field::{Checked, Scalar, Span, within, wrong};

/// Something that goes wrong for a time, in seconds after the start of the load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// A share of the reads of the source fails.
    DroppedSamples {
        /// When.
        during: Span,
        /// The share, 0 to 1.
        share: f64,
    },
    /// The source's counter of arrivals shows something else.
    PoisonedCounters {
        /// When.
        during: Span,
        /// What it shows.
        arrivals: u64,
    },
    /// The source answers and fails in turns.
    FlappingSource {
        /// When.
        during: Span,
        /// Seconds for which it answers, above 0.
        up: f64,
        /// Seconds for which it fails, above 0.
        down: f64,
    },
    /// The source does not answer.
    SourceDown {
        /// When.
        during: Span,
    },
    /// An empty store answers in place of the source's own.
    WrongZero {
        /// When.
        during: Span,
        /// Whether its identity tells it from the source's own.
        other: bool,
    },
    /// Instances are taken back.
    SpotReclaim {
        /// When notices are given.
        during: Span,
        /// Share of the instances that are there, 0 to 1.
        share: f64,
        /// Seconds from the notice to the end.
        notice: f64,
    },
    /// No instance can be had.
    NoCapacity {
        /// When.
        during: Span,
    },
    /// The API server cannot be reached.
    KubernetesOutOfSight {
        /// When.
        during: Span,
    },
    /// Foresail is restarted, and knows nothing afterwards.
    Restart {
        /// When it does not run.
        during: Span,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawFault {
    DroppedSamples(Dropped),
    PoisonedCounters(Poisoned),
    FlappingSource(Flapping),
    SourceDown(Time),
    WrongZero(Zero),
    SpotReclaim(Reclaim),
    NoCapacity(Time),
    KubernetesOutOfSight(Time),
    Restart(Time),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    at: Scalar,
    r#for: Scalar,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dropped {
    at: Option<Scalar>,
    r#for: Option<Scalar>,
    share: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Poisoned {
    at: Scalar,
    r#for: Scalar,
    arrivals: Scalar,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flapping {
    at: Scalar,
    r#for: Scalar,
    up: Scalar,
    down: Scalar,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Zero {
    at: Scalar,
    r#for: Scalar,
    identity: Identity,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Identity {
    Changed,
    Same,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reclaim {
    at: Scalar,
    r#for: Scalar,
    share: f64,
    notice: Scalar,
}

impl RawFault {
    pub(super) fn check(self, at: &str) -> Checked<Fault> {
        Ok(match self {
            Self::DroppedSamples(Dropped { at: begin, r#for: long, share }) => {
                let at = format!("{at}.dropped_samples");
                let during = match (begin, long) {
                    (None, None) => Span { from: 0.0, to: f64::INFINITY },
                    (Some(begin), Some(long)) => span(&at, &begin, &long)?,
                    _ => return wrong(at, "give at and for, or neither"),
                };
                Fault::DroppedSamples { during, share: part(&at, share)? }
            }
            Self::PoisonedCounters(Poisoned { at: begin, r#for: long, arrivals }) => {
                let at = format!("{at}.poisoned_counters");
                let shown = arrivals.number(&format!("{at}.arrivals"))?;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
                let arrivals = shown as u64;
                Fault::PoisonedCounters { during: span(&at, &begin, &long)?, arrivals }
            }
            Self::FlappingSource(Flapping { at: begin, r#for: long, up, down }) => {
                let at = format!("{at}.flapping_source");
                Fault::FlappingSource {
                    during: span(&at, &begin, &long)?,
                    up: up.above_zero(&format!("{at}.up"))?,
                    down: down.above_zero(&format!("{at}.down"))?,
                }
            }
            Self::SourceDown(time) => Fault::SourceDown { during: time.span(&format!("{at}.source_down"))? },
            Self::WrongZero(Zero { at: begin, r#for: long, identity }) => Fault::WrongZero {
                during: span(&format!("{at}.wrong_zero"), &begin, &long)?,
                other: matches!(identity, Identity::Changed),
            },
            Self::SpotReclaim(Reclaim { at: begin, r#for: long, share, notice }) => {
                let at = format!("{at}.spot_reclaim");
                Fault::SpotReclaim {
                    during: span(&at, &begin, &long)?,
                    share: part(&at, share)?,
                    notice: notice.seconds(&format!("{at}.notice"))?,
                }
            }
            Self::NoCapacity(time) => Fault::NoCapacity { during: time.span(&format!("{at}.no_capacity"))? },
            Self::KubernetesOutOfSight(time) => {
                Fault::KubernetesOutOfSight { during: time.span(&format!("{at}.kubernetes_out_of_sight"))? }
            }
            Self::Restart(time) => Fault::Restart { during: time.span(&format!("{at}.restart"))? },
        })
    }
}

impl Time {
    fn span(&self, at: &str) -> Checked<Span> {
        span(at, &self.at, &self.r#for)
    }
}

fn span(at: &str, begin: &Scalar, long: &Scalar) -> Checked<Span> {
    let from = begin.seconds(&format!("{at}.at"))?;
    Ok(Span { from, to: from + long.above_zero(&format!("{at}.for"))? })
}

fn part(at: &str, share: f64) -> Checked<f64> {
    within(&format!("{at}.share"), share, 0.0, 1.0)
}
