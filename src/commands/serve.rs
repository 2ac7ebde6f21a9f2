//! `foresail serve`: every room wired, with threads by role.
//!
//! gRPC has a thread of its own, the engine another; everything that waits for backends or scrapes
//! shares the io runtime. So neither a slow backend nor a long tick touches an answer.

mod historian;
mod memory;
mod sources;
mod watch_file;

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{SignalKind, signal},
    sync::Notify,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    answers::Answers,
    clock::{Clock, WallClock},
    commands::serve::sources::Sources,
    config::{Config, KubernetesConfig, hints::HintsConfig},
    engine::{self, Engine, Event},
    hints::{self, Leadership, Part},
    http::{Http, Readiness},
    refs::Refs,
    sampler::{Heard, ReadCost, Reading},
    scaler::{Health, Scaler, Server},
    shutdown::Shutdown,
    telemetry::{KubernetesMetrics, Metrics},
    workloads::{self, News, NodeOutcome, NodeStart, Room, Sight, Start, StartKind},
};

/// How long the first pass over all sources may keep the process from being ready.
const FIRST_PASS: Duration = Duration::from_secs(10);

/// Threads of the io runtime: samplers, HTTP and signals share them.
const IO_THREADS: usize = 2;

/// Between two tries to find the cluster's address.
const CONNECT_AGAIN: Duration = Duration::from_secs(30);

/// How long the end may wait for the Lease to be given up; it goes on beside everything else that ends.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// What the rooms share.
struct Shared {
    config: Arc<ArcSwap<Config>>,
    answers: Arc<Answers>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    ready: Arc<Readiness>,
    events: Sender<Event>,
    /// A configuration was taken up.
    reloaded: Notify,
    stop: CancellationToken,
}

/// Serves until a signal; `host`, where given, takes the place of the hosts of `grpc.listen` and `http.listen`.
pub(super) fn run(path: &Path, host: Option<IpAddr>) -> Result<()> {
    let io = runtime::Builder::new_multi_thread()
        .worker_threads(IO_THREADS)
        .thread_name("io")
        .enable_all()
        .build()?;
    // Before the file is read: a change of it that SIGHUP tells of is never missed.
    let (shutdown, hang_up) = {
        let _on_io = io.enter();
        (Shutdown::new().context("signals")?, signal(SignalKind::hangup()).context("signals")?)
    };
    let text = Config::read(path)?;
    let config = Arc::new(Config::from_yaml(&path.display().to_string(), &text)?);
    let clock: Arc<dyn Clock> = Arc::new(WallClock::new());
    let answers = Arc::new(Answers::default());
    let metrics = Metrics::new(answers.clone(), clock.clone());
    let (events, inbox) = mpsc::channel();
    let refs = Arc::new(Refs::new({
        let events = events.clone();
        // The engine outlives every caller; a send fails only while the process ends.
        move |entry| drop(events.send(Event::Ref(entry)))
    }));
    let shared = Arc::new(Shared {
        config: Arc::new(ArcSwap::new(config.clone())),
        answers: answers.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        ready: Arc::default(),
        events: events.clone(),
        reloaded: Notify::new(),
        stop: CancellationToken::new(),
    });

    let (grpc_listener, http_listener) = listen(path, &config, host)?;

    let scaler = Scaler::new(
        refs.clone(),
        answers.clone(),
        shared.config.clone(),
        clock.clone(),
        metrics.clone(),
        shared.stop.clone(),
    );
    let http = Http::new(answers.clone(), metrics.clone(), clock.clone(), shared.ready.clone()).asking({
        let events = events.clone();
        // As for a ref.
        move |question| drop(events.send(Event::Question(question)))
    });
    let server = Server::new(scaler, config.grpc.clone())?.with_health({
        let http = http.clone();
        move || Health { alive: http.alive().is_ok(), ready: http.ready().is_ok() }
    });
    let engine = Engine::new(config.clone(), refs.clone(), answers.clone());
    let (engine, keeper) = memory::open(engine, config.state.as_ref(), &metrics)?;
    let (engine, asked) = historian::listen_to(engine);
    let mut sources = Sources::new(shared.clone(), io.handle().clone());
    sources.start(sources.prepare(&config)?, &engine.interests());

    let engine_thread = spawn("engine", &shared.stop, {
        let (clock, metrics, refs) = (clock.clone(), metrics.clone(), refs.clone());
        move || {
            engine::run(engine, &inbox, clock.as_ref(), |cost| {
                metrics.tick_seconds.observe(cost.seconds);
                metrics.tick_lag.set(cost.lag);
                metrics.refs.set(i64::try_from(refs.len()).unwrap_or(i64::MAX));
            });
            Ok(())
        }
    })?;
    let grpc_thread = spawn("grpc", &shared.stop, move || {
        let runtime = runtime::Builder::new_current_thread().thread_name("grpc").enable_all().build()?;
        runtime.block_on(async { anyhow::Ok(server.run(TcpListener::from_std(grpc_listener)?).await?) })
    })?;

    let writer = io.block_on(async {
        tokio::spawn(http.run(TcpListener::from_std(http_listener)?, shared.stop.child_token()));
        tokio::spawn(first_pass(shared.clone()));
        tokio::spawn(historian::run(shared.clone(), asked));
        let writer = meet_kubernetes(&config, &shared);
        tokio::spawn(watch_file::run(path.to_owned(), text, hang_up, shared.clone(), sources));
        tokio::select! {
            () = shutdown.requested() => {}
            () = shared.stop.cancelled() => tracing::error!("a thread ended by itself: stopping"),
        }
        anyhow::Ok(writer)
    })?;

    shared.ready.stopping();
    shared.stop.cancel();
    let grpc = join("grpc", grpc_thread);
    // The engine may have ended by itself: then nobody takes the word to stop.
    let _ = events.send(Event::Stop);
    let engine = join("engine", engine_thread);
    memory::finish(keeper);
    if let Some(writer) = writer {
        // Another replica writes at once where the Lease is given up, and in 15 s where it is not.
        let _ = io.block_on(async { tokio::time::timeout(FAREWELL, writer).await });
    }
    io.shutdown_timeout(Duration::from_secs(1));
    tracing::info!("foresail has stopped");
    grpc.and(engine)
}

/// Takes both ports, and says where.
fn listen(
    path: &Path,
    config: &Config,
    host: Option<IpAddr>,
) -> Result<(std::net::TcpListener, std::net::TcpListener)> {
    let grpc_listener = bind("grpc.listen", config.grpc.listen, host)?;
    let http_listener = bind("http.listen", config.http.listen, host)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %path.display(),
        grpc = %grpc_listener.local_addr()?,
        http = %http_listener.local_addr()?,
        tls = config.grpc.tls.is_some(),
        sources = config.sources.len(),
        "foresail serves"
    );
    Ok((grpc_listener, http_listener))
}

fn bind(field: &str, configured: SocketAddr, host: Option<IpAddr>) -> Result<std::net::TcpListener> {
    let address = SocketAddr::new(host.unwrap_or(configured.ip()), configured.port());
    let listener = std::net::TcpListener::bind(address)
        .with_context(|| format!("{field}: cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A thread by role. Its end ends the process: half a Foresail must not look alive.
fn spawn(
    role: &'static str,
    stop: &CancellationToken,
    body: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<thread::JoinHandle<Result<()>>> {
    let guard = stop.clone().drop_guard();
    let thread = thread::Builder::new().name(role.to_owned()).spawn(move || {
        let _ended = guard;
        body()
    });
    thread.with_context(|| format!("cannot start the {role} thread"))
}

fn join(role: &str, thread: thread::JoinHandle<Result<()>>) -> Result<()> {
    match thread.join() {
        Ok(result) => result,
        Err(_) => anyhow::bail!("the {role} thread panicked"),
    }
}

/// Watches Kubernetes, and writes to it, where the configuration says so; gives the task that writes.
fn meet_kubernetes(config: &Config, shared: &Arc<Shared>) -> Option<JoinHandle<()>> {
    let kubernetes = config.kubernetes.clone()?;
    let hints = config.hints.clone();
    let writer = hints.writes().then(|| tokio::spawn(write_hints(kubernetes.clone(), hints, shared.clone())));
    let (clock, heard) = (shared.clock.clone(), shared.clone());
    let room = Room { kubernetes, config: shared.config.clone(), clock, heard };
    tokio::spawn(workloads::run(room, shared.stop.child_token()));
    writer
}

async fn write_hints(kubernetes: KubernetesConfig, config: HintsConfig, shared: Arc<Shared>) {
    let client = loop {
        match workloads::connect(&kubernetes).await {
            Ok(client) => break client,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "nothing can be written to Kubernetes: it is tried again");
            }
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(CONNECT_AGAIN) => {}
        }
    };
    let part = Part {
        client,
        answers: shared.answers.clone(),
        clock: shared.clock.clone(),
        config,
        leadership: Leadership::default(),
        metrics: shared.metrics.clone(),
        stop: shared.stop.child_token(),
    };
    // Large, and lives as long as the process.
    Box::pin(hints::run(part)).await;
}

/// Ready once Kubernetes is listed and every queue that is asked for was read, or after ten seconds whatever happens.
async fn first_pass(shared: Arc<Shared>) {
    let mut ticks = shared.answers.subscribe();
    let all_read = async {
        while ticks.changed().await.is_ok() {
            let table = shared.answers.load();
            let pending = |queue: &crate::answers::QueueRow| queue.error.is_none() && queue.view.is_err();
            let listing = table.sight == Some(Sight::Listing);
            if table.tick > 0 && !listing && !table.queues.iter().any(pending) {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(FIRST_PASS, all_read).await;
    shared.ready.sampled();
}

impl workloads::Heard for Shared {
    fn news(&self, news: News, sight: Sight) {
        // As for a reading.
        let _ = self.events.send(Event::Workloads(news, sight));
    }

    fn started(&self, start: Start) {
        let KubernetesMetrics { starts, given_up, .. } = &self.metrics.kubernetes;
        match start.kind {
            StartKind::Warm => starts.with_label_values(&["warm"]).observe(start.seconds),
            StartKind::Cold => starts.with_label_values(&["cold"]).observe(start.seconds),
            StartKind::GivenUp => given_up.inc(),
            // Its pod's own start is told as well, and its node's.
            StartKind::NewNode => {}
        }
    }

    fn node(&self, NodeStart { pool, outcome }: NodeStart) {
        let KubernetesMetrics { node_starts, node_failures, .. } = &self.metrics.kubernetes;
        match outcome {
            NodeOutcome::Reached(phase, seconds) => {
                node_starts.with_label_values(&[&*pool, phase.name()]).observe(seconds);
            }
            NodeOutcome::Failed => node_failures.with_label_values(&[&*pool]).inc(),
        }
    }

    fn pods(&self, kept: usize) {
        self.metrics.kubernetes.pods.set(i64::try_from(kept).unwrap_or(i64::MAX));
    }

    fn failed(&self, kind: &'static str) {
        self.metrics.kubernetes.watch_errors.with_label_values(&[kind]).inc();
    }

    fn refused(&self, all: Vec<(&str, &'static str)>) {
        let refused = &self.metrics.kubernetes.refused;
        refused.reset();
        for (namespace, kind) in all {
            refused.with_label_values(&[namespace, kind]).set(1);
        }
    }
}

impl Heard for Shared {
    fn reading(&self, reading: Reading) {
        // The engine outlives every sampler; a send fails only while the process ends.
        let _ = self.events.send(Event::Reading(reading));
    }

    fn cost(&self, source: &str, cost: &ReadCost, guarded: bool) {
        let metrics = &self.metrics;
        let result = match (&cost.error, cost.failed_queues) {
            (Some(_), _) => "error",
            (None, 0) => "ok",
            (None, _) => "partial",
        };
        metrics.reads.with_label_values(&[source, result]).inc();
        metrics.read_seconds.with_label_values(&[source]).observe(cost.seconds);
        metrics.source_up.with_label_values(&[source]).set(i64::from(cost.error.is_none()));
        metrics.read_guarded.with_label_values(&[source]).set(i64::from(guarded));
        if cost.error.is_none() {
            metrics.read_round_trips.with_label_values(&[source]).set(cost.round_trips.into());
        }
    }
}
