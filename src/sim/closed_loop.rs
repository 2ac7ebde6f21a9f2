//! Workers and whoever decides how many there are, on virtual time.

use super::autoscaler::Autoscaler;
use super::workers::{Summary, WorkerPool};

/// A pool and its autoscaler.
#[derive(Clone, Debug)]
pub struct ClosedLoop<A> {
    /// The queue and its workers.
    pub pool: WorkerPool,
    /// Who decides.
    pub autoscaler: A,
}

impl<A: Autoscaler> ClosedLoop<A> {
    /// When anything happens next.
    pub fn next_event(&self) -> f64 {
        self.pool.next_event().min(self.autoscaler.next_due(&self.pool))
    }

    /// Lets everything happen that is due at the next event, or at `until` if that comes first.
    pub fn step(&mut self, until: f64) {
        let at = self.next_event().max(self.pool.now()).min(until);
        self.pool.advance(at);
        self.autoscaler.turn(at, &mut self.pool);
    }

    /// Runs until `until`.
    pub fn run_to(&mut self, until: f64) {
        while self.pool.now() < until {
            self.step(until);
        }
    }

    /// Runs until all jobs are done and no worker is left beyond the minimum, or until `limit`.
    pub fn run(&mut self, limit: f64) -> Summary {
        while self.pool.now() < limit && !self.is_over() {
            self.step(limit);
        }
        self.pool.summary()
    }

    /// Whether all jobs are done and no worker is left beyond the minimum.
    pub fn is_over(&self) -> bool {
        let pool = &self.pool;
        pool.is_done() && pool.terminating() == 0 && pool.replicas() <= self.autoscaler.least() as usize
    }
}
