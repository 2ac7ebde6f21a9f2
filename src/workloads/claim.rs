//! Nodes that are asked for: what is kept of Karpenter's NodeClaims, and what is told of them.

use std::sync::Arc;

/// A NodeClaim: a node from the moment in which it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimRecord {
    /// Its NodePool; empty for a claim of nobody's pool.
    pub pool: Arc<str>,
    /// What was launched for it.
    pub instance_type: Option<Arc<str>>,
    /// Its node, once that has joined.
    pub node: Option<Arc<str>>,
    /// When it was made, Unix seconds.
    pub created: f64,
    /// When its instance was launched.
    pub launched: Option<f64>,
    /// When the instance joined as a node.
    pub registered: Option<f64>,
    /// When the node was ready for pods, with all that they may ask of it.
    pub initialized: Option<f64>,
}

/// How far a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodePhase {
    /// An instance is there.
    Launched,
    /// It joined the cluster.
    Registered,
    /// It takes pods.
    Initialized,
}

impl NodePhase {
    /// All of them, as they follow each other.
    pub const ALL: [Self; 3] = [Self::Launched, Self::Registered, Self::Initialized];

    /// As metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Launched => "launched",
            Self::Registered => "registered",
            Self::Initialized => "initialized",
        }
    }
}

/// What is told of a node's start, once.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeStart {
    /// The NodePool.
    pub pool: Arc<str>,
    /// What has come of it.
    pub outcome: NodeOutcome,
}

/// What has come of a node that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NodeOutcome {
    /// It came so far, so many seconds after it was asked for.
    Reached(NodePhase, f64),
    /// Its claim went before the node took pods.
    Failed,
}

/// The newest of the nodes that a workload's pods have been on.
#[derive(Debug, Clone, PartialEq)]
pub struct NewestNode {
    /// Its NodePool.
    pub pool: Arc<str>,
    /// What it is.
    pub instance_type: Option<Arc<str>>,
    /// When it was asked for, Unix seconds.
    pub created: f64,
    /// Seconds from then until it took pods.
    pub seconds: f64,
}

impl ClaimRecord {
    /// When it came so far.
    pub fn reached(&self, phase: NodePhase) -> Option<f64> {
        match phase {
            NodePhase::Launched => self.launched,
            NodePhase::Registered => self.registered,
            NodePhase::Initialized => self.initialized,
        }
    }

    /// Seconds from being asked for until it took pods.
    pub fn seconds(&self) -> Option<f64> {
        Some((self.initialized? - self.created).max(0.0))
    }

    /// Whether it was asked for before `at`, and had not come by then.
    pub fn was_under_way(&self, at: f64) -> bool {
        self.created < at && self.initialized.is_none_or(|came| came > at)
    }
}
