//! Always so many workers: what a site has that does not scale.

use super::{Autoscaler, Demand};
use crate::sim::workers::WorkerPool;

/// A number of workers that never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    workers: u32,
    asked: bool,
}

impl Fixed {
    /// So many workers.
    pub const fn new(workers: u32) -> Self {
        Self { workers, asked: false }
    }

    /// As many as the demand at its least, but one at least: a static minimum.
    pub fn minimum(demand: &Demand) -> Self {
        Self::new(demand.least().max(1))
    }

    /// As many as the demand on average, rounded up, but one at least.
    pub fn mean(demand: &Demand) -> Self {
        let mean = demand.mean().ceil().max(1.0);
        // A mean is not above the peak, which is a count.
        Self::new((1..=demand.peak()).find(|&workers| f64::from(workers) >= mean).unwrap_or(1))
    }

    /// As many as the demand at its peak, but one at least: nobody waits once they are ready.
    pub fn peak(demand: &Demand) -> Self {
        Self::new(demand.peak().max(1))
    }

    /// How many.
    pub const fn workers(&self) -> u32 {
        self.workers
    }
}

impl Autoscaler for Fixed {
    fn next_due(&self, pool: &WorkerPool) -> f64 {
        if self.asked { f64::INFINITY } else { pool.now() }
    }

    fn turn(&mut self, _now: f64, pool: &mut WorkerPool) {
        if !self.asked {
            pool.scale_to(self.workers);
            self.asked = true;
        }
    }

    fn least(&self) -> u32 {
        self.workers
    }
}
