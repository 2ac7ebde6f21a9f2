//! Placeholder pods: so many pods of low priority, always, which give way to workers and are scheduled anew.
//!
//! The usual way to have nodes ahead of work (the Cluster Autoscaler's FAQ, "overprovisioning"). Simplified: they are
//! room to spare as a capacity buffer is, so that evicting one takes no time, and nodes for those that were evicted
//! come as for a buffer whose room was taken.

use super::Autoscaler;
use crate::sim::workers::WorkerPool;
use crate::sizing::Decision;

/// Somebody who decides on workers, beside so many placeholder pods.
#[derive(Clone, Copy, Debug)]
pub struct Placeholders<A> {
    pods: u32,
    autoscaler: A,
}

impl<A> Placeholders<A> {
    /// So many placeholders beside the workers of `autoscaler`.
    pub const fn new(pods: u32, autoscaler: A) -> Self {
        Self { pods, autoscaler }
    }
}

impl<A: Autoscaler> Autoscaler for Placeholders<A> {
    fn next_due(&self, pool: &WorkerPool) -> f64 {
        self.autoscaler.next_due(pool)
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        pool.set_spare(self.pods);
        self.autoscaler.turn(now, pool);
    }

    fn least(&self) -> u32 {
        self.autoscaler.least()
    }

    fn decision(&self) -> Option<&Decision> {
        self.autoscaler.decision()
    }

    fn speculated(&self) -> f64 {
        self.autoscaler.speculated()
    }
}
