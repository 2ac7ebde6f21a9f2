//! Foresail's own core as a scaler: what it reads of the queue goes into `series`, and `sizing` decides.

mod ablation;
mod faults;
mod hints;
mod looks;

pub use ablation::Ablation;
pub use faults::{Fault, Wrong};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use self::ablation::Ablated;
use self::hints::Hints;
use self::looks::Looks;
use super::{ByKeda, Scaler};
use crate::forecast::{horizons::Horizons, lead::Start, learner::Learner, outlook::Outlook};
use crate::series::{QueueIndex, QueueRules, Sample, Series};
use crate::sim::hpa::Behavior;
use crate::sim::keda::{ScaledObject, ScaledObjectSpec};
use crate::sim::ticks::first_from;
use crate::sim::workers::WorkerPool;
use crate::sizing::{self, Decision, Given, Policy, RefState, Workload};

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
    last_reads: LastReads,
    decision: Option<Decision>,
    /// What the pool looked like at the last sample.
    seen: Option<Looks>,
    /// Whether samples that show nothing new would only let time pass.
    steady: bool,
    activated: bool,
    skips: bool,
    ranks: bool,
    hints: Option<Hints>,
    ablation: Option<Ablation>,
}

/// Seconds between two looks at an empty queue for which a recurring burst may be near.
const QUIET_LOOK: f64 = 15.0;

/// Longest step of a forecast, seconds.
const LONGEST_STEP: f64 = 120.0;

/// What the last reads came to.
#[derive(Clone, Copy, Debug, Default)]
struct LastReads {
    /// How many in a row failed.
    failed: u32,
    /// Whether another store answered the last one than usual.
    of_other_store: bool,
}

/// How the queue is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Seconds between samples, above 0.
    pub every: f64,
    /// Each is late by up to so many seconds, at random; less than [`every`](Self::every).
    pub jitter: f64,
    /// What goes wrong with it.
    pub faults: Vec<Fault>,
    /// What the layout can tell.
    pub sees: Sees,
    /// As a layout and its source have them.
    pub rules: QueueRules,
    /// Seconds for which no target falls after another store has answered.
    pub distrust: f64,
    /// Seed of jitter and failures.
    pub seed: u64,
}

/// Seconds between two tries of a store that is down, at most.
const LONGEST_BACK_OFF: f64 = 10.0;

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

impl Default for Sampling {
    /// Every second, all is seen, nothing fails.
    fn default() -> Self {
        Self {
            every: 1.0,
            jitter: 0.0,
            faults: Vec::new(),
            sees: Sees { in_flight: true, totals: true, pods: true },
            rules: QueueRules { max_run: 300.0, stale_after: 120.0 },
            distrust: 120.0,
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
            last_reads: LastReads::default(),
            decision: None,
            seen: None,
            steady: false,
            activated: false,
            skips: true,
            ranks: false,
            hints: None,
            ablation: None,
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

    /// With another forecast than its own.
    #[must_use]
    pub fn ablated(self, ablation: Ablation) -> Self {
        Self { ablation: Some(ablation), skips: self.skips && !ablation.knows_the_future(), ..self }
    }

    /// In a ScaledObject as the documentation recommends it, which is created at `now`.
    pub fn in_object(self, now: f64) -> ByKeda<Self> {
        let Limits { min, max } = self.limits;
        let spec = ScaledObjectSpec {
            min,
            max,
            cooldown_period: 15.0,
            behavior: Some(Behavior::foresail()),
            ..ScaledObjectSpec::default()
        };
        ByKeda::new(ScaledObject::new(spec, now, 0), self)
    }

    fn sample(&mut self, now: f64, pool: &mut WorkerPool) {
        let looks = Looks::of(pool);
        if faults::read_fails(&self.sampling.faults, now, &mut self.rng) {
            self.last_reads.failed += 1;
            self.series.fail(self.queue);
            self.learner.miss();
        } else {
            self.last_reads.failed = 0;
            self.take_in(now, looks, pool);
        }
        self.seen = Some(looks);
        for start in &pool.starts()[self.starts..] {
            if start.waited_for_node {
                self.state.rode_along(now, start.seconds, start.behind);
            } else {
                self.state.started(now, Start::Warm, start.seconds);
            }
        }
        self.starts = pool.starts().len();
        self.learner.look_ahead(self.state.lead.mean());
        self.decide(now, looks, pool);
    }

    fn take_in(&mut self, now: f64, looks: Looks, pool: &mut WorkerPool) {
        let Sees { in_flight, totals, .. } = self.sampling.sees;
        let mut sample = Sample {
            waiting: Some(looks.waiting as u64),
            in_flight: in_flight.then_some(looks.in_flight as u64),
            arrivals_total: totals.then_some(looks.arrived as u64),
            completions_total: totals.then_some(looks.completed as u64),
            seen: true,
            ..Sample::default()
        };
        if faults::distort(&self.sampling.faults, now, &mut sample) && in_flight {
            pool.note_read(now);
        }
        let other = faults::other_store(&self.sampling.faults, now);
        if std::mem::replace(&mut self.last_reads.of_other_store, other) != other {
            self.series.distrust(self.queue, now + self.sampling.distrust);
        }
        let draining = if self.sees_pods(now) { looks.draining as u64 } else { 0 };
        self.series.intake(self.queue, now, &sample, draining.min(sample.in_flight.unwrap_or(u64::MAX)));
        self.learner.follow(now, &sample, &self.series, self.queue, 0);
    }

    fn decide(&mut self, now: f64, looks: Looks, pool: &WorkerPool) {
        let was_active = self.decision.as_ref().is_some_and(Decision::active);
        let workload = if self.sees_pods(now) { looks.workload(self.limits) } else { Workload::default() };
        let view = self.series.view(self.queue, now);
        let forecast = self.learner.forecast();
        let ablated = self.ablation.map(|ablation| Ablated { forecast, ablation, pool });
        let forecast = ablated.as_ref().map_or(forecast as &dyn Outlook, |ablated| ablated);
        let given = Given { now, queue: view, forecast, workload, policy: &self.policy, pin: None };
        self.decision = sizing::decide(&given, &mut self.state).ok();
        self.activated |= !was_active && self.decision.as_ref().is_some_and(Decision::active);
        let regular = self.sampling.jitter <= 0.0 && !faults::any(&self.sampling.faults, now);
        self.steady = regular && self.decision.is_some() && view.is_ok_and(|view| view.is_steady());
    }

    fn sees_pods(&self, now: f64) -> bool {
        self.sampling.sees.pods && !faults::kubernetes_unseen(&self.sampling.faults, now)
    }

    /// Seconds until the next sample.
    fn pause(&mut self) -> f64 {
        let Sampling { every, jitter, .. } = self.sampling;
        if self.last_reads.failed == 0 {
            return (every + jitter * self.rng.random::<f64>()).max(f64::EPSILON);
        }
        let doubled = every * f64::from(self.last_reads.failed.min(16)).exp2();
        doubled.min(LONGEST_BACK_OFF.max(every)) * self.rng.random_range(0.5..=1.0)
    }

    /// Knows nothing any more, and looks again at `now`.
    fn begin_anew(&mut self, now: f64) {
        let mut series = Series::default();
        self.queue = series.add(self.sampling.rules);
        self.series = series;
        self.learner = Learner::new(Horizons::default());
        self.state = RefState::default();
        self.last_reads = LastReads::default();
        self.decision = None;
        self.seen = None;
        self.steady = false;
        self.activated = false;
        self.next_sample = now;
    }

    /// Sees and decides the same once more, at the last instant before `now` that was skipped, and a few times on the
    /// way there: a forecast learns nothing of recurring bursts from longer steps.
    fn catch_up(&mut self, now: f64, pool: &mut WorkerPool) {
        let Some(looks) = self.seen else { return };
        let stride = (LONGEST_STEP / self.sampling.every).floor().max(1.0);
        loop {
            let skipped = ((now - self.next_sample) / self.sampling.every).ceil() - 1.0;
            if skipped < 0.0 {
                return;
            }
            let at = self.next_sample + skipped.min(stride) * self.sampling.every;
            self.next_sample = at + self.sampling.every;
            self.take_in(at, looks, pool);
            self.decide(at, looks, pool);
        }
    }

    /// Seconds that it may sleep with nothing to do: workers for a recurring burst, and room for them, are asked for a lead
    /// time ahead.
    fn wakes_in(&self, now: f64) -> f64 {
        let (quiet, lead) = (self.learner.forecast().calendar().quiet_for(now), &self.state.lead);
        (quiet - lead.of(Start::Cold).mean().max(lead.mean())).max(QUIET_LOOK)
    }

    /// Whether the samples to come show nothing new: they are taken together when the next one does, or when
    /// somebody asks.
    fn sleeps(&self, pool: &WorkerPool) -> bool {
        self.skips && self.steady && self.seen == Some(Looks::of(pool))
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
        let fault = faults::next(&self.sampling.faults, pool.now());
        if !self.sleeps(pool) {
            self.next_sample
        } else if fault.is_finite() {
            first_from(self.next_sample, self.sampling.every, fault)
        } else if let Some(seconds) = self.hints_stand_for(pool.now()) {
            self.next_sample + seconds
        } else if self.decision.as_ref().is_some_and(Decision::active) {
            // KEDA and the HPA ask often enough.
            f64::INFINITY
        } else {
            self.next_sample + self.wakes_in(pool.now())
        }
    }

    fn look(&mut self, now: f64, pool: &mut WorkerPool) {
        if let Some(until) = faults::down_until(&self.sampling.faults, now) {
            self.begin_anew(until);
            return;
        }
        self.catch_up(now, pool);
        if self.next_sample > now {
            return;
        }
        self.sample(now, pool);
        self.next_sample = now + self.pause();
        if self.ranks
            && self.sees_pods(now)
            && let Some(decision) = &mut self.decision
            && let going = pool.replicas().saturating_sub(decision.target as usize)
            && going > 0
        {
            let worth = u32::try_from(pool.rank_victims(going)).unwrap_or(u32::MAX);
            let stay = u32::try_from(pool.replicas()).unwrap_or(u32::MAX).saturating_sub(worth);
            decision.keep(stay);
        }
        self.hint(now, pool);
    }

    fn pushes(&mut self, _now: f64, _pool: &WorkerPool) -> bool {
        std::mem::take(&mut self.activated)
    }

    fn is_silent(&self, pool: &WorkerPool) -> bool {
        self.decision.as_ref().is_some_and(|decision| !decision.active()) && self.sleeps(pool)
    }

    fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    fn speculated(&self) -> f64 {
        self.state.budget.in_all().0
    }
}
