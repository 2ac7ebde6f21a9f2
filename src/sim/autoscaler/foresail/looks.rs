//! What Foresail sees of a pool.

use super::Limits;
use crate::sim::workers::WorkerPool;
use crate::sizing::Workload;

/// Everything of a pool that a sample or a sighting may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looks {
    pub(super) arrived: usize,
    pub(super) waiting: usize,
    pub(super) in_flight: usize,
    pub(super) draining: usize,
    pub(super) completed: usize,
    pub(super) replicas: usize,
    pub(super) ready: usize,
    pub(super) starting: usize,
    pub(super) terminating: usize,
}

impl Looks {
    pub(super) fn of(pool: &WorkerPool) -> Self {
        Self {
            arrived: pool.arrived(),
            waiting: pool.waiting(),
            in_flight: pool.in_flight(),
            draining: pool.in_flight_draining(),
            completed: pool.completed(),
            replicas: pool.replicas(),
            ready: pool.ready(),
            starting: pool.starting(),
            terminating: pool.terminating(),
        }
    }

    pub(super) fn workload(&self, limits: Limits) -> Workload {
        let count = |n: usize| Some(u32::try_from(n).unwrap_or(u32::MAX));
        Workload {
            replicas: count(self.replicas),
            ready: count(self.ready),
            starting: count(self.starting),
            terminating: count(self.terminating),
            min: Some(limits.min),
            max: Some(limits.max),
        }
    }
}
