//! Scenario files: a load, the world that it meets, and the bounds that the outcome must keep.
//!
//! What the world is made of is the runner's: [`Scenario`] holds it as the type that the runner reads.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

use super::{
    job_log::duration,
    load::{Load, Scalar},
};

/// One scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario<World> {
    /// What should happen: one sentence.
    pub description: String,
    /// The jobs.
    pub load: Load,
    /// Workers, nodes, the source, and what goes wrong with them.
    pub world: World,
    /// What must hold, with each seed.
    pub bounds: Bounds,
    /// Seeds to run it with: 0, 1, 2, ...
    #[serde(default = "five")]
    pub seeds: u32,
}

/// What an outcome must keep.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "BTreeMap<String, RawBound>")]
pub struct Bounds(BTreeMap<Measure, Bound>);

/// The span in which a measure must lie; at least one end is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Smallest value that is good.
    pub at_least: Option<f64>,
    /// Largest value that is good.
    pub at_most: Option<f64>,
}

/// What is measured of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Mean wait of a job, from its release to its start.
    WaitMean,
    /// Median wait.
    WaitMedian,
    /// Wait that 95 % of the jobs do not pass.
    WaitP95,
    /// Longest wait.
    WaitMax,
    /// Share of the jobs that are done at the end, 0 to 1.
    Completed,
    /// Worker-seconds from being asked for to being gone, over the run times of all jobs.
    WorkersOverWork,
    /// Node-seconds over the run times of all jobs.
    NodesOverWork,
    /// Most workers at once.
    WorkersMax,
    /// Workers that were started.
    Launches,
    /// Times that the number of workers turned from growing to shrinking or back.
    Reversals,
    /// Workers that were told to go while they ran a job.
    BusyTold,
    /// Run time that was lost and had to be run again, over the run times of all jobs.
    LostWork,
    /// Idle worker-seconds above the reactive target, over the run times of all jobs.
    Speculation,
    /// From the end of the last job to the last worker gone.
    ToZero,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::WaitMean,
        Self::WaitMedian,
        Self::WaitP95,
        Self::WaitMax,
        Self::Completed,
        Self::WorkersOverWork,
        Self::NodesOverWork,
        Self::WorkersMax,
        Self::Launches,
        Self::Reversals,
        Self::BusyTold,
        Self::LostWork,
        Self::Speculation,
        Self::ToZero,
    ];

    /// As files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WaitMean => "wait_mean",
            Self::WaitMedian => "wait_median",
            Self::WaitP95 => "wait_p95",
            Self::WaitMax => "wait_max",
            Self::Completed => "completed",
            Self::WorkersOverWork => "workers_over_work",
            Self::NodesOverWork => "nodes_over_work",
            Self::WorkersMax => "workers_max",
            Self::Launches => "launches",
            Self::Reversals => "reversals",
            Self::BusyTold => "busy_told",
            Self::LostWork => "lost_work",
            Self::Speculation => "speculation",
            Self::ToZero => "to_zero",
        }
    }

    /// Whether it is a time, in seconds.
    pub const fn is_time(self) -> bool {
        matches!(self, Self::WaitMean | Self::WaitMedian | Self::WaitP95 | Self::WaitMax | Self::ToZero)
    }
}

impl Bounds {
    /// What is bounded, and how.
    pub fn iter(&self) -> impl Iterator<Item = (Measure, Bound)> {
        self.0.iter().map(|(&measure, &bound)| (measure, bound))
    }

    /// What an outcome breaks, a line each; `value` says what a measure came to. NaN breaks every bound.
    pub fn broken(&self, value: impl Fn(Measure) -> f64) -> Vec<String> {
        let fault = |(measure, bound): (Measure, Bound)| {
            let value = value(measure);
            (!bound.holds(value)).then(|| format!("{} is {value}, and must be {bound}", measure.name()))
        };
        self.iter().filter_map(fault).collect()
    }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        !value.is_nan()
            && self.at_least.is_none_or(|least| value >= least)
            && self.at_most.is_none_or(|most| value <= most)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => write!(f, "from {least} to {most}"),
            (Some(least), None) => write!(f, "at least {least}"),
            (None, Some(most)) => write!(f, "at most {most}"),
            (None, None) => f.write_str("anything"),
        }
    }
}

/// What is wrong with the bounds of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bounds.{measure}: {what}")]
pub struct BoundsError {
    /// The measure, as written.
    pub measure: String,
    /// What is wrong.
    pub what: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBound {
    at_least: Option<Scalar>,
    at_most: Option<Scalar>,
}

impl TryFrom<BTreeMap<String, RawBound>> for Bounds {
    type Error = BoundsError;

    fn try_from(raw: BTreeMap<String, RawBound>) -> Result<Self, BoundsError> {
        let check = |(name, RawBound { at_least, at_most }): (String, RawBound)| {
            let wrong = |what: String| BoundsError { measure: name.clone(), what };
            let measure =
                Measure::ALL.into_iter().find(|measure| measure.name() == name).ok_or_else(|| {
                    wrong(format!(
                        "nothing is measured by that name; there are {}",
                        Measure::ALL.map(Measure::name).join(", ")
                    ))
                })?;
            let number = |end: Option<Scalar>| {
                let read = |end: Scalar| {
                    let text = end.text();
                    let number = if measure.is_time() { duration(&text) } else { positive(&text) };
                    let wanted = if measure.is_time() { "a duration" } else { "a number, 0 or more" };
                    number.ok_or_else(|| wrong(format!("{text:?} is not {wanted}")))
                };
                end.map(read).transpose()
            };
            let bound = Bound { at_least: number(at_least)?, at_most: number(at_most)? };
            match (bound.at_least, bound.at_most) {
                (None, None) => Err(wrong("give at_least, at_most or both".to_owned())),
                (Some(least), Some(most)) if least > most => {
                    Err(wrong("at_least is more than at_most".to_owned()))
                }
                _ => Ok((measure, bound)),
            }
        };
        raw.into_iter().map(check).collect::<Result<_, _>>().map(Self)
    }
}

fn positive(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| *number >= 0.0 && number.is_finite())
}

/// Seeds of a scenario that does not say.
const fn five() -> u32 {
    5
}
