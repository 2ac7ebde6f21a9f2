//! KEDA's old protocol between KEDA and Foresail: what passes here has no floating-point field left.
//!
//! A field that is 0 is not on the wire, so for KEDA this is a server built from the protocol of 2.0 to 2.16,
//! and the numbers that it reads are Foresail's integers.

use std::pin::Pin;

use foresail::scaler::pb::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, ScaledObjectRef,
    external_scaler_client::ExternalScalerClient,
    external_scaler_server::{ExternalScaler, ExternalScalerServer},
};
use futures_util::{Stream, future::pending};
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Server},
};

/// Serves until it drops.
pub(super) struct IntOnly {
    address: String,
    task: AbortHandle,
}

impl IntOnly {
    /// In front of the Foresail at `address`.
    pub(super) async fn before(address: &str) -> Self {
        let foresail = ExternalScalerClient::connect(format!("http://{address}")).await.unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            let service = ExternalScalerServer::new(Proxy { foresail });
            let stop = pending::<()>();
            let served = Server::builder().add_service(service);
            served.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop).await.unwrap();
        });
        Self { address, task: task.abort_handle() }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for IntOnly {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Proxy {
    foresail: ExternalScalerClient<Channel>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ExternalScaler for Proxy {
    type StreamIsActiveStream = Answers<IsActiveResponse>;
    type StreamMetricSpecStream = Answers<GetMetricSpecResponse>;

    async fn is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        self.foresail.clone().is_active(request.into_inner()).await
    }

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let stream = self.foresail.clone().stream_is_active(request.into_inner()).await?.into_inner();
        Ok(Response::new(Box::pin(stream)))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let mut answer = self.foresail.clone().get_metric_spec(request.into_inner()).await?;
        for spec in &mut answer.get_mut().metric_specs {
            spec.target_size_float = 0.0;
        }
        Ok(answer)
    }

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let mut answer = self.foresail.clone().get_metrics(request.into_inner()).await?;
        for value in &mut answer.get_mut().metric_values {
            value.metric_value_float = 0.0;
        }
        Ok(answer)
    }

    /// Not in the old protocol.
    async fn stream_metric_spec(
        &self,
        _: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        Err(Status::new(Code::Unimplemented, "unknown method StreamMetricSpec"))
    }
}
