//! Bad days: statements 36 and 38 to 40, and a store that is not the one it was.

use foresail::{
    scaler::pb,
    sim::{
        keda::{ScaledObject, ScaledObjectSpec},
        round::{Call, Reply, Round, Spec, Value},
    },
};
use tonic::transport::Channel;

use super::harness::{Client, Stack, object, queue};

#[tokio::test]
async fn c36_an_operators_restart_brings_ten_thousand_refs_at_once_and_no_error() {
    const REFS: usize = 10_000;
    let mut stack = Stack::start();
    let client = stack.client().await;
    let calls = (0..REFS).map(|i| {
        let mut client = client.clone();
        async move {
            let object = object(&format!("so-{i}"), &[("queue", &format!("q{i}"))]);
            client.get_metric_spec(object.clone()).await?;
            super::harness::value(&mut client, &object).await?;
            client.is_active(object.clone()).await?;
            client.stream_is_active(object).await
        }
    });
    let mut done = tokio::task::JoinSet::new();
    for call in calls {
        done.spawn(call);
    }
    let before = stack.world.reads();
    let streams = stack.ask(done.join_all()).await;
    let errors: Vec<_> = streams.iter().filter_map(|stream| stream.as_ref().err()).collect();
    assert!(errors.is_empty(), "{} errors, the first: {:?}", errors.len(), errors.first());
    assert_eq!(stack.refs.len(), REFS);
    stack.second().await;
    let reads_in_a_second = {
        let before = stack.world.reads();
        stack.second().await;
        stack.world.reads() - before
    };
    assert_eq!(reads_in_a_second, 1);
    assert!(stack.world.reads() > before);
}

#[tokio::test]
async fn c38_with_the_server_gone_keda_leaves_replicas_alone_and_recovers_at_the_next_poll() {
    let mut stack = Stack::start();
    let md = queue("md");
    stack.world.set("md", 6, Some(0));
    stack.value(&md).await.unwrap();
    let mut keda = ScaledObject::new(ScaledObjectSpec::default(), 0.0, 0);
    let mut client = stack.client().await;
    drive(&mut keda, 0.0, 120.0, &mut client, &md).await;
    assert_eq!(keda.replicas(), 6);

    let nobody = Channel::from_static("http://127.0.0.1:1").connect_lazy();
    drive(&mut keda, 120.0, 420.0, &mut Client::new(nobody), &md).await;
    assert_eq!(keda.replicas(), 6, "five minutes without an answer change nothing");

    stack.world.set("md", 9, Some(0));
    stack.second().await;
    drive(&mut keda, 420.0, 420.0 + 30.0 + 15.0, &mut client, &md).await;
    assert_eq!(keda.replicas(), 9);
}

/// Makes KEDA's calls over the wire as they fall due.
async fn drive(
    keda: &mut ScaledObject,
    from: f64,
    until: f64,
    client: &mut Client,
    object: &pb::ScaledObjectRef,
) {
    let mut now = from;
    while now < until {
        while let Some(mut round) = keda.due(now) {
            hold(&mut round, client, object).await;
            keda.finish(now, round);
        }
        now = keda.next_due().max(now + 0.001).min(until);
    }
}

async fn hold(round: &mut Round, client: &mut Client, object: &pb::ScaledObjectRef) {
    while let Some(call) = round.call() {
        let reply = match call {
            Call::MetricSpec => {
                client.get_metric_spec(object.clone()).await.map_or(Reply::Failed, |answer| {
                    let spec = |spec: pb::MetricSpec| Spec {
                        name: spec.metric_name,
                        target_int: spec.target_size,
                        target_float: spec.target_size_float,
                    };
                    Reply::Specs(answer.into_inner().metric_specs.into_iter().map(spec).collect())
                })
            }
            Call::Metrics { metric_name } => {
                let request = pb::GetMetricsRequest {
                    scaled_object_ref: Some(object.clone()),
                    metric_name: metric_name.to_owned(),
                };
                client.get_metrics(request).await.map_or(Reply::Failed, |answer| {
                    let value = |value: pb::MetricValue| Value {
                        int: value.metric_value,
                        float: value.metric_value_float,
                    };
                    Reply::Values(answer.into_inner().metric_values.into_iter().map(value).collect())
                })
            }
            Call::IsActive => {
                let answer = client.is_active(object.clone()).await;
                answer.map_or(Reply::Failed, |answer| Reply::Active(answer.into_inner().result))
            }
        };
        round.reply(reply);
    }
}

#[tokio::test]
async fn c39_the_value_is_never_below_the_reactive_target() {
    let mut stack = Stack::start();
    for (waiting, in_flight) in [(0, 0), (5, 0), (2, 3), (0, 5), (0, 1), (40, 1)] {
        stack.world.set("md", waiting, Some(in_flight));
        stack.value(&queue("md")).await.unwrap();
        stack.second().await;
        let table = stack.answers.load_newest();
        let decision = table.rows[0].as_ref().unwrap().answer.as_ref().unwrap();
        assert!(decision.target >= decision.reactive);
        assert!(u64::from(decision.reactive) >= waiting + in_flight);
    }
}

#[tokio::test]
async fn c40_metrics_carry_the_labels_by_which_kedas_own_are_joined() {
    let mut stack = Stack::start();
    stack.world.set("md", 4, Some(0));
    stack.value(&queue("md")).await.unwrap();
    stack.second().await;
    let metrics = stack.metrics.text();
    let name = super::harness::metric_name(&mut stack.client().await, &queue("md")).await.unwrap();
    let wanted =
        format!("foresail_ref_target{{metric=\"{name}\",namespace=\"chem\",scaled_object=\"md\"}} 4");
    assert!(metrics.contains(&wanted), "{wanted}\nis not in\n{metrics}");
}

#[tokio::test]
async fn a_store_that_was_replaced_by_an_empty_one_lowers_nothing_for_the_time_of_distrust() {
    let mut stack = Stack::start();
    let md = queue("md");
    stack.world.become_another("run 1");
    stack.world.set("md", 8, Some(2));
    assert_eq!(stack.value(&md).await.unwrap(), 10.0);
    stack.second().await;
    stack.world.become_another("run 2");
    stack.world.set("md", 0, Some(0));
    for _ in 0..119 {
        stack.second().await;
        assert_eq!(stack.value(&md).await.unwrap(), 10.0);
        assert!(stack.active(&md).await.unwrap());
    }
    stack.seconds(5).await;
    assert_eq!(stack.value(&md).await.unwrap(), 0.0);
}

#[tokio::test]
async fn a_zero_between_two_samples_with_work_is_never_answered() {
    let mut stack = Stack::start();
    let md = queue("md");
    stack.world.set("md", 5, Some(0));
    assert_eq!(stack.value(&md).await.unwrap(), 5.0);
    for waiting in [0, 0, 4] {
        stack.world.set("md", waiting, Some(0));
        stack.second().await;
        assert!(stack.value(&md).await.unwrap() >= 4.0);
        assert!(stack.active(&md).await.unwrap());
    }
}

#[tokio::test]
async fn two_processes_asked_at_the_same_instant_agree_on_what_both_have_seen() {
    let (mut one, mut other) = (Stack::start(), Stack::start());
    for stack in [&mut one, &mut other] {
        stack.world.set("md", 7, Some(3));
        stack.value(&queue("md")).await.unwrap();
        stack.second().await;
    }
    assert_eq!(one.value(&queue("md")).await.unwrap(), other.value(&queue("md")).await.unwrap());
    assert_eq!(one.active(&queue("md")).await.unwrap(), other.active(&queue("md")).await.unwrap());
}
