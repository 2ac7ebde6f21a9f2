//! What workers are like.

use std::num::NonZeroU32;

use super::super::{billing::Billing, nodes::NodePoolSpec, start_delay::StartDelay};
use super::queue::Requeue;

/// What the workers of a pool are like. The default is one job at a time, ready at once, for ever.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSpec {
    /// Jobs that a worker runs at a time.
    pub slots: NonZeroU32,
    /// What a worker does that is told to go while it has jobs.
    pub removal: Removal,
    /// Seconds after which a worker that was told to go is killed; may be infinite.
    pub grace_period: f64,
    /// Where jobs go whose work was lost.
    pub requeue: Requeue,
    /// From being bound to a node that has the worker's image to a worker that is ready.
    pub start: StartDelay,
    /// How often a ready worker crashes, per hour of each. It starts again on its node; its jobs are lost.
    pub crash: f64,
    /// Seconds by which a worker's first job takes longer, until its cache is warm.
    pub warm_cache: f64,
    /// How a worker's time is billed, where it is by the pod: from being bound to a node to being gone.
    pub billing: Billing,
    /// Where the workers' nodes come from. Without, there is room for every worker at once.
    pub nodes: Option<NodePoolSpec>,
}

/// What a worker with jobs does that is told to go. One without goes at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removal {
    /// It finishes its jobs, terminating, and then goes.
    #[default]
    Drain,
    /// It goes at once. Its work is lost, and its jobs wait again.
    Kill,
}

impl Default for PoolSpec {
    fn default() -> Self {
        Self {
            slots: NonZeroU32::MIN,
            removal: Removal::default(),
            grace_period: f64::INFINITY,
            requeue: Requeue::default(),
            start: StartDelay::default(),
            crash: 0.0,
            warm_cache: 0.0,
            billing: Billing::default(),
            nodes: None,
        }
    }
}
