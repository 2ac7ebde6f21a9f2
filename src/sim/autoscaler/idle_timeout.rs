//! A worker for every waiting job, and an idle worker goes after a while.
//!
//! [`IdleTimeoutSpec::default`] follows AWS `ParallelCluster` (a Slurm node for every job that waits, 600 s
//! of `scaledown_idletime`) with the five seconds between looks of Parsl's strategies;
//! [`IdleTimeoutSpec::parsl`] is Parsl's `htex_auto_scale` (parallelism 1, blocks of one worker, 120 s of
//! `max_idletime`). [`IdleTimeoutSpec::delayed_off`] is DELAYEDOFF (Gandhi, Gupta, Harchol-Balter, Kozuch,
//! "Optimality analysis of energy-performance trade-off for server farm management", 2010): it acts at once,
//! waits as long as a start takes, gives jobs to the worker that was busy last, and stops starts that nobody
//! waits for any more.
//!
//! Workers are alike here, so it is enough to keep the ages of idle workers as that routing leaves them: the
//! number that goes is exact, and only which one goes is the pool's choice.

use std::collections::VecDeque;

use super::Autoscaler;
use crate::sim::ticks::Ticks;
use crate::sim::workers::WorkerPool;

/// When workers come and go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IdleTimeoutSpec {
    /// Seconds after which an idle worker goes, 0 or more.
    pub timeout: f64,
    /// Seconds between looks, above 0; `None`: it acts at once.
    pub interval: Option<f64>,
    /// Which idle worker takes a job.
    pub routing: Routing,
    /// Whether starts end for which no job waits any more.
    pub cancels_starts: bool,
    /// Fewest workers.
    pub min: u32,
    /// Most workers.
    pub max: u32,
}

/// Which idle worker takes a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// The one that has been idle longest: no worker becomes old while there is work.
    LongestIdle,
    /// The one that was busy last: the others become old.
    MostRecentlyBusy,
}

/// A worker for every waiting job, until it has been idle for a while.
#[derive(Clone, Debug)]
pub struct IdleTimeout {
    spec: IdleTimeoutSpec,
    ticks: Option<Ticks>,
    /// Since when the idle workers are idle, the oldest first.
    idle_since: VecDeque<f64>,
    skips: bool,
}

impl Default for IdleTimeoutSpec {
    /// As `ParallelCluster`, and up to 100 workers.
    fn default() -> Self {
        Self {
            timeout: 600.0,
            interval: Some(5.0),
            routing: Routing::LongestIdle,
            cancels_starts: false,
            min: 0,
            max: 100,
        }
    }
}

impl IdleTimeoutSpec {
    /// As Parsl's `htex_auto_scale`.
    pub fn parsl() -> Self {
        Self { timeout: 120.0, ..Self::default() }
    }

    /// DELAYEDOFF for starts that take so many seconds: an idle worker costs as much as a busy one, so
    /// waiting as long as a start takes costs as much as the start.
    pub fn delayed_off(start: f64) -> Self {
        Self {
            timeout: start,
            interval: None,
            routing: Routing::MostRecentlyBusy,
            cancels_starts: true,
            ..Self::default()
        }
    }
}

impl IdleTimeout {
    /// Looks from `now` on.
    pub fn new(spec: IdleTimeoutSpec, now: f64) -> Self {
        let ticks = spec.interval.map(|interval| Ticks::new(now, interval));
        Self { spec, ticks, idle_since: VecDeque::new(), skips: true }
    }

    /// Looks every time: slower, and the same in all else.
    #[must_use]
    pub fn without_skipping(self) -> Self {
        Self { skips: false, ..self }
    }

    /// Takes in how many workers are idle at `now`.
    fn observe(&mut self, now: f64, idle: usize) {
        while self.idle_since.len() < idle {
            self.idle_since.push_back(now);
        }
        while self.idle_since.len() > idle {
            match self.spec.routing {
                Routing::LongestIdle => self.idle_since.pop_front(),
                Routing::MostRecentlyBusy => self.idle_since.pop_back(),
            };
        }
    }

    /// Workers that are to be there for the jobs that wait now.
    fn wanted(&self, pool: &WorkerPool) -> usize {
        let (waiting, starting) = (pool.waiting(), pool.starting());
        let missing = waiting.saturating_sub(starting);
        let needless = if self.spec.cancels_starts { starting.saturating_sub(waiting) } else { 0 };
        ((pool.replicas() + missing).min(self.spec.max as usize) - needless).max(self.min())
    }

    fn act(&mut self, now: f64, pool: &mut WorkerPool) {
        pool.scale_to(u32::try_from(self.wanted(pool)).unwrap_or(u32::MAX));
        let old = self.idle_since.iter().take_while(|&&since| since + self.spec.timeout <= now).count();
        let going = old.min(pool.replicas().saturating_sub(self.min()));
        if going > 0 {
            pool.retire_idle(going);
            self.idle_since.drain(..going);
        }
    }

    fn min(&self) -> usize {
        self.spec.min.min(self.spec.max) as usize
    }

    /// When the oldest idle worker is to go; infinite where none is.
    fn next_expiry(&self, pool: &WorkerPool) -> f64 {
        let oldest = self.idle_since.front().filter(|_| pool.replicas() > self.min());
        oldest.map_or(f64::INFINITY, |since| since + self.spec.timeout)
    }
}

impl Autoscaler for IdleTimeout {
    fn next_due(&self, pool: &WorkerPool) -> f64 {
        let Some(ticks) = &self.ticks else { return self.next_expiry(pool) };
        if !self.skips || self.wanted(pool) != pool.replicas() {
            return ticks.next();
        }
        ticks.first_from(self.next_expiry(pool))
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        self.observe(now, pool.ready() - pool.busy());
        if self.ticks.as_mut().is_none_or(|ticks| ticks.take(now)) {
            self.act(now, pool);
        }
    }

    fn least(&self) -> u32 {
        self.spec.min
    }
}
