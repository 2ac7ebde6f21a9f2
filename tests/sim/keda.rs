//! KEDA's side of a ScaledObject: when it asks what, and what it makes of the answers.

use foresail::sim::hpa::Behavior;
use foresail::sim::keda::{
    Fallback, FallbackBehavior, Generation, MetricType, ScaledObject, ScaledObjectSpec,
};
use foresail::sim::round::{Call, Kind, Reply, Spec, Value};
use proptest::prelude::*;

/// A scaler with one metric.
#[derive(Clone, Debug)]
struct Stub {
    target: (i64, f64),
    values: Vec<Value>,
    active: bool,
    specs_fail: bool,
    values_fail: bool,
    calls: Vec<String>,
}

impl Stub {
    fn wanting(replicas: u32) -> Self {
        Self {
            target: (1, 1.0),
            values: vec![Value::of(f64::from(replicas))],
            active: replicas > 0,
            specs_fail: false,
            values_fail: false,
            calls: Vec::new(),
        }
    }

    fn answer(&mut self, call: Call<'_>) -> Reply {
        self.calls.push(format!("{call:?}"));
        match call {
            Call::MetricSpec if self.specs_fail => Reply::Failed,
            Call::MetricSpec => {
                let (target_int, target_float) = self.target;
                Reply::Specs(vec![Spec { name: "jobs".into(), target_int, target_float }])
            }
            Call::Metrics { .. } if self.values_fail => Reply::Failed,
            Call::Metrics { .. } => Reply::Values(self.values.clone()),
            Call::IsActive => Reply::Active(self.active),
        }
    }
}

fn spec() -> ScaledObjectSpec {
    ScaledObjectSpec { behavior: Some(Behavior::foresail()), ..ScaledObjectSpec::default() }
}

/// Holds every visit due until `until`; what happened when, as `time kind -> replicas`.
fn run(keda: &mut ScaledObject, stub: &mut Stub, until: f64) -> Vec<String> {
    let mut story = Vec::new();
    while keda.next_due() <= until {
        let now = keda.next_due();
        while let Some(mut round) = keda.due(now) {
            while let Some(call) = round.call() {
                let reply = stub.answer(call);
                round.reply(reply);
            }
            let kind = round.kind();
            keda.finish(now, round);
            story.push(format!("{now} {kind:?} -> {}", keda.replicas()));
        }
    }
    story
}

#[test]
fn it_builds_the_hpa_polls_at_once_and_then_leaves_the_rest_to_the_hpa() {
    let mut keda = ScaledObject::new(spec(), 100.0, 0);
    let mut stub = Stub::wanting(7);
    let story = run(&mut keda, &mut stub, 130.0);
    assert_eq!(
        story,
        ["100 Reconcile -> 0", "100 Poll -> 1", "105 HpaSync -> 7", "120 HpaSync -> 7", "130 Poll -> 7"]
    );
    let metrics = r#"Metrics { metric_name: "jobs" }"#;
    assert_eq!(
        stub.calls[..7],
        ["MetricSpec", "MetricSpec", metrics, "IsActive", "MetricSpec", metrics, "IsActive"]
    );
}

#[test]
fn at_zero_replicas_only_polls_call() {
    let mut keda = ScaledObject::new(spec(), 0.0, 0);
    let story = run(&mut keda, &mut Stub::wanting(0), 90.0);
    assert_eq!(story, ["0 Reconcile -> 0", "0 Poll -> 0", "30 Poll -> 0", "60 Poll -> 0", "90 Poll -> 0"]);
}

#[test]
fn activation_goes_to_the_minimum_or_one_and_never_beyond() {
    for (min, replicas) in [(0, 1), (1, 1), (5, 5)] {
        let mut keda = ScaledObject::new(ScaledObjectSpec { min, ..spec() }, 0.0, 0);
        run(&mut keda, &mut Stub::wanting(50), 0.0);
        assert_eq!(keda.replicas(), replicas, "minimum {min}");
    }
}

#[test]
fn an_idle_count_rests_below_the_minimum() {
    let idle = ScaledObjectSpec { min: 4, idle: Some(0), cooldown_period: 20.0, ..spec() };
    let mut keda = ScaledObject::new(idle, 0.0, 0);
    let mut stub = Stub::wanting(0);
    run(&mut keda, &mut stub, 0.0);
    assert_eq!(keda.replicas(), 0);
    stub.active = true;
    run(&mut keda, &mut stub, 30.0);
    assert_eq!(keda.replicas(), 4);
    stub.active = false;
    run(&mut keda, &mut stub, 60.0);
    assert_eq!(keda.replicas(), 0);
}

#[test]
fn without_activity_replicas_are_brought_up_to_the_minimum() {
    let mut keda = ScaledObject::new(ScaledObjectSpec { min: 3, ..spec() }, 0.0, 0);
    run(&mut keda, &mut Stub::wanting(0), 0.0);
    assert_eq!(keda.replicas(), 3);
}

#[test]
fn it_goes_to_zero_at_the_first_poll_after_the_cooldown() {
    let mut keda = ScaledObject::new(ScaledObjectSpec { cooldown_period: 60.0, ..spec() }, 0.0, 0);
    let mut stub = Stub::wanting(3);
    run(&mut keda, &mut stub, 30.0);
    stub = Stub::wanting(0);
    // Last active at 30: at 90 the cooldown has not passed yet, it must be over.
    run(&mut keda, &mut stub, 119.0);
    assert_eq!(keda.replicas(), 1);
    run(&mut keda, &mut stub, 120.0);
    assert_eq!(keda.replicas(), 0);
}

#[test]
fn what_was_never_active_goes_to_zero_after_the_initial_cooldown() {
    let spec = ScaledObjectSpec { initial_cooldown_period: 45.0, ..spec() };
    let mut keda = ScaledObject::new(spec, 0.0, 1);
    run(&mut keda, &mut Stub::wanting(0), 30.0);
    assert_eq!(keda.replicas(), 1);
    run(&mut keda, &mut Stub::wanting(0), 60.0);
    assert_eq!(keda.replicas(), 0);
}

#[test]
fn inactive_beats_the_metric() {
    let mut keda = ScaledObject::new(ScaledObjectSpec { cooldown_period: 20.0, ..spec() }, 0.0, 0);
    let mut stub = Stub::wanting(9);
    run(&mut keda, &mut stub, 30.0);
    assert_eq!(keda.replicas(), 9);
    stub.active = false;
    run(&mut keda, &mut stub, 60.0);
    assert_eq!(keda.replicas(), 0);
}

#[test]
fn a_push_activates_at_once_and_false_is_ignored() {
    let mut keda = ScaledObject::new(ScaledObjectSpec { min: 2, ..spec() }, 0.0, 0);
    assert_eq!(keda.push(0.0, true), None, "before the HPA is built it is lost");
    let mut stub = Stub::wanting(0);
    keda.set_replicas(0.0, 2);
    run(&mut keda, &mut stub, 0.0);
    keda.set_replicas(1.0, 0);
    assert_eq!(keda.push(2.0, false), None);
    assert_eq!(keda.push(2.0, true), Some(2));
    assert_eq!(keda.next_due().to_string(), "15", "the HPA reads again");
    assert_eq!(keda.push(3.0, false), None);
    assert_eq!(keda.replicas(), 2);
}

#[test]
fn a_push_counts_as_activity_for_the_cooldown() {
    let mut keda = ScaledObject::new(ScaledObjectSpec { cooldown_period: 40.0, ..spec() }, 0.0, 0);
    let mut stub = Stub::wanting(1);
    run(&mut keda, &mut stub, 0.0);
    stub = Stub::wanting(0);
    run(&mut keda, &mut stub, 29.0);
    assert_eq!(keda.push(29.0, true), None);
    run(&mut keda, &mut stub, 60.0);
    assert_eq!(keda.replicas(), 1, "30 s and 60 s are within 40 s of the push");
    run(&mut keda, &mut stub, 90.0);
    assert_eq!(keda.replicas(), 0);
}

#[test]
fn errors_without_a_fallback_leave_the_replicas_alone() {
    for specs_fail in [true, false] {
        let mut keda = ScaledObject::new(ScaledObjectSpec { cooldown_period: 10.0, ..spec() }, 0.0, 0);
        let mut stub = Stub::wanting(6);
        run(&mut keda, &mut stub, 30.0);
        stub.specs_fail = specs_fail;
        stub.values_fail = true;
        stub.active = false;
        run(&mut keda, &mut stub, 1000.0);
        assert_eq!(keda.replicas(), 6);
    }
}

#[test]
fn no_value_at_all_is_an_error_for_the_hpa_but_not_for_the_poll() {
    let mut keda = ScaledObject::new(ScaledObjectSpec { cooldown_period: 50.0, ..spec() }, 0.0, 0);
    let mut stub = Stub::wanting(6);
    run(&mut keda, &mut stub, 30.0);
    stub.values.clear();
    run(&mut keda, &mut stub, 59.0);
    assert_eq!(keda.replicas(), 6);
    stub.active = false;
    run(&mut keda, &mut stub, 90.0);
    assert_eq!(keda.replicas(), 0);
}

#[test]
fn the_fallback_takes_over_beyond_the_threshold_and_counts_both_paths() {
    for (behavior, replicas) in [
        (FallbackBehavior::Static, 4),
        (FallbackBehavior::CurrentReplicas, 6),
        (FallbackBehavior::CurrentReplicasIfHigher, 6),
        (FallbackBehavior::CurrentReplicasIfLower, 4),
    ] {
        let fallback = Some(Fallback { failure_threshold: 3, replicas: 4, behavior });
        let mut keda = ScaledObject::new(ScaledObjectSpec { fallback, ..spec() }, 0.0, 0);
        let mut stub = Stub::wanting(6);
        run(&mut keda, &mut stub, 30.0);
        stub.values_fail = true;
        // Failures: 45 (HPA), 60 (poll), 60 (HPA); the fourth is the HPA's at 75.
        run(&mut keda, &mut stub, 74.0);
        assert_eq!((keda.replicas(), keda.failures()), (6, 3), "{behavior:?}");
        run(&mut keda, &mut stub, 75.0);
        assert_eq!(keda.replicas(), replicas, "{behavior:?}");
        stub.values_fail = false;
        run(&mut keda, &mut stub, 90.0);
        assert_eq!((keda.replicas(), keda.failures()), (6, 0), "{behavior:?}");
    }
}

#[test]
fn the_fallback_never_fires_while_the_specs_fail() {
    let fallback = Some(Fallback { failure_threshold: 1, replicas: 4, behavior: FallbackBehavior::Static });
    let mut keda = ScaledObject::new(ScaledObjectSpec { fallback, ..spec() }, 0.0, 0);
    let mut stub = Stub::wanting(6);
    run(&mut keda, &mut stub, 30.0);
    stub.specs_fail = true;
    run(&mut keda, &mut stub, 600.0);
    assert_eq!((keda.replicas(), keda.failures()), (6, 0));
}

#[test]
fn a_fallback_to_nothing_lets_an_error_scale_to_zero() {
    let fallback = Some(Fallback { failure_threshold: 100, replicas: 0, behavior: FallbackBehavior::Static });
    let mut keda = ScaledObject::new(ScaledObjectSpec { fallback, cooldown_period: 10.0, ..spec() }, 0.0, 0);
    let mut stub = Stub::wanting(6);
    run(&mut keda, &mut stub, 30.0);
    stub.values_fail = true;
    run(&mut keda, &mut stub, 60.0);
    assert_eq!(keda.replicas(), 0);
}

#[test]
fn a_scaler_that_is_away_when_the_object_is_made_is_asked_again_with_growing_delays() {
    let mut keda = ScaledObject::new(spec(), 0.0, 0);
    let mut stub = Stub::wanting(2);
    stub.specs_fail = true;
    run(&mut keda, &mut stub, 0.02);
    assert_eq!(stub.calls.len(), 6, "three reconciles, each asking twice");
    assert!(keda.hpa().is_none());
    stub.specs_fail = false;
    run(&mut keda, &mut stub, 1.0);
    assert_eq!(keda.replicas(), 1);
}

#[test]
fn a_target_of_zero_is_refused() {
    let mut keda = ScaledObject::new(spec(), 0.0, 0);
    let mut stub = Stub { target: (0, 0.0), ..Stub::wanting(2) };
    let story = run(&mut keda, &mut stub, 0.0);
    assert_eq!(story, ["0 Reconcile -> 0"]);
    assert!(keda.hpa().is_none());
}

#[test]
fn the_hpa_keeps_the_target_that_it_was_built_with() {
    let mut keda = ScaledObject::new(spec(), 0.0, 0);
    let mut stub = Stub::wanting(12);
    run(&mut keda, &mut stub, 15.0);
    assert_eq!(keda.replicas(), 12);
    stub.target = (3, 3.0);
    run(&mut keda, &mut stub, 60.0);
    assert_eq!(keda.replicas(), 12);
}

#[test]
fn floats_count_from_keda_2_17_on_where_they_are_above_zero() {
    // Target and value as integer and float, and the replicas of an HPA at 20.
    let cases = [
        (Generation::Ints, (6, 6.111), Value { int: 23, float: 22.222 }, 4),
        (Generation::Floats, (7, 6.111), Value { int: 23, float: 22.222 }, 4),
        (Generation::Floats, (7, 6.111), Value { int: 23, float: 18.333 }, 3),
        (Generation::Ints, (7, 6.111), Value { int: 23, float: 18.333 }, 4),
        (Generation::Floats, (1, 0.0), Value { int: 5, float: 0.0 }, 5),
        (Generation::Floats, (1, 1.0), Value { int: 5, float: f64::NAN }, 5),
        (Generation::Floats, (1, 1.0), Value { int: 9, float: f64::INFINITY }, 1),
        (Generation::Floats, (1, 1.0), Value { int: 3, float: 3.0004 }, 3),
        (Generation::Floats, (1, 1.0), Value { int: 3, float: 3.0006 }, 4),
        (Generation::TruncatedFloats, (1, 1.0), Value { int: 3, float: 3.0006 }, 3),
    ];
    for (generation, target, value, replicas) in cases {
        let mut keda = ScaledObject::new(ScaledObjectSpec { generation, ..spec() }, 0.0, 20);
        let mut stub = Stub { target, values: vec![value], ..Stub::wanting(1) };
        run(&mut keda, &mut stub, 15.0);
        assert_eq!(keda.replicas(), replicas, "{generation:?} {target:?} {value:?}");
    }
}

#[test]
fn all_values_of_an_answer_are_added() {
    let mut keda = ScaledObject::new(spec(), 0.0, 1);
    let mut stub = Stub { values: vec![Value::of(2.0), Value::of(3.0)], ..Stub::wanting(1) };
    run(&mut keda, &mut stub, 15.0);
    assert_eq!(keda.replicas(), 5);
}

#[test]
fn a_metric_of_type_value_multiplies_the_ready_replicas() {
    let value = ScaledObjectSpec { metric_type: MetricType::Value, ..spec() };
    let mut keda = ScaledObject::new(value, 0.0, 4);
    keda.set_ready(2);
    run(&mut keda, &mut Stub::wanting(3), 15.0);
    assert_eq!(keda.replicas(), 6);
}

#[test]
fn a_round_that_nobody_answered_counts_as_failed() {
    let mut keda = ScaledObject::new(ScaledObjectSpec { cooldown_period: 1.0, ..spec() }, 0.0, 0);
    run(&mut keda, &mut Stub::wanting(6), 29.0);
    let round = keda.due(30.0).unwrap();
    assert_eq!(round.kind(), Kind::Poll);
    assert_eq!(keda.finish(33.0, round), None);
    assert_eq!(keda.replicas(), 6);
}

proptest! {
    #[test]
    fn the_wanted_replicas_come_true_with_the_behavior_that_foresail_asks_for(
        wishes in prop::collection::vec(1_u32..=100, 1..20), old in any::<bool>(), target in 1_i32..50,
    ) {
        let generation = if old { Generation::Ints } else { Generation::Floats };
        let mut keda = ScaledObject::new(ScaledObjectSpec { generation, ..spec() }, 0.0, 0);
        let mut stub = Stub { target: (target.into(), target.into()), ..Stub::wanting(1) };
        run(&mut keda, &mut stub, 0.0);
        for (at, wish) in wishes.into_iter().enumerate() {
            stub.values = vec![Value::of(f64::from(wish) * f64::from(target))];
            run(&mut keda, &mut stub, 15.0 * (at + 1) as f64);
            prop_assert_eq!(keda.replicas(), wish);
        }
    }
}
