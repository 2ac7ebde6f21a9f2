//! IsActive: statements 21 and 22.

use foresail::source::SourceError;
use tonic::Code;

use super::harness::{Stack, queue};

#[tokio::test]
async fn c21_active_exactly_while_something_waits_or_runs_and_as_the_metric_says() {
    let mut stack = Stack::start();
    let md = queue("md");
    for (waiting, in_flight) in [(0, 0), (1, 0), (0, 1), (3, 2), (0, 0), (0, 4), (0, 0)] {
        stack.world.set("md", waiting, Some(in_flight));
        stack.value(&md).await.unwrap();
        stack.seconds(3).await;
        let (active, value) = (stack.active(&md).await.unwrap(), stack.value(&md).await.unwrap());
        assert_eq!(active, waiting + in_flight > 0, "{waiting}+{in_flight}");
        assert_eq!(active, value >= 1.0);
    }
}

#[tokio::test]
async fn c22_never_false_because_data_is_missing() {
    let mut stack = Stack::start();
    let md = queue("md");
    stack.world.fail(Some(SourceError::Connect("refused".into())));
    let status = stack.active(&md).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("refused"), "{}", status.message());

    stack.world.fail(None);
    stack.world.set("md", 2, Some(0));
    stack.second().await;
    assert!(stack.active(&md).await.unwrap());
    stack.world.fail(Some(SourceError::NotTrusted("loading".into())));
    for _ in 0..130 {
        stack.second().await;
        match stack.active(&md).await {
            Ok(active) => assert!(active, "inactive for want of data"),
            Err(status) => assert_eq!(status.code(), Code::Unavailable),
        }
    }
}
