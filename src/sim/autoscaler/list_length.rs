//! KEDA's own list scaler.

use super::Scaler;
use crate::sim::workers::WorkerPool;

/// The metric is the number of waiting jobs, and jobs in flight are invisible, as to KEDA's `redis` scaler; or
/// both are counted, as by a `postgresql` query that says so. This is plain `depth/target`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListLength {
    /// Jobs for one worker, above 0.
    pub target: f64,
    /// Whether jobs in flight are counted too.
    pub counts_in_flight: bool,
}

impl ListLength {
    /// One that counts waiting jobs only.
    pub const fn waiting(target: f64) -> Self {
        Self { target, counts_in_flight: false }
    }

    fn length(&self, pool: &WorkerPool) -> usize {
        let in_flight = if self.counts_in_flight { pool.in_flight() } else { 0 };
        pool.waiting() + in_flight
    }
}

impl Scaler for ListLength {
    fn target(&self) -> f64 {
        self.target
    }

    fn read(&mut self, _now: f64, pool: &WorkerPool) -> Option<(f64, bool)> {
        let length = self.length(pool);
        Some((length as f64, length > 0))
    }

    fn is_silent(&self, pool: &WorkerPool) -> bool {
        self.length(pool) == 0
    }
}
