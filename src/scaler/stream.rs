//! The two streams. Both end with status OK when the server goes or a connection has grown old: after
//! an error KEDA would keep its back-off.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream};
use prometheus::IntGauge;
use tokio::sync::watch;
use tonic::Status;

use crate::{
    refs::{RefEntry, StreamGuard},
    scaler::{
        pb,
        service::{Scaler, specs},
    },
};

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// `true` when opened while active, and at each change from inactive to active; never `false`, which
/// KEDA before 2.18 takes as an order to go to zero.
pub struct Activity {
    messages: Messages<pb::IsActiveResponse>,
    _open: (StreamGuard, OpenStream),
}

/// The metric specs at once; they never change.
pub struct Specs {
    messages: Messages<pb::GetMetricSpecResponse>,
    _open: (StreamGuard, OpenStream),
}

impl Activity {
    pub(super) fn new(scaler: Scaler, entry: Arc<RefEntry>) -> Self {
        let open = (entry.open_stream(), OpenStream::new(&scaler, "StreamIsActive"));
        let end = end(&scaler);
        let news = entry.activations.subscribe();
        let messages = stream::once(at_opening(scaler, entry))
            .flat_map(move |(active, told)| {
                let later = stream::unfold((news.clone(), told), next_activation);
                stream::iter(active.then_some(())).chain(later)
            })
            .map(|()| Ok(pb::IsActiveResponse { result: true }))
            .take_until(end);
        Self { messages: Box::pin(messages), _open: open }
    }
}

/// Whether the ref is active as the stream opens, and how many activations that answer covers. Waits
/// until that is known: a stream opened during an outage is told `true` when the outage ends.
async fn at_opening(scaler: Scaler, entry: Arc<RefEntry>) -> (bool, u64) {
    let mut ticks = scaler.answers.subscribe();
    loop {
        if let Some(row) = scaler.answers.load().row(&entry)
            && let Ok(decision) = &row.answer
        {
            return (decision.active(), row.activations);
        }
        if ticks.changed().await.is_err() {
            return (false, 0);
        }
    }
}

/// Waits for more activations than were told of. All that happened while the client did not read is
/// one message.
async fn next_activation(
    (mut news, told): (watch::Receiver<u64>, u64),
) -> Option<((), (watch::Receiver<u64>, u64))> {
    let count = *news.wait_for(|count| *count > told).await.ok()?;
    Some(((), (news, count)))
}

impl Specs {
    pub(super) fn new(scaler: &Scaler, entry: &Arc<RefEntry>) -> Self {
        let open = (entry.open_stream(), OpenStream::new(scaler, "StreamMetricSpec"));
        let first = Ok(specs(entry));
        let messages = stream::iter([first]).chain(stream::pending()).take_until(end(scaler));
        Self { messages: Box::pin(messages), _open: open }
    }
}

/// Resolves when a stream has to end: the server stops, or the connection's time is over.
fn end(scaler: &Scaler) -> impl Future<Output = ()> + Send + use<> {
    let (stop, age) = (scaler.stop.clone(), scaler.config.load().grpc.max_connection_age);
    async move {
        match age {
            Some(age) => {
                let _ = tokio::time::timeout(Duration::from_secs_f64(age), stop.cancelled()).await;
            }
            None => stop.cancelled().await,
        }
    }
}

/// Counts an open stream in the metrics.
struct OpenStream(IntGauge);

impl OpenStream {
    fn new(scaler: &Scaler, method: &str) -> Self {
        let gauge = scaler.metrics.grpc_streams.with_label_values(&[method]);
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Stream for Activity {
    type Item = Result<pb::IsActiveResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.as_mut().poll_next(cx)
    }
}

impl Stream for Specs {
    type Item = Result<pb::GetMetricSpecResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.as_mut().poll_next(cx)
    }
}
