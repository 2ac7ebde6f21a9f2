//! ScaledJobs: how many Jobs each strategy creates.

use foresail::sim::keda::MetricType;
use foresail::sim::round::{Call, Reply, Spec, Value};
use foresail::sim::scaled_job::{Jobs, ScaledJob, ScaledJobSpec, Strategy};

const CUSTOM: Strategy = Strategy::Custom { deduction: 2, running_share: 0.5 };

/// One poll of a scaler that answers so; `None`: it fails.
fn poll(spec: ScaledJobSpec, values: Option<&[Value]>, active: bool, jobs: Jobs) -> u32 {
    let mut scaled_job = ScaledJob::new(spec, 0.0);
    let mut round = scaled_job.due(0.0).expect("the first poll comes at once");
    while let Some(call) = round.call() {
        let reply = match (call, values) {
            (Call::MetricSpec, _) => {
                Reply::Specs(vec![Spec { name: "jobs".into(), target_int: 1, target_float: 1.0 }])
            }
            (Call::Metrics { .. }, Some(values)) => Reply::Values(values.to_vec()),
            (Call::IsActive, Some(_)) => Reply::Active(active),
            (_, None) => Reply::Failed,
        };
        round.reply(reply);
    }
    scaled_job.finish(round, jobs)
}

#[test]
fn each_strategy_creates_what_its_formula_says() {
    // Strategy, minimum, maximum, queue, target, running (pending included), pending, Jobs created.
    for (strategy, min, max, queue, target, running, pending, created) in [
        // Queue with what runs: 7 wanted, 3 there.
        (Strategy::Default, 0, Some(100), 7.0, 1.0, 3, 0, 4),
        // Queue without what runs: three too few.
        (Strategy::Default, 0, Some(100), 4.0, 1.0, 3, 0, 1),
        (Strategy::Default, 0, Some(100), 3.0, 1.0, 5, 0, 0),
        (Strategy::Default, 0, Some(10), 50.0, 1.0, 4, 0, 6),
        // ceil(min(7 / 2, 100)) = 4.
        (Strategy::Default, 0, Some(100), 7.0, 2.0, 0, 0, 4),
        (Strategy::Default, 0, Some(100), 0.4, 1.0, 0, 0, 1),
        // Never more than ceil(queue), however small the target.
        (Strategy::Default, 0, Some(100), 3.0, 0.1, 0, 0, 3),
        // The minimum is filled first, whatever the queue says; then it counts as not there.
        (Strategy::Default, 3, Some(100), 9.0, 1.0, 1, 0, 2),
        (Strategy::Default, 3, Some(100), 9.0, 1.0, 5, 0, 7),
        (Strategy::Default, 3, Some(10), 50.0, 1.0, 3, 0, 7),
        // Where no maximum is set, it is 100 beyond the minimum; one below the minimum replaces it.
        (Strategy::Default, 3, None, 500.0, 1.0, 3, 0, 100),
        (Strategy::Default, 9, Some(5), 50.0, 1.0, 4, 0, 1),
        (Strategy::Default, 9, Some(5), 50.0, 1.0, 5, 0, 5),
        // 10 - 2 - int(5 * 0.5) = 6.
        (CUSTOM, 0, Some(100), 10.0, 1.0, 5, 0, 6),
        (CUSTOM, 0, Some(100), 2.0, 1.0, 5, 0, 0),
        // 9 waiting, 2 of the running ones pending: 9 - 2.
        (Strategy::Accurate, 0, Some(100), 9.0, 1.0, 4, 2, 7),
        // 9 + 4 - 2 = 11 > 10: what is free under the maximum.
        (Strategy::Accurate, 0, Some(10), 9.0, 1.0, 4, 2, 6),
        // 8 + 4 - 2 = 10 is not above 10: 8 - 2.
        (Strategy::Accurate, 0, Some(10), 8.0, 1.0, 4, 2, 6),
        (Strategy::Accurate, 0, Some(100), 1.0, 1.0, 4, 2, 0),
        // min(10 - 3 - 1, 4) = 4, and the queue's length does not limit it.
        (Strategy::Eager, 0, Some(10), 4.0, 1.0, 3, 1, 4),
        (Strategy::Eager, 0, Some(10), 9.0, 1.0, 3, 1, 6),
        (Strategy::Eager, 0, Some(10), 3.0, 0.5, 0, 0, 6),
    ] {
        let spec = ScaledJobSpec { min, max, strategy, ..ScaledJobSpec::default() };
        let found = spec.jobs_to_create(queue, target, queue > 0.0, Jobs { running, pending });
        assert_eq!(found, created, "{strategy:?} {min}..{max:?} queue {queue}/{target} {running}/{pending}");
    }
}

#[test]
fn a_poll_counts_the_sum_of_the_values() {
    let values = [Value::of(2.0), Value::of(3.0)];
    assert_eq!(poll(ScaledJobSpec::default(), Some(&values), true, Jobs::default()), 5);
}

#[test]
fn an_inactive_or_failing_trigger_creates_nothing_beyond_the_minimum() {
    let three = [Value::of(3.0)];
    let spec = ScaledJobSpec::default();
    assert_eq!(poll(spec, Some(&three), false, Jobs::default()), 0);
    assert_eq!(poll(spec, Some(&[Value::of(0.0)]), true, Jobs::default()), 0);
    assert_eq!(poll(spec, None, true, Jobs::default()), 0);
    let spec = ScaledJobSpec { min: 2, ..spec };
    assert_eq!(poll(spec, None, true, Jobs { running: 1, pending: 0 }), 1);
    assert_eq!(poll(spec, None, true, Jobs { running: 2, pending: 0 }), 0);
}

#[test]
fn a_value_target_never_creates_a_job() {
    let spec = ScaledJobSpec { metric_type: MetricType::Value, ..ScaledJobSpec::default() };
    assert_eq!(poll(spec, Some(&[Value::of(50.0)]), true, Jobs::default()), 0);
}

#[test]
fn polls_come_at_once_and_then_every_interval() {
    let mut scaled_job =
        ScaledJob::new(ScaledJobSpec { polling_interval: 5.0, ..ScaledJobSpec::default() }, 100.0);
    let mut polls = Vec::new();
    for _ in 0..3 {
        let at = scaled_job.next_due();
        assert!(scaled_job.due(at - 0.5).is_none());
        assert!(scaled_job.due(at).is_some());
        polls.push(at.to_string());
    }
    assert_eq!(polls, ["100", "105", "110"]);
}
