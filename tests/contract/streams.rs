//! The streams: statements 24 to 30.

use std::time::Duration;

use foresail::{scaler::pb, source::SourceError};
use futures_util::{FutureExt as _, StreamExt as _};
use tonic::{Code, Streaming};

use super::harness::{CONFIG, Stack, object, queue};
use crate::support::process::wait_until;

type Activity = Streaming<pb::IsActiveResponse>;

async fn open(stack: &mut Stack, object: &pb::ScaledObjectRef) -> Activity {
    let mut client = stack.client().await;
    let stream = stack.ask(client.stream_is_active(object.clone())).await.unwrap().into_inner();
    stack.round().await;
    stream
}

/// The next message; it must come.
async fn next(stream: &mut Activity) -> bool {
    let message = tokio::time::timeout(Duration::from_secs(5), stream.next()).await;
    message.expect("a message within 5 s").expect("the stream goes on").unwrap().result
}

/// Whether nothing more has come, after a call on the same connection has gone there and back.
async fn silent(stack: &mut Stack, stream: &mut Activity, object: &pb::ScaledObjectRef) -> bool {
    for _ in 0..3 {
        stack.active(object).await.ok();
        tokio::task::yield_now().await;
    }
    stream.next().now_or_never().is_none()
}

#[tokio::test]
async fn c24_true_at_once_when_opened_active_and_nothing_when_not() {
    let mut stack = Stack::start();
    let md = queue("md");
    let mut idle = open(&mut stack, &md).await;
    assert!(silent(&mut stack, &mut idle, &md).await);
    stack.world.set("md", 1, Some(0));
    stack.second().await;
    let mut active = open(&mut stack, &md).await;
    assert!(next(&mut active).await);
}

#[tokio::test]
async fn c25_true_at_each_change_to_active_and_never_false() {
    let mut stack = Stack::start();
    let md = queue("md");
    let mut stream = open(&mut stack, &md).await;
    for _ in 0..3 {
        stack.world.set("md", 4, Some(0));
        stack.second().await;
        assert!(next(&mut stream).await, "within the tick that saw the work");
        stack.seconds(20).await;
        assert!(silent(&mut stack, &mut stream, &md).await, "still active is no news");
        stack.world.set("md", 0, Some(0));
        stack.seconds(5).await;
        assert!(!stack.active(&md).await.unwrap());
        assert!(silent(&mut stack, &mut stream, &md).await, "inactive is never sent");
    }
}

#[tokio::test]
async fn c25_the_message_of_an_activation_that_was_answered_at_opening_is_not_sent_twice() {
    let mut stack = Stack::start();
    let md = queue("md");
    stack.world.set("md", 4, Some(0));
    let mut stream = open(&mut stack, &md).await;
    assert!(next(&mut stream).await);
    stack.seconds(3).await;
    assert!(silent(&mut stack, &mut stream, &md).await);
}

#[tokio::test]
async fn c26_what_happened_while_nobody_read_is_one_message() {
    let mut stack = Stack::start();
    let md = queue("md");
    let mut stream = open(&mut stack, &md).await;
    assert!(silent(&mut stack, &mut stream, &md).await);
    let entry = stack
        .refs
        .find(&foresail::refs::RefKey::new("chem".into(), "md".into(), md.scaler_metadata.clone()), 0.0)
        .unwrap();
    // A hundred activations before the server's thread gets to look: they are one piece of news.
    entry.activations.send_modify(|count| *count += 100);
    assert!(next(&mut stream).await);
    assert!(silent(&mut stack, &mut stream, &md).await);
}

#[tokio::test]
async fn c27_a_cancelled_stream_frees_its_state_and_ten_thousand_leak_nothing() {
    let mut stack = Stack::start();
    let md = queue("md");
    drop(open(&mut stack, &md).await);
    let mut client = stack.client().await;
    for _ in 0..100 {
        let mut streams = Vec::new();
        for _ in 0..100 {
            streams.push(client.stream_is_active(md.clone()).await.unwrap());
        }
        drop(streams);
    }
    let entry = stack
        .refs
        .find(&foresail::refs::RefKey::new("chem".into(), "md".into(), md.scaler_metadata.clone()), 0.0)
        .unwrap();
    wait_until("all streams to be gone", Duration::from_secs(5), async || entry.streams() == 0).await;
    assert_eq!(entry.activations.receiver_count(), 0);
    assert!(stack.metrics.text().contains("foresail_grpc_streams{method=\"StreamIsActive\"} 0"));
}

#[tokio::test]
async fn c28_at_a_stop_streams_end_with_ok_calls_finish_and_health_says_not_serving() {
    let mut stack = Stack::start();
    let md = queue("md");
    let mut activity = open(&mut stack, &md).await;
    let mut specs = stack.client().await.stream_metric_spec(md.clone()).await.unwrap().into_inner();
    assert!(specs.next().await.unwrap().is_ok());
    stack.stop();
    assert!(activity.next().await.is_none(), "the end is OK, not an error");
    assert!(activity.trailers().await.is_ok());
    assert!(specs.next().await.is_none());
}

#[tokio::test]
async fn c28_a_connection_that_has_grown_old_ends_its_streams_with_ok() {
    let mut stack = Stack::with(&format!("grpc: {{ max_connection_age: 1s }}\n{CONFIG}"));
    let mut stream = open(&mut stack, &queue("md")).await;
    let end = tokio::time::timeout(Duration::from_secs(10), stream.next()).await.expect("an end");
    assert!(end.is_none(), "{end:?}");
}

#[tokio::test]
async fn c29_an_error_of_the_backend_does_not_end_a_stream() {
    let mut stack = Stack::start();
    let md = queue("md");
    let mut stream = open(&mut stack, &md).await;
    stack.world.fail(Some(SourceError::Connect("refused".into())));
    stack.seconds(200).await;
    assert_eq!(stack.active(&md).await.unwrap_err().code(), Code::Unavailable);
    stack.world.fail(None);
    stack.world.set("md", 1, Some(0));
    stack.second().await;
    assert!(next(&mut stream).await);
}

#[tokio::test]
async fn c29_a_stream_opened_during_an_outage_is_told_when_it_ends() {
    let mut stack = Stack::start();
    let md = queue("md");
    stack.world.set("md", 2, Some(0));
    stack.value(&md).await.unwrap();
    stack.second().await;
    stack.world.fail(Some(SourceError::Connect("refused".into())));
    stack.seconds(200).await;
    let mut stream = open(&mut stack, &md).await;
    stack.world.fail(None);
    stack.second().await;
    assert!(next(&mut stream).await);
}

#[tokio::test]
async fn c30_streams_of_scaled_jobs_and_doubled_streams_work() {
    let mut stack = Stack::start();
    let job = object("sj", &[("queue", "md"), ("mode", "jobs"), ("strategy", "accurate")]);
    let (mut one, mut two) = (open(&mut stack, &job).await, open(&mut stack, &job).await);
    stack.world.set("md", 1, Some(0));
    stack.second().await;
    assert!(next(&mut one).await && next(&mut two).await);
}

#[tokio::test]
async fn c02_metric_specs_stream_at_once_and_equal_what_a_call_says() {
    let stack = Stack::start();
    let mut client = stack.client().await;
    let mut stream = client.stream_metric_spec(queue("md")).await.unwrap().into_inner();
    let streamed = stream.next().await.unwrap().unwrap();
    let asked = client.get_metric_spec(queue("md")).await.unwrap().into_inner();
    assert_eq!(streamed, asked);
    assert_eq!(streamed.metric_specs.len(), 1);
    assert!(stream.next().now_or_never().is_none(), "nothing changes, so nothing more is sent");
}
