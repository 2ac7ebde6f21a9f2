//! GetMetrics: statements 14 to 20.

use foresail::{
    series::Sample,
    sim::{
        hpa::{Controller, Hpa, HpaSpec, Target},
        quantity::Milli,
        scaled_job::{self, Jobs, ScaledJobSpec},
    },
    source::SourceError,
};
use tonic::Code;

use super::harness::{Stack, metric_name, object, queue};
use foresail::scaler::pb;

fn request(object: &pb::ScaledObjectRef, name: &str) -> pb::GetMetricsRequest {
    pb::GetMetricsRequest { scaled_object_ref: Some(object.clone()), metric_name: name.to_owned() }
}

#[tokio::test]
async fn c14_one_value_named_as_asked_and_no_other_metric() {
    let mut stack = Stack::start();
    let (mut client, md) = (stack.client().await, queue("md"));
    stack.world.set("md", 3, Some(0));
    assert_eq!(stack.value(&md).await.unwrap(), 3.0);
    let name = metric_name(&mut client, &md).await.unwrap();
    for asked in [name.clone(), format!("s0-{name}"), format!("s12-{name}")] {
        let values = client.get_metrics(request(&md, &asked)).await.unwrap().into_inner().metric_values;
        assert_eq!(values.len(), 1);
        assert_eq!(values[0].metric_name, asked);
    }
    for asked in ["", "foresail-other-00000000", "s-x", &format!("x{name}")] {
        assert_eq!(
            client.get_metrics(request(&md, asked)).await.unwrap_err().code(),
            Code::NotFound,
            "{asked}"
        );
    }
}

#[tokio::test]
async fn c15_and_c16_both_fields_say_the_same_whole_number_of_workers() {
    let mut stack = Stack::start();
    let (mut client, md) = (stack.client().await, object("md", &[("queue", "md"), ("slots", "3")]));
    for (waiting, in_flight, workers) in [(0, 0, 0), (1, 0, 1), (7, 0, 3), (2, 3, 3), (0, 0, 0)] {
        stack.world.set("md", waiting, Some(in_flight));
        stack.ask(client.get_metric_spec(md.clone())).await.unwrap();
        stack.seconds(3).await;
        let name = metric_name(&mut client, &md).await.unwrap();
        let value =
            client.get_metrics(request(&md, &name)).await.unwrap().into_inner().metric_values.remove(0);
        assert_eq!(
            (value.metric_value, value.metric_value_float),
            (workers, workers as f64),
            "{waiting}+{in_flight}"
        );
    }
}

#[tokio::test]
async fn c17_a_stale_queue_is_unavailable_and_a_fresh_enough_one_is_its_last_good_value() {
    let mut stack = Stack::start();
    let md = queue("md");
    stack.world.set("md", 5, Some(0));
    assert_eq!(stack.value(&md).await.unwrap(), 5.0);
    stack.world.fail(Some(SourceError::Timeout(2.0)));
    stack.seconds(120).await;
    assert_eq!(stack.value(&md).await.unwrap(), 5.0);
    stack.second().await;
    let status = stack.value(&md).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status.message().contains("121 s old") && status.message().contains("no answer within"),
        "{}",
        status.message()
    );
    stack.world.fail(None);
    stack.second().await;
    assert_eq!(stack.value(&md).await.unwrap(), 5.0);
}

#[tokio::test]
async fn c18_however_many_refs_and_calls_one_read_an_interval() {
    let mut stack = Stack::start();
    let mut client = stack.client().await;
    let objects: Vec<_> = (0..50).map(|i| queue(&format!("q{}", i % 10))).collect();
    for object in &objects {
        stack.ask(client.is_active(object.clone())).await.unwrap();
    }
    stack.second().await;
    let before = stack.world.reads();
    for object in objects.iter().cycle().take(400) {
        client.is_active(object.clone()).await.unwrap();
    }
    assert_eq!(stack.world.reads(), before, "a call read the store");
    stack.second().await;
    assert_eq!(stack.world.reads(), before + 1);
}

#[tokio::test]
async fn c19_the_hpa_makes_of_the_value_the_workers_that_were_wanted() {
    let mut stack = Stack::start();
    let md = queue("md");
    for (replicas, wanted) in [(1, 2), (10, 12), (20, 30), (1, 4000), (50, 44), (20, 21)] {
        stack.world.set("md", wanted, Some(0));
        stack.value(&md).await.unwrap();
        stack.second().await;
        let value = stack.value(&md).await.unwrap();
        assert!((0.0..9.2e12).contains(&value));
        let spec = HpaSpec {
            min: 1,
            max: 10_000,
            target: Target::AverageValue(Milli::formatted(1.0)),
            behavior: Some(foresail::sim::hpa::Behavior::foresail()),
            controller: Controller::default(),
        };
        let mut hpa = Hpa::new(spec, 0.0);
        let became = hpa.sync(15.0, replicas, replicas, Some(Milli::formatted(value)));
        // Its own tolerance is 0 here, so even 20 -> 21 is exact.
        let reached = became.unwrap_or(replicas);
        assert!(
            u64::from(reached) == wanted || wanted > u64::from(replicas) + 1000,
            "{replicas} -> {wanted}: {reached}"
        );
    }
}

#[tokio::test]
async fn c20_a_scaled_job_gets_exactly_the_jobs_that_are_missing() {
    for (strategy, sim, waiting, in_flight, pending, missing) in [
        ("default", scaled_job::Strategy::Default, 5, 3, 0, 5),
        ("accurate", scaled_job::Strategy::Accurate, 5, 3, 2, 3),
        ("eager", scaled_job::Strategy::Eager, 5, 3, 0, 5),
        ("default", scaled_job::Strategy::Default, 0, 3, 0, 0),
        ("accurate", scaled_job::Strategy::Accurate, 0, 3, 0, 0),
    ] {
        let mut stack = Stack::start();
        let object = object("sj", &[("queue", "md"), ("mode", "jobs"), ("strategy", strategy)]);
        stack.world.set("md", waiting, Some(in_flight));
        let (value, active) = (stack.value(&object).await.unwrap(), stack.active(&object).await.unwrap());
        let running = u32::try_from(in_flight).unwrap() + pending;
        let created = ScaledJobSpec { strategy: sim, ..ScaledJobSpec::default() }.jobs_to_create(
            value,
            1.0,
            active,
            Jobs { running, pending },
        );
        assert_eq!(
            created, missing,
            "{strategy}: {waiting} waiting, {in_flight} in flight, {pending} pending"
        );
    }
}

#[tokio::test]
async fn c20_jobs_are_started_by_the_newest_reading_not_by_that_of_the_last_second() {
    let mut stack = Stack::start();
    let jobs = object("sj", &[("queue", "md"), ("mode", "jobs")]);
    stack.world.set("md", 4, Some(0));
    assert_eq!(stack.value(&jobs).await.unwrap(), 4.0);
    stack.world.set("md", 0, Some(3));
    stack.reading().await;
    assert_eq!(stack.value(&jobs).await.unwrap(), 3.0, "one has ended, and its place is not to be filled");
}

#[tokio::test]
async fn c20_jobs_are_never_started_on_a_guess() {
    let mut stack = Stack::start();
    let default = object("sj", &[("queue", "md"), ("mode", "jobs")]);
    stack.world.put("md", Sample { waiting: Some(4), in_flight: None, seen: true, ..Sample::default() });
    let status = stack.value(&default).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("use strategy accurate"), "{}", status.message());

    let accurate = object("sj", &[("queue", "md"), ("mode", "jobs"), ("strategy", "accurate")]);
    assert_eq!(stack.value(&accurate).await.unwrap(), 4.0);
    stack.world.fail(Some(SourceError::Timeout(2.0)));
    stack.second().await;
    assert_eq!(
        stack.value(&accurate).await.unwrap_err().code(),
        Code::Unavailable,
        "mode jobs holds nothing"
    );
}
