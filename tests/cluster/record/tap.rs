//! Between KEDA and Foresail: passes every call on, and writes down when it came and what was answered.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use foresail::scaler::pb::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, ScaledObjectRef,
    external_scaler_client::ExternalScalerClient,
    external_scaler_server::{ExternalScaler, ExternalScalerServer},
};
use futures_util::{Stream, StreamExt as _, future::pending};
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint, Server},
};

use super::now;
use crate::api::eventually;

/// Records until it drops.
pub(super) struct Tap {
    address: String,
    listener: Mutex<Option<TcpListener>>,
    calls: Calls,
    task: Mutex<Option<AbortHandle>>,
}

/// One call, or one event on a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Call {
    /// Unix seconds: when it came, and when the answer went.
    pub(super) began: f64,
    pub(super) ended: f64,
    pub(super) what: What,
}

/// The answer; `None` where it was an error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum What {
    Spec(Option<f64>),
    Metrics(Option<f64>),
    IsActive(Option<bool>),
    StreamOpened,
    Pushed(bool),
    StreamEnded,
}

impl Tap {
    /// Its address is known before there is anything behind it.
    pub(super) async fn bind() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self {
            address: listener.local_addr().unwrap().to_string(),
            listener: Mutex::new(Some(listener)),
            calls: Calls::default(),
            task: Mutex::default(),
        }
    }

    /// Begins to pass calls on to the Foresail at `address`.
    pub(super) fn serve(&self, address: &str) {
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let service = Service { foresail: ExternalScalerClient::new(channel), calls: self.calls.clone() };
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let connections = TcpListenerStream::new(listener.expect("a tap serves once"));
        let task = tokio::spawn(async move {
            let served = Server::builder().add_service(ExternalScalerServer::new(service));
            served.serve_with_incoming_shutdown(connections, pending::<()>()).await.unwrap();
        });
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
    }

    /// What KEDA is to call.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Waits until KEDA listens for pushes and has polled once.
    pub(super) async fn until_known(&self, deadline: Duration) {
        eventually("KEDA has opened its stream and polled", deadline, async || {
            let calls = self.calls();
            let opened = calls.iter().any(|call| call.what == What::StreamOpened);
            let polled = calls.iter().any(|call| matches!(call.what, What::Metrics(Some(_))));
            if opened && polled { Ok(()) } else { Err(format!("{calls:?}")) }
        })
        .await;
    }

    /// Everything so far, in the order in which it ended.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    fn record(&self, began: f64, what: What) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Call { began, ended: now(), what });
    }
}

/// A stream; its end is recorded, whoever ends it.
struct Open(Calls);

impl Open {
    fn saw(&self, push: &Result<IsActiveResponse, Status>) {
        if let Ok(push) = push {
            self.0.record(now(), What::Pushed(push.result));
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.record(now(), What::StreamEnded);
    }
}

struct Service {
    foresail: ExternalScalerClient<Channel>,
    calls: Calls,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ExternalScaler for Service {
    type StreamIsActiveStream = Answers<IsActiveResponse>;
    type StreamMetricSpecStream = Answers<GetMetricSpecResponse>;

    async fn is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let began = now();
        let answer = self.foresail.clone().is_active(request.into_inner()).await;
        let active = answer.as_ref().ok().map(|answer| answer.get_ref().result);
        self.calls.record(began, What::IsActive(active));
        answer
    }

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let began = now();
        let stream = self.foresail.clone().stream_is_active(request.into_inner()).await?.into_inner();
        self.calls.record(began, What::StreamOpened);
        let open = Open(self.calls.clone());
        Ok(Response::new(Box::pin(stream.inspect(move |push| open.saw(push)))))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let began = now();
        let answer = self.foresail.clone().get_metric_spec(request.into_inner()).await;
        let specs = answer.as_ref().ok().map(|answer| &answer.get_ref().metric_specs);
        self.calls.record(began, What::Spec(specs.and_then(|specs| Some(specs.first()?.target_size_float))));
        answer
    }

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let began = now();
        let answer = self.foresail.clone().get_metrics(request.into_inner()).await;
        let values = answer.as_ref().ok().map(|answer| &answer.get_ref().metric_values);
        let value = values.and_then(|values| Some(values.first()?.metric_value_float));
        self.calls.record(began, What::Metrics(value));
        answer
    }

    async fn stream_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        let stream = self.foresail.clone().stream_metric_spec(request.into_inner()).await?.into_inner();
        Ok(Response::new(Box::pin(stream)))
    }
}
