//! What a run on real Kubernetes, KEDA and Karpenter was: its settings, and everything that happened, when.
//!
//! The simulator has to agree with such runs. This module has the shape only, without reading files:
//! `tests/cluster/timelines` holds them as JSON Lines (a [`Header`], then [`Line`]s in the order of time), with a
//! README that says how they are recorded.

use serde::{Deserialize, Serialize};

/// The format that this module describes.
pub const FORMAT: u32 = 1;

/// First line of a timeline: all that was set before the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`] at the time.
    pub format: u32,
    /// Name of the scenario.
    pub scenario: String,
    /// When it began: UTC, as in `2026-03-01T12:00:00Z`.
    pub recorded: String,
    /// What ran.
    pub versions: Versions,
    /// [`DECISION_VERSION`](crate::sizing::DECISION_VERSION) at the time: where it is today's, Foresail would still
    /// give these answers.
    pub decision_version: u32,
    /// Seed of the scenario's jobs.
    pub seed: u64,
    /// Foresail's settings.
    pub foresail: Foresail,
    /// The ScaledObject's settings.
    pub keda: Keda,
    /// The HPA's settings.
    pub hpa: Hpa,
    /// The workload's pods.
    pub pods: Pods,
    /// Where nodes come from.
    pub nodes: Nodes,
    /// The manifests as they were applied, YAML, with Foresail's address replaced.
    pub manifests: Manifests,
}

/// Versions of the programs, without a leading `v`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is named after its program")]
pub struct Versions {
    pub foresail: String,
    pub kubernetes: String,
    pub keda: String,
    pub karpenter: String,
    pub kwok: String,
}

/// Foresail's settings: the policy's keys that were not left at their defaults, and how often it looked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foresail {
    /// Seconds between samples of the queue.
    pub sample_every: f64,
    /// `keep_alive` of the policy, in seconds.
    pub keep_alive: f64,
    /// `slots` of the policy.
    pub slots: u32,
    /// Whether Foresail watched the workload's pods.
    pub knows_workload: bool,
}

/// A ScaledObject's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keda {
    /// Seconds between polls.
    pub polling_interval: f64,
    /// Seconds from the last activity to zero replicas.
    pub cooldown_period: f64,
    /// `minReplicaCount`.
    pub min_replicas: u32,
    /// `maxReplicaCount`.
    pub max_replicas: u32,
}

/// An HPA's settings; its metric's target is 1 per replica.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hpa {
    /// Seconds between syncs.
    pub sync_period: f64,
    /// Relative deviation that moves nothing, up or down.
    pub tolerance: f64,
    /// Seconds for which the most cautious recommendation holds, up or down.
    pub stabilization: f64,
    /// Pods that may come within [`Self::up_period`]; as many as there are may go.
    pub up_pods: u32,
    /// Seconds.
    pub up_period: f64,
}

/// A workload's pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pods {
    /// Requested cores of each.
    pub cpu: f64,
    /// Requested bytes of memory of each.
    pub memory: f64,
    /// Seconds from being bound to a node to the start of the process: anywhere between these two.
    pub start_delay: [f64; 2],
    /// Seconds that a pod may take to go; a worker ends its job first, and takes no other.
    pub grace_period: f64,
}

/// A node pool that Karpenter fills.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nodes {
    /// The only type that the pool allows.
    pub instance_type: String,
    /// Seconds from the launch of an instance to its node.
    pub registration_delay: f64,
    /// Seconds after which an empty node goes, within Karpenter's default budget. Nodes with pods stay.
    pub consolidate_after: f64,
}

/// YAML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is named after what it holds")]
pub struct Manifests {
    pub foresail: String,
    pub scaled_object: String,
    pub deployment: String,
    pub node_pool: String,
    /// Where there was a capacity buffer: as it was first set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer: Option<String>,
}

/// Every other line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Seconds since the run began, to the millisecond.
    pub at: f64,
    /// What happened.
    pub event: Event,
}

/// What happened. Jobs, pods and nodes are known by their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A job was put into the queue.
    JobSubmitted {
        /// Its id.
        job: String,
        /// Seconds that it takes.
        run: f64,
    },
    /// A worker began with a job.
    JobStarted {
        /// Its id.
        job: String,
        /// The worker's pod.
        pod: String,
    },
    /// The worker was done with it.
    JobEnded {
        /// Its id.
        job: String,
        /// The worker's pod.
        pod: String,
    },

    /// KEDA opened a stream for pushes.
    StreamOpened {},
    /// That stream ended.
    StreamEnded {},
    /// Foresail pushed over the stream.
    Pushed {
        /// What it said.
        active: bool,
    },
    /// KEDA asked for the metric's target alone, as it does when it makes the HPA.
    TargetAsked {
        /// The target per replica; `None` where the answer was an error.
        target: Option<f64>,
    },
    /// KEDA polled.
    KedaPolled(Answer),
    /// The HPA read its metric.
    HpaSynced(Answer),
    /// Somebody set the replicas of the workload.
    Scaled {
        /// Who.
        by: Scaler,
        /// To how many.
        replicas: u32,
    },
    /// The workload's replicas changed.
    Replicas {
        /// Asked for.
        wanted: u32,
        /// Pods that are there.
        current: u32,
        /// Pods that are Ready.
        ready: u32,
    },

    /// The capacity buffer was told to hold so much.
    BufferSet {
        /// Its `replicas`: workers for which there is to be room besides.
        replicas: u32,
    },

    /// A pod was made.
    PodCreated {
        /// Its name.
        pod: String,
        /// Requested cores.
        cpu: f64,
        /// Requested bytes of memory.
        memory: f64,
    },
    /// A pod was bound to a node.
    PodScheduled {
        /// Its name.
        pod: String,
        /// The node, by the name of its claim.
        node: String,
    },
    /// A pod's process runs.
    PodStarted {
        /// Its name.
        pod: String,
    },
    /// A pod's worker takes jobs.
    PodReady {
        /// Its name.
        pod: String,
    },
    /// A pod was told to go.
    PodToldToGo {
        /// Its name.
        pod: String,
    },
    /// A pod's process ended.
    PodStopped {
        /// Its name.
        pod: String,
    },
    /// A pod is there no more.
    PodGone {
        /// Its name.
        pod: String,
    },

    /// Karpenter wanted a node.
    NodeClaimed {
        /// Name of the claim.
        node: String,
    },
    /// The cloud has an instance for it.
    NodeLaunched {
        /// Name of the claim.
        node: String,
        /// Type of the instance.
        instance_type: String,
        /// Cores for pods.
        cpu: f64,
        /// Bytes of memory for pods.
        memory: f64,
        /// Number of pods.
        pods: u32,
    },
    /// The node is known to Kubernetes.
    NodeRegistered {
        /// Name of the claim.
        node: String,
    },
    /// The node itself says that it is Ready.
    NodeReady {
        /// Name of the claim.
        node: String,
    },
    /// Karpenter holds the node for complete: all of its resources are there.
    NodeInitialized {
        /// Name of the claim.
        node: String,
    },
    /// Karpenter takes the node away.
    NodeToldToGo {
        /// Name of the claim.
        node: String,
    },
    /// The instance is there no more.
    NodeGone {
        /// Name of the claim.
        node: String,
    },
}

/// What Foresail answered to one visit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Workers wanted (`GetMetrics`); `None` where the answer was an error.
    pub value: Option<f64>,
    /// `IsActive`; `None` where the answer was an error or nobody asked.
    pub active: Option<bool>,
    /// Seconds that the whole visit took.
    pub took: f64,
}

/// Who sets replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaler {
    /// Between zero and one.
    Keda,
    /// From one upwards.
    Hpa,
}
