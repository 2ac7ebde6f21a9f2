//! What could be reached by someone who knows every submission and every run time beforehand.
//!
//! This is a bound to hold policies against and no policy: it is planned from the log. Without lead time it
//! is the bound of nobody waiting and nobody idling. With lead time it asks for workers ahead of the jobs
//! that they are for, keeps an idle one while the time until its next job costs less than a new start, and
//! lets a job wait where that costs less than a start. This minimises J = worker-seconds + worth x seconds
//! waited job by job, in the order of submission; it is near the least J, and not proved to be the least.
//!
//! It knows the log, not the delays that a pool draws: with delays that vary it counts on the lead time it
//! was given.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use super::Autoscaler;
use crate::sim::job_log::{Job, JobLog};
use crate::sim::workers::WorkerPool;

/// What a clairvoyant counts on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClairvoyantSpec {
    /// Seconds from asking for a worker to a worker that takes jobs, 0 or more.
    pub lead: f64,
    /// What a second of a job's waiting is worth, in worker-seconds, above 0.
    pub worth: f64,
    /// Most workers, 1 or more.
    pub max: u32,
}

/// Carries out a plan that was made with the log in hand.
#[derive(Clone, Debug)]
pub struct Clairvoyant {
    /// When workers are to be asked for, in the order of time; taken from the front.
    starts: VecDeque<f64>,
    /// When workers are to leave, in the order of time; taken from the front.
    leaves: VecDeque<f64>,
    /// Workers that should have been asked for, but there was no room below the maximum.
    missing: usize,
    /// Workers that should have left, but none was idle.
    surplus: usize,
    max: usize,
}

impl Clairvoyant {
    /// Plans for a log; no worker can be asked for before `now`.
    pub fn new(log: &JobLog, spec: ClairvoyantSpec, now: f64) -> Self {
        let mut plan = Plan::new(spec, now);
        for job in log.jobs() {
            plan.submit(*job);
        }
        plan.finish();
        let sorted = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            VecDeque::from(times)
        };
        Self {
            starts: sorted(plan.starts),
            leaves: sorted(plan.leaves),
            missing: 0,
            surplus: 0,
            max: spec.max.max(1) as usize,
        }
    }

    /// The bound without lead time: every job starts when it is submitted, and every worker leaves when it
    /// has nothing to do. To be run with a pool whose workers are ready at once.
    pub fn without_lag(log: &JobLog, max: u32, now: f64) -> Self {
        Self::new(log, ClairvoyantSpec { lead: 0.0, worth: 1.0, max }, now)
    }
}

impl Autoscaler for Clairvoyant {
    fn next_due(&self, _pool: &WorkerPool) -> f64 {
        let first = |times: &VecDeque<f64>| times.front().copied().unwrap_or(f64::INFINITY);
        first(&self.starts).min(first(&self.leaves))
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        self.missing += take_due(&mut self.starts, now);
        self.surplus += take_due(&mut self.leaves, now);
        let leaving = self.surplus.min(pool.ready() - pool.busy());
        if leaving > 0 {
            pool.retire_idle(leaving);
            self.surplus -= leaving;
        }
        let coming = self.missing.min(self.max.saturating_sub(pool.replicas()));
        if coming > 0 {
            pool.scale_to(u32::try_from(pool.replicas() + coming).unwrap_or(u32::MAX));
            self.missing -= coming;
        }
        // One that should have left is there instead of one that should have come.
        let instead = self.missing.min(self.surplus);
        self.missing -= instead;
        self.surplus -= instead;
    }
}

fn take_due(times: &mut VecDeque<f64>, now: f64) -> usize {
    let due = times.partition_point(|&at| at <= now);
    times.drain(..due);
    due
}

/// A first-come-first-served queue whose workers are planned as its jobs come.
struct Plan {
    spec: ClairvoyantSpec,
    begin: f64,
    /// When the workers that are busy or start are free.
    free: BinaryHeap<Reverse<Instant>>,
    /// Since when the idle workers are idle, the oldest first.
    idle_since: VecDeque<f64>,
    /// Run times of the jobs that wait.
    waiting: VecDeque<f64>,
    starts: Vec<f64>,
    leaves: Vec<f64>,
    /// Space for looking ahead.
    ahead: BinaryHeap<Reverse<Instant>>,
}

#[derive(Clone, Copy, Debug)]
struct Instant(f64);

impl Plan {
    fn new(spec: ClairvoyantSpec, begin: f64) -> Self {
        Self {
            spec,
            begin,
            free: BinaryHeap::new(),
            idle_since: VecDeque::new(),
            waiting: VecDeque::new(),
            starts: Vec::new(),
            leaves: Vec::new(),
            ahead: BinaryHeap::new(),
        }
    }

    fn submit(&mut self, job: Job) {
        self.pass(job.submit);
        self.waiting.push_back(job.run);
        // The worker that was idle least is used: its being kept cost least.
        if let Some(kept) = self.idle_since.pop_back() {
            self.free.push(Reverse(Instant(job.submit.max(kept))));
        } else {
            let start = self.start_of_last();
            let ready = job.submit.max(self.begin + self.spec.lead);
            let saved = self.spec.worth * (start - ready);
            if start.is_infinite() || (saved > self.spec.lead && self.free.len() < self.spec.max as usize) {
                self.starts.push(ready - self.spec.lead);
                self.free.push(Reverse(Instant(ready)));
            }
        }
        self.pass(job.submit);
    }

    fn finish(&mut self) {
        self.pass(f64::INFINITY);
    }

    /// Lets the workers go on until `to`.
    fn pass(&mut self, to: f64) {
        while let Some(&Reverse(Instant(at))) = self.free.peek()
            && at <= to
        {
            self.free.pop();
            match self.waiting.pop_front() {
                Some(run) => self.free.push(Reverse(Instant(at + run))),
                None => self.idle_since.push_back(at),
            }
        }
        // An idle worker that would be kept for longer than a start takes has left when it became idle.
        while let Some(&since) = self.idle_since.front()
            && to - since > self.spec.lead
        {
            self.idle_since.pop_front();
            self.leaves.push(since);
        }
    }

    /// When the job that waits last starts if no worker is added; infinite without workers.
    fn start_of_last(&mut self) -> f64 {
        let first =
            |free: &BinaryHeap<Reverse<Instant>>| free.peek().map_or(f64::INFINITY, |first| first.0.0);
        let before = self.waiting.len().saturating_sub(1);
        if before == 0 {
            return first(&self.free);
        }
        self.ahead.clone_from(&self.free);
        for run in self.waiting.iter().take(before) {
            let Some(Reverse(Instant(at))) = self.ahead.pop() else { return f64::INFINITY };
            self.ahead.push(Reverse(Instant(at + run)));
        }
        first(&self.ahead)
    }
}

impl Ord for Instant {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Instant {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Instant {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Instant {}
