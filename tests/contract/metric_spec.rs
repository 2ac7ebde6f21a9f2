//! GetMetricSpec: statements 9 to 13.

use foresail::source::SourceError;
use tonic::Code;

use super::harness::{CONFIG, Stack, object, queue};

#[tokio::test]
async fn c09_exactly_one_metric_spec() {
    let stack = Stack::start();
    let mut client = stack.client().await;
    for metadata in [&[("queue", "md")][..], &[("queue", "a,b,c")], &[("queue", "md"), ("mode", "jobs")]] {
        let specs = client.get_metric_spec(object("so", metadata)).await.unwrap().into_inner().metric_specs;
        assert_eq!(specs.len(), 1);
    }
}

#[tokio::test]
async fn c10_a_spec_needs_no_backend_and_no_sample() {
    let stack = Stack::start();
    stack.world.fail(Some(SourceError::Connect("refused".into())));
    let spec = stack.client().await.get_metric_spec(queue("md")).await;
    assert!(spec.is_ok(), "{spec:?}");
}

#[tokio::test]
async fn c11_names_are_plain_and_the_same_on_every_replica() {
    let (one, other) = (Stack::start(), Stack::start());
    for name in ["md", "Ünï:co/de%", "-", &"x".repeat(200), "a, b"] {
        let of = async |stack: &Stack| {
            super::harness::metric_name(&mut stack.client().await, &queue(name)).await.unwrap()
        };
        let (first, second) = (of(&one).await, of(&other).await);
        assert_eq!(first, second);
        assert!(first.len() <= 63 && first.starts_with("foresail-"), "{first}");
        assert!(first.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{first}");
        assert!(!first.ends_with('-'), "{first}");
    }
}

#[tokio::test]
async fn c12_the_target_is_one_whatever_the_queue_holds() {
    let mut stack = Stack::start();
    let mut client = stack.client().await;
    for waiting in [0, 1, 10_000] {
        stack.world.set("md", waiting, Some(waiting));
        stack.second().await;
        let spec = client.get_metric_spec(queue("md")).await.unwrap().into_inner().metric_specs.remove(0);
        assert_eq!((spec.target_size, spec.target_size_float), (1, 1.0));
    }
}

#[tokio::test]
async fn c13_wrong_metadata_is_an_invalid_argument_that_names_key_and_reason() {
    let stack = Stack::start();
    let mut client = stack.client().await;
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "metadata queue: missing"),
        (&[("queue", "md"), ("source", "lab")], "metadata source: nothing is called \"lab\"; there are jobs"),
        (
            &[("queue", "md"), ("layout", "rows")],
            "metadata layout: nothing is called \"rows\"; there are frames",
        ),
        (
            &[("queue", "md"), ("policy", "fast")],
            "metadata policy: nothing is called \"fast\"; there are default",
        ),
        (&[("queue", "a,,b")], "metadata queue: an empty name between commas"),
        (&[("queue", "md"), ("mode", "cron")], "metadata mode: is workers or jobs"),
        (&[("queue", "md"), ("strategy", "eager")], "metadata strategy: goes with mode: jobs only"),
        (&[("queue", "md"), ("slots", "many")], "metadata slots: \"many\" is not a whole number"),
        (&[("queue", "md"), ("slots", "0")], "metadata slots: 0 is out of range (1 to 10000)"),
        (&[("queue", "md"), ("worth", "50")], "metadata worth: 50 is outside 0.1 to 10"),
        (
            &[("queue", "md"), ("wait", "1m")],
            "metadata wait: the policy does not let a ref set it (tenant_may)",
        ),
        (&[("queue", "md"), ("max_spend", "1")], "tenant_may"),
        (
            &[("queue", "md"), ("slotsFromEnv", "hunter2")],
            "metadata slots: the value from the environment is not a right one",
        ),
    ];
    for (metadata, wanted) in cases {
        let status = client.get_metric_spec(object("so", metadata)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{metadata:?}");
        assert!(status.message().contains(wanted), "{metadata:?}: {}", status.message());
        assert!(!status.message().contains("hunter2"));
    }
}

#[tokio::test]
async fn c13_source_and_layout_may_be_left_out_where_there_is_no_choice() {
    let stack = Stack::with(&CONFIG.replace("processing: \"{queue}:busy\"", "key: \"{queue}\""));
    let mut alone = queue("md");
    alone.scaler_metadata.remove("source");
    assert!(stack.client().await.get_metric_spec(alone.clone()).await.is_ok());
    alone.scaler_metadata.remove("layout");
    assert!(stack.client().await.get_metric_spec(alone).await.is_ok());
}
