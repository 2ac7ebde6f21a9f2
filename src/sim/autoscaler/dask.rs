//! Dask's adaptive deployments: the queue is to be done within a target duration.
//!
//! Follows `distributed` (`Scheduler.adaptive_target`, and `deploy/adaptive_core.py` at commit `062bef8`):
//! wanted are the expected seconds of all jobs that wait or run, divided by the target duration, but no more
//! workers than jobs, and one at least where jobs wait and nobody is connected. Where that is fewer than the
//! connected workers, all idle ones are to close.
//!
//! Simplified: all jobs are of one kind, whose mean run time is the busy seconds so far divided by the jobs
//! done (Dask keeps a moving average for each name of tasks); a job that runs counts with this mean, however
//! long it has run; a worker that is to close at one check is taken for one of those at the next; memory
//! never asks for workers.

use std::collections::VecDeque;

use super::Autoscaler;
use crate::sim::ticks::Ticks;
use crate::sim::workers::WorkerPool;

/// What an adaptive deployment is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DaskSpec {
    /// Seconds within which what is there is to be done, above 0.
    pub target_duration: f64,
    /// Checks in a row that must want fewer workers before any go, 1 or more.
    pub wait_count: u32,
    /// Seconds between checks, above 0.
    pub interval: f64,
    /// Run time of a job while none is done, seconds.
    pub unknown_duration: f64,
    /// Fewest workers.
    pub min: u32,
    /// Most workers.
    pub max: u32,
}

/// Dask's adaptive deployment as the workers of one queue.
#[derive(Clone, Debug)]
pub struct Dask {
    spec: DaskSpec,
    ticks: Ticks,
    /// How many workers were to close at the checks in a row that wanted fewer, the last `wait_count` of
    /// them.
    surpluses: VecDeque<usize>,
    /// Seconds that workers had been busy when the number of those that are last changed.
    busy_seconds: f64,
    running: usize,
    running_since: f64,
    /// How the pool looked at a check that changed nothing and will not by itself.
    settled: Option<Seen>,
    skips: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    completed: usize,
    waiting: usize,
    running: usize,
    busy: usize,
    ready: usize,
    starting: usize,
}

impl Default for DaskSpec {
    /// Dask's defaults, and up to 100 workers (Dask itself knows no limit).
    fn default() -> Self {
        Self { target_duration: 5.0, wait_count: 3, interval: 1.0, unknown_duration: 0.5, min: 0, max: 100 }
    }
}

impl Dask {
    /// Checks from `now` on.
    pub fn new(spec: DaskSpec, now: f64) -> Self {
        let ticks = Ticks::new(now, spec.interval);
        Self {
            spec,
            ticks,
            surpluses: VecDeque::with_capacity(spec.wait_count.max(1) as usize),
            busy_seconds: 0.0,
            running: 0,
            running_since: now,
            settled: None,
            skips: true,
        }
    }

    /// Takes every check: slower, and the same in all else.
    #[must_use]
    pub fn without_skipping(self) -> Self {
        Self { skips: false, ..self }
    }

    /// Workers wanted, and whether time alone will not change that.
    fn target(&self, now: f64, seen: Seen) -> (u32, bool) {
        let mean = if seen.completed == 0 {
            self.spec.unknown_duration
        } else {
            self.busy_seconds(now) / seen.completed as f64
        };
        let jobs = seen.waiting + seen.running;
        let wanted = (jobs as f64 * mean / self.spec.target_duration).ceil();
        let limit = jobs.min(self.spec.max as usize);
        let capped = if wanted < limit as f64 { whole(wanted) } else { count(limit) };
        // However short the jobs are, somebody has to do them.
        let capped = if seen.ready == 0 && seen.waiting > 0 { capped.max(1) } else { capped };
        // Closing goes by what is idle, not by the target.
        let target = if (capped as usize) < seen.ready { count(seen.busy) } else { capped };
        // The mean grows until the next job is done, but no further than to the cap.
        let stays = seen.completed == 0 || wanted >= limit as f64;
        (target.clamp(self.spec.min.min(self.spec.max), self.spec.max), stays)
    }

    fn busy_seconds(&self, now: f64) -> f64 {
        self.busy_seconds + self.running as f64 * (now - self.running_since)
    }

    fn check(&mut self, now: f64, pool: &mut WorkerPool) {
        let seen = Seen::of(pool);
        let (target, stays) = self.target(now, seen);
        let replicas = pool.replicas();
        let wanted = target as usize;
        if wanted >= replicas {
            self.surpluses.clear();
            pool.scale_to(target);
            self.settled = (stays && wanted == replicas).then_some(seen);
            return;
        }
        self.settled = None;
        let closing = self.firmly_surplus(replicas - wanted);
        let starting = closing.min(seen.starting);
        pool.scale_to(count(replicas - starting));
        pool.retire_idle(closing - starting);
    }

    /// How many of those that are to close now were to at every check that counts.
    fn firmly_surplus(&mut self, surplus: usize) -> usize {
        let wait_count = self.spec.wait_count.max(1) as usize;
        self.surpluses.push_back(surplus);
        if self.surpluses.len() < wait_count {
            return 0;
        }
        let firm = self.surpluses.iter().copied().min().unwrap_or(0);
        self.surpluses.pop_front();
        for left in &mut self.surpluses {
            *left -= firm;
        }
        firm
    }
}

impl Autoscaler for Dask {
    fn next_due(&self, pool: &WorkerPool) -> f64 {
        let rests = self.skips && self.settled == Some(Seen::of(pool));
        if rests { f64::INFINITY } else { self.ticks.next() }
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        if self.running != pool.in_flight() {
            self.busy_seconds = self.busy_seconds(now);
            self.running_since = now;
            self.running = pool.in_flight();
        }
        if self.settled != Some(Seen::of(pool)) {
            self.settled = None;
        }
        if self.ticks.take(now) {
            self.check(now, pool);
        }
    }

    fn least(&self) -> u32 {
        self.spec.min
    }
}

impl Seen {
    fn of(pool: &WorkerPool) -> Self {
        Self {
            completed: pool.completed(),
            waiting: pool.waiting(),
            running: pool.in_flight(),
            busy: pool.busy(),
            ready: pool.ready(),
            starting: pool.starting(),
        }
    }
}

fn count(workers: usize) -> u32 {
    u32::try_from(workers).unwrap_or(u32::MAX)
}

/// A number of workers below a limit that was a count.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=i32::MAX first")]
fn whole(workers: f64) -> u32 {
    workers.clamp(0.0, f64::from(i32::MAX)) as u32
}
