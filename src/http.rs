//! Metrics, probes and the API over HTTP. All of it reads the published table; what was learned, which is too much for
//! a table, the API asks of the engine.

mod api;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

pub use api::{
    AheadReport, BurstReport, ForecastReport, LeadReport, LeadTimeReport, NodeReport, ObjectReport,
    PartReport, QuantileReport, QueueReport, RefReport, RoomReport, ServiceReport, SkillReport, SpendReport,
    StartReport, TrapReport, TroubleReport, WorkloadReport,
};

use crate::{
    answers::{Answers, Learned, Question},
    clock::Clock,
    refs::RefEntry,
    series::KnownQueue,
    telemetry::Metrics,
};

/// Seconds without a tick after which the process is no good to anyone: one comes each second.
const DEAD_AFTER: f64 = 15.0;

/// How long the engine may take to say what was learned.
const LEARNED_WITHIN: Duration = Duration::from_secs(2);

/// What the pages read.
#[derive(Clone)]
pub struct Http {
    answers: Arc<Answers>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    ready: Arc<Readiness>,
    /// Tells the engine of a question; `None` where there is nobody to ask.
    tell: Option<Arc<dyn Fn(Question) + Send + Sync>>,
}

/// Whether KEDA should be sent here.
#[derive(Debug, Default)]
pub struct Readiness {
    sampled: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// The first pass over all sources came back or took too long: what can be known is known.
    pub fn sampled(&self) {
        self.sampled.store(true, Ordering::Release);
    }

    /// The process is about to end.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Why not, or `None` when ready.
    fn missing(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Acquire) {
            Some("stopping")
        } else if !self.sampled.load(Ordering::Acquire) {
            Some("the first samples are not in yet")
        } else {
            None
        }
    }
}

impl Http {
    /// Pages over these answers and metrics.
    pub fn new(
        answers: Arc<Answers>,
        metrics: Metrics,
        clock: Arc<dyn Clock>,
        ready: Arc<Readiness>,
    ) -> Self {
        Self { answers, metrics, clock, ready, tell: None }
    }

    /// The same, with an engine that can be asked what was learned.
    #[must_use]
    pub fn asking(self, tell: impl Fn(Question) + Send + Sync + 'static) -> Self {
        Self { tell: Some(Arc::new(tell)), ..self }
    }

    /// What was learned of these; `None` where nobody says so in time.
    async fn ask(&self, queues: Vec<Arc<KnownQueue>>, refs: Vec<Arc<RefEntry>>) -> Option<Learned> {
        let (reply, learned) = oneshot::channel();
        self.tell.as_ref()?(Question { queues, refs, reply });
        timeout(LEARNED_WITHIN, learned).await.ok()?.ok()
    }

    /// Whether the engine ticks; no store is asked, or its outage would restart every pod.
    ///
    /// # Errors
    /// Says since when it does not.
    pub fn alive(&self) -> Result<(), String> {
        let table = self.answers.load();
        let age = self.clock.now() - table.at;
        if table.tick > 0 && age > DEAD_AFTER {
            return Err(format!("the last tick was {age:.0} s ago"));
        }
        Ok(())
    }

    /// Whether KEDA should be sent here.
    ///
    /// # Errors
    /// Says why not.
    pub fn ready(&self) -> Result<(), String> {
        self.ready.missing().map_or(Ok(()), |why| Err(why.to_owned()))
    }

    /// Serves until `stop` is cancelled.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        let router = Router::new()
            .route("/", get(|| async { INDEX }))
            .route("/metrics", get(metrics))
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/api/queues", get(api::queues))
            .route("/api/refs", get(api::refs))
            .route("/api/refs/{namespace}/{name}", get(api::refs_of))
            .route("/api/objects", get(api::objects))
            .route("/api/objects/{namespace}/{name}", get(api::objects_of))
            .with_state(self);
        // A scrape that hangs must not hold the process: dropping the server closes its connections.
        tokio::select! {
            done = axum::serve(listener, router).into_future() => done,
            () = stop.cancelled() => Ok(()),
        }
    }
}

const INDEX: &str = "Foresail\n\n/metrics\n/livez\n/readyz\n/api/queues\n/api/refs\n/api/refs/NAMESPACE/NAME\n/api/objects\n/api/objects/NAMESPACE/NAME\n";

async fn metrics(State(http): State<Http>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], http.metrics.text())
}

async fn livez(State(http): State<Http>) -> (StatusCode, String) {
    probe(http.alive())
}

async fn readyz(State(http): State<Http>) -> (StatusCode, String) {
    probe(http.ready())
}

fn probe(well: Result<(), String>) -> (StatusCode, String) {
    match well {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
