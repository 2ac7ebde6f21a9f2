//! What may be written to Kubernetes, and how much.

use crate::nodes::{Limits, Resources};

/// What is written to Kubernetes; nothing by default.
#[derive(Debug, Clone, PartialEq)]
pub struct HintsConfig {
    /// How room for pods to come is asked for.
    pub mode: HintMode,
    /// Whether it is said which workers go first when a target falls.
    pub victims: bool,
    /// Whether traps that an object is in are told as Events.
    pub events: bool,
    /// How much room is asked for.
    pub limits: Limits,
    /// What is put into each pod as it is made, beyond its template.
    pub sidecar: Resources,
    /// Class of the pods that hold room; below that of every worker.
    pub priority_class: String,
    /// By which of several replicas all this is written.
    pub lease: LeaseName,
}

/// How room for pods to come is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintMode {
    /// Not at all: it is only shown.
    Observe,
    /// By a `CapacityBuffer` and its `PodTemplate`, which are ours.
    CapacityBuffer,
    /// By the replicas of a `CapacityBuffer` which is somebody else's.
    Adopt,
    /// By a Deployment of pods that do nothing and give way.
    Placeholder,
}

/// The Lease by which one of several replicas writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseName {
    /// Its namespace; the pod's own where absent.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl HintMode {
    /// Every mode, as the operator writes it.
    pub const ALL: [(&'static str, Self); 4] = [
        ("observe", Self::Observe),
        ("capacity-buffer", Self::CapacityBuffer),
        ("adopt", Self::Adopt),
        ("placeholder", Self::Placeholder),
    ];
}

impl Default for HintsConfig {
    fn default() -> Self {
        Self {
            mode: HintMode::Observe,
            victims: false,
            events: false,
            limits: Limits { chunks: 4, total: 20, step: 4, hold: 120.0 },
            sidecar: Resources::default(),
            priority_class: "foresail-placeholder".to_owned(),
            lease: LeaseName { namespace: None, name: "foresail".to_owned() },
        }
    }
}

impl HintsConfig {
    /// Whether anything is written at all.
    pub fn writes(&self) -> bool {
        self.mode != HintMode::Observe || self.victims || self.events
    }
}
