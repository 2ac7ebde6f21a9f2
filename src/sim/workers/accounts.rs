//! What a run cost and how long its jobs waited.

use serde::{Deserialize, Serialize};

use super::super::{billing::Billing, nodes::NodeSummary, outcome::percentile};
use super::Crew;

/// Running totals.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    /// Since when they count.
    began: f64,
    waits: Vec<Option<f64>>,
    seconds: WorkerSeconds,
    counts: Counts,
    direction: Option<Direction>,
}

/// Worker-seconds, from being bound to a node to being gone, and what they went into: the total is the sum over the
/// workers, and that of starting, idle and busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerSeconds {
    /// All of them.
    pub total: f64,
    /// Of workers that were not ready yet, or not again.
    pub starting: f64,
    /// Of ready workers without a job.
    pub idle: f64,
    /// Of workers with a job, terminating ones included.
    pub busy: f64,
    /// Seconds for which jobs ran whose work was lost. With several slots they are no part of the busy ones.
    pub lost: f64,
    /// Of workers that waited for a node; no part of the total.
    pub pending: f64,
    /// The total as it is billed, where it is by the pod.
    pub billed: f64,
}

/// What was counted since the accounts began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs that are done.
    pub completed: usize,
    /// How often a job was lost and had to wait again.
    pub requeued: usize,
    /// Workers that were asked for.
    pub launched: usize,
    /// Workers that crashed.
    pub crashed: usize,
    /// Workers that were evicted from their nodes.
    pub evicted: usize,
    /// Workers told to go because fewer were wanted, whatever they did.
    pub told_to_go: usize,
    /// Of those, the ones that had a job.
    pub told_to_go_busy: usize,
    /// Workers known to be busy for whom fewer were wanted, whoever went: known by the last read of the queue.
    pub busy_asked: usize,
    /// Most workers that were to stay at one time.
    pub peak: usize,
    /// How often the replicas turned from growing to shrinking or back.
    pub reversals: usize,
}

/// How a run has gone, or its part since the accounts began. Waits are in seconds from coming to the queue to being
/// started, plus what a lost job waited again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Jobs that have been started.
    pub started: usize,
    /// Jobs that are done.
    pub completed: usize,
    /// Jobs that still wait.
    pub waiting: usize,
    /// Jobs that still run.
    pub in_flight: usize,
    /// How often a job was lost and had to wait again.
    pub requeued: usize,
    /// Workers that were asked for.
    pub launched: usize,
    /// Workers that crashed.
    pub crashed: usize,
    /// Workers that were evicted from their nodes.
    pub evicted: usize,
    /// Workers told to go because fewer were wanted, whatever they did.
    pub told_to_go: usize,
    /// Of those, the ones that had a job.
    pub told_to_go_busy: usize,
    /// Mean wait.
    pub wait_mean: f64,
    /// Median wait.
    pub wait_p50: f64,
    /// The wait that 95 % of the jobs did not exceed.
    pub wait_p95: f64,
    /// Longest wait.
    pub wait_max: f64,
    /// What the workers' time went into.
    pub worker_seconds: WorkerSeconds,
    /// The nodes; all 0 where none are modelled.
    pub nodes: NodeSummary,
    /// Most workers that were to stay at one time.
    pub peak_replicas: usize,
    /// How often the replicas turned from growing to shrinking or back.
    pub reversals: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Accounts {
    pub(super) fn new(jobs: usize, began: f64) -> Self {
        Self {
            began,
            waits: vec![None; jobs],
            seconds: WorkerSeconds::default(),
            counts: Counts::default(),
            direction: None,
        }
    }

    /// Forgets what was counted.
    pub(super) fn begin(&mut self, now: f64, replicas: usize) {
        *self = Self::new(self.waits.len(), now);
        self.counts.peak = replicas;
    }

    /// So many workers spent these seconds so.
    pub(super) fn pass(&mut self, seconds: f64, crew: &Crew) {
        let so_far = &mut self.seconds;
        so_far.pending += seconds * f64::from(crew.pending);
        so_far.starting += seconds * f64::from(crew.starting);
        so_far.idle += seconds * f64::from(crew.ready - crew.busy);
        so_far.busy += seconds * f64::from(crew.busy + crew.draining);
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn count(&mut self) -> &mut Counts {
        &mut self.counts
    }

    /// By job of the log, the wait so far in seconds; `None` before it is started.
    pub(super) fn waits(&self) -> &[Option<f64>] {
        &self.waits
    }

    pub(super) fn note_wait(&mut self, job: u32, seconds: f64) {
        let wait = &mut self.waits[job as usize];
        *wait = Some(wait.unwrap_or(0.0) + seconds);
    }

    pub(super) fn note_lost(&mut self, seconds: f64) {
        self.seconds.lost += seconds;
        self.counts.requeued += 1;
    }

    /// A worker that was bound at this time is gone.
    pub(super) fn note_gone(&mut self, bound: f64, now: f64, billing: &Billing) {
        self.seconds.add(now - bound.max(self.began), billing);
    }

    pub(super) fn note_scaling(&mut self, from: usize, to: usize) {
        self.counts.peak = self.counts.peak.max(to);
        if from == to {
            return;
        }
        let direction = if to > from { Direction::Up } else { Direction::Down };
        if self.direction.is_some_and(|before| before != direction) {
            self.counts.reversals += 1;
        }
        self.direction = Some(direction);
    }

    /// With the workers that are not gone, which were bound at these times.
    pub(super) fn worker_seconds(
        &self,
        bound: impl Iterator<Item = f64>,
        now: f64,
        billing: &Billing,
    ) -> WorkerSeconds {
        let mut seconds = self.seconds;
        for bound in bound {
            seconds.add(now - bound.max(self.began), billing);
        }
        seconds
    }

    pub(super) fn summary(
        &self,
        worker_seconds: WorkerSeconds,
        nodes: NodeSummary,
        waiting: usize,
        in_flight: usize,
    ) -> Summary {
        let mut waits: Vec<f64> = self.waits.iter().copied().flatten().collect();
        let mean = waits.iter().sum::<f64>() / (waits.len().max(1) as f64);
        waits.sort_unstable_by(f64::total_cmp);
        let Counts { completed, requeued, launched, crashed, evicted, .. } = self.counts;
        Summary {
            started: waits.len(),
            completed,
            waiting,
            in_flight,
            requeued,
            launched,
            crashed,
            evicted,
            told_to_go: self.counts.told_to_go,
            told_to_go_busy: self.counts.told_to_go_busy,
            wait_mean: mean,
            wait_p50: percentile(&waits, 50),
            wait_p95: percentile(&waits, 95),
            wait_max: percentile(&waits, 100),
            worker_seconds,
            nodes,
            peak_replicas: self.counts.peak,
            reversals: self.counts.reversals,
        }
    }
}

impl WorkerSeconds {
    fn add(&mut self, lifetime: f64, billing: &Billing) {
        self.total += lifetime;
        self.billed += billing.billed(lifetime);
    }
}

impl Summary {
    /// Worker-hours, from being bound to a node to being gone.
    pub fn worker_hours(&self) -> f64 {
        self.worker_seconds.total / 3600.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_of_direction_is_counted_once() {
        let mut accounts = Accounts::new(0, 0.0);
        for (from, to) in [(0, 3), (3, 5), (5, 5), (5, 2), (2, 1), (1, 4)] {
            accounts.note_scaling(from, to);
        }
        assert_eq!((accounts.counts.reversals, accounts.counts.peak), (2, 5));
    }
}
