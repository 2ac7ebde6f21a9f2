//! KEDA's side of one ScaledJob with one external trigger: when it polls, and how many Jobs it creates.
//!
//! Facts from KEDA's `pkg/scaling/scaledjob` and `pkg/scaling/executor/scale_jobs.go`. A ScaledJob knows no HPA,
//! cooldown, fallback or push; it only ever adds.

use super::keda::{Generation, MetricType};
use super::quantity::Milli;
use super::round::{Kind, Reading, Round, Spec, sum};
use super::ticks::first_from;

/// One ScaledJob.
#[derive(Clone, Debug)]
pub struct ScaledJob {
    spec: ScaledJobSpec,
    next_poll: f64,
}

/// What a ScaledJob says. [`Default`] has KEDA's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaledJobSpec {
    /// `minReplicaCount`.
    pub min: u32,
    /// `maxReplicaCount`; where it is not set, 100 Jobs beyond the minimum.
    pub max: Option<u32>,
    /// `pollingInterval`, seconds.
    pub polling_interval: f64,
    /// `scalingStrategy.strategy`.
    pub strategy: Strategy,
    /// `metricType` of the trigger; with [`MetricType::Value`] KEDA never creates a Job beyond the minimum.
    pub metric_type: MetricType,
    /// Which KEDA it is.
    pub generation: Generation,
}

/// `scalingStrategy` of a ScaledJob.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Strategy {
    /// Wants a queue length that counts what runs.
    #[default]
    Default,
    /// Takes a constant and a share of the running Jobs off.
    Custom {
        /// `customScalingQueueLengthDeduction`.
        deduction: i64,
        /// `customScalingRunningJobPercentage`, a share: 0.5 is half.
        running_share: f64,
    },
    /// Wants a queue length without what runs.
    Accurate,
    /// Fills up to the maximum.
    Eager,
}

/// The Jobs of a ScaledJob that have not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jobs {
    /// All unfinished ones, pending included.
    pub running: u32,
    /// Those whose pod does not run yet.
    pub pending: u32,
}

/// Jobs beyond the minimum where no maximum is set.
const DEFAULT_MAX: i64 = 100;

impl Default for ScaledJobSpec {
    fn default() -> Self {
        Self {
            min: 0,
            max: None,
            polling_interval: 30.0,
            strategy: Strategy::default(),
            metric_type: MetricType::default(),
            generation: Generation::default(),
        }
    }
}

impl ScaledJob {
    /// A ScaledJob that is created at `now` and polled at once.
    pub const fn new(spec: ScaledJobSpec, now: f64) -> Self {
        Self { spec, next_poll: now }
    }

    /// When the next poll is due.
    pub const fn next_due(&self) -> f64 {
        self.next_poll
    }

    /// What it says.
    pub const fn spec(&self) -> &ScaledJobSpec {
        &self.spec
    }

    /// The poll that is due at `now`, if any.
    pub fn due(&mut self, now: f64) -> Option<Round> {
        self.take_due(now).then(|| Round::new(Kind::JobPoll))
    }

    /// Starts the poll that is due at `now`, if any, for a scaler that is asked without calls.
    pub fn take_due(&mut self, now: f64) -> bool {
        let due = self.next_poll <= now;
        if due {
            self.next_poll = now + self.spec.polling_interval;
        }
        due
    }

    /// Lets the polls pass that were due before `now`, as if each had created nothing.
    pub fn skip_polls(&mut self, now: f64) {
        self.next_poll = first_from(self.next_poll, self.spec.polling_interval, now);
    }

    /// Takes what a poll learned; `jobs` are those that exist now. Returns how many Jobs KEDA creates.
    pub fn finish(&self, round: Round, jobs: Jobs) -> u32 {
        let (specs, readings) = round.into_answers();
        let specs = specs.unwrap_or_default();
        let mut queue = 0.0;
        let mut active = false;
        let mut counted = false;
        for Reading { spec, answer } in readings {
            let Some((values, is_active)) = answer else { continue };
            active |= is_active;
            // KEDA counts the values of the first spec's metric only, and takes the longest queue.
            let same =
                specs.get(spec).zip(specs.first()).is_some_and(|(spec, first)| spec.name == first.name);
            let length = sum(&values, self.spec.generation).filter(|_| same).map_or(0.0, Milli::to_f64);
            if active && length > queue {
                queue = length;
                counted = true;
            }
        }
        self.spec.jobs_to_create(queue, self.target(&specs), counted, jobs)
    }

    /// The average target of all specs; 0 with [`MetricType::Value`].
    fn target(&self, specs: &[Spec]) -> f64 {
        if specs.is_empty() || self.spec.metric_type == MetricType::Value {
            return 0.0;
        }
        let total: f64 = specs.iter().map(|spec| spec.target(self.spec.generation).to_f64()).sum();
        total / specs.len() as f64
    }
}

impl ScaledJobSpec {
    /// How many Jobs KEDA creates for a queue of this length, of which one Job is to take `target`. `active`:
    /// the trigger is active and its queue is not empty.
    pub fn jobs_to_create(&self, queue: f64, target: f64, active: bool, jobs: Jobs) -> u32 {
        let (min, most) = self.limits();
        let (running, pending) = (i64::from(jobs.running), i64::from(jobs.pending));
        if !active && min == 0 {
            return 0;
        }
        let queue = if active { queue } else { 0.0 };
        let scale = if target > 0.0 { ceil((queue / target).min(most as f64)) } else { 0 };
        let (scale_to, effective) = if running < min {
            (min - running, min - running)
        } else {
            let beyond = running - min;
            match self.strategy {
                Strategy::Default => (ceil(queue), scale - beyond),
                Strategy::Custom { deduction, running_share } => {
                    let taken_off = whole(beyond as f64 * running_share);
                    (ceil(queue), (scale - deduction - taken_off).min(most))
                }
                Strategy::Accurate if scale + beyond - pending > most => (ceil(queue), most - beyond),
                Strategy::Accurate => (ceil(queue), scale - pending),
                Strategy::Eager => (most, scale.min(most - beyond - pending)),
            }
        };
        u32::try_from(scale_to.min(effective.max(0)).max(0)).unwrap_or(u32::MAX)
    }

    /// Fewest Jobs, and most beyond those; a minimum above the maximum counts as the maximum, for both.
    fn limits(&self) -> (i64, i64) {
        match self.max {
            None => (self.min.into(), DEFAULT_MAX),
            Some(max) if self.min > max => (max.into(), max.into()),
            Some(max) => (self.min.into(), (max - self.min).into()),
        }
    }
}

fn ceil(value: f64) -> i64 {
    whole(value.ceil())
}

/// Towards zero, as KEDA converts.
#[expect(clippy::cast_possible_truncation, reason = "truncation is what is modelled; `as` saturates")]
const fn whole(value: f64) -> i64 {
    value as i64
}
