//! KEDA's side of one ScaledObject with one external trigger: when it visits the scaler, and what it does with
//! the answers. The HPA that KEDA makes for it is part of it.
//!
//! Facts from KEDA's `pkg/scaling` and `pkg/fallback`. KEDA itself moves only between 0 (or idle) and the
//! minimum, by `IsActive`; all else is the HPA's, by the metric. The HPA keeps name and target of the specs
//! that it was built from, and reads the first of them; polls look at all.
//!
//! Not modelled: several triggers, scaling modifiers, cached metrics, pauses, `StreamMetricSpec`.

use super::hpa::{Behavior, Controller, Hpa, HpaSpec, Target};
use super::quantity::Milli;
use super::round::{Kind, Reading, Round, Spec, sum};

/// One ScaledObject, its HPA and the replicas of what they scale.
#[derive(Clone, Debug)]
pub struct ScaledObject {
    spec: ScaledObjectSpec,
    created: f64,
    replicas: u32,
    ready: u32,
    last_active: Option<f64>,
    failures: u32,
    built: Option<Built>,
    next_reconcile: f64,
    reconcile_failures: i32,
    next_poll: f64,
}

/// What a ScaledObject says. [`Default`] has KEDA's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledObjectSpec {
    /// `minReplicaCount`.
    pub min: u32,
    /// `maxReplicaCount`.
    pub max: u32,
    /// `idleReplicaCount`.
    pub idle: Option<u32>,
    /// `pollingInterval`, seconds.
    pub polling_interval: f64,
    /// `cooldownPeriod`, seconds.
    pub cooldown_period: f64,
    /// `initialCooldownPeriod`, seconds.
    pub initial_cooldown_period: f64,
    /// `fallback`.
    pub fallback: Option<Fallback>,
    /// `metricType` of the trigger.
    pub metric_type: MetricType,
    /// `advanced.horizontalPodAutoscalerConfig.behavior`.
    pub behavior: Option<Behavior>,
    /// Which KEDA it is.
    pub generation: Generation,
    /// Settings of the control plane that runs the HPA.
    pub controller: Controller,
}

/// `fallback` of a ScaledObject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Failures in a row beyond which it takes over.
    pub failure_threshold: u32,
    /// Replicas wanted then.
    pub replicas: u32,
    /// How they are applied.
    pub behavior: FallbackBehavior,
}

/// `fallback.behavior`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FallbackBehavior {
    /// The fallback's replicas.
    #[default]
    Static,
    /// The replicas that there are.
    CurrentReplicas,
    /// The larger of both.
    CurrentReplicasIfHigher,
    /// The smaller of both.
    CurrentReplicasIfLower,
}

/// `metricType` of a trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricType {
    /// The metric is shared by the replicas.
    #[default]
    AverageValue,
    /// The metric is compared as it is.
    Value,
}

/// How KEDA reads numbers from an external scaler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// KEDA up to 2.16: integers only.
    Ints,
    /// KEDA 2.17 to 2.19: the float where it is above 0, cut to thousandths.
    TruncatedFloats,
    /// KEDA 2.20 and later: the float where it is above 0, rounded to thousandths.
    #[default]
    Floats,
}

/// What the HPA was built from.
#[derive(Clone, Debug)]
struct Built {
    metric_name: String,
    hpa: Hpa,
}

/// Delay of the first repeat of a failed reconcile, and the longest one (seconds; the defaults of the
/// operator's work queue, which doubles in between).
const RECONCILE_BACKOFF: (f64, f64) = (0.005, 1000.0);

impl Default for ScaledObjectSpec {
    fn default() -> Self {
        Self {
            min: 0,
            max: 100,
            idle: None,
            polling_interval: 30.0,
            cooldown_period: 300.0,
            initial_cooldown_period: 0.0,
            fallback: None,
            metric_type: MetricType::default(),
            behavior: None,
            generation: Generation::default(),
            controller: Controller::default(),
        }
    }
}

impl ScaledObject {
    /// A ScaledObject that is created at `now` for a workload of so many replicas, all of them ready.
    pub const fn new(spec: ScaledObjectSpec, now: f64, replicas: u32) -> Self {
        Self {
            spec,
            created: now,
            replicas,
            ready: replicas,
            last_active: None,
            failures: 0,
            built: None,
            next_reconcile: now,
            reconcile_failures: 0,
            next_poll: f64::INFINITY,
        }
    }

    /// Replicas asked for, whoever asked last.
    pub const fn replicas(&self) -> u32 {
        self.replicas
    }

    /// What it says.
    pub const fn spec(&self) -> &ScaledObjectSpec {
        &self.spec
    }

    /// The HPA, once KEDA has built it.
    pub fn hpa(&self) -> Option<&Hpa> {
        self.built.as_ref().map(|built| &built.hpa)
    }

    /// When it was last seen active.
    pub const fn last_active(&self) -> Option<f64> {
        self.last_active
    }

    /// Failures in a row that the fallback has counted.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Someone else set the replicas at `now`.
    pub fn set_replicas(&mut self, now: f64, replicas: u32) {
        self.catch_up(now);
        self.replicas = replicas;
    }

    /// So many replicas are ready; needed for [`MetricType::Value`] only.
    pub const fn set_ready(&mut self, ready: u32) {
        self.ready = ready;
    }

    /// When the next visit is due. Activity moves it, so ask again after every call.
    pub fn next_due(&self) -> f64 {
        match &self.built {
            None => self.next_reconcile,
            // At 0 replicas an HPA rests and reads nothing.
            Some(_) if self.replicas == 0 => self.next_poll,
            Some(built) => self.next_poll.min(built.hpa.next_sync()),
        }
    }

    /// The visit that is due at `now`, if any; ask until there is none. A poll comes before an HPA sync of the
    /// same instant. The next poll counts from here, however long this one takes.
    pub fn due(&mut self, now: f64) -> Option<Round> {
        let Some(built) = &mut self.built else {
            return (self.next_reconcile <= now).then(|| Round::new(Kind::Reconcile));
        };
        if self.next_poll <= now {
            self.next_poll = now + self.spec.polling_interval;
            return Some(Round::new(Kind::Poll));
        }
        if built.hpa.take_sync(now) {
            if self.replicas > 0 {
                return Some(Round::for_metric(built.metric_name.clone()));
            }
            built.hpa.sync(now, 0, 0, None);
        }
        None
    }

    /// Takes what a visit learned. Returns the replicas to set, where they change.
    pub fn finish(&mut self, now: f64, round: Round) -> Option<u32> {
        let kind = round.kind();
        let (specs, readings) = round.into_answers();
        let wanted = match kind {
            Kind::Reconcile => {
                self.build(now, specs.as_deref().and_then(<[Spec]>::first));
                None
            }
            Kind::Poll | Kind::JobPoll => self.poll(now, specs.as_deref(), &readings),
            Kind::HpaSync => self.sync(now, specs.as_deref().unwrap_or_default(), &readings),
        };
        self.move_to(wanted)
    }

    /// A message on `StreamIsActive`. `true` activates at once, and counts as activity; `false` is ignored, as
    /// KEDA does since 2.18. Before the HPA is built either is lost.
    pub fn push(&mut self, now: f64, active: bool) -> Option<u32> {
        if !active || self.built.is_none() {
            return None;
        }
        self.catch_up(now);
        let wanted = self.request_scale(now, true, false);
        self.move_to(wanted)
    }

    fn build(&mut self, now: f64, spec: Option<&Spec>) {
        let target = spec.map(|spec| spec.target(self.spec.generation));
        // The API server refuses a target of 0.
        let (Some(spec), Some(target)) = (spec, target.filter(|&target| target > Milli::new(0))) else {
            let (first, longest) = RECONCILE_BACKOFF;
            self.next_reconcile = now + longest.min(first * f64::from(self.reconcile_failures).exp2());
            self.reconcile_failures += 1;
            return;
        };
        let hpa = HpaSpec {
            min: self.spec.min.max(1),
            max: self.spec.max,
            target: match self.spec.metric_type {
                MetricType::AverageValue => Target::AverageValue(target),
                MetricType::Value => Target::Value(target),
            },
            behavior: self.spec.behavior.clone(),
            controller: self.spec.controller,
        };
        self.built = Some(Built { metric_name: spec.name.clone(), hpa: Hpa::new(hpa, now) });
        self.next_reconcile = f64::INFINITY;
        self.next_poll = now;
    }

    fn poll(&mut self, now: f64, specs: Option<&[Spec]>, readings: &[Reading]) -> Option<u32> {
        self.catch_up(now);
        let mut active = false;
        let mut error = specs.is_none();
        for reading in readings {
            if let Some((_, is_active)) = &reading.answer {
                self.failures = 0;
                active = *is_active;
            } else if self.fall_back(specs.and_then(|specs| specs.get(reading.spec))).is_some() {
                active = true;
            } else {
                error = true;
            }
        }
        self.request_scale(now, active, error)
    }

    fn sync(&mut self, now: f64, specs: &[Spec], readings: &[Reading]) -> Option<u32> {
        let metric = readings.iter().map(|reading| match &reading.answer {
            Some((values, _)) => {
                self.failures = 0;
                sum(values, self.spec.generation)
            }
            None => self.fall_back(specs.get(reading.spec)),
        });
        // One failed metric fails the whole answer; so does having none.
        let metric = metric.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().reduce(Milli::plus));
        let (replicas, ready) = (self.replicas, self.ready);
        self.built.as_mut()?.hpa.sync(now, replicas, ready, metric)
    }

    /// Counts a failure; past the threshold, the value that makes the HPA want the fallback's replicas.
    fn fall_back(&mut self, spec: Option<&Spec>) -> Option<Milli> {
        let fallback = self.spec.fallback?;
        self.failures = self.failures.saturating_add(1);
        if self.failures <= fallback.failure_threshold {
            return None;
        }
        let replicas = match fallback.behavior {
            FallbackBehavior::Static => fallback.replicas,
            FallbackBehavior::CurrentReplicas => self.replicas,
            FallbackBehavior::CurrentReplicasIfHigher => fallback.replicas.max(self.replicas),
            FallbackBehavior::CurrentReplicasIfLower => fallback.replicas.min(self.replicas),
        };
        let share = match self.spec.metric_type {
            MetricType::AverageValue => f64::from(replicas),
            MetricType::Value if self.ready == 0 => return None,
            MetricType::Value => f64::from(replicas) / f64::from(self.ready),
        };
        let target = spec?.target(self.spec.generation).to_f64();
        Some(Milli::formatted(target * share))
    }

    /// KEDA's own decision: between 0 (or idle) and the minimum.
    fn request_scale(&mut self, now: f64, active: bool, error: bool) -> Option<u32> {
        let ScaledObjectSpec { min, idle, fallback, .. } = self.spec;
        let replicas = self.replicas;
        let resting = replicas == 0 || (idle.is_some() && replicas < min);
        if active {
            if resting || !error {
                self.last_active = Some(now);
            }
            return resting.then_some(min.max(1));
        }
        // A fallback to 0 replicas holds nothing: an error then falls through, as in KEDA.
        if error && fallback.is_none_or(|fallback| fallback.replicas != 0) {
            return None;
        }
        match idle {
            Some(idle) if replicas > idle => self.cooled_down(now).then_some(idle),
            None if replicas > 0 && min == 0 => self.cooled_down(now).then_some(0),
            None if replicas < min => Some(min),
            _ => None,
        }
    }

    fn cooled_down(&self, now: f64) -> bool {
        match self.last_active {
            Some(at) => at + self.spec.cooldown_period < now,
            None => self.created + self.spec.initial_cooldown_period < now,
        }
    }

    /// Lets the syncs pass that an HPA at 0 replicas rests through.
    fn catch_up(&mut self, now: f64) {
        if let (Some(built), 0) = (&mut self.built, self.replicas)
            && built.hpa.next_sync() < now
            && built.hpa.take_sync(now)
        {
            built.hpa.sync(now, 0, 0, None);
        }
    }

    fn move_to(&mut self, wanted: Option<u32>) -> Option<u32> {
        let replicas = wanted.filter(|&wanted| wanted != self.replicas)?;
        self.replicas = replicas;
        Some(replicas)
    }
}

impl Generation {
    /// The quantity that this KEDA makes of a number given as integer and as float.
    pub fn quantity(self, int: i64, float: f64) -> Milli {
        match self {
            Self::Floats if float > 0.0 => Milli::formatted(float),
            Self::TruncatedFloats if float > 0.0 => Milli::truncated(float),
            // KEDA 2.20.2 takes negative integers for 0, too.
            Self::Floats => Milli::whole(int.max(0)),
            Self::Ints | Self::TruncatedFloats => Milli::whole(int),
        }
    }
}
