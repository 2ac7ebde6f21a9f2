//! Workers that a `ReplicaSet` starts and removes, and the jobs of a log that they take.
//!
//! A worker is a pod. It waits until a node has room for it, is ready some time after that, takes the job that
//! stands first, runs it to its end, and takes the next. Who goes when the replicas fall is the choice of the
//! `ReplicaSet`, which does not know who is busy (see [`replica_set`]). Pods of Jobs leave after one job.

mod accounts;
mod event;
mod jobs;
mod life;
mod queue;
mod release;
mod slots;
mod spec;
mod view;

use std::collections::VecDeque;
use std::fmt;

pub use self::accounts::{Counts, Summary, WorkerSeconds};
pub use self::queue::Requeue;
pub use self::spec::{PoolSpec, Removal};
pub use self::view::PodView;
pub use super::billing::Billing;
pub use super::start_delay::{Span, StartDelay};

use crate::forecast::line::Line;

use self::accounts::Accounts;
use self::event::Event;
use self::queue::Queue;
use self::release::Release;
use self::slots::Slots;
use super::chance::{Chance, Purpose, mix, stream};
use super::events::Events;
use super::job_log::JobLog;
use super::nodes::{NodeId, Nodes};
use super::replica_set::{self, Phase, Rank};
use super::start_delay::StartDelays;
use crate::victims;

/// A queue of jobs and the workers that take them.
#[derive(Clone, Debug)]
pub struct WorkerPool {
    now: f64,
    spec: PoolSpec,
    seed: u64,
    release: Release,
    /// The jobs that have come to the queue, by their places in the log, in the order in which they came.
    arrived: Vec<u32>,
    queue: Queue,
    /// Workers that are to stay.
    wanted: usize,
    /// All that ever were.
    workers: Vec<Worker>,
    /// Those that are to stay.
    active: Vec<u32>,
    /// Those that finish their last jobs.
    draining: Vec<u32>,
    /// Those that the scheduler tries when there is room, in this order; may hold workers that are gone.
    pending: VecDeque<u32>,
    crew: Crew,
    in_flight: usize,
    in_flight_draining: usize,
    /// Jobs that were submitted, and what happened to workers and nodes.
    happened: u64,
    /// When somebody last read who is busy.
    read: f64,
    /// In the order in which they asked for work; may hold some of workers that are gone or started again.
    asking: VecDeque<Ask>,
    slots: Slots,
    completed: usize,
    events: Events<Event>,
    nodes: Option<Nodes>,
    line: Line,
    start_delays: StartDelays,
    restart_delays: StartDelays,
    retry_delays: StartDelays,
    crashes: Chance,
    accounts: Accounts,
    /// Those ranked by [`Self::rank_victims`].
    ranked: Vec<u32>,
    /// Of all workers that became ready.
    starts: Vec<Start>,
    /// Space for the choice of who goes.
    ranks: Vec<(Rank, u32)>,
}

/// How a worker started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// From being asked for to being ready.
    pub seconds: f64,
    /// Whether a node had to come.
    pub waited_for_node: bool,
    /// Seconds by which its node may have been asked for before it, for others.
    pub behind: f64,
}

/// Name of a worker; written `worker-7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(u32);

#[derive(Clone, Copy, Debug)]
struct Worker {
    created: f64,
    /// As in [`Start`].
    behind: f64,
    /// When it had a node.
    bound: f64,
    /// When it became ready.
    ready: f64,
    /// From a node that has its image to being ready, seconds.
    start_delay: f64,
    /// From a new node to being tried again, seconds.
    retry_delay: f64,
    state: State,
    /// Its place among the active or the draining.
    place: u32,
    node: Option<NodeId>,
    /// Where its jobs stand in [`Slots`].
    row: u32,
    jobs: u32,
    /// Since when it has had jobs without a pause.
    busy_since: f64,
    restarts: u32,
    deletion_cost: i32,
    /// Whether it has not had a job yet.
    cold: bool,
    /// Whether it leaves after its first job.
    one_job: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Starting,
    Ready,
    Draining,
    Gone,
}

/// How many workers are in which state.
#[derive(Clone, Copy, Debug, Default)]
struct Crew {
    pending: u32,
    starting: u32,
    ready: u32,
    /// Of the ready ones.
    busy: u32,
    draining: u32,
}

/// A slot that asks for a job.
#[derive(Clone, Copy, Debug)]
struct Ask {
    worker: u32,
    slot: u32,
    restarts: u32,
}

impl WorkerPool {
    /// No workers yet, and the jobs of a log still to come; time begins at `now`. The same seed gives the n-th
    /// worker the same start delay, and the n-th node its delays, whatever happens otherwise.
    pub fn new(log: &JobLog, spec: &PoolSpec, seed: u64, now: f64) -> Self {
        let retry = spec.nodes.as_ref().map_or_else(StartDelay::default, |nodes| nodes.retry.clone());
        Self {
            now,
            seed,
            accounts: Accounts::new(log.jobs().len(), now),
            release: Release::new(log),
            arrived: Vec::new(),
            queue: Queue::default(),
            wanted: 0,
            workers: Vec::new(),
            active: Vec::new(),
            draining: Vec::new(),
            pending: VecDeque::new(),
            crew: Crew::default(),
            in_flight: 0,
            in_flight_draining: 0,
            happened: 0,
            read: f64::NEG_INFINITY,
            asking: VecDeque::new(),
            slots: Slots::new(spec.slots),
            completed: 0,
            events: Events::default(),
            nodes: spec.nodes.as_ref().map(|nodes| Nodes::new(nodes, seed, now)),
            line: Line::default(),
            start_delays: StartDelays::new(spec.start.clone(), seed),
            retry_delays: StartDelays::new(retry, stream(seed, Purpose::Retry)),
            restart_delays: StartDelays::new(spec.start.clone(), stream(seed, Purpose::Restart)),
            crashes: Chance::new(seed, Purpose::Crash),
            ranked: Vec::new(),
            starts: Vec::new(),
            ranks: Vec::new(),
            spec: spec.clone(),
        }
    }

    /// When something happens next by itself: a job arrives or ends, a worker or a node comes or goes. Infinite
    /// when nothing will. (An event may turn out to concern a worker that is gone by then.)
    pub fn next_event(&self) -> f64 {
        let own = self.events.next().min(self.nodes.as_ref().map_or(f64::INFINITY, Nodes::next_event));
        own.min(self.release.next())
    }

    /// Lets time pass until `to`; everything due by then happens. Of one instant, what happens to workers comes
    /// before what happens to nodes, and that before jobs that arrive.
    pub fn advance(&mut self, to: f64) {
        loop {
            let workers = self.events.next();
            let nodes = self.nodes.as_ref().map_or(f64::INFINITY, Nodes::next_event);
            let at = workers.min(nodes).min(self.release.next());
            if at > to || at.is_infinite() {
                break;
            }
            self.pass(at);
            self.happened += 1;
            if workers <= at {
                if let Some(event) = self.events.due(at) {
                    self.happen(event);
                }
            } else if nodes <= at {
                self.nodes_happen();
            } else {
                self.submit();
            }
        }
        self.pass(to);
    }

    /// Sets the number of workers that are to stay.
    pub fn scale_to(&mut self, replicas: u32) {
        self.wanted = usize::try_from(replicas).unwrap_or(usize::MAX);
        self.accounts.note_scaling(self.replicas(), self.wanted);
        if self.wanted > self.replicas() {
            self.fill_up();
        } else if self.wanted < self.replicas() {
            self.shrink();
        }
    }

    /// Keeps room on nodes for so many workers besides those that are there (a capacity buffer, filled again when
    /// workers take it). Without nodes there is always room.
    pub fn set_spare(&mut self, pods: u32) {
        let now = self.now;
        if let Some(nodes) = &mut self.nodes {
            nodes.set_spare(pods, now);
        }
    }

    /// Sets deletion costs of workers: of ready ones, those with the lowest cost go first. It is 0 at first.
    pub fn rank(&mut self, costs: impl IntoIterator<Item = (WorkerId, i32)>) {
        for (WorkerId(id), cost) in costs {
            if let Some(worker) = self.workers.get_mut(id as usize) {
                worker.deletion_cost = cost;
            }
        }
    }

    /// Ranks the workers so that, if so many go next, idle ones go and nodes become empty soonest (see
    /// [`victims`]), and returns how many of them are worth sending. Ranks that were given before are taken back.
    pub fn rank_victims(&mut self, going: usize) -> usize {
        for id in std::mem::take(&mut self.ranked) {
            self.workers[id as usize].deletion_cost = 0;
        }
        let pods: Vec<victims::Pod<NodeId>> = self.pods().map(|pod| pod.as_victim()).collect();
        let mut order = victims::order(&pods, going);
        order.truncate(victims::worth_sending(&pods, &order));
        for (place, &pod) in order.iter().enumerate() {
            let id = self.active[pod];
            self.workers[id as usize].deletion_cost = victims::deletion_cost(place, order.len());
            self.ranked.push(id);
        }
        order.len()
    }

    /// Somebody read the queue at this instant, and knows who was busy then.
    pub const fn note_read(&mut self, at: f64) {
        self.read = at;
    }

    /// Forgets what was counted so far: seconds, counts and the waits of jobs that have been started. For a
    /// warm-up.
    pub fn begin_accounts(&mut self) {
        self.accounts.begin(self.now, self.replicas());
        let now = self.now;
        if let Some(nodes) = &mut self.nodes {
            nodes.begin_accounts(now);
        }
    }

    fn pass(&mut self, to: f64) {
        let seconds = to - self.now;
        if seconds > 0.0 {
            self.accounts.pass(seconds, &self.crew);
            if let Some(nodes) = &mut self.nodes {
                nodes.pass(seconds);
            }
            self.now = to;
        }
    }

    /// Tells those to go whom a `ReplicaSet` would.
    fn shrink(&mut self) {
        let going = self.replicas() - self.wanted;
        let mut ranks = std::mem::take(&mut self.ranks);
        ranks.clear();
        ranks.extend(self.active.iter().map(|&id| (self.rank_of(id), id)));
        replica_set::choose(&mut ranks, going);
        let known = self.active.iter().filter(|&&id| self.is_known_busy(id)).count();
        self.accounts.count().busy_asked += known.saturating_sub(self.wanted);
        for &(_, id) in &ranks[..going] {
            let busy = self.workers[id as usize].jobs > 0;
            let counts = self.accounts.count();
            counts.told_to_go += 1;
            counts.told_to_go_busy += usize::from(busy);
            self.tell_to_go(id);
        }
        self.ranks = ranks;
        self.bind();
        self.hand_out();
    }

    /// Whether it was busy when the queue was last read, and has been since.
    fn is_known_busy(&self, id: u32) -> bool {
        let worker = &self.workers[id as usize];
        worker.jobs > 0 && worker.busy_since < self.read
    }

    fn rank_of(&self, id: u32) -> Rank {
        let worker = &self.workers[id as usize];
        let (phase, since) = match worker.state {
            State::Pending => (Phase::Unassigned, worker.created),
            State::Starting if worker.restarts == 0 => (Phase::Pending, worker.created),
            State::Starting => (Phase::NotReady, worker.created),
            State::Ready | State::Draining | State::Gone => (Phase::Ready, worker.ready),
        };
        let on_node = match (&self.nodes, worker.node) {
            (Some(nodes), Some(node)) => nodes.active_on(node),
            _ => 0,
        };
        let pod = replica_set::Pod {
            phase,
            deletion_cost: worker.deletion_cost,
            on_node,
            age: self.now - since,
            restarts: worker.restarts,
            uid: mix(self.seed ^ mix(u64::from(id))),
        };
        pod.rank()
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker-{}", self.0)
    }
}
