//! The kubelet of pods on fake nodes: one real process per pod, started from the pod's own spec, probed, stopped
//! and restarted as a kubelet does it.
//!
//! What differs from a real node: all pods share the machine's network, each with a loopback address of its own
//! (see [`address`]), and an image is a program of this machine with nothing of its own beside it (see
//! [`sandbox`]). A pod that asks for what this runner cannot do is refused, in its status.

pub(crate) mod proxy;

mod life;
mod status;

mod container;
mod probe;
mod sandbox;

mod environment;
mod volumes;

mod address;
mod node;
mod reaper;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt as _,
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::{sync::watch, task::JoinSet};

pub(crate) use self::node::{FakeNode, Nodes};
use self::{
    life::{Life, Seen},
    reaper::Reaper,
    sandbox::Sandbox,
};
use crate::{support::process::signal, worker};

/// Annotation of a pod (template): seconds from being bound to a node to the start of its process, as in `2s`,
/// `300ms` or `2s-5s` (anywhere between, another for each pod).
pub(crate) const START_DELAY: &str = "runner.foresail.invalid/start-delay";

/// Annotation of pods that this runner takes on nodes which somebody else posts (kwok, Karpenter): `"true"`.
pub(crate) const RUN: &str = "runner.foresail.invalid/run";

/// Image of the worker ([`crate::worker`]).
pub(crate) const WORKER_IMAGE: &str = "foresail-worker:test";

/// Image of the program that shows what it was started with ([`crate::mirror`]).
pub(crate) const MIRROR_IMAGE: &str = "foresail-mirror:test";

/// What [`Runner::start`] does.
#[derive(Debug)]
pub(crate) struct Options {
    /// For logs (`logs/NAMESPACE_POD.log`) and the pods' files. Made where it is not there.
    pub(crate) folder: PathBuf,
    /// What pods find in `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`.
    pub(crate) api_server: SocketAddr,
    /// Nodes to post. Pods elsewhere are taken only with the annotation [`RUN`].
    pub(crate) nodes: Vec<FakeNode>,
    /// What stands behind an image's name, with its tag or without one (then: behind every tag).
    pub(crate) images: BTreeMap<String, Program>,
    /// Before the second restart of a container; doubled with each further one, up to 5 minutes.
    pub(crate) restart_backoff: Duration,
}

/// An image: one program, and nearly nothing beside it.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// On this machine.
    pub(crate) file: PathBuf,
    /// Where it stands in the container. Not below /usr, which is this machine's.
    pub(crate) path: PathBuf,
    /// Files that stand in the image where they stand on this machine; those that are here.
    pub(crate) files: Vec<PathBuf>,
    /// Arguments that stand before those of the pod: the rest of the image's entry point.
    pub(crate) arguments: Vec<String>,
    /// The image's user and group.
    pub(crate) user: (u32, u32),
    /// A line that it prints once it is ready: counts for pods without a readiness probe.
    pub(crate) ready_mark: Option<String>,
}

impl Program {
    /// This program itself, with a first argument.
    fn own(argument: &str) -> Self {
        Self {
            file: std::env::current_exe().expect("a running program has a file"),
            path: "/cluster".into(),
            files: Vec::new(),
            arguments: vec![argument.to_owned()],
            user: (65532, 65532),
            ready_mark: None,
        }
    }

    /// Foresail, as its image has it.
    pub(crate) fn foresail() -> Self {
        Self {
            file: env!("CARGO_BIN_EXE_foresail").into(),
            path: "/foresail".into(),
            files: vec!["/etc/ssl/certs/ca-certificates.crt".into()],
            arguments: Vec::new(),
            user: (65532, 65532),
            ready_mark: None,
        }
    }
}

/// Runs pods until it is dropped; then their processes are killed.
pub(crate) struct Runner {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// How a pod's container ended, as it stood in the pod's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    /// As in `containerStatuses`: 128 + signal for one that a signal ended.
    pub(crate) exit_code: i32,
    /// `Completed`, `Error`, or why the runner ended it: `Deleted`, `Unhealthy`.
    pub(crate) reason: String,
    /// It did not go within its grace period.
    pub(crate) killed: bool,
}

/// What all pods of a runner share.
struct Shared {
    client: Client,
    options: Options,
    sandbox: Sandbox,
    reaper: Reaper,
    running: Mutex<BTreeMap<(String, String), u32>>,
    ends: Mutex<Vec<End>>,
}

impl Options {
    /// Three nodes, and the images that are in this program.
    pub(crate) fn new(folder: PathBuf, api_server: SocketAddr) -> Self {
        let worker = Program { ready_mark: Some(worker::READY_MARK.to_owned()), ..Program::own("worker") };
        let images = [(WORKER_IMAGE, worker), (MIRROR_IMAGE, Program::own("mirror"))];
        Self {
            folder,
            api_server,
            nodes: (1..=3).map(|number| FakeNode::named(&format!("node-{number}"))).collect(),
            images: images.map(|(name, program)| (name.to_owned(), program)).into(),
            restart_backoff: Duration::from_secs(10),
        }
    }

    /// With one more image.
    #[must_use]
    pub(crate) fn image(mut self, name: &str, program: Program) -> Self {
        self.images.insert(name.to_owned(), program);
        self
    }
}

impl Runner {
    /// Posts the nodes and takes the pods that are bound to them, now and later.
    pub(crate) async fn start(client: Client, options: Options) -> Self {
        for folder in ["logs", "pods"] {
            fs::create_dir_all(options.folder.join(folder)).expect("the runner's folder can be written");
        }
        let mut tasks = JoinSet::new();
        for fake in &options.nodes {
            tasks.spawn(node::keep(client.clone(), node::post(&client, fake).await));
        }
        let shared = Arc::new(Shared {
            client,
            sandbox: Sandbox::find(),
            reaper: Reaper::start(),
            running: Mutex::default(),
            ends: Mutex::default(),
            options,
        });
        tasks.spawn(follow(Arc::clone(&shared)));
        Self { shared, _tasks: tasks }
    }

    /// The containers of a namespace that have ended so far, in that order.
    pub(crate) fn ends(&self, namespace: &str) -> Vec<End> {
        let ends = self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.iter().filter(|end| end.namespace == namespace).cloned().collect()
    }

    /// The process of a pod that runs.
    pub(crate) fn process(&self, namespace: &str, pod: &str) -> Option<u32> {
        let running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(&(namespace.to_owned(), pod.to_owned())).copied()
    }

    /// Sends a signal, named as `kill -s` names it, to a pod's process. Panics where none runs.
    pub(crate) fn signal(&self, namespace: &str, pod: &str, name: &str) {
        let process = self.process(namespace, pod);
        signal(process.unwrap_or_else(|| panic!("pod {namespace}/{pod} has no process to signal")), name);
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // What waits for the processes holds the rest, so that this alone would not go.
        self.shared.reaper.end();
    }
}

impl Shared {
    fn log_file(&self, namespace: &str, pod: &str) -> PathBuf {
        self.options.folder.join("logs").join(format!("{namespace}_{pod}.log"))
    }

    fn program(&self, image: &str) -> Option<&Program> {
        let images = &self.options.images;
        let image = image.split('@').next().unwrap_or(image);
        let untagged = || image.rsplit_once(':').and_then(|(name, _)| images.get(name));
        images.get(image).or_else(untagged)
    }

    fn has_node(&self, name: &str) -> bool {
        self.options.nodes.iter().any(|node| node.name == name)
    }

    fn is_ours(&self, pod: &Pod) -> bool {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        node.is_some_and(|node| self.has_node(node))
            || pod.annotations().get(RUN).is_some_and(|run| run == "true")
    }

    /// Whether the pod's program says by itself that it is ready.
    fn has_mark(&self, pod: &Pod) -> bool {
        let image = pod.spec.as_ref().and_then(|spec| spec.containers.first()?.image.as_ref());
        image.and_then(|image| self.program(image)).is_some_and(|image| image.ready_mark.is_some())
    }

    fn set_running(&self, pod: &Pod, process: Option<u32>) {
        let name = (pod.namespace().unwrap_or_default(), pod.name_any());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match process {
            Some(process) => running.insert(name, process),
            None => running.remove(&name),
        };
    }

    fn record(&self, end: End) {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).push(end);
    }
}

/// Starts a [`Life`] for each pod of ours, and tells it what becomes of the pod.
async fn follow(shared: Arc<Shared>) {
    let bound = watcher::Config::default().fields("spec.nodeName!=");
    let mut events = std::pin::pin!(watcher(Api::<Pod>::all(shared.client.clone()), bound).default_backoff());
    // Those too that are over, until their pod is gone: an old event must not begin a second one.
    let mut lives: HashMap<String, watch::Sender<Seen>> = HashMap::new();
    let mut listed = HashSet::new();
    let mut tasks = JoinSet::new();
    while let Some(event) = events.next().await {
        while tasks.try_join_next().is_some() {}
        match event {
            Ok(watcher::Event::Apply(pod)) => see(&shared, &mut lives, &mut tasks, pod),
            Ok(watcher::Event::InitApply(pod)) => {
                listed.insert(pod.uid().unwrap_or_default());
                see(&shared, &mut lives, &mut tasks, pod);
            }
            Ok(watcher::Event::Delete(pod)) => {
                if let Some(tell) = lives.remove(&pod.uid().unwrap_or_default()) {
                    tell.send_replace(Seen::Gone);
                }
            }
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitDone) => {
                for (_, tell) in lives.extract_if(|uid, _| !listed.contains(uid)) {
                    tell.send_replace(Seen::Gone);
                }
            }
            // The watcher tries again by itself; the API server's log has the other side.
            Err(error) => eprintln!("runner: the watch of pods broke: {error}"),
        }
    }
}

fn see(
    shared: &Arc<Shared>,
    lives: &mut HashMap<String, watch::Sender<Seen>>,
    tasks: &mut JoinSet<()>,
    pod: Pod,
) {
    let uid = pod.uid().unwrap_or_default();
    let pod = Arc::new(pod);
    if let Some(tell) = lives.get(&uid) {
        tell.send_replace(Seen::There(pod));
    } else if shared.is_ours(&pod) && !status::is_over(&pod) {
        let (tell, seen) = watch::channel(Seen::There(Arc::clone(&pod)));
        lives.insert(uid, tell);
        tasks.spawn(Life::new(Arc::clone(shared), pod, seen).run());
    }
}
