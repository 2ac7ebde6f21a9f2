//! How many workers a log would keep busy if every job started when it is submitted.

use super::number::rounded;
use crate::sim::job_log::JobLog;
use crate::sim::outcome::Steps;

/// The demand of a log with unlimited capacity. A job that takes no time is no demand.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// From when on how many workers; the last step goes to 0.
    steps: Steps,
}

impl Demand {
    /// The demand of a log.
    pub fn of(log: &JobLog) -> Self {
        Self { steps: Steps::demand(log.jobs().iter().map(|job| (job.submit, job.run)), 1) }
    }

    /// The most at one time.
    pub fn peak(&self) -> u32 {
        self.levels().max().unwrap_or(0)
    }

    /// The least at one time from the first submission to the end of the last job.
    pub fn least(&self) -> u32 {
        let but_last = self.steps.changes().len().saturating_sub(1);
        self.levels().take(but_last).min().unwrap_or(0)
    }

    /// The mean from the first submission to the end of the last job; 0 of no work.
    pub fn mean(&self) -> f64 {
        match self.span() {
            Some((from, to)) if to > from => self.worker_seconds(from, to) / (to - from),
            _ => 0.0,
        }
    }

    /// Worker-seconds in `[from, to)`, Unix seconds.
    pub fn worker_seconds(&self, from: f64, to: f64) -> f64 {
        self.steps.integral(from, to)
    }

    /// From the first submission to the end of the last job, Unix seconds; `None` of no work.
    pub fn span(&self) -> Option<(f64, f64)> {
        let changes = self.steps.changes();
        Some((changes.first()?.at, changes.last()?.at))
    }

    fn levels(&self) -> impl Iterator<Item = u32> {
        self.steps.changes().iter().map(|change| rounded(change.to))
    }
}
