//! Kubernetes, only ever read: what each ref scales, and which refs there are.
//!
//! Objects come in by watches, are cut down to the few fields that are needed, and are folded into one
//! [`Sighting`] an object. The engine hears of changed sightings as it hears of readings: nobody waits for an
//! API server but the tasks of this room.

mod claim;
mod crew;
mod fold;
mod lean;
mod record;
mod scales;
mod starts;
mod traps;
mod watch;

pub use claim::{ClaimRecord, NewestNode, NodeOutcome, NodePhase, NodeStart};
pub use crew::{Crew, MOMENT, Standing, call_roll};
pub use fold::Fold;
pub use record::{
    COST_MANAGER, Change, DELETION_COST, DeletionCost, JobRecord, PodRecord, ScaledRecord, Trigger,
};
pub use starts::{Latest, Start, StartCounts, StartKind, Starts};
pub use traps::{
    BUSY_NOT_READY, COSTS_OF_OTHERS, OBSERVED, OTHER_TRIGGERS, Observed, SHORT_GRACE, TRAPS, Trap,
    WORKERS_ARE_NO_PODS,
};
pub use watch::{Room, connect, run};

use std::sync::Arc;

use crate::{config::source::WorkloadName, sizing::Workload};

/// Kind of the objects that scale a Deployment or the like.
pub const SCALED_OBJECT: &str = "ScaledObject";

/// Kind of the objects that start Jobs.
pub const SCALED_JOB: &str = "ScaledJob";

/// Seconds after which a Kubernetes that cannot be read any more says nothing: workloads are unknown then,
/// and never zeros.
pub const LOST_AFTER: f64 = 60.0;

/// What is seen of one ScaledObject, ScaledJob, or watched workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The object.
    pub name: WorkloadName,
    /// What it scales: itself where it is no ScaledObject.
    pub target: WorkloadName,
    /// Its pods in numbers.
    pub workload: Workload,
    /// Its pods by name.
    pub crew: Crew,
    /// Those of them that live and of which a `ReplicaSet` chooses who goes; empty where none does.
    pub roster: Vec<RosterPod>,
    /// Seconds that a pod has to end once it is told to go: the fewest of any that lives.
    pub grace: Option<u32>,
    /// How long its pods took to start.
    pub starts: Starts,
    /// The newest node that its pods have been on; `None` where claims are not watched, or none was seen.
    pub newest_node: Option<NewestNode>,
    /// What its object says; `None` for a workload that only the operator's `watch` names.
    pub object: Option<Arc<ScaledRecord>>,
}

/// A pod of which a `ReplicaSet` may choose that it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct RosterPod {
    /// Its name.
    pub name: Arc<str>,
    /// Its node.
    pub node: Option<Arc<str>>,
    /// When it was created, Unix seconds.
    pub created: f64,
    /// Since when it is Ready; `None` while it is not.
    pub ready: Option<f64>,
    /// The deletion cost that stands on it.
    pub cost: Option<DeletionCost>,
}

/// What has changed since the last news.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// Sightings that are new or changed.
    pub seen: Vec<Arc<Sighting>>,
    /// Objects that are gone, or mean another scaler now.
    pub gone: Vec<WorkloadName>,
}

/// How much of Kubernetes can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// The first lists are not through.
    Listing,
    /// Everything is listed and watched.
    Clear,
    /// Nothing could be read for a minute: what was seen says nothing of now.
    Lost,
}

/// Where what this room sees and does goes.
pub trait Heard: Send + Sync {
    /// Takes what has changed.
    fn news(&self, news: News, sight: Sight);

    /// Takes note of how long a pod took to start, or waited in vain.
    fn started(&self, start: Start);

    /// Takes note of how far a node that was asked for has come.
    fn node(&self, start: NodeStart);

    /// Takes note of the pods that are kept in memory.
    fn pods(&self, kept: usize);

    /// Takes note of a watch of a kind that failed.
    fn failed(&self, kind: &'static str);

    /// Takes note of every namespace and kind that may not be read now.
    fn refused(&self, all: Vec<(&str, &'static str)>);
}
