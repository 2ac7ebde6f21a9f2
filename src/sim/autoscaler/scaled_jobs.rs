//! A ScaledJob: KEDA creates one pod for one job, and takes none away.
//!
//! Follows KEDA 2.20 (`pkg/scaling/executor/scale_jobs.go`, by way of
//! [`scaled_job`](crate::sim::scaled_job)). A pod that finds no job leaves at once. Simplified: a Job counts
//! as pending exactly while its pod starts, pods do not fail, and finished Jobs are nobody's concern.

use super::Autoscaler;
use crate::sim::scaled_job::{Jobs, ScaledJob, ScaledJobSpec, Strategy};
use crate::sim::workers::WorkerPool;

/// A ScaledJob and the queue length that its trigger tells. One Job is to take one job.
#[derive(Clone, Debug)]
pub struct ScaledJobs {
    object: ScaledJob,
    length: Length,
    /// What a poll saw that created nothing: while all looks so, another would create nothing either.
    settled: Option<Seen>,
    skips: bool,
}

/// What the trigger counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Waiting jobs, as KEDA's own list scalers.
    Waiting,
    /// Jobs in flight, too: what [`Strategy::Default`] means by a queue.
    WaitingAndInFlight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    length: usize,
    running: usize,
    pending: usize,
}

impl ScaledJobs {
    /// A ScaledJob that is created at `now`.
    pub const fn new(spec: ScaledJobSpec, length: Length, now: f64) -> Self {
        Self { object: ScaledJob::new(spec, now), length, settled: None, skips: true }
    }

    /// KEDA's own list scaler: polls every 30 s, and sees waiting jobs only, whatever the strategy expects.
    pub fn keda(strategy: Strategy, max: u32, now: f64) -> Self {
        let spec = ScaledJobSpec { strategy, max: Some(max), ..ScaledJobSpec::default() };
        Self::new(spec, Length::Waiting, now)
    }

    /// Foresail's `mode: jobs` as its documentation has it: polls every 5 s, and the length is the one that
    /// the strategy expects. The newest sample counts as taken at the poll.
    pub fn foresail(strategy: Strategy, max: u32, now: f64) -> Self {
        let spec =
            ScaledJobSpec { strategy, max: Some(max), polling_interval: 5.0, ..ScaledJobSpec::default() };
        let length = match strategy {
            Strategy::Default | Strategy::Custom { .. } => Length::WaitingAndInFlight,
            Strategy::Accurate | Strategy::Eager => Length::Waiting,
        };
        Self::new(spec, length, now)
    }

    /// Takes every poll: slower, and the same in all else.
    #[must_use]
    pub fn without_skipping(self) -> Self {
        Self { skips: false, ..self }
    }

    fn look(&self, pool: &WorkerPool) -> Seen {
        let in_flight = match self.length {
            Length::Waiting => 0,
            Length::WaitingAndInFlight => pool.in_flight(),
        };
        Seen { length: pool.waiting() + in_flight, running: pool.replicas(), pending: pool.starting() }
    }

    fn rests(&self, pool: &WorkerPool) -> bool {
        self.skips && self.settled == Some(self.look(pool))
    }
}

impl Autoscaler for ScaledJobs {
    fn next_due(&self, pool: &WorkerPool) -> f64 {
        if self.rests(pool) { f64::INFINITY } else { self.object.next_due() }
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        self.object.skip_polls(now);
        if !self.object.take_due(now) {
            return;
        }
        let seen = self.look(pool);
        let jobs = Jobs { running: count(seen.running), pending: count(seen.pending) };
        let pods = self.object.spec().jobs_to_create(seen.length as f64, 1.0, seen.length > 0, jobs);
        pool.start_jobs(pods);
        self.settled = (pods == 0).then_some(seen);
    }

    fn least(&self) -> u32 {
        self.object.spec().min
    }
}

fn count(pods: usize) -> u32 {
    u32::try_from(pods).unwrap_or(u32::MAX)
}
