//! KEDA's end of the wire: the calls of the model, made over real gRPC.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, ensure};
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

use crate::{
    scaler::pb::{self, external_scaler_client::ExternalScalerClient},
    sim::round::{Call, Reply, Spec, Value},
};

/// How long a message on the stream may take that must come (real time).
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection and one ScaledObject, as KEDA has them.
pub(super) struct Keda {
    client: ExternalScalerClient<Channel>,
    object: pb::ScaledObjectRef,
    activity: Option<Streaming<pb::IsActiveResponse>>,
    calls: u64,
    failed: u64,
}

impl Keda {
    /// Connects to the scaler.
    pub(super) async fn connect(address: SocketAddr, object: pb::ScaledObjectRef) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        let channel = endpoint.connect().await.context("the demo's own gRPC server")?;
        let client = ExternalScalerClient::new(channel);
        Ok(Self { client, object, activity: None, calls: 0, failed: 0 })
    }

    /// Makes one call and waits for its answer.
    pub(super) async fn answer(&mut self, call: Call<'_>) -> Reply {
        let object = self.object.clone();
        let reply = match call {
            Call::MetricSpec => self.client.get_metric_spec(object).await.map(|answer| {
                let specs = answer.into_inner().metric_specs.into_iter();
                Reply::Specs(specs.map(spec).collect())
            }),
            Call::Metrics { metric_name } => {
                let request = pb::GetMetricsRequest {
                    scaled_object_ref: Some(object),
                    metric_name: metric_name.to_owned(),
                };
                self.client.get_metrics(request).await.map(|answer| {
                    let values = answer.into_inner().metric_values;
                    Reply::Values(values.iter().map(value).collect())
                })
            }
            Call::IsActive => {
                self.client.is_active(object).await.map(|answer| Reply::Active(answer.into_inner().result))
            }
        };
        self.calls += 1;
        self.failed += u64::from(reply.is_err());
        reply.unwrap_or(Reply::Failed)
    }

    /// Whether the stream of activations is open.
    pub(super) fn listens(&self) -> bool {
        self.activity.is_some()
    }

    /// Opens the stream of activations.
    pub(super) async fn listen(&mut self) -> anyhow::Result<()> {
        let answer = self.client.stream_is_active(self.object.clone()).await.context("StreamIsActive")?;
        self.activity = Some(answer.into_inner());
        Ok(())
    }

    /// Waits for the message that is on its way.
    pub(super) async fn pushed(&mut self) -> anyhow::Result<bool> {
        let stream = self.activity.as_mut().context("StreamIsActive is not open")?;
        let message = tokio::time::timeout(PATIENCE, stream.message()).await;
        let message = message.context("StreamIsActive says nothing of an activation")??;
        ensure!(message.is_some(), "StreamIsActive has ended");
        Ok(message.is_some_and(|message| message.result))
    }

    /// Calls made, and those of them that failed.
    pub(super) fn calls(&self) -> (u64, u64) {
        (self.calls, self.failed)
    }
}

fn spec(spec: pb::MetricSpec) -> Spec {
    Spec { name: spec.metric_name, target_int: spec.target_size, target_float: spec.target_size_float }
}

fn value(value: &pb::MetricValue) -> Value {
    Value { int: value.metric_value, float: value.metric_value_float }
}
