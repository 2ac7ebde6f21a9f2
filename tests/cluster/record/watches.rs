//! What the API server says of pods, nodes and the workload, as events at the instants at which it said so.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foresail::sim::timeline::Event;
use futures_util::StreamExt as _;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
    runtime::watcher,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};

use super::now;
use crate::api::has_condition;

/// Records until it drops.
pub(super) struct Watches {
    record: Arc<Record>,
    changed: watch::Receiver<()>,
    _tasks: JoinSet<()>,
}

/// What is there now.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pods: HashSet<String>,
    nodes: HashSet<String>,
    /// Wanted, current, ready; `None` before the workload was seen.
    replicas: Option<(u32, u32, u32)>,
}

impl Watches {
    /// Watches everything in `namespace`, all nodes and all claims; returns once the workload was seen.
    pub(super) async fn start(client: &Client, namespace: &str) -> Self {
        let (tell, changed) = watch::channel(());
        let record = Arc::new(Record { state: Mutex::default(), tell });
        let claims = ApiResource::from_gvk(&GroupVersionKind::gvk("karpenter.sh", "v1", "NodeClaim"));
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(
            Api::namespaced(client.clone(), namespace),
            Arc::clone(&record),
            State::see_pod,
            State::lose_pod,
        ));
        tasks.spawn(follow(
            Api::namespaced(client.clone(), namespace),
            Arc::clone(&record),
            State::see_workload,
            |_, _, _| {},
        ));
        tasks.spawn(follow(Api::all(client.clone()), Arc::clone(&record), State::see_node, |_, _, _| {}));
        tasks.spawn(follow(
            Api::all_with(client.clone(), &claims),
            Arc::clone(&record),
            State::see_claim,
            State::lose_claim,
        ));
        let mut watches = Self { record, changed, _tasks: tasks };
        let there = |seen: &Seen| seen.replicas.is_some();
        watches.until("the workload is there", Duration::from_mins(1), there).await;
        watches
    }

    /// Waits until what is there is as `fits` says; panics after `deadline` with what was seen last.
    pub(super) async fn until(&mut self, what: &str, deadline: Duration, fits: impl Fn(&Seen) -> bool) {
        let waited = tokio::time::timeout(deadline, async {
            loop {
                self.changed.mark_unchanged();
                if fits(&self.record.lock().seen) {
                    return;
                }
                self.changed.changed().await.expect("the watches keep the other end");
            }
        });
        let waited = waited.await;
        let seen = self.record.lock().seen.clone();
        assert!(waited.is_ok(), "waited {deadline:?} in vain until {what}; there are {seen}");
    }

    /// Everything so far, in Unix seconds. Panics where a watch was interrupted, since something may be missing.
    pub(super) fn events(&self) -> Vec<(f64, Event)> {
        let state = self.record.lock();
        assert!(state.interrupted.is_empty(), "watches were interrupted: {:?}", state.interrupted);
        let mut events = state.events.clone();
        for (_, event) in &mut events {
            if let Event::PodScheduled { node, .. } | Event::NodeReady { node } = event {
                let claim = state.claims.get(node);
                *node = claim.unwrap_or_else(|| panic!("no claim for the node {node}")).clone();
            }
        }
        events
    }
}

impl Seen {
    /// Nothing runs, and nothing is paid for.
    pub(super) fn is_empty(&self) -> bool {
        let nothing = self.replicas.is_some_and(|(wanted, current, _)| wanted == 0 && current == 0);
        nothing && self.pods.is_empty() && self.nodes.is_empty()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wanted, current, ready) = self.replicas.unwrap_or_default();
        let (pods, nodes) = (self.pods.len(), self.nodes.len());
        write!(f, "{wanted} replicas wanted, {current} there, {ready} ready; {pods} pods, {nodes} nodes")
    }
}

struct Record {
    state: Mutex<State>,
    tell: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    events: Vec<(f64, Event)>,
    /// What was said already: a name, and what of it.
    said: HashSet<(String, &'static str)>,
    seen: Seen,
    /// Names of claims by the names of their nodes.
    claims: HashMap<String, String>,
    interrupted: Vec<&'static str>,
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands every object of a kind to `see`, and to `lose` when it is there no more.
async fn follow<K>(
    api: Api<K>,
    record: Arc<Record>,
    see: fn(&mut State, f64, &K),
    lose: fn(&mut State, f64, &K),
) where
    K: Resource + Clone + fmt::Debug + DeserializeOwned + Send + 'static,
{
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
    let mut lists = 0;
    while let Some(event) = events.next().await {
        let at = now();
        let mut state = record.lock();
        match event {
            Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                see(&mut state, at, &object);
            }
            Ok(watcher::Event::Delete(object)) => lose(&mut state, at, &object),
            Ok(watcher::Event::Init) => {
                lists += 1;
                // What happened between two lists is not known.
                if lists > 1 {
                    state.interrupted.push(std::any::type_name::<K>());
                }
            }
            Ok(watcher::Event::InitDone) | Err(_) => {}
        }
        drop(state);
        record.tell.send_replace(());
    }
}

impl State {
    /// Once for each name and stage.
    fn say(&mut self, at: f64, name: &str, stage: &'static str, event: impl FnOnce(String) -> Event) {
        if self.said.insert((name.to_owned(), stage)) {
            self.events.push((at, event(name.to_owned())));
        }
    }

    fn see_pod(&mut self, at: f64, object: &Pod) {
        let pod = object.name_any();
        self.seen.pods.insert(pod.clone());
        let spec = object.spec.as_ref();
        let request = |name: &str| {
            let resources = spec.and_then(|spec| spec.containers.first()?.resources.as_ref());
            let request = resources.and_then(|resources| resources.requests.as_ref()?.get(name));
            request.map_or(0.0, |request| quantity(&request.0))
        };
        let (cpu, memory) = (request("cpu"), request("memory"));
        self.say(at, &pod, "created", |pod| Event::PodCreated { pod, cpu, memory });
        if let Some(node) = spec.and_then(|spec| spec.node_name.clone()) {
            self.say(at, &pod, "scheduled", |pod| Event::PodScheduled { pod, node });
        }
        let status = object.status.as_ref();
        let statuses = status.and_then(|status| status.container_statuses.as_ref());
        let container = statuses.and_then(|statuses| statuses.first()?.state.as_ref());
        if container.is_some_and(|state| state.running.is_some()) {
            self.say(at, &pod, "started", |pod| Event::PodStarted { pod });
        }
        let conditions = status.and_then(|status| status.conditions.as_ref());
        if conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True")) {
            self.say(at, &pod, "ready", |pod| Event::PodReady { pod });
        }
        if object.metadata.deletion_timestamp.is_some() {
            self.say(at, &pod, "told to go", |pod| Event::PodToldToGo { pod });
        }
        if container.is_some_and(|state| state.terminated.is_some()) {
            self.say(at, &pod, "stopped", |pod| Event::PodStopped { pod });
        }
    }

    fn lose_pod(&mut self, at: f64, object: &Pod) {
        // The last that was said of it may be news; a pod without a node goes as it is told to.
        self.see_pod(at, object);
        let pod = object.name_any();
        self.say(at, &pod, "told to go", |pod| Event::PodToldToGo { pod });
        self.seen.pods.remove(&pod);
        self.say(at, &pod, "gone", |pod| Event::PodGone { pod });
    }

    fn see_workload(&mut self, at: f64, object: &Deployment) {
        let status = object.status.as_ref();
        let count = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
        let replicas = (
            count(object.spec.as_ref().and_then(|spec| spec.replicas)),
            count(status.and_then(|status| status.replicas)),
            count(status.and_then(|status| status.ready_replicas)),
        );
        if self.seen.replicas != Some(replicas) {
            self.seen.replicas = Some(replicas);
            let (wanted, current, ready) = replicas;
            self.events.push((at, Event::Replicas { wanted, current, ready }));
        }
    }

    fn see_node(&mut self, at: f64, object: &Node) {
        let node = object.name_any();
        let conditions = object.status.as_ref().and_then(|status| status.conditions.as_ref());
        if conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True")) {
            self.say(at, &node, "ready", |node| Event::NodeReady { node });
        }
    }

    fn see_claim(&mut self, at: f64, object: &DynamicObject) {
        let node = object.name_any();
        let data = &object.data;
        let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str);
        self.seen.nodes.insert(node.clone());
        self.say(at, &node, "claimed", |node| Event::NodeClaimed { node });
        if let Some(name) = text("/status/nodeName") {
            self.claims.insert(name.to_owned(), node.clone());
        }
        if has_condition(data, "Launched") {
            let room = |name: &str| quantity(text(&format!("/status/allocatable/{name}")).unwrap_or("0"));
            let kind = object.labels().get("node.kubernetes.io/instance-type");
            let launched = |node| Event::NodeLaunched {
                node,
                instance_type: kind.cloned().unwrap_or_default(),
                cpu: room("cpu"),
                memory: room("memory"),
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "pods of one node"
                )]
                pods: room("pods") as u32,
            };
            self.say(at, &node, "launched", launched);
        }
        if has_condition(data, "Registered") {
            self.say(at, &node, "registered", |node| Event::NodeRegistered { node });
        }
        if has_condition(data, "Initialized") {
            self.say(at, &node, "initialized", |node| Event::NodeInitialized { node });
        }
        if object.metadata.deletion_timestamp.is_some() {
            self.say(at, &node, "told to go", |node| Event::NodeToldToGo { node });
        }
    }

    fn lose_claim(&mut self, at: f64, object: &DynamicObject) {
        self.see_claim(at, object);
        let node = object.name_any();
        self.say(at, &node, "told to go", |node| Event::NodeToldToGo { node });
        self.seen.nodes.remove(&node);
        self.say(at, &node, "gone", |node| Event::NodeGone { node });
    }
}

/// A Kubernetes quantity of the kinds that stand here: `2`, `900m`, `512Mi`, `8172Mi`.
pub(super) fn quantity(text: &str) -> f64 {
    let units = [("m", 0.001), ("Ki", 1024.0), ("Mi", 1_048_576.0), ("Gi", 1_073_741_824.0)];
    let scaled = units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, size) = scaled.unwrap_or((text, 1.0));
    number.parse::<f64>().unwrap_or_else(|_| panic!("no quantity that is known here: {text:?}")) * size
}
