//! What is measured of an outcome, and the spans in which it must lie.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

use crate::sim::field::{Checked, FieldError, Scalar, wrong};

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
    /// Workers that Foresail knew to be busy, by its last read, while fewer than those were wanted.
    BusyAsked,
    /// Run time that was lost and had to be run again, over the run times of all jobs.
    LostWork,
    /// Idle worker-seconds that the target asks for beyond the reactive one, over the run times of all jobs.
    Speculation,
    /// From the end of the last job to the last worker gone.
    ToZero,
    /// From the first job that comes where there is none to the first start, from the eighth day on: what 90 % do not
    /// pass.
    FirstStartP90,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 16] = [
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
        Self::BusyAsked,
        Self::LostWork,
        Self::Speculation,
        Self::ToZero,
        Self::FirstStartP90,
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
            Self::BusyAsked => "busy_asked",
            Self::LostWork => "lost_work",
            Self::Speculation => "speculation",
            Self::ToZero => "to_zero",
            Self::FirstStartP90 => "first_start_p90",
        }
    }

    /// Whether it is a time, in seconds.
    pub const fn is_time(self) -> bool {
        use Measure::{FirstStartP90, ToZero, WaitMax, WaitMean, WaitMedian, WaitP95};
        matches!(self, WaitMean | WaitMedian | WaitP95 | WaitMax | ToZero | FirstStartP90)
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
    /// Whether a value lies in it; NaN never does.
    pub fn holds(self, value: f64) -> bool {
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBound {
    at_least: Option<Scalar>,
    at_most: Option<Scalar>,
}

impl TryFrom<BTreeMap<String, RawBound>> for Bounds {
    type Error = FieldError;

    fn try_from(raw: BTreeMap<String, RawBound>) -> Checked<Self> {
        let check = |(name, RawBound { at_least, at_most }): (String, RawBound)| {
            let at = format!("bounds.{name}");
            let Some(measure) = Measure::ALL.into_iter().find(|measure| measure.name() == name) else {
                let all = Measure::ALL.map(Measure::name).join(", ");
                return wrong(at, &format!("nothing is measured by that name; there are {all}"));
            };
            let number = |end: Option<Scalar>| {
                let read = |end: Scalar| if measure.is_time() { end.seconds(&at) } else { end.number(&at) };
                end.map(read).transpose()
            };
            let bound = Bound { at_least: number(at_least)?, at_most: number(at_most)? };
            match (bound.at_least, bound.at_most) {
                (None, None) => wrong(at, "give at_least, at_most or both"),
                (Some(least), Some(most)) if least > most => wrong(at, "at_least is more than at_most"),
                _ => Ok((measure, bound)),
            }
        };
        raw.into_iter().map(check).collect::<Result<_, _>>().map(Self)
    }
}
