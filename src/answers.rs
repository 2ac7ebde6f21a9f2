//! The published table: what every ref is answered until the next tick.
//!
//! gRPC, HTTP, metrics and hints all read it, so what they say of one tick agrees.

mod learned;
mod rooms;

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::watch;

pub use learned::{ASKED_AT_ONCE, Learned, LearnedQueue, LearnedRef, Question};
pub use rooms::{RoomRow, Rooms, Trouble};

use crate::{
    forecast::{horizons::HORIZONS, lead::Start, outcomes::Outcomes},
    refs::{RefEntry, RefError},
    series::{KnownQueue, QueueView, Unseen},
    sizing::{Decision, RefState, Undecided},
    workloads::{Observed, Sight, Sighting},
};

/// The trap of a trigger that no call is answered for.
const WRONG_METADATA: &str = "wrong-metadata";

/// What one tick found; immutable once it is published.
#[derive(Debug, Default)]
pub struct Table {
    /// Number of the tick, from 1; 0 before the first.
    pub tick: u64,
    /// When it was made, Unix seconds.
    pub at: f64,
    /// A row a ref, by the ref's own row number; a hole where a ref has gone.
    pub rows: Vec<Option<Row>>,
    /// A row a queue.
    pub queues: Vec<QueueRow>,
    /// How much of Kubernetes can be seen; `None` where it is not watched.
    pub sight: Option<Sight>,
    /// Deletion costs to be written, as far as they do not stand there yet.
    pub costs: Vec<CostChange>,
    /// A row an object in Kubernetes that refers to this Foresail.
    pub objects: Arc<[ObjectRow]>,
    /// What came of the forecasts of all queues since the start: of those a third of a lead time ahead, about one, and
    /// three.
    pub outcomes: [Outcomes; HORIZONS],
}

/// A deletion cost that is to be written onto a pod, or taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostChange {
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub pod: Arc<str>,
    /// The cost; `None` takes ours back.
    pub cost: Option<i32>,
}

/// An object that was seen in Kubernetes.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectRow {
    /// The newest sighting of it.
    pub sighting: Arc<Sighting>,
    /// What is wrong with its triggers' metadata.
    pub faults: Vec<RefError>,
    /// What stands in its way as only time has shown.
    pub observed: Vec<&'static Observed>,
}

impl ObjectRow {
    /// Names and words of what stands in the way in this object.
    pub fn traps(&self) -> impl Iterator<Item = (&'static str, String)> {
        let found = self.sighting.object.iter().flat_map(|object| &object.traps);
        let faults = self.faults.iter().map(|fault| (WRONG_METADATA, fault.to_string()));
        let observed = self.observed.iter().map(|observed| (observed.name, observed.what.to_owned()));
        found.map(|trap| (trap.name, trap.what.to_owned())).chain(observed).chain(faults)
    }
}

/// What one ref is answered.
#[derive(Debug, Clone)]
pub struct Row {
    /// The ref.
    pub entry: Arc<RefEntry>,
    /// The decision, or why there is none.
    pub answer: Result<Decision, NoAnswer>,
    /// How often the ref has turned from inactive to active up to this table.
    pub activations: u64,
    /// What it scales, as it was seen last; `None` while that is unknown.
    pub sighting: Option<Arc<Sighting>>,
    /// What it has learned and spent, in short.
    pub standing: Standing,
}

/// What a ref has learned of its workers and spent on forecasts, in short.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Standing {
    /// Seconds that its workers take to start, mean.
    pub lead: f64,
    /// The same where the node is yet to come.
    pub cold: f64,
    /// Worker-seconds since the start: idle ones on the word of forecasts, and busy ones.
    pub spent: f64,
    /// As for `spent`.
    pub worked: f64,
    /// Idle worker-seconds that may still be spent.
    pub left: f64,
}

impl Standing {
    /// What a ref remembers, in short.
    pub fn of(state: &RefState) -> Self {
        let RefState { lead, budget, .. } = state;
        let (spent, worked) = budget.in_all();
        Self {
            lead: state.lead_time(),
            cold: lead.of(Start::Cold).mean(),
            spent,
            worked,
            left: budget.left(),
        }
    }
}

/// What is known of one queue.
#[derive(Debug, Clone)]
pub struct QueueRow {
    /// The queue.
    pub queue: Arc<KnownQueue>,
    /// What is believed of it.
    pub view: Result<QueueView, Unseen>,
    /// Why the newest read of it failed, if it did.
    pub error: Option<Arc<str>>,
    /// Jobs seen to arrive, where the layout counts them.
    pub arrivals: Option<u64>,
    /// Jobs seen to end, where the layout counts them.
    pub completions: Option<u64>,
    /// Refs of `mode: workers` that ask for it; more than one each see all of it.
    pub worker_refs: u32,
    /// Mean run time of a job, seconds, as far as it was learned.
    pub run_time: Option<f64>,
}

/// Why a ref has no number.
#[derive(Debug, Clone, PartialEq)]
pub enum NoAnswer {
    /// Its queue's first read has not come back.
    FirstSamplePending,
    /// Its workload is about to be seen in Kubernetes: the replicas that are there are where its target starts.
    WorkloadPending,
    /// Not enough is known; with the reason of the newest failed read, if there is one.
    Undecided(Undecided, Option<Arc<str>>),
    /// After a reload of the configuration its metadata means nothing any more.
    Invalid(RefError),
}

impl NoAnswer {
    /// Whether a first answer is about to come, so that a call may wait a moment for it.
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::FirstSamplePending | Self::WorkloadPending)
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstSamplePending => f.write_str("the first sample is not there yet"),
            Self::WorkloadPending => f.write_str(
                "its workload has not been seen in Kubernetes yet: the replicas that are there will be where the \
                 target starts",
            ),
            Self::Undecided(undecided, None) => undecided.fmt(f),
            Self::Undecided(undecided, Some(error)) => write!(f, "{undecided}: {error}"),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl Table {
    /// The row of a ref; `None` where this table is older than the ref.
    pub fn row(&self, entry: &Arc<RefEntry>) -> Option<&Row> {
        self.rows.get(entry.row)?.as_ref().filter(|row| Arc::ptr_eq(&row.entry, entry))
    }
}

/// The newest table, word of it, and what was asked for of node autoscalers upon it.
#[derive(Debug)]
pub struct Answers {
    newest: ArcSwap<Table>,
    ticks: watch::Sender<u64>,
    rooms: ArcSwap<Rooms>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            newest: ArcSwap::from_pointee(Table::default()),
            ticks: watch::Sender::new(0),
            rooms: ArcSwap::default(),
        }
    }
}

impl Answers {
    /// The newest table. Never waits.
    pub fn load(&self) -> arc_swap::Guard<Arc<Table>> {
        self.newest.load()
    }

    /// The newest table, to be kept for longer than a look: while it is, the engine cannot fill it anew
    /// and has to allocate.
    pub fn load_newest(&self) -> Arc<Table> {
        self.newest.load_full()
    }

    /// A receiver that is woken by every publication.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.ticks.subscribe()
    }

    /// Publishes a table and returns the one before; the engine alone calls this.
    pub fn publish(&self, table: Arc<Table>) -> Arc<Table> {
        let tick = table.tick;
        let before = self.newest.swap(table);
        self.ticks.send_replace(tick);
        before
    }

    /// What is asked for of node autoscalers. Never waits.
    pub fn rooms(&self) -> arc_swap::Guard<Arc<Rooms>> {
        self.rooms.load()
    }

    /// Publishes what is asked for; whoever writes it alone calls this.
    pub fn publish_rooms(&self, rooms: Rooms) {
        self.rooms.store(Arc::new(rooms));
    }
}
