//! The calls that KEDA makes to an external scaler in one visit, in their order, with their retries.
//!
//! Facts from `pkg/scalers/external_scaler.go` and `pkg/scaling/cache/scalers_cache.go` of KEDA: `GetMetricSpec`
//! first, then for each metric `GetMetrics` and, where that succeeded, `IsActive`. A failed pair is asked once
//! more at once, from `GetMetrics` on; so is a `GetMetricSpec` that failed or was empty.

use super::keda::Generation;
use super::quantity::Milli;

/// One visit: ask it for the next [`call`](Self::call), make that call, hand the [`Reply`] back, until there is
/// none left.
#[derive(Clone, Debug)]
pub struct Round {
    kind: Kind,
    only: Option<String>,
    step: Step,
    specs: Option<Vec<Spec>>,
    readings: Vec<Reading>,
}

/// Why KEDA visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It builds the HPA: `GetMetricSpec` only.
    Reconcile,
    /// Its own poll loop, over all metrics.
    Poll,
    /// The HPA asked for its metric.
    HpaSync,
    /// The poll loop of a ScaledJob, which does not ask for the specs twice.
    JobPoll,
}

/// A call to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call<'a> {
    /// `GetMetricSpec`.
    MetricSpec,
    /// `GetMetrics` with this metric name (KEDA's own prefix `s0-` already taken off).
    Metrics {
        /// Name from the spec.
        metric_name: &'a str,
    },
    /// `IsActive`.
    IsActive,
}

/// The answer to a [`Call`]. One that does not fit its call counts as failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// To [`Call::MetricSpec`].
    Specs(Vec<Spec>),
    /// To [`Call::Metrics`].
    Values(Vec<Value>),
    /// To [`Call::IsActive`].
    Active(bool),
    /// Any status but OK, or no answer at all.
    Failed,
}

/// A `MetricSpec` of the protocol.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spec {
    /// `metricName`.
    pub name: String,
    /// `targetSize`.
    pub target_int: i64,
    /// `targetSizeFloat`.
    pub target_float: f64,
}

/// A `MetricValue` of the protocol; KEDA ignores the name in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Value {
    /// `metricValue`.
    pub int: i64,
    /// `metricValueFloat`.
    pub float: f64,
}

/// What a visit learned of one metric.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    /// Which of the specs.
    pub(super) spec: usize,
    /// Values and activity; `None` where it failed.
    pub(super) answer: Option<(Vec<Value>, bool)>,
}

#[derive(Clone, Debug)]
enum Step {
    Specs { again: bool },
    Values { spec: usize, again: bool },
    Active { spec: usize, again: bool, values: Vec<Value> },
    Done,
}

impl Round {
    /// A visit that reads every metric.
    pub(super) const fn new(kind: Kind) -> Self {
        Self { kind, only: None, step: Step::Specs { again: false }, specs: None, readings: Vec::new() }
    }

    /// A visit for the HPA, which reads the metric of this name.
    pub(super) fn for_metric(name: String) -> Self {
        Self { only: Some(name), ..Self::new(Kind::HpaSync) }
    }

    /// Why KEDA visits.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The call to make now; `None` when all are made.
    pub fn call(&self) -> Option<Call<'_>> {
        match &self.step {
            Step::Specs { .. } => Some(Call::MetricSpec),
            Step::Values { spec, .. } => {
                let metric_name = self.specs.as_deref().unwrap_or_default().get(*spec)?.name.as_str();
                Some(Call::Metrics { metric_name })
            }
            Step::Active { .. } => Some(Call::IsActive),
            Step::Done => None,
        }
    }

    /// Takes the answer to the call that [`call`](Self::call) named.
    pub fn reply(&mut self, reply: Reply) {
        self.step = match (std::mem::replace(&mut self.step, Step::Done), reply) {
            (Step::Specs { .. }, Reply::Specs(specs)) if !specs.is_empty() => {
                self.specs = Some(specs);
                self.metric_from(0)
            }
            (Step::Specs { again: false }, _) if self.kind != Kind::JobPoll => Step::Specs { again: true },
            (Step::Values { spec, again }, Reply::Values(values)) => Step::Active { spec, again, values },
            (Step::Active { spec, values, .. }, Reply::Active(active)) => {
                self.readings.push(Reading { spec, answer: Some((values, active)) });
                self.metric_from(spec + 1)
            }
            (Step::Values { spec, again: false } | Step::Active { spec, again: false, .. }, _) => {
                Step::Values { spec, again: true }
            }
            (Step::Values { spec, .. } | Step::Active { spec, .. }, _) => {
                self.readings.push(Reading { spec, answer: None });
                self.metric_from(spec + 1)
            }
            (Step::Specs { .. } | Step::Done, _) => Step::Done,
        };
    }

    /// The specs, `None` where reading them failed, and what was read of each metric. Calls that were never
    /// answered count as failed.
    pub(super) fn into_answers(mut self) -> (Option<Vec<Spec>>, Vec<Reading>) {
        while self.call().is_some() {
            self.reply(Reply::Failed);
        }
        (self.specs, self.readings)
    }

    fn metric_from(&self, first: usize) -> Step {
        let wanted =
            |spec: &Spec| self.only.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(&spec.name));
        let specs = self.specs.as_deref().unwrap_or_default();
        let next = specs.iter().enumerate().skip(first).find(|(_, spec)| wanted(spec));
        match next {
            Some((spec, _)) if self.kind != Kind::Reconcile => Step::Values { spec, again: false },
            _ => Step::Done,
        }
    }
}

impl Spec {
    /// The target that KEDA of this generation gives to the HPA.
    pub fn target(&self, generation: Generation) -> Milli {
        generation.quantity(self.target_int, self.target_float)
    }
}

impl Value {
    /// A value in both of its forms; the integer is rounded up, so that it never says less.
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
    pub const fn of(value: f64) -> Self {
        Self { int: value.ceil() as i64, float: value }
    }

    /// The value that KEDA of this generation gives to the HPA.
    pub fn quantity(&self, generation: Generation) -> Milli {
        generation.quantity(self.int, self.float)
    }
}

/// The sum of a metric's values, which is what KEDA, the HPA and ScaledJobs go by; `None` of none.
pub(super) fn sum(values: &[Value], generation: Generation) -> Option<Milli> {
    values.iter().map(|v| v.quantity(generation)).reduce(Milli::plus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(names: &[&str]) -> Reply {
        Reply::Specs(names.iter().map(|&name| Spec { name: name.into(), ..Spec::default() }).collect())
    }

    #[test]
    fn a_poll_asks_for_specs_then_values_then_activity_of_each_metric() {
        let mut round = Round::new(Kind::Poll);
        assert_eq!(round.call(), Some(Call::MetricSpec));
        round.reply(specs(&["a", "b"]));
        for name in ["a", "b"] {
            assert_eq!(round.call(), Some(Call::Metrics { metric_name: name }));
            round.reply(Reply::Values(vec![Value::default()]));
            assert_eq!(round.call(), Some(Call::IsActive));
            round.reply(Reply::Active(true));
        }
        assert_eq!(round.call(), None);
    }

    #[test]
    fn a_failed_activity_is_asked_again_from_the_values_on_and_only_once() {
        let mut round = Round::new(Kind::Poll);
        round.reply(specs(&["a"]));
        round.reply(Reply::Values(vec![]));
        round.reply(Reply::Failed);
        assert_eq!(round.call(), Some(Call::Metrics { metric_name: "a" }));
        round.reply(Reply::Values(vec![]));
        assert_eq!(round.call(), Some(Call::IsActive));
        round.reply(Reply::Failed);
        assert_eq!(round.call(), None);
        let (specs, readings) = round.into_answers();
        assert!(specs.is_some());
        assert_eq!(readings, [Reading { spec: 0, answer: None }]);
    }

    #[test]
    fn empty_specs_are_an_error_and_asked_for_once_more() {
        let mut round = Round::new(Kind::Poll);
        round.reply(specs(&[]));
        assert_eq!(round.call(), Some(Call::MetricSpec));
        round.reply(specs(&[]));
        assert_eq!(round.call(), None);
        assert_eq!(round.into_answers(), (None, vec![]));
    }

    #[test]
    fn a_scaled_job_does_not_ask_for_specs_twice() {
        let mut round = Round::new(Kind::JobPoll);
        round.reply(Reply::Failed);
        assert_eq!(round.call(), None);
    }

    #[test]
    fn the_hpa_reads_its_own_metric_only_and_ignores_case() {
        let mut round = Round::for_metric("B".into());
        round.reply(specs(&["a", "b"]));
        assert_eq!(round.call(), Some(Call::Metrics { metric_name: "b" }));
        round.reply(Reply::Values(vec![Value::default()]));
        round.reply(Reply::Active(false));
        assert_eq!(round.call(), None);
    }

    #[test]
    fn building_the_hpa_asks_for_specs_alone() {
        let mut round = Round::new(Kind::Reconcile);
        round.reply(specs(&["a"]));
        assert_eq!(round.call(), None);
    }
}
