//! One line that says how a target came about.

use std::fmt;

use super::Workload;
use crate::series::{Depth, Quality};

/// The parts of the line; only what mattered is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the line that is there or not")]
pub struct Why {
    /// The target.
    pub target: u32,
    /// Which rule led: `reactive`, `forecast`, `jobs`, `override`, `hold`.
    pub reason: &'static str,
    /// The numbers believed of the queue; `None` where an override answers for an unseen queue.
    pub depth: Option<Depth>,
    /// Slots a worker.
    pub slots: u32,
    /// Mean run time and lead time, seconds, where they say that workers take several of the waiting jobs each.
    pub shared_work: Option<(f64, f64)>,
    /// The objective cannot be kept: workers take longer to start than jobs may wait.
    pub infeasible: bool,
    /// What was added on the word of a forecast.
    pub ahead: Option<Ahead>,
    /// Spare workers that the budget pays for, where a forecast is worth more of them.
    pub budget: Option<u32>,
    /// Spare pods wanted beyond the target.
    pub hint: u32,
    /// Seconds for which the keep-alive still holds the target above demand.
    pub hold: Option<f64>,
    /// Why the target did not fall.
    pub no_fall: Option<&'static str>,
    /// The busy floor, where it raised the target.
    pub floor: Option<u32>,
    /// The cap, where it lowered the target.
    pub max: Option<u32>,
    /// Workers that `max_spend` pays for, where that lowered the target.
    pub max_spend: Option<u32>,
    /// What others of its group leave to it, where that lowered the target.
    pub group: Option<u32>,
    /// The minimum, where it raised the target.
    pub min: Option<u32>,
    /// Whether the ScaledObject's maximum lowered the target.
    pub object_max: bool,
    /// Whether the ScaledObject's minimum raised the target.
    pub object_min: bool,
    /// What became of a fall whose victims are to be named.
    pub fall: Option<Falling>,
    /// The workload that the decision was made with; `None` in `mode: jobs`, which asks for none.
    pub workload: Option<Workload>,
    /// Refs of mode workers that ask for the queue, each for all of it.
    pub shared: u32,
    /// The queue was never seen with work: its name is probably a typo.
    pub never_seen: bool,
}

/// What became of a fall whose victims are to be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Falling {
    /// It waits until those that go bear their deletion costs.
    Pending,
    /// So many stay whose going would give no node back.
    Kept(u32),
    /// All stay, since a busy worker that is not Ready would go first.
    BusyNotReady,
    /// It is answered, and nobody is named; with the reason.
    Unranked(&'static str),
}

impl fmt::Display for Falling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Kept(workers) => write!(f, "kept:{workers}"),
            Self::BusyNotReady => f.write_str("busy-not-ready"),
            Self::Unranked(reason) => write!(f, "unranked:{reason}"),
        }
    }
}

/// Workers that a forecast asked for, and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ahead {
    /// Workers beyond the reactive target.
    pub workers: u32,
    /// Arrivals expected.
    pub expected: f64,
    /// Within so many seconds: a lead time.
    pub seconds: f64,
    /// Skill of such forecasts against "nothing arrives"; 1 is perfect.
    pub skill: f64,
    /// Idle worker-seconds spent on forecasts for each busy one, over about a day.
    pub spent: f64,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n={} why={}", self.target, self.reason)?;
        match &self.depth {
            Some(depth) => write_depth(f, depth)?,
            None => f.write_str(" Q=? busy=?")?,
        }
        if let Some(workload) = &self.workload {
            write_workload(f, workload)?;
        }
        if self.slots > 1 {
            write!(f, " slots={}", self.slots)?;
        }
        if let Some((run, lead)) = self.shared_work {
            write!(f, " S={run:.0}s lead={lead:.0}s")?;
        }
        if self.infeasible {
            f.write_str(" infeasible")?;
        }
        if let Some(Ahead { workers, expected, seconds, skill, spent }) = self.ahead {
            let spent = 100.0 * spent;
            write!(
                f,
                " pred=+{workers} expect={expected:.1}/{seconds:.0}s skill={skill:.2} spend={spent:.0}%"
            )?;
        }
        if let Some(workers) = self.budget {
            write!(f, " budget={workers}")?;
        }
        if self.hint > 0 {
            write!(f, " hint={}", self.hint)?;
        }
        if let Some(seconds) = self.hold {
            write!(f, " hold={seconds:.0}s")?;
        }
        if let Some(word) = self.no_fall {
            write!(f, " no_fall={word}")?;
        }
        for (name, value) in [
            ("floor", self.floor),
            ("max", self.max),
            ("max_spend", self.max_spend),
            ("group", self.group),
            ("min", self.min),
            ("object_max", self.workload.and_then(|seen| seen.max.filter(|_| self.object_max))),
            ("object_min", self.workload.and_then(|seen| seen.min.filter(|_| self.object_min))),
        ] {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        if let Some(falling) = self.fall {
            write!(f, " fall={falling}")?;
        }
        if self.shared > 1 {
            write!(f, " shared={}", self.shared)?;
        }
        if self.never_seen {
            f.write_str(" never_seen")?;
        }
        Ok(())
    }
}

fn write_workload(f: &mut fmt::Formatter<'_>, workload: &Workload) -> fmt::Result {
    match (workload.ready, workload.starting) {
        (Some(ready), Some(starting)) => write!(f, " workers={ready}+{starting}")?,
        (Some(ready), None) => write!(f, " workers={ready}+?")?,
        (None, _) => match workload.replicas {
            Some(replicas) => write!(f, " replicas={replicas}")?,
            None => f.write_str(" workers=?")?,
        },
    }
    match workload.terminating {
        Some(n) if n > 0 => write!(f, " terminating={n}"),
        _ => Ok(()),
    }
}

fn write_depth(f: &mut fmt::Formatter<'_>, depth: &Depth) -> fmt::Result {
    write!(f, " Q={}", depth.waiting)?;
    match (depth.busy_workers, depth.in_flight) {
        (Some(workers), Some(jobs)) => write!(f, " busy={jobs}/{workers}")?,
        (None, Some(jobs)) => write!(f, " busy={jobs}")?,
        _ => f.write_str(" busy=?")?,
    }
    for (name, value) in [("stuck", depth.stuck), ("draining", depth.draining)] {
        if value > 0 {
            write!(f, " {name}={value}")?;
        }
    }
    match depth.quality {
        Quality::Exact => Ok(()),
        Quality::Sampled => f.write_str(" quality=sampled"),
        Quality::UpperBound => f.write_str(" quality=upper-bound"),
        Quality::LowerBound => f.write_str(" quality=lower-bound"),
    }
}
