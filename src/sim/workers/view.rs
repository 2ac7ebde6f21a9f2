//! How a pool stands.

use super::super::nodes::{NodeId, NodeSummary, NodeView, Nodes};
use super::{Counts, Start, State, Summary, WorkerId, WorkerPool, WorkerSeconds};
use crate::victims::{self, Activity};

/// A worker that is to stay, as the API server and the queue show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PodView {
    /// Its name.
    pub id: WorkerId,
    /// Its node; `None` while it waits for one, and where no nodes are modelled.
    pub node: Option<NodeId>,
    /// When it was asked for, Unix seconds.
    pub created: f64,
    /// When it became ready, Unix seconds; `None` while it is not.
    pub ready_since: Option<f64>,
    /// Whether it has a job.
    pub busy: bool,
}

impl WorkerPool {
    /// The time that it is.
    pub const fn now(&self) -> f64 {
        self.now
    }

    /// Jobs that have come to the queue: those submitted, but for children whose parents have not ended.
    pub fn arrived(&self) -> usize {
        self.arrived.len()
    }

    /// Jobs of the log that will be submitted within so many seconds: what a clairvoyant knows.
    pub fn coming_within(&self, seconds: f64) -> usize {
        self.release.before(self.now + seconds)
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Jobs that run, those on terminating workers included.
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Jobs that run on terminating workers.
    pub const fn in_flight_draining(&self) -> usize {
        self.in_flight_draining
    }

    /// Jobs that are done.
    pub const fn completed(&self) -> usize {
        self.completed
    }

    /// Whether every job of the log is done.
    pub const fn is_done(&self) -> bool {
        self.completed == self.release.len()
    }

    /// Age in seconds of the oldest waiting job, counted from its coming to the queue: from its submission, or from
    /// the end of its last parent.
    pub fn oldest_age(&self) -> Option<f64> {
        let oldest = self.queue.oldest(u32::try_from(self.arrived()).unwrap_or(u32::MAX))?;
        Some(self.now - self.release.came(self.arrived[oldest as usize]))
    }

    /// By job of the log: the seconds that it waited, so far where it may wait again; `None` before it is started.
    pub fn waits(&self) -> &[Option<f64>] {
        self.accounts.waits()
    }

    /// The starts so far, in the order in which workers became ready.
    pub fn starts(&self) -> &[Start] {
        &self.starts
    }

    /// Workers that are to stay, those included that start or wait for a node.
    pub fn replicas(&self) -> usize {
        self.active.len()
    }

    /// Workers that are ready and to stay, busy or not.
    pub const fn ready(&self) -> usize {
        self.crew.ready as usize
    }

    /// Workers that are not ready yet, those included that wait for a node.
    pub const fn starting(&self) -> usize {
        (self.crew.pending + self.crew.starting) as usize
    }

    /// Workers that wait for a node.
    pub const fn pending(&self) -> usize {
        self.crew.pending as usize
    }

    /// Workers that are busy and to stay.
    pub const fn busy(&self) -> usize {
        self.crew.busy as usize
    }

    /// Workers that finish their last jobs.
    pub const fn terminating(&self) -> usize {
        self.crew.draining as usize
    }

    /// Names of the workers that are busy and to stay, in no order that means anything.
    pub fn busy_workers(&self) -> impl Iterator<Item = WorkerId> {
        let is_busy = |id: &u32| self.workers[*id as usize].jobs > 0;
        self.active.iter().copied().filter(is_busy).map(WorkerId)
    }

    /// Names of the workers that finish their last jobs, in no order that means anything.
    pub fn draining_workers(&self) -> impl Iterator<Item = WorkerId> {
        self.draining.iter().copied().map(WorkerId)
    }

    /// The workers that are to stay, in no order that means anything.
    pub fn pods(&self) -> impl Iterator<Item = PodView> {
        self.active.iter().map(|&id| {
            let worker = &self.workers[id as usize];
            PodView {
                id: WorkerId(id),
                node: worker.node,
                created: worker.created,
                ready_since: (worker.state == State::Ready).then_some(worker.ready),
                busy: worker.jobs > 0,
            }
        })
    }

    /// The nodes that are there or come, in the order in which they were asked for.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView> {
        self.nodes.iter().flat_map(Nodes::view)
    }

    /// What the workers' time has gone into so far.
    pub fn worker_seconds(&self) -> WorkerSeconds {
        let living = self.active.iter().chain(&self.draining).map(|&id| &self.workers[id as usize]);
        let bound = living.filter(|worker| worker.state != State::Pending).map(|worker| worker.bound);
        self.accounts.worker_seconds(bound, self.now, &self.spec.billing)
    }

    /// How it has gone with the nodes so far; nothing without nodes.
    pub fn node_summary(&self) -> NodeSummary {
        self.nodes.as_ref().map_or_else(NodeSummary::default, |nodes| nodes.summary(self.now))
    }

    /// What was counted so far.
    pub const fn counts(&self) -> Counts {
        self.accounts.counts()
    }

    /// Events so far: jobs that were submitted, and what happened to workers and nodes.
    pub const fn happened(&self) -> u64 {
        self.happened
    }

    /// How it has gone so far. Waits are those of the jobs that have been started.
    pub fn summary(&self) -> Summary {
        self.accounts.summary(self.worker_seconds(), self.node_summary(), self.waiting(), self.in_flight)
    }
}

impl PodView {
    /// What matters for the choice of who goes first.
    pub fn as_victim(&self) -> victims::Pod<NodeId> {
        let activity = match self.ready_since {
            None => Activity::Starting,
            Some(_) if self.busy => Activity::Busy,
            Some(_) => Activity::Idle,
        };
        victims::Pod {
            node: self.node,
            activity: Some(activity),
            since: self.ready_since.unwrap_or(self.created),
        }
    }
}
