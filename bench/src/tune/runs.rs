//! Runs, what is known of them, and what is lacking.

use std::collections::{HashMap, HashSet};

use foresail::sim::world::{Day, Outcome};
use serde::{Deserialize, Serialize};

use super::{goal::Mark, space::Configuration};

/// What is played.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Which of the cases.
    pub(crate) case: usize,
    pub(crate) part: Part,
    pub(crate) policy: Configuration,
}

/// A part of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// The last of the tuned days, with a 27th of their jobs.
    Small,
    /// With a ninth.
    Medium,
    /// With a third.
    Large,
    /// All tuned days.
    Tuned,
    /// The days after them, which no search looks at.
    Later,
}

impl Part {
    pub(crate) const ALL: [Self; 5] = [Self::Small, Self::Medium, Self::Large, Self::Tuned, Self::Later];

    /// In few words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Small => "a 27th of the jobs",
            Self::Medium => "a ninth of the jobs",
            Self::Large => "a third of the jobs",
            Self::Tuned => "all tuned days",
            Self::Later => "the later days",
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Played {
    pub(crate) jobs: usize,
    /// Mean wait, seconds.
    pub(crate) mean: f64,
    /// The wait that 95 % of the jobs did not exceed, seconds.
    pub(crate) p95: f64,
    /// Sum of all waits, seconds.
    pub(crate) waited: f64,
    /// Worker-seconds paid.
    pub(crate) paid: f64,
    /// Jobs that were left when the run was given up.
    pub(crate) unfinished: usize,
    /// Of the later part: its days.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) days: Vec<Day>,
}

impl Played {
    pub(crate) fn of(outcome: Outcome, part: Part) -> Self {
        Self {
            jobs: outcome.waits.jobs,
            mean: outcome.waits.mean,
            p95: outcome.waits.p95,
            waited: outcome.waits.total,
            paid: outcome.paid(),
            unfinished: outcome.unfinished,
            days: if part == Part::Later { outcome.days } else { Vec::new() },
        }
    }

    /// What it cost if a second of waiting is worth so many worker-seconds.
    pub(crate) fn cost(&self, worth: f64) -> f64 {
        self.paid + worth * self.waited
    }

    /// How it did beside the defaults.
    pub(crate) fn mark(&self, defaults: &Self, worth: f64) -> Mark {
        // Where there is nothing to pay for, nobody is better than another.
        let ratio = |ours: f64, theirs: f64| if theirs > 0.0 { ours / theirs } else { 1.0 };
        Mark {
            paid: ratio(self.paid, defaults.paid),
            cost: ratio(self.cost(worth), defaults.cost(worth)),
            mean: self.mean,
            p95: self.p95,
            unfinished: self.unfinished > 0,
        }
    }
}

/// The runs that were made.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    runs: HashMap<Run, Played>,
    worth: f64,
}

impl Known {
    /// None yet; a second of waiting is worth so many worker-seconds.
    pub(crate) fn new(worth: f64) -> Self {
        Self { runs: HashMap::new(), worth }
    }

    pub(crate) fn extend(&mut self, runs: impl IntoIterator<Item = (Run, Played)>) {
        self.runs.extend(runs);
    }

    /// What a run came to.
    ///
    /// # Errors
    /// The run, where it is not known.
    pub(crate) fn get(&self, run: Run) -> Result<&Played, Missing> {
        self.runs.get(&run).ok_or_else(|| Missing::one(run))
    }

    pub(crate) const fn worth(&self) -> f64 {
        self.worth
    }

    /// The runs, in no order.
    #[cfg(test)]
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.keys()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Policies that were played, on whatever part.
    pub(crate) fn policies(&self) -> usize {
        self.runs.keys().map(|run| &run.policy).collect::<HashSet<_>>().len()
    }
}

/// Runs that have to be made before it goes on, each once, in a fixed order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Missing(Vec<Run>);

impl Missing {
    pub(crate) fn one(run: Run) -> Self {
        Self(vec![run])
    }

    /// The runs, sorted.
    pub(crate) fn runs(self) -> Vec<Run> {
        let mut runs = self.0;
        runs.sort_unstable();
        runs.dedup();
        runs
    }
}

/// All results, or everything that one of them lacks.
pub(crate) fn together<T>(results: impl IntoIterator<Item = Result<T, Missing>>) -> Result<Vec<T>, Missing> {
    let (mut all, mut missing) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => all.push(one),
            Err(Missing(runs)) => missing.extend(runs),
        }
    }
    if missing.is_empty() { Ok(all) } else { Err(Missing(missing)) }
}

/// The same for two different ones.
pub(crate) fn both<A, B>(a: Result<A, Missing>, b: Result<B, Missing>) -> Result<(A, B), Missing> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(Missing(a)), Err(Missing(b))) => Err(Missing(a.into_iter().chain(b).collect())),
        (Err(missing), _) | (_, Err(missing)) => Err(missing),
    }
}
