//! A ScaledJob beside Foresail's node hints: Jobs are started for the jobs that are there, and nodes come for those
//! that are expected.

use super::by_keda::Scaler as _;
use super::{Autoscaler, Foresail, ScaledJobs};
use crate::sim::workers::WorkerPool;
use crate::sizing::Decision;

/// A ScaledJob, and a Foresail in `mode: jobs` that keeps room for its pods.
///
/// KEDA's polls see the queue at their instant, as those of a [`ScaledJobs`] alone do.
#[derive(Debug)]
pub struct HintedJobs {
    jobs: ScaledJobs,
    foresail: Foresail,
}

impl HintedJobs {
    /// A ScaledJob whose nodes are hinted at by Foresail, which has a policy of `mode: jobs` and hints.
    pub const fn new(jobs: ScaledJobs, foresail: Foresail) -> Self {
        Self { jobs, foresail }
    }
}

impl Autoscaler for HintedJobs {
    fn next_due(&self, pool: &WorkerPool) -> f64 {
        self.jobs.next_due(pool).min(self.foresail.next_look(pool))
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        self.foresail.look(now, pool);
        self.jobs.turn(now, pool);
    }

    fn least(&self) -> u32 {
        self.jobs.least()
    }

    fn decision(&self) -> Option<&Decision> {
        self.foresail.decision()
    }
}
