//! Workers that a `ReplicaSet` starts and removes, and the jobs of a log that they take.
//!
//! A worker is ready some time after it was asked for, takes the job that has waited longest, runs it to its
//! end, and takes the next. Who goes when the replicas fall is the choice of the `ReplicaSet`, which does not
//! know who is busy: workers that are still starting first, then those that became ready last. Pods of Jobs
//! leave after one job.

mod accounts;
mod jobs;
mod start_delay;

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::fmt;

pub use accounts::{Summary, WorkerSeconds};
pub use start_delay::{Span, StartDelay};

use self::accounts::Accounts;
use self::start_delay::StartDelays;
use super::job_log::{Job, JobLog};

/// A queue of jobs and the workers that take them.
#[derive(Clone, Debug)]
pub struct WorkerPool {
    now: f64,
    jobs: Vec<Job>,
    arrived: usize,
    waiting: VecDeque<Waiting>,
    workers: Vec<Worker>,
    starting: BTreeSet<usize>,
    /// In the order in which they became ready; terminating ones have left it.
    ready: Vec<usize>,
    /// In the order in which they asked for work; may hold workers that are gone.
    asking: VecDeque<usize>,
    busy: usize,
    /// Those that finish their last job.
    draining: BTreeSet<usize>,
    completed: usize,
    events: BinaryHeap<Reverse<Event>>,
    removal: Removal,
    start_delays: StartDelays,
    accounts: Accounts,
}

/// What happens to a job whose worker is told to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removal {
    /// The worker finishes its job, terminating, and then goes.
    #[default]
    Drain,
    /// The worker goes at once. Its work is lost, and the job waits again at the head of the queue.
    Kill,
}

/// Name of a worker; written `worker-7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(usize);

#[derive(Clone, Copy, Debug)]
struct Waiting {
    job: usize,
    since: f64,
}

#[derive(Clone, Copy, Debug)]
struct Worker {
    asked: f64,
    state: State,
    /// Whether it leaves after its first job.
    one_job: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Starting,
    Idle,
    Busy { job: usize, since: f64 },
    Draining,
    Gone,
}

/// What happens to a worker at an instant; of one instant, the earlier worker's comes first.
#[derive(Clone, Copy, Debug)]
struct Event {
    at: f64,
    worker: usize,
    kind: EventKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum EventKind {
    JobDone,
    Ready,
}

impl WorkerPool {
    /// No workers yet, and the jobs of a log still to come; time begins at `now`. The same seed gives the n-th
    /// worker the same start delay, whatever happens otherwise.
    pub fn new(log: &JobLog, removal: Removal, start_delay: StartDelay, seed: u64, now: f64) -> Self {
        let jobs = log.jobs().to_vec();
        Self {
            now,
            accounts: Accounts::new(jobs.len()),
            jobs,
            arrived: 0,
            waiting: VecDeque::new(),
            workers: Vec::new(),
            starting: BTreeSet::new(),
            ready: Vec::new(),
            asking: VecDeque::new(),
            busy: 0,
            draining: BTreeSet::new(),
            completed: 0,
            events: BinaryHeap::new(),
            removal,
            start_delays: StartDelays::new(start_delay, seed),
        }
    }

    /// When something happens next by itself: a job arrives or ends, a worker becomes ready. Infinite when
    /// nothing will. (An event may turn out to concern a worker that is gone by then.)
    pub fn next_event(&self) -> f64 {
        let event = self.events.peek().map_or(f64::INFINITY, |event| event.0.at);
        self.jobs.get(self.arrived).map_or(event, |job| event.min(job.submit))
    }

    /// Lets time pass until `to`; everything due by then happens.
    pub fn advance(&mut self, to: f64) {
        loop {
            let at = self.next_event();
            if at > to {
                break;
            }
            self.pass(at);
            // Of one instant, what ends comes before what arrives.
            match self.events.peek() {
                Some(Reverse(event)) if event.at <= at => {
                    let event = *event;
                    self.events.pop();
                    self.happen(event);
                }
                _ => self.arrive(),
            }
        }
        self.pass(to);
    }

    /// Sets the number of workers that are to stay.
    pub fn scale_to(&mut self, replicas: u32) {
        let wanted = usize::try_from(replicas).unwrap_or(usize::MAX);
        self.accounts.note_scaling(self.replicas(), wanted);
        while self.replicas() < wanted {
            self.start_worker(false);
        }
        while self.replicas() > wanted {
            self.remove_one();
        }
    }

    /// The time that it is.
    pub const fn now(&self) -> f64 {
        self.now
    }

    /// Jobs that have arrived.
    pub const fn arrived(&self) -> usize {
        self.arrived
    }

    /// Jobs that still wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Jobs that run, those on terminating workers included.
    pub fn in_flight(&self) -> usize {
        self.busy + self.draining.len()
    }

    /// Jobs that run on terminating workers.
    pub fn in_flight_draining(&self) -> usize {
        self.draining.len()
    }

    /// Jobs that are done.
    pub const fn completed(&self) -> usize {
        self.completed
    }

    /// Whether every job of the log is done.
    pub const fn is_done(&self) -> bool {
        self.completed == self.jobs.len()
    }

    /// Age in seconds of the oldest waiting job, counted from its submission.
    pub fn oldest_age(&self) -> Option<f64> {
        let submitted = |waiting: &Waiting| self.jobs[waiting.job].submit;
        self.waiting.iter().map(submitted).min_by(f64::total_cmp).map(|submit| self.now - submit)
    }

    /// Workers that are to stay, starting ones included.
    pub fn replicas(&self) -> usize {
        self.starting.len() + self.ready.len()
    }

    /// Workers that are ready and to stay, busy or not.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Workers that are not ready yet.
    pub fn starting(&self) -> usize {
        self.starting.len()
    }

    /// Workers that are busy and to stay.
    pub const fn busy(&self) -> usize {
        self.busy
    }

    /// Workers that finish their last job.
    pub fn terminating(&self) -> usize {
        self.draining.len()
    }

    /// Names of the workers that are busy and to stay, in the order in which they became ready.
    pub fn busy_workers(&self) -> impl Iterator<Item = WorkerId> {
        let is_busy = |id: &usize| matches!(self.workers[*id].state, State::Busy { .. });
        self.ready.iter().copied().filter(is_busy).map(WorkerId)
    }

    /// Names of the workers that finish their last job.
    pub fn draining_workers(&self) -> impl Iterator<Item = WorkerId> {
        self.draining.iter().copied().map(WorkerId)
    }

    /// What the workers' time has gone into so far.
    pub fn worker_seconds(&self) -> WorkerSeconds {
        let living = self.starting.iter().chain(&self.ready).chain(&self.draining);
        self.accounts.worker_seconds(living.map(|&id| self.now - self.workers[id].asked).sum())
    }

    /// How it has gone so far. Waits are those of the jobs that have been started.
    pub fn summary(&self) -> Summary {
        self.accounts.summary(self.worker_seconds(), self.completed, self.waiting.len(), self.in_flight())
    }

    fn pass(&mut self, to: f64) {
        let seconds = to - self.now;
        if seconds > 0.0 {
            let idle = self.ready.len() - self.busy;
            self.accounts.pass(seconds, self.starting.len(), idle, self.busy + self.draining.len());
            self.now = to;
        }
    }

    fn happen(&mut self, Event { worker: id, kind, .. }: Event) {
        match (self.workers[id].state, kind) {
            (State::Starting, EventKind::Ready) => {
                self.starting.remove(&id);
                self.ready.push(id);
                self.go_on(id);
            }
            (State::Busy { .. }, EventKind::JobDone) => {
                self.busy -= 1;
                self.completed += 1;
                self.go_on(id);
            }
            (State::Draining, EventKind::JobDone) => {
                self.draining.remove(&id);
                self.completed += 1;
                self.leave(id);
            }
            // An event of a worker that has left.
            _ => {}
        }
    }

    fn arrive(&mut self) {
        self.waiting.push_back(Waiting { job: self.arrived, since: self.now });
        self.arrived += 1;
        self.hand_out();
    }

    fn ask_for_work(&mut self, id: usize) {
        self.workers[id].state = State::Idle;
        self.asking.push_back(id);
        self.hand_out();
    }

    /// Gives the job that stands first to the worker that has asked longest.
    fn hand_out(&mut self) {
        while let Some(&Waiting { job, since }) = self.waiting.front() {
            let Some(id) = self.next_asking() else { return };
            self.waiting.pop_front();
            self.accounts.note_wait(job, self.now - since);
            self.workers[id].state = State::Busy { job, since: self.now };
            self.busy += 1;
            self.expect(self.now + self.jobs[job].run, id, EventKind::JobDone);
        }
    }

    fn next_asking(&mut self) -> Option<usize> {
        while let Some(id) = self.asking.pop_front() {
            if matches!(self.workers[id].state, State::Idle) {
                return Some(id);
            }
        }
        None
    }

    fn remove_one(&mut self) {
        let Some(id) = self.starting.pop_last().or_else(|| self.ready.pop()) else { return };
        self.accounts.note_told_to_go(matches!(self.workers[id].state, State::Busy { .. }));
        match (self.workers[id].state, self.removal) {
            (State::Busy { .. }, Removal::Drain) => {
                self.busy -= 1;
                self.draining.insert(id);
                self.workers[id].state = State::Draining;
            }
            (State::Busy { job, since }, Removal::Kill) => {
                self.busy -= 1;
                self.accounts.note_lost(self.now - since);
                self.leave(id);
                self.waiting.push_front(Waiting { job, since: self.now });
                self.hand_out();
            }
            _ => self.leave(id),
        }
    }

    fn leave(&mut self, id: usize) {
        self.workers[id].state = State::Gone;
        self.accounts.note_gone(self.now - self.workers[id].asked);
    }

    fn expect(&mut self, at: f64, worker: usize, kind: EventKind) {
        self.events.push(Reverse(Event { at, worker, kind }));
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker-{}", self.0)
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at
            .total_cmp(&other.at)
            .then_with(|| self.worker.cmp(&other.worker))
            .then_with(|| self.kind.cmp(&other.kind))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}
