//! The two servers written in Rust that `load` measures, each in a process of its own.
//!
//! gRPC has a current-thread runtime on a thread of its own in both: that is how `foresail serve` runs.

use std::{io::Read as _, sync::Arc, thread};

use anyhow::Context as _;
use foresail::scaler::{
    Server,
    pb::{
        self,
        external_scaler_server::{ExternalScaler, ExternalScalerServer},
    },
};
use tokio::{net::TcpListener, runtime};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

use crate::{peer, rooms::Rooms, world};

/// Serves Foresail: the real refs, sampler, engine, answers and gRPC server, on an embedded source.
pub(crate) fn foresail() -> anyhow::Result<()> {
    let rooms = Rooms::start(world::config()?, Arc::new(world::Embedded::new(0.1)))?;
    let server = Server::new(rooms.scaler(), rooms.config().grpc.clone())?;
    on_its_own_thread(&rooms.stop, |listener, _| async move { Ok(server.run(listener).await?) })
}

/// Serves constants with nothing behind them.
pub(crate) fn bare() -> anyhow::Result<()> {
    on_its_own_thread(&CancellationToken::new(), |listener, stop| async move {
        tonic::transport::Server::builder()
            .add_service(ExternalScalerServer::new(Constants))
            .serve_with_incoming_shutdown(
                // tonic's own listener sets it, and so does Foresail.
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                stop.cancelled_owned(),
            )
            .await
            .context("the bare server")
    })
}

/// Runs a server on a current-thread runtime until standard input ends.
fn on_its_own_thread<F>(
    stop: &CancellationToken,
    serve: impl FnOnce(TcpListener, CancellationToken) -> F + Send + 'static,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let serving = thread::Builder::new().name("grpc".to_owned()).spawn({
        let stop = stop.clone();
        move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                peer::announce(listener.local_addr()?);
                serve(listener, stop).await
            })
        }
    })?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    stop.cancel();
    serving.join().map_err(|_| anyhow::anyhow!("the server's thread panicked"))?
}

/// Answers every call with the same.
struct Constants;

#[tonic::async_trait]
impl ExternalScaler for Constants {
    async fn is_active(
        &self,
        _: Request<pb::ScaledObjectRef>,
    ) -> Result<Response<pb::IsActiveResponse>, Status> {
        Ok(Response::new(pb::IsActiveResponse { result: true }))
    }

    type StreamIsActiveStream = tokio_stream::Empty<Result<pb::IsActiveResponse, Status>>;

    async fn stream_is_active(
        &self,
        _: Request<pb::ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn get_metric_spec(
        &self,
        _: Request<pb::ScaledObjectRef>,
    ) -> Result<Response<pb::GetMetricSpecResponse>, Status> {
        let spec =
            pb::MetricSpec { metric_name: "constant".to_owned(), target_size: 1, target_size_float: 1.0 };
        Ok(Response::new(pb::GetMetricSpecResponse { metric_specs: vec![spec] }))
    }

    async fn get_metrics(
        &self,
        call: Request<pb::GetMetricsRequest>,
    ) -> Result<Response<pb::GetMetricsResponse>, Status> {
        let metric_name = call.into_inner().metric_name;
        let value = pb::MetricValue { metric_name, metric_value: 7, metric_value_float: 7.0 };
        Ok(Response::new(pb::GetMetricsResponse { metric_values: vec![value] }))
    }

    type StreamMetricSpecStream = tokio_stream::Empty<Result<pb::GetMetricSpecResponse, Status>>;

    async fn stream_metric_spec(
        &self,
        _: Request<pb::ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}
