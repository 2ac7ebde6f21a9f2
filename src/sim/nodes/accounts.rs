//! What nodes were there, and what they cost.

use serde::{Deserialize, Serialize};

/// Instance-seconds, from launch to end, and what they went into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeSeconds {
    /// All of them: the sum over the instances.
    pub total: f64,
    /// Before the node took pods.
    pub starting: f64,
    /// Of nodes without a pod.
    pub empty: f64,
    /// Of nodes with a pod at least.
    pub used: f64,
    /// As they are billed.
    pub billed: f64,
}

/// How it went with the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeSummary {
    /// Instances that were launched.
    pub launched: usize,
    /// Launches that failed for want of capacity, or that gave no node in time.
    pub failed: usize,
    /// Nodes that the autoscaler took away.
    pub removed: usize,
    /// Spot instances that were taken back.
    pub reclaimed: usize,
    /// Most instances at one time.
    pub peak: usize,
    /// What the nodes' time went into.
    pub seconds: NodeSeconds,
    /// What was billed, in the currency of the prices.
    pub cost: f64,
}

/// Of one instance: how long it was there, and what of that is billed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bill {
    pub(super) seconds: f64,
    pub(super) billed: f64,
    pub(super) cost: f64,
}

/// Running totals.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    /// Since when they count.
    began: f64,
    pub(super) so_far: NodeSummary,
}

impl Accounts {
    pub(super) fn new(began: f64) -> Self {
        Self { began, so_far: NodeSummary::default() }
    }

    /// So many nodes spent these seconds so.
    pub(super) fn pass(&mut self, seconds: f64, starting: u32, empty: u32, used: u32) {
        let so_far = &mut self.so_far.seconds;
        so_far.starting += seconds * f64::from(starting);
        so_far.empty += seconds * f64::from(empty);
        so_far.used += seconds * f64::from(used);
    }

    /// Seconds of an instance that has been there since `launched`.
    pub(super) fn lifetime(&self, launched: f64, now: f64) -> f64 {
        now - launched.max(self.began)
    }
}

impl NodeSummary {
    pub(super) fn add(&mut self, bill: &Bill) {
        self.seconds.total += bill.seconds;
        self.seconds.billed += bill.billed;
        self.cost += bill.cost;
    }
}
