//! Foresail's own core as a scaler: what it reads of the queue goes into `series`, and `sizing` decides.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::Scaler;
use crate::forecast::{
    horizons::Horizons,
    lead::Start,
    learner::{Counts, Learner},
};
use crate::series::{QueueIndex, QueueRules, Sample, Series};
use crate::sim::workers::WorkerPool;
use crate::sizing::{self, Decision, Policy, RefState, Workload};

/// Foresail with one queue and one ref.
///
/// Samples that show nothing new are taken together, when the next one does or when KEDA asks: that saves time, and
/// lets a forecast pass unseen that would have wanted a worker for some seconds in between.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "two are options, two are facts")]
pub struct Foresail {
    policy: Policy,
    sampling: Sampling,
    limits: Limits,
    series: Series,
    queue: QueueIndex,
    learner: Learner,
    /// Starts of the pool that the ref has learned from.
    starts: usize,
    state: RefState,
    rng: Pcg64Mcg,
    next_sample: f64,
    decision: Option<Decision>,
    /// What the pool looked like at the last sample.
    seen: Option<Looks>,
    /// Whether samples that show nothing new would only let time pass.
    steady: bool,
    activated: bool,
    skips: bool,
    ranks: bool,
}

/// Seconds between two looks at an empty queue for which a recurring burst may be near.
const QUIET_LOOK: f64 = 15.0;

/// Longest step of a forecast, seconds.
const LONGEST_STEP: f64 = 120.0;

/// How the queue is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Seconds between samples, above 0.
    pub every: f64,
    /// Each is late by up to so many seconds, at random; less than [`every`](Self::every).
    pub jitter: f64,
    /// Share of the samples that fail.
    pub missed: f64,
    /// What the layout can tell.
    pub sees: Sees,
    /// As a layout and its source have them.
    pub rules: QueueRules,
    /// Seed of jitter and misses.
    pub seed: u64,
}

/// What can be seen of a queue and of its workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sees {
    /// Jobs in flight.
    pub in_flight: bool,
    /// How many jobs ever arrived and ended.
    pub totals: bool,
    /// Pods, as with access to Kubernetes.
    pub pods: bool,
}

/// The ScaledObject's own limits, where pods are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `minReplicaCount`.
    pub min: u32,
    /// `maxReplicaCount`.
    pub max: u32,
}

/// Everything of a pool that a sample or a sighting may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    arrived: usize,
    waiting: usize,
    in_flight: usize,
    draining: usize,
    completed: usize,
    replicas: usize,
    ready: usize,
    starting: usize,
    terminating: usize,
}

impl Default for Sampling {
    /// Every second, all is seen, nothing fails.
    fn default() -> Self {
        Self {
            every: 1.0,
            jitter: 0.0,
            missed: 0.0,
            sees: Sees { in_flight: true, totals: true, pods: true },
            rules: QueueRules { max_run: 300.0, stale_after: 120.0 },
            seed: 0,
        }
    }
}

impl Foresail {
    /// Begins to look at `now`.
    pub fn new(policy: Policy, limits: Limits, sampling: Sampling, now: f64) -> Self {
        let mut series = Series::default();
        let queue = series.add(sampling.rules);
        Self {
            policy,
            limits,
            series,
            queue,
            learner: Learner::new(Horizons::default()),
            starts: 0,
            state: RefState::default(),
            rng: Pcg64Mcg::seed_from_u64(sampling.seed),
            sampling,
            next_sample: now,
            decision: None,
            seen: None,
            steady: false,
            activated: false,
            skips: true,
            ranks: false,
        }
    }

    /// Takes every single sample: slower, and the same in all else.
    #[must_use]
    pub fn without_skipping(self) -> Self {
        Self { skips: false, ..self }
    }

    /// Says who goes first whenever fewer workers are wanted than there are (`victims: deletion-cost`).
    #[must_use]
    pub fn with_victims(self) -> Self {
        Self { ranks: true, ..self }
    }

    /// The last decision; `None` while it has none.
    pub const fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    fn sample(&mut self, now: f64, pool: &WorkerPool) {
        let looks = Looks::of(pool);
        if self.sampling.missed > 0.0 && self.rng.random::<f64>() < self.sampling.missed {
            self.series.fail(self.queue);
            self.learner.miss();
        } else {
            self.take_in(now, looks);
        }
        self.seen = Some(looks);
        for start in &pool.starts()[self.starts..] {
            let kind = if start.waited_for_node { Start::Cold } else { Start::Warm };
            self.state.lead.started(kind, start.seconds);
        }
        self.starts = pool.starts().len();
        self.decide(now, looks);
    }

    fn take_in(&mut self, now: f64, looks: Looks) {
        let Sees { in_flight, totals, .. } = self.sampling.sees;
        let sample = Sample {
            waiting: Some(looks.waiting as u64),
            in_flight: in_flight.then_some(looks.in_flight as u64),
            arrivals_total: totals.then_some(looks.arrived as u64),
            completions_total: totals.then_some(looks.completed as u64),
            seen: true,
            ..Sample::default()
        };
        self.series.intake(self.queue, now, &sample, looks.draining as u64);
        if self.series.view(self.queue, now).is_ok_and(|view| view.no_fall.is_none()) {
            let counts = Counts {
                waiting: looks.waiting as u64,
                in_flight: in_flight.then_some(looks.in_flight as u64),
                arrivals: self.series.arrivals(self.queue),
                completions: self.series.completions(self.queue),
            };
            self.learner.learn(now, counts, 0);
        } else {
            self.learner.miss();
        }
    }

    fn decide(&mut self, now: f64, looks: Looks) {
        let was_active = self.decision.as_ref().is_some_and(Decision::active);
        let workload =
            if self.sampling.sees.pods { looks.workload(self.limits) } else { Workload::default() };
        let view = self.series.view(self.queue, now);
        let (forecast, state) = (self.learner.forecast(), &mut self.state);
        self.decision = sizing::decide(now, view, forecast, workload, &self.policy, None, state).ok();
        self.activated |= !was_active && self.decision.as_ref().is_some_and(Decision::active);
        self.steady = self.decision.is_some() && view.is_ok_and(|view| view.is_steady());
    }

    /// Sees and decides the same once more, at the last instant before `now` that was skipped, and a few times on the
    /// way there: a forecast learns nothing of recurring bursts from longer steps.
    fn catch_up(&mut self, now: f64) {
        let Some(looks) = self.seen else { return };
        let stride = (LONGEST_STEP / self.sampling.every).floor().max(1.0);
        loop {
            let skipped = ((now - self.next_sample) / self.sampling.every).ceil() - 1.0;
            if skipped < 0.0 {
                return;
            }
            let at = self.next_sample + skipped.min(stride) * self.sampling.every;
            self.next_sample = at + self.sampling.every;
            self.take_in(at, looks);
            self.decide(at, looks);
        }
    }

    /// Seconds that it may sleep with nothing to do: a recurring burst may come near.
    fn wakes_in(&self, now: f64) -> f64 {
        let quiet = self.learner.forecast().calendar().quiet_for(now);
        if quiet.is_finite() { quiet.max(QUIET_LOOK) } else { quiet }
    }

    /// Whether the samples to come show nothing new: they are taken together when the next one does, or when
    /// somebody asks.
    fn sleeps(&self, pool: &WorkerPool) -> bool {
        let regular = self.sampling.missed <= 0.0 && self.sampling.jitter <= 0.0;
        self.skips && regular && self.steady && self.seen == Some(Looks::of(pool))
    }
}

impl Scaler for Foresail {
    fn target(&self) -> f64 {
        1.0
    }

    fn read(&mut self, _now: f64, _pool: &WorkerPool) -> Option<(f64, bool)> {
        self.decision.as_ref().map(|decision| (f64::from(decision.target), decision.active()))
    }

    fn next_look(&self, pool: &WorkerPool) -> f64 {
        if !self.sleeps(pool) {
            self.next_sample
        } else if self.decision.as_ref().is_some_and(Decision::active) {
            // KEDA and the HPA ask often enough.
            f64::INFINITY
        } else {
            self.next_sample + self.wakes_in(pool.now())
        }
    }

    fn look(&mut self, now: f64, pool: &mut WorkerPool) {
        self.catch_up(now);
        if self.next_sample <= now {
            let jitter = self.sampling.jitter * self.rng.random::<f64>();
            self.next_sample = now + (self.sampling.every + jitter).max(f64::EPSILON);
            self.sample(now, pool);
        }
        if self.ranks
            && let Some(decision) = &mut self.decision
            && let going = pool.replicas().saturating_sub(decision.target as usize)
            && going > 0
        {
            let worth = u32::try_from(pool.rank_victims(going)).unwrap_or(u32::MAX);
            decision.target = u32::try_from(pool.replicas()).unwrap_or(u32::MAX).saturating_sub(worth);
        }
    }

    fn pushes(&mut self, _now: f64, _pool: &WorkerPool) -> bool {
        std::mem::take(&mut self.activated)
    }

    fn is_silent(&self, pool: &WorkerPool) -> bool {
        self.decision.as_ref().is_some_and(|decision| !decision.active()) && self.sleeps(pool)
    }
}

impl Looks {
    fn of(pool: &WorkerPool) -> Self {
        Self {
            arrived: pool.arrived(),
            waiting: pool.waiting(),
            in_flight: pool.in_flight(),
            draining: pool.in_flight_draining(),
            completed: pool.completed(),
            replicas: pool.replicas(),
            ready: pool.ready(),
            starting: pool.starting(),
            terminating: pool.terminating(),
        }
    }

    fn workload(&self, limits: Limits) -> Workload {
        let count = |n: usize| Some(u32::try_from(n).unwrap_or(u32::MAX));
        Workload {
            replicas: count(self.replicas),
            ready: count(self.ready),
            starting: count(self.starting),
            terminating: count(self.terminating),
            min: Some(limits.min),
            max: Some(limits.max),
        }
    }
}
