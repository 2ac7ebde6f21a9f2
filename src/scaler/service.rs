//! The five calls.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};

use crate::{
    answers::{Answers, NoAnswer},
    clock::Clock,
    config::Config,
    refs::{self, Caller, RefEntry, RefKey, Refs},
    scaler::{
        pb::{self, external_scaler_server::ExternalScaler},
        stream::{Activity, Specs},
    },
    sizing::Decision,
    telemetry::Metrics,
};

/// The target of every metric. All dynamics are in the value: KEDA rewrites the HPA's target only when
/// the object itself changes.
const TARGET_SIZE: i64 = 1;

/// How long a ref without a first answer may wait for it.
const FIRST_ANSWER: Duration = Duration::from_secs(1);

/// Answers KEDA's calls.
#[derive(Clone)]
pub struct Scaler {
    pub(super) refs: Arc<Refs>,
    pub(super) answers: Arc<Answers>,
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) stop: CancellationToken,
}

impl Scaler {
    /// A service that ends its streams when `stop` is cancelled.
    pub fn new(
        refs: Arc<Refs>,
        answers: Arc<Answers>,
        config: Arc<ArcSwap<Config>>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        Self { refs, answers, config, clock, metrics, stop }
    }

    /// The ref of a call; a new one is checked and added.
    fn entry(&self, call: Option<pb::ScaledObjectRef>) -> Result<Arc<RefEntry>, Status> {
        let call = call.ok_or_else(|| Status::invalid_argument("scaledObjectRef is missing"))?;
        let key = RefKey::new(call.namespace, call.name, call.scaler_metadata);
        let now = self.clock.now();
        let config = self.config.load();
        match self.refs.find(&key, now) {
            Some(known) if known.caller().is_tenant() => return Ok(known),
            // What the operator watches opens nothing to the namespace.
            Some(watched) => {
                let opened = refs::resolve(&key, &config, Caller::Keda);
                return opened.map(|_| watched).map_err(|error| Status::invalid_argument(error.to_string()));
            }
            None => {}
        }
        let (spec, strangers) = refs::resolve(&key, &config, Caller::Keda)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        if !strangers.is_empty() {
            let strangers: Vec<String> =
                strangers.iter().take(8).map(|key| key.chars().take(64).collect()).collect();
            tracing::warn!(namespace = key.namespace, name = key.name, keys = ?strangers, "metadata keys that nobody knows are ignored");
        }
        self.refs
            .add(key, spec, Caller::Keda, now)
            .map_err(|error| Status::resource_exhausted(error.to_string()))
    }

    /// A ref's decision; only a ref whose first sample or workload is about to be seen is awaited, for at most
    /// a second.
    pub(super) async fn decision(&self, entry: &Arc<RefEntry>) -> Result<Decision, Status> {
        if let Ok(answer) = self.answered(entry) {
            return answer;
        }
        let mut ticks = self.answers.subscribe();
        let first = async {
            loop {
                if let Ok(answer) = self.answered(entry) {
                    return answer;
                }
                if ticks.changed().await.is_err() {
                    return Err(Status::unavailable("the engine has stopped"));
                }
            }
        };
        match tokio::time::timeout(FIRST_ANSWER, first).await {
            Ok(answer) => answer,
            Err(_) => self.answered(entry).unwrap_or_else(|late| Err(Status::unavailable(late.to_string()))),
        }
    }

    /// What the table says of a ref; an error while it says nothing yet, with what it waits for.
    fn answered(&self, entry: &Arc<RefEntry>) -> Result<Result<Decision, Status>, NoAnswer> {
        let table = self.answers.load();
        match &table.row(entry).ok_or(NoAnswer::FirstSamplePending)?.answer {
            Ok(decision) => Ok(Ok(*decision)),
            Err(pending) if pending.is_pending() => Err(pending.clone()),
            Err(NoAnswer::Invalid(error)) => Ok(Err(Status::invalid_argument(error.to_string()))),
            Err(unknown) => Ok(Err(Status::unavailable(unknown.to_string()))),
        }
    }

    /// Counts a call and its time.
    fn observed<T>(
        &self,
        method: &str,
        started: Instant,
        result: Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let code = result.as_ref().err().map_or(Code::Ok, Status::code);
        self.metrics.grpc_requests.with_label_values(&[method, code_name(code)]).inc();
        self.metrics.grpc_seconds.with_label_values(&[method]).observe(started.elapsed().as_secs_f64());
        result.map(Response::new)
    }
}

#[tonic::async_trait]
impl ExternalScaler for Scaler {
    async fn is_active(
        &self,
        call: Request<pb::ScaledObjectRef>,
    ) -> Result<Response<pb::IsActiveResponse>, Status> {
        let started = Instant::now();
        let result = async {
            let entry = self.entry(Some(call.into_inner()))?;
            let decision = self.decision(&entry).await?;
            Ok(pb::IsActiveResponse { result: decision.active() })
        };
        self.observed("IsActive", started, result.await)
    }

    type StreamIsActiveStream = Activity;

    async fn stream_is_active(
        &self,
        call: Request<pb::ScaledObjectRef>,
    ) -> Result<Response<Activity>, Status> {
        let started = Instant::now();
        let entry = self.entry(Some(call.into_inner()));
        self.observed("StreamIsActive", started, entry.map(|entry| Activity::new(self.clone(), entry)))
    }

    async fn get_metric_spec(
        &self,
        call: Request<pb::ScaledObjectRef>,
    ) -> Result<Response<pb::GetMetricSpecResponse>, Status> {
        let started = Instant::now();
        let entry = self.entry(Some(call.into_inner()));
        self.observed("GetMetricSpec", started, entry.map(|entry| specs(&entry)))
    }

    async fn get_metrics(
        &self,
        call: Request<pb::GetMetricsRequest>,
    ) -> Result<Response<pb::GetMetricsResponse>, Status> {
        let started = Instant::now();
        let pb::GetMetricsRequest { scaled_object_ref, metric_name } = call.into_inner();
        let result = async {
            let entry = self.entry(scaled_object_ref)?;
            if without_index(&metric_name) != entry.metric_name {
                let what =
                    format!("this ref has one metric, {}, and not the one asked for", entry.metric_name);
                return Err(Status::not_found(what));
            }
            let decision = self.decision(&entry).await?;
            let workers = decision.target;
            let value = pb::MetricValue {
                metric_name,
                metric_value: workers.into(),
                metric_value_float: workers.into(),
            };
            Ok(pb::GetMetricsResponse { metric_values: vec![value] })
        };
        self.observed("GetMetrics", started, result.await)
    }

    type StreamMetricSpecStream = Specs;

    async fn stream_metric_spec(
        &self,
        call: Request<pb::ScaledObjectRef>,
    ) -> Result<Response<Specs>, Status> {
        let started = Instant::now();
        let entry = self.entry(Some(call.into_inner()));
        self.observed("StreamMetricSpec", started, entry.map(|entry| Specs::new(self, &entry)))
    }
}

/// The one metric of a ref: its target never changes.
pub(super) fn specs(entry: &RefEntry) -> pb::GetMetricSpecResponse {
    let spec = pb::MetricSpec {
        metric_name: entry.metric_name.clone(),
        target_size: TARGET_SIZE,
        target_size_float: TARGET_SIZE as f64,
    };
    pb::GetMetricSpecResponse { metric_specs: vec![spec] }
}

/// KEDA before 2.7 asks with the trigger's index before the name: `s0-NAME`.
fn without_index(name: &str) -> &str {
    let rest = name.strip_prefix('s').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    match rest.and_then(|rest| rest.strip_prefix('-')) {
        Some(bare) if !name.starts_with("s-") => bare,
        _ => name,
    }
}

/// gRPC's own name of a code, as its metrics elsewhere use it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::Unavailable => "UNAVAILABLE",
        _ => "OTHER",
    }
}
