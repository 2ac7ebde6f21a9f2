//! The serving path on a clock that the test turns, with a store that it scripts.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use foresail::{
    answers::Answers,
    clock::{Clock, VirtualClock},
    config::Config,
    engine::Engine,
    refs::{RefEntry, Refs},
    sampler,
    scaler::{
        Scaler, Server,
        pb::{self, external_scaler_client::ExternalScalerClient},
    },
    series::Sample,
    source::{Batch, Finding, Identity, LayoutIndex, QueueError, Source, SourceError, Wanted},
    telemetry::Metrics,
    workloads::{News, Sight},
};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};

pub(crate) type Client = ExternalScalerClient<Channel>;

/// One source, `jobs`, with a layout `frames` that sees jobs in flight; everybody may use every queue.
pub(crate) const CONFIG: &str = r#"
sources:
  jobs:
    redis: { host: 127.0.0.1, port: 1 }
    namespaces: { "*": ["*"], closed: [] }
    layouts: { frames: { preset: redis-list, processing: "{queue}:busy" } }
policies:
  default: { keep_alive: 0s, tenant_may: { slots: any, min: any, max: any, keep_alive: any, worth: [0.1, 10] } }
"#;

/// The scripted store.
#[derive(Default)]
pub(crate) struct World {
    queues: Mutex<HashMap<String, Sample>>,
    down: Mutex<Option<SourceError>>,
    identity: Mutex<Option<Identity>>,
    reads: AtomicUsize,
}

pub(crate) struct Stack {
    pub(crate) world: Arc<World>,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) refs: Arc<Refs>,
    pub(crate) answers: Arc<Answers>,
    pub(crate) metrics: Metrics,
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) server: Option<thread::JoinHandle<()>>,
    engine: Engine,
    news: UnboundedReceiver<Arc<RefEntry>>,
}

impl Stack {
    pub(crate) fn start() -> Self {
        Self::with(CONFIG)
    }

    pub(crate) fn with(config: &str) -> Self {
        let config = Arc::new(Config::from_yaml("test.yaml", config).unwrap());
        let clock = Arc::new(VirtualClock::new(1_700_000_000.0));
        let answers = Arc::new(Answers::default());
        let (sender, news) = unbounded_channel();
        let refs = Arc::new(Refs::new(move |entry| drop(sender.send(entry))));
        let metrics = Metrics::new(answers.clone(), clock.clone());
        let stop = CancellationToken::new();
        let scaler = Scaler::new(
            refs.clone(),
            answers.clone(),
            Arc::new(ArcSwap::new(config.clone())),
            clock.clone(),
            metrics.clone(),
            stop.clone(),
        );
        let server = Server::new(scaler, config.grpc.clone()).unwrap();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { server.run(TcpListener::from_std(listener).unwrap()).await.unwrap() });
        });
        let mut engine = Engine::new(config, refs.clone(), answers.clone());
        engine.keep_watched(clock.now());
        let world = Arc::new(World::default());
        Self { world, clock, refs, answers, metrics, address, stop, server: Some(server), engine, news }
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::new(self.channel().await)
    }

    /// Lets a second pass: the store is read, the engine ticks.
    pub(crate) async fn second(&mut self) {
        self.seconds(1).await;
    }

    pub(crate) async fn seconds(&mut self, count: u32) {
        for _ in 0..count {
            self.clock.set(self.clock.now() + 1.0);
            self.round().await;
        }
    }

    /// Adopts new refs, reads the store once, ticks; the clock stands.
    pub(crate) async fn round(&mut self) {
        while let Ok(entry) = self.news.try_recv() {
            self.engine.adopt(entry);
        }
        self.engine.announce();
        let interest = Arc::new(self.engine.interests()["jobs"].borrow().clone());
        if !interest.queues.is_empty() {
            let (reading, _) =
                sampler::read(&"jobs".into(), self.world.as_ref(), interest, self.clock.as_ref()).await;
            self.engine.absorb(reading);
        }
        self.engine.tick(self.clock.now());
    }

    /// Reads the store, and ticks where the engine would not wait for its next second.
    pub(crate) async fn reading(&mut self) {
        let interest = Arc::new(self.engine.interests()["jobs"].borrow().clone());
        let (reading, _) =
            sampler::read(&"jobs".into(), self.world.as_ref(), interest, self.clock.as_ref()).await;
        if self.engine.absorb(reading) {
            self.engine.tick(self.clock.now());
        }
    }

    /// Ticks without reading the store: it does not answer.
    pub(crate) fn tick_only(&mut self, seconds: f64) {
        self.clock.set(self.clock.now() + seconds);
        self.engine.tick(self.clock.now());
    }

    /// Kubernetes is in sight, and nothing of ours is in it.
    pub(crate) fn see_nothing(&mut self) {
        self.engine.see(&News::default(), Sight::Clear, self.clock.now());
    }

    /// Takes up another configuration.
    pub(crate) fn reload(&mut self, config: &str) {
        let config = Arc::new(Config::from_yaml("test.yaml", config).unwrap());
        self.engine.reload(config, self.clock.now());
    }

    /// Waits for a call, and lets the engine work for refs that it brings.
    pub(crate) async fn ask<T>(&mut self, call: impl Future<Output = T>) -> T {
        tokio::pin!(call);
        loop {
            tokio::select! {
                biased;
                answer = &mut call => return answer,
                entry = self.news.recv() => {
                    self.engine.adopt(entry.expect("the refs live as long as the stack"));
                    self.gather().await;
                    self.round().await;
                }
            }
        }
    }

    /// Adopts what comes within the time for which the engine gathers new refs too.
    async fn gather(&mut self) {
        let until = Instant::now() + Duration::from_millis(50);
        while let Ok(Some(entry)) = tokio::time::timeout_at(until, self.news.recv()).await {
            self.engine.adopt(entry);
        }
    }

    pub(crate) async fn value(&mut self, object: &pb::ScaledObjectRef) -> Result<f64, Status> {
        let mut client = self.client().await;
        self.ask(async { value(&mut client, object).await }).await
    }

    pub(crate) async fn active(&mut self, object: &pb::ScaledObjectRef) -> Result<bool, Status> {
        let mut client = self.client().await;
        self.ask(async { Ok(client.is_active(object.clone()).await?.into_inner().result) }).await
    }

    /// Stops the server as a signal would and waits for its end.
    pub(crate) fn stop(&mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            server.join().unwrap();
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The metric's name and value, by the two calls that KEDA makes.
pub(crate) async fn value(client: &mut Client, object: &pb::ScaledObjectRef) -> Result<f64, Status> {
    let name = metric_name(client, object).await?;
    let request = pb::GetMetricsRequest { scaled_object_ref: Some(object.clone()), metric_name: name };
    Ok(client.get_metrics(request).await?.into_inner().metric_values[0].metric_value_float)
}

pub(crate) async fn metric_name(client: &mut Client, object: &pb::ScaledObjectRef) -> Result<String, Status> {
    Ok(client.get_metric_spec(object.clone()).await?.into_inner().metric_specs.remove(0).metric_name)
}

/// A reference as KEDA sends it, with the keys that are its own.
pub(crate) fn object(name: &str, metadata: &[(&str, &str)]) -> pb::ScaledObjectRef {
    let own = [("scalerAddress", "foresail.foresail:6000"), ("source", "jobs"), ("layout", "frames")];
    let all = own.iter().chain(metadata).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    pb::ScaledObjectRef {
        name: name.to_owned(),
        namespace: "chem".to_owned(),
        scaler_metadata: all.collect(),
    }
}

/// A reference to one queue.
pub(crate) fn queue(name: &str) -> pb::ScaledObjectRef {
    object(name, &[("queue", name)])
}

impl World {
    pub(crate) fn set(&self, queue: &str, waiting: u64, in_flight: Option<u64>) {
        self.put(queue, Sample { waiting: Some(waiting), in_flight, seen: true, ..Sample::default() });
    }

    pub(crate) fn put(&self, queue: &str, sample: Sample) {
        self.queues.lock().unwrap().insert(queue.to_owned(), sample);
    }

    pub(crate) fn fail(&self, error: Option<SourceError>) {
        *self.down.lock().unwrap() = error;
    }

    pub(crate) fn become_another(&self, name: &str) {
        *self.identity.lock().unwrap() = Some(Identity(name.to_owned()));
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Source for World {
    async fn read(&self, wanted: &[Wanted]) -> Result<Batch, SourceError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if let Some(error) = self.down.lock().unwrap().clone() {
            return Err(error);
        }
        let queues = self.queues.lock().unwrap();
        let empty = Sample { waiting: Some(0), in_flight: Some(0), ..Sample::default() };
        let sample = |wanted: &Wanted| -> Result<Sample, QueueError> {
            Ok(queues.get(&*wanted.queue).cloned().unwrap_or_else(|| empty.clone()))
        };
        let samples = wanted.iter().map(sample).collect();
        let identity = self.identity.lock().unwrap().clone();
        Ok(Batch { samples, identity, round_trips: 1, connecting: 0.0 })
    }

    async fn discover(&self, _: LayoutIndex, _: usize) -> Result<Vec<String>, SourceError> {
        Ok(self.queues.lock().unwrap().keys().cloned().collect())
    }

    async fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }
}
