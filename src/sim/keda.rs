//! KEDA's side of one ScaledObject with one external trigger: when it visits the scaler, and what it does with
//! the answers. The HPA that KEDA makes for it is part of it.
//!
//! Facts from KEDA's `pkg/scaling` and `pkg/fallback`. KEDA itself moves only between 0 (or idle) and the
//! minimum, by `IsActive`; all else is the HPA's, by the metric. The HPA keeps name and target of the specs
//! that it was built from, and reads the first of them; polls look at all.
//!
//! Not modelled: several triggers, scaling modifiers, cached metrics, pauses, `StreamMetricSpec`.

mod spec;

pub use spec::{Fallback, FallbackBehavior, Generation, MetricType, ScaledObjectSpec};

use super::hpa::{Hpa, HpaSpec, Target};
use super::quantity::Milli;
use super::round::{Kind, Reading, Round, Spec, Value, sum};
use super::ticks::first_from;

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

/// What the HPA was built from.
#[derive(Clone, Debug)]
struct Built {
    metric_name: String,
    hpa: Hpa,
}

/// What was heard of one metric.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// Target for one replica, where it is known.
    target: Option<Milli>,
    /// Value (`None` of an answer without one) and activity; `None` where reading failed.
    answer: Option<(Option<Milli>, bool)>,
}

/// Name of the metric of a scaler that is asked without calls.
const ONLY_METRIC: &str = "s0";

/// Delay of the first repeat of a failed reconcile, and the longest one (seconds; the defaults of the
/// operator's work queue, which doubles in between).
const RECONCILE_BACKOFF: (f64, f64) = (0.005, 1000.0);

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
        let kind = self.take_due(now)?;
        Some(match (&self.built, kind) {
            (Some(built), Kind::HpaSync) => Round::for_metric(built.metric_name.clone()),
            _ => Round::new(kind),
        })
    }

    /// Takes what a visit learned. Returns the replicas to set, where they change.
    pub fn finish(&mut self, now: f64, round: Round) -> Option<u32> {
        let kind = round.kind();
        let (specs, readings) = round.into_answers();
        let generation = self.spec.generation;
        let specs = specs.as_deref();
        let target = |spec: usize| specs?.get(spec).map(|spec| spec.target(generation));
        let heard = readings.iter().map(|Reading { spec, answer }| Heard {
            target: target(*spec),
            answer: answer.as_ref().map(|(values, active)| (sum(values, generation), *active)),
        });
        let wanted = match kind {
            Kind::Reconcile => {
                let spec = specs.and_then(<[Spec]>::first);
                self.build(now, spec.map(|spec| (spec.name.as_str(), spec.target(generation))));
                None
            }
            Kind::Poll | Kind::JobPoll => self.poll(now, specs.is_none(), heard),
            Kind::HpaSync => self.sync(now, heard),
        };
        self.move_to(wanted)
    }

    /// The visit that is due at `now`, as [`due`](Self::due), for a scaler that is asked without calls.
    pub fn take_due(&mut self, now: f64) -> Option<Kind> {
        let Some(built) = &mut self.built else {
            return (self.next_reconcile <= now).then_some(Kind::Reconcile);
        };
        if self.next_poll <= now {
            self.next_poll = now + self.spec.polling_interval;
            return Some(Kind::Poll);
        }
        if built.hpa.take_sync(now) {
            if self.replicas > 0 {
                return Some(Kind::HpaSync);
            }
            built.hpa.sync(now, 0, 0, None);
        }
        None
    }

    /// Takes what a visit learned of a scaler with a single metric, as [`finish`](Self::finish): its target for
    /// one replica, its value, and whether it is active; `None` where reading it failed.
    pub fn hear(&mut self, now: f64, kind: Kind, target: f64, answer: Option<(f64, bool)>) -> Option<u32> {
        let generation = self.spec.generation;
        let quantity = |value: f64| Value::of(value).quantity(generation);
        let target = quantity(target);
        let answer = answer.map(|(value, active)| (Some(quantity(value)), active));
        let heard = std::iter::once(Heard { target: Some(target), answer });
        let wanted = match kind {
            Kind::Reconcile => {
                self.build(now, Some((ONLY_METRIC, target)));
                None
            }
            Kind::Poll | Kind::JobPoll => self.poll(now, false, heard),
            Kind::HpaSync => self.sync(now, heard),
        };
        self.move_to(wanted)
    }

    /// Lets the polls pass that were due before `now`, as if each had found nothing to do.
    pub fn skip_polls(&mut self, now: f64) {
        if self.built.is_some() {
            self.next_poll = first_from(self.next_poll, self.spec.polling_interval, now);
        }
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

    fn build(&mut self, now: f64, metric: Option<(&str, Milli)>) {
        // The API server refuses a target of 0.
        let Some((name, target)) = metric.filter(|&(_, target)| target > Milli::new(0)) else {
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
        self.built = Some(Built { metric_name: name.to_owned(), hpa: Hpa::new(hpa, now) });
        self.next_reconcile = f64::INFINITY;
        self.next_poll = now;
    }

    /// `error`: already the targets could not be read.
    fn poll(&mut self, now: f64, mut error: bool, heard: impl Iterator<Item = Heard>) -> Option<u32> {
        self.catch_up(now);
        let mut active = false;
        for Heard { target, answer } in heard {
            if let Some((_, is_active)) = answer {
                self.failures = 0;
                active = is_active;
            } else if self.fall_back(target).is_some() {
                active = true;
            } else {
                error = true;
            }
        }
        self.request_scale(now, active, error)
    }

    fn sync(&mut self, now: f64, heard: impl Iterator<Item = Heard>) -> Option<u32> {
        let values = heard.map(|Heard { target, answer }| match answer {
            Some((value, _)) => {
                self.failures = 0;
                value
            }
            None => self.fall_back(target),
        });
        // One failed metric fails the whole answer; so does having none. Every one of them is heard all the same.
        let sum = |sum: Option<Option<Milli>>, value: Option<Milli>| match sum {
            None => Some(value),
            Some(sum) => Some(sum.zip(value).map(|(sum, value)| sum.plus(value))),
        };
        let metric = values.fold(None, sum).flatten();
        let (replicas, ready) = (self.replicas, self.ready);
        self.built.as_mut()?.hpa.sync(now, replicas, ready, metric)
    }

    /// Counts a failure; past the threshold, the value that makes the HPA want the fallback's replicas.
    fn fall_back(&mut self, target: Option<Milli>) -> Option<Milli> {
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
        Some(Milli::formatted(target?.to_f64() * share))
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
