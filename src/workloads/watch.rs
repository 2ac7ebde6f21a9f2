//! The tasks that wait for the API server: one watch a kind and namespace, a beat that tells whether anybody
//! is there, and a loop that folds and tells.

mod trouble;

use std::{
    collections::{BTreeSet, HashSet},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{BoxStream, SelectAll},
};
use kube::{
    Api, Client,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::trouble::{Trouble, is_absent, is_refused};
use crate::{
    clock::Clock,
    config::{Config, KubernetesConfig, source::WorkloadName},
    workloads::{
        Change, Fold, Heard, LOST_AFTER, Sight,
        lean::{self, Cut, Kind, Lean},
        scales::Scales,
    },
};

/// How often changes are told to the engine.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Seconds between two reads of the scale targets that are not watched.
const SCALES_EVERY: f64 = 10.0;

/// Seconds between two beats.
const BEAT_EVERY: f64 = 10.0;

/// How long a connection or a beat may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Objects in one answer to a list: a page is what a list costs in memory beyond what is kept.
const PAGE: u32 = 250;

/// How long to rest before a cluster that was lost, or not found, is tried anew.
const REST: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// What the room works with.
pub struct Room {
    /// What is watched, as it stood at the start.
    pub kubernetes: KubernetesConfig,
    /// The configuration of now: `watch` lines name workloads.
    pub config: Arc<ArcSwap<Config>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is told.
    pub heard: Arc<dyn Heard>,
}

/// Watches until `stop` is cancelled. A cluster that cannot be reached is tried again for ever.
pub async fn run(room: Room, stop: CancellationToken) {
    let mut fold = Fold::default();
    let mut rest = REST[0];
    loop {
        let mut clear = false;
        let watched = async {
            let client = connect(&room.kubernetes).await?;
            Watching::new(&room, &mut fold, client).until_lost(&mut clear).await
        };
        let why = tokio::select! {
            () = stop.cancelled() => return,
            why = watched => why,
        };
        if let Err(error) = why {
            let error = format!("{error:#}");
            tracing::warn!(error, "Kubernetes cannot be seen: workloads are unknown until it can");
        }
        if clear {
            room.heard.news(fold.take_news(), Sight::Lost);
            rest = REST[0];
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(jittered(rest)) => {}
        }
        rest = (rest * 2).min(REST[1]);
    }
}

/// A client for the cluster of the configuration; no call is made yet.
///
/// # Errors
/// Where neither a pod's own rights nor a kubeconfig are to be found.
pub async fn connect(config: &KubernetesConfig) -> anyhow::Result<Client> {
    let mut client = match &config.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        }
        None => kube::Config::infer().await?,
    };
    client.connect_timeout = Some(PATIENCE);
    Ok(Client::try_from(client)?)
}

/// What one watch said.
enum Told {
    /// A list begins.
    Listing,
    /// The list is through.
    Listed,
    /// An object as it is now.
    Change(Change),
    /// It failed, and will be tried again.
    Failed(watcher::Error),
}

/// One watch: a kind, in a namespace or in all.
#[derive(Debug, Clone)]
struct Scope {
    kind: Kind,
    namespace: Option<String>,
    /// Number of its newest list.
    round: u32,
}

/// Everything while one client works.
struct Watching<'a> {
    room: &'a Room,
    fold: &'a mut Fold,
    client: Client,
    scopes: Vec<Scope>,
    streams: SelectAll<BoxStream<'static, (usize, Told)>>,
    listed: HashSet<usize>,
    trouble: Trouble,
    rounds: u32,
    /// When somebody last answered.
    answered: f64,
    scales_read: bool,
}

impl<'a> Watching<'a> {
    fn new(room: &'a Room, fold: &'a mut Fold, client: Client) -> Self {
        let answered = room.clock.now();
        let mut watching = Self {
            room,
            fold,
            client,
            scopes: Vec::new(),
            streams: SelectAll::new(),
            listed: HashSet::new(),
            trouble: Trouble::default(),
            rounds: 0,
            answered,
            scales_read: false,
        };
        let namespaces: Vec<Option<String>> = match room.kubernetes.namespaces.as_slice() {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        };
        for namespace in namespaces {
            watching.open(lean::SCALED_OBJECTS, namespace.as_deref(), lean::scaled);
            watching.open(lean::SCALED_JOBS, namespace.as_deref(), lean::scaled);
            watching.open(lean::DEPLOYMENTS, namespace.as_deref(), lean::replicated);
            watching.open(lean::STATEFUL_SETS, namespace.as_deref(), lean::replicated);
            watching.open(lean::JOBS, namespace.as_deref(), lean::job);
            watching.open(lean::PODS, namespace.as_deref(), lean::pod);
        }
        if room.kubernetes.node_claims {
            watching.open(lean::NODE_CLAIMS, None, lean::claim);
        }
        watching
    }

    fn open<S, T>(&mut self, kind: Kind, namespace: Option<&str>, cut: Cut<S, T>)
    where
        S: Clone + Debug + DeserializeOwned + Send + 'static,
        T: Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let api: Api<Lean<S, T>> = self.api(kind, namespace);
        let config =
            watcher::Config { label_selector: kind.label.map(str::to_owned), ..watcher::Config::default() };
        let addresses = self.room.kubernetes.addresses.clone();
        let at = self.scopes.len();
        let told = move |event| match event {
            Ok(Event::Init) => Told::Listing,
            Ok(Event::InitDone) => Told::Listed,
            Ok(Event::InitApply(object) | Event::Apply(object)) => {
                Told::Change(cut(kind, &object, false, &addresses))
            }
            Ok(Event::Delete(object)) => Told::Change(cut(kind, &object, true, &addresses)),
            Err(error) => Told::Failed(error),
        };
        let stream = watcher(api, config.page_size(PAGE)).default_backoff();
        self.streams.push(stream.map(move |event| (at, told(event))).boxed());
        self.scopes.push(Scope { kind, namespace: namespace.map(str::to_owned), round: 0 });
    }

    fn api<K: kube::Resource<DynamicType = Kind, Scope = kube::core::DynamicResourceScope>>(
        &self,
        kind: Kind,
        namespace: Option<&str>,
    ) -> Api<K> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind),
            None => Api::all_with(self.client.clone(), &kind),
        }
    }

    /// Folds and tells until nobody has answered for a minute. `clear` once everything was listed.
    async fn until_lost(mut self, clear: &mut bool) -> anyhow::Result<()> {
        let scales = Scales::default();
        let client = self.client.clone();
        let mut reading: Option<BoxFuture<'_, Vec<Change>>> = None;
        let mut beat: Option<BoxFuture<'static, bool>> = None;
        let (mut next_scales, mut next_beat) = (0.0, 0.0);
        // Targets that were read, or are, since the last round of all.
        let mut asked: BTreeSet<(WorkloadName, Box<str>)> = BTreeSet::new();
        let mut tell = interval(TELL_EVERY);
        tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some((at, told)) = self.streams.next() => self.take(at, told),
                changes = due(&mut reading) => {
                    reading = None;
                    self.scales_read = true;
                    let now = self.room.clock.now();
                    for change in changes {
                        self.fold.apply(now, change, self.rounds);
                    }
                }
                answered = due(&mut beat) => {
                    beat = None;
                    if answered {
                        self.answered = self.room.clock.now();
                    }
                }
                _ = tell.tick() => {
                    let now = self.room.clock.now();
                    if beat.is_none() && now >= next_beat {
                        next_beat = now + BEAT_EVERY;
                        beat = Some(self.beat());
                    }
                    let listed = self.is_listed();
                    if listed && reading.is_none() {
                        let due = now >= next_scales;
                        if due {
                            next_scales = now + SCALES_EVERY;
                            self.fold.watch(watched(&self.room.config.load()));
                            asked.clear();
                        }
                        // A new object's target at once: a ref waits for it.
                        let targets: BTreeSet<_> =
                            self.fold.others().filter(|target| !asked.contains(*target)).cloned().collect();
                        if due || !targets.is_empty() {
                            asked.extend(targets.iter().cloned());
                            reading = Some(scales.read(&client, targets).boxed());
                        }
                    }
                    let closed = self.fold.closed().len();
                    // Where nothing at all may be read, nothing is in sight.
                    let opened = closed == 0 || closed < self.room.kubernetes.namespaces.len();
                    if listed && self.scales_read && (opened || *clear) {
                        self.tell(!*clear);
                        *clear = true;
                    }
                    self.lost(now)?;
                }
            }
        }
    }

    /// Whether everything was listed without which nothing may be said.
    fn is_listed(&self) -> bool {
        let mut scopes = self.scopes.iter().enumerate();
        scopes.all(|(at, scope)| scope.kind.is_optional() || self.listed.contains(&at))
    }

    fn take(&mut self, at: usize, told: Told) {
        let now = self.room.clock.now();
        match told {
            Told::Listing => {
                self.rounds += 1;
                self.scopes[at].round = self.rounds;
            }
            Told::Change(change) => self.fold.apply(now, change, self.scopes[at].round),
            Told::Listed => {
                let scope = &self.scopes[at];
                self.fold.sweep(now, scope.kind.name, scope.namespace.as_deref(), scope.round);
                self.listed.insert(at);
                if self.trouble.listed(at) {
                    self.close();
                }
            }
            Told::Failed(error) => self.failed(now, at, &error),
        }
    }

    fn failed(&mut self, now: f64, at: usize, error: &watcher::Error) {
        let Scope { kind, namespace, .. } = self.scopes[at].clone();
        self.room.heard.failed(kind.name);
        if kind.is_optional() {
            if self.trouble.missed(at) {
                tracing::warn!(kind = kind.name, %error, "a kind that may be missing cannot be watched: it is tried again");
            }
            return;
        }
        if kind.is_kedas() && is_absent(error) {
            if self.listed.insert(at) {
                tracing::warn!(
                    kind = kind.name,
                    "KEDA's definitions are not in this cluster: they are looked for again"
                );
            }
            return;
        }
        if let Some(namespace) = namespace.filter(|_| is_refused(error)) {
            self.listed.insert(at);
            if self.trouble.refused(at) {
                tracing::warn!(kind = kind.name, namespace, %error, "a kind may not be read: nothing of this namespace is seen until it may");
                self.close();
            }
        } else if self.trouble.failed(at, now) {
            tracing::warn!(kind = kind.name, %error, "a kind cannot be watched: it is tried again");
        }
    }

    /// A namespace of which some kind may not be read is not seen at all: a part of it would be taken for the
    /// whole, as in a workload without pods.
    fn close(&mut self) {
        let refused = || self.trouble.all_refused().map(|at| &self.scopes[at]);
        let told = refused().filter_map(|scope| Some((scope.namespace.as_deref()?, scope.kind.name)));
        self.room.heard.refused(told.collect());
        self.fold.close(refused().filter_map(|scope| scope.namespace.clone()).collect());
    }

    /// Tells what has changed; at the first time even nothing is news.
    fn tell(&mut self, first: bool) {
        for start in self.fold.take_started() {
            self.room.heard.started(start);
        }
        for start in self.fold.take_nodes() {
            self.room.heard.node(start);
        }
        let news = self.fold.take_news();
        if first || !(news.seen.is_empty() && news.gone.is_empty()) {
            self.room.heard.pods(self.fold.pods());
            self.room.heard.news(news, Sight::Clear);
        }
        if first {
            tracing::info!(pods = self.fold.pods(), "Kubernetes is in sight");
        }
    }

    /// Asks for the names of at most one pod, from the server's memory.
    fn beat(&self) -> BoxFuture<'static, bool> {
        let namespace = self.room.kubernetes.namespaces.first().map(String::as_str);
        let pods: Api<PartialObjectMeta<lean::Pod>> = self.api(lean::PODS, namespace);
        async move {
            let one = ListParams::default().limit(1).match_any();
            match timeout(PATIENCE, pods.list(&one)).await {
                Ok(Ok(_)) => true,
                // Refused is answered; the watches say what is refused.
                Ok(Err(kube::Error::Api(status))) => status.code < 500,
                _ => false,
            }
        }
        .boxed()
    }

    fn lost(&self, now: f64) -> anyhow::Result<()> {
        let silent = now - self.answered;
        if silent > LOST_AFTER {
            anyhow::bail!("the API server has not answered for {silent:.0} s");
        }
        if let Some((at, seconds)) = self.trouble.lost(now) {
            anyhow::bail!("{} could not be watched for {seconds:.0} s", self.scopes[at].kind.name);
        }
        Ok(())
    }
}

/// The future's value once it is there; never, where there is none.
async fn due<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Workloads that `watch` lines name.
fn watched(config: &Config) -> BTreeSet<WorkloadName> {
    config.sources.values().flat_map(|source| &source.watch).map(|line| line.workload.clone()).collect()
}

/// A rest that differs from replica to replica: half to all of it.
fn jittered(rest: Duration) -> Duration {
    rest.mul_f64(0.5 + 0.5 * rand::random::<f64>())
}
