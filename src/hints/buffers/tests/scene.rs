//! A replica that asks for room, before an API server that the test plays, in time that goes on by itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::Response;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tower_test::mock::SendResponse;

use crate::{
    answers::{NoAnswer, ObjectRow, RoomRow, Rooms, Row, Standing, Table},
    config::{
        hints::{HintMode, HintsConfig},
        source::WorkloadName,
    },
    hints::{
        Part, buffers,
        testing::{self, Stage},
    },
    refs::{Caller, RefEntry, RefKey, RefSpec, Refs},
    series::QueueKey,
    sizing::{Decision, Policy, Why, Workload},
    workloads::{Crew, SCALED_OBJECT, ScaledRecord, Sight, Sighting, Standing as PodStanding, Starts},
};

/// What one object wants, and what is seen of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wants {
    pub(super) hint: u32,
    pub(super) target: u32,
    pub(super) replicas: u32,
    pub(super) pods: usize,
    pub(super) undecided: bool,
}

/// How requests with a method to paths that hold a text are answered, instead of well; `None` is never.
pub(super) type Fault = (&'static str, &'static str, Option<(u16, Value)>);

/// The API server.
#[derive(Default)]
pub(super) struct Server {
    /// By path.
    pub(super) objects: BTreeMap<String, Value>,
    pub(super) faults: Vec<Fault>,
    /// Requests but for GET, as METHOD, path and body.
    pub(super) writes: Vec<(String, Value)>,
    made: u32,
}

impl Server {
    fn answer(&mut self, method: &str, path: &str, query: &str, body: Value) -> Option<(u16, Value)> {
        if method != "GET" {
            self.writes.push((format!("{method} {path}"), body.clone()));
        }
        let fault = self.faults.iter().find(|(of, part, _)| *of == method && path.contains(part));
        if let Some((_, _, answer)) = fault {
            return answer.clone();
        }
        Some(match method {
            "GET" if self.objects.contains_key(path) => (200, self.objects[path].clone()),
            "GET" if path.ends_with('s') => (200, self.list(path, query)),
            "GET" => (404, status(404, "not found")),
            "PATCH" => self.apply(path, query, body),
            _ => panic!("{method} {path}: nothing else is ever done"),
        })
    }

    fn list(&self, path: &str, query: &str) -> Value {
        let kind = path.rsplit('/').next().unwrap();
        let label = query.split('&').find_map(|pair| pair.strip_prefix("labelSelector=")).unwrap_or_default();
        let label = label.replace("%2F", "/").replace("%3D", "=");
        let (key, value) = label.split_once('=').unwrap_or((&label, ""));
        let labelled = |object: &&Value| {
            let labels = &object["metadata"]["labels"];
            key.is_empty() || labels[key].as_str().is_some_and(|of| value.is_empty() || of == value)
        };
        let of_kind = self.objects.iter().filter(|(path, _)| path.contains(&format!("/{kind}/")));
        let items: Vec<&Value> = of_kind.map(|(_, object)| object).filter(labelled).collect();
        json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items })
    }

    fn apply(&mut self, path: &str, query: &str, mut body: Value) -> (u16, Value) {
        // Only of somebody else's buffer, which he has labelled for this, the replicas are taken.
        let adopts = body["spec"].as_object().is_some_and(|spec| spec.len() == 1);
        assert!(query.contains("fieldManager=foresail-hints"), "{query}");
        assert_eq!(query.contains("force=true"), adopts && body["metadata"]["labels"].is_null(), "{query}");
        let uid = self.objects.get(path).map(|object| object["metadata"]["uid"].clone());
        let given = &body["metadata"]["uid"];
        if !given.is_null() && uid.as_ref() != Some(given) {
            return (409, status(409, "uid mismatch"));
        }
        self.made += 1;
        let uid = uid.unwrap_or_else(|| format!("made-{}", self.made).into());
        let before = self.objects.get(path).cloned().unwrap_or_default();
        body["metadata"]["uid"] = uid;
        body["metadata"]["managedFields"] = json!([{ "manager": "foresail-hints" }]);
        body["status"] = before["status"].clone();
        self.objects.insert(path.to_owned(), body.clone());
        (200, body)
    }
}

pub(super) fn status(code: u16, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": "x" })
}

/// Where an object of the autoscalers stands.
pub(super) fn buffer(name: &str) -> String {
    format!("/apis/autoscaling.x-k8s.io/v1beta1/namespaces/chem/capacitybuffers/{name}")
}

pub(super) struct Scene {
    pub(super) server: Arc<Mutex<Server>>,
    pub(super) part: Part,
    stage: Stage,
    pub(super) wants: BTreeMap<&'static str, Wants>,
    entries: BTreeMap<&'static str, Arc<RefEntry>>,
    refs: Refs,
    tick: u64,
    task: JoinHandle<()>,
}

impl Scene {
    /// One that may write, whose templates are those of Deployments of the objects' names.
    pub(super) fn start(mode: HintMode) -> Self {
        let (stage, handle) = Stage::new(HintsConfig { mode, ..HintsConfig::default() });
        let server = Arc::new(Mutex::new(Server::default()));
        tokio::spawn(serve(handle, server.clone()));
        let part = stage.part.clone();
        part.leadership.set(f64::INFINITY, part.clock.now());
        let task = tokio::spawn(buffers::run(part.clone()));
        Self {
            server,
            part,
            stage,
            wants: BTreeMap::new(),
            entries: BTreeMap::new(),
            refs: Refs::new(|_| ()),
            tick: 0,
            task,
        }
    }

    /// An object of this name, what it wants, and a Deployment for it.
    pub(super) fn want(&mut self, name: &'static str, wants: Wants) {
        self.wants.insert(name, wants);
        let key = RefKey::new("chem".into(), name.into(), []);
        let queue = QueueKey { source: "jobs".into(), layout: "list".into(), names: vec!["md".into()] };
        let spec = RefSpec { queue, policy: Policy::default() };
        let entry = self.refs.add(key, spec, Caller::Cluster, self.part.clock.now()).unwrap();
        self.entries.insert(name, entry);
        let container = json!({ "name": "c", "resources": { "requests": { "cpu": "2", "memory": "4Gi" } } });
        let spec = json!({ "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [container] } } });
        let object = json!({ "metadata": { "name": name, "namespace": "chem" }, "spec": spec });
        self.server().objects.insert(format!("/apis/apps/v1/namespaces/chem/deployments/{name}"), object);
    }

    pub(super) fn server(&self) -> std::sync::MutexGuard<'_, Server> {
        self.server.lock().unwrap()
    }

    /// So many seconds, with a tick in each.
    pub(super) async fn play(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.publish();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(!self.task.is_finished(), "it has ended");
        }
    }

    fn publish(&mut self) {
        self.tick += 1;
        let sightings: BTreeMap<_, _> =
            self.wants.iter().map(|(name, wants)| (*name, Arc::new(sighting(name, *wants)))).collect();
        let row = |(name, sighting): (&&str, &Arc<Sighting>)| {
            let wants = self.wants[*name];
            let why = Why { target: wants.target, slots: 1, ..Why::default() };
            let decision = Decision { target: wants.target, reactive: wants.target, hint: wants.hint, why };
            Some(Row {
                entry: self.entries[*name].clone(),
                answer: if wants.undecided { Err(NoAnswer::FirstSamplePending) } else { Ok(decision) },
                activations: 0,
                sighting: Some(sighting.clone()),
                standing: Standing { lead: 20.0, cold: 40.0, ..Standing::default() },
            })
        };
        let objects = sightings.values().map(|sighting| ObjectRow {
            sighting: sighting.clone(),
            faults: vec![],
            observed: vec![],
        });
        let table = Table {
            tick: self.tick,
            at: self.part.clock.now(),
            rows: sightings.iter().map(row).collect(),
            sight: Some(Sight::Clear),
            objects: objects.collect(),
            ..Table::default()
        };
        self.part.answers.publish(Arc::new(table));
    }

    /// Chunks as the API server has them; `None` where there is no such object.
    pub(super) fn chunks(&self, path: &str) -> Option<u64> {
        self.server().objects.get(path)?["spec"]["replicas"].as_u64()
    }

    /// Writes to paths that hold a text.
    pub(super) fn writes_to(&self, part: &str) -> usize {
        self.server().writes.iter().filter(|(what, _)| what.contains(part)).count()
    }

    /// What is told of an object's room; `None` where nothing is asked for it, or not here.
    pub(super) fn room(&self, name: &str) -> Option<RoomRow> {
        match &**self.part.answers.rooms() {
            Rooms::Here { rows, .. } => {
                rows.iter().find(|(of, _)| of.name == name).map(|(_, row)| row.clone())
            }
            Rooms::Off | Rooms::Elsewhere => None,
        }
    }

    pub(super) fn is_in_trouble(&self, name: &str, reason: &str) -> bool {
        let namespace = if name.is_empty() { "" } else { "chem" };
        let series = format!("name=\"{name}\",namespace=\"{namespace}\",reason=\"{reason}\"}} 1");
        self.part.metrics.text().contains(&format!("foresail_hint_trouble{{{series}"))
    }

    /// Log lines with a text.
    pub(super) fn said(&self, text: &str) -> usize {
        self.stage.said().lines().filter(|line| line.contains(text)).count()
    }
}

fn sighting(name: &str, wants: Wants) -> Sighting {
    let of = |kind: &str| WorkloadName { kind: kind.into(), namespace: "chem".into(), name: name.into() };
    let pods = u32::try_from(wants.pods).unwrap();
    let crew: Crew = (0..wants.pods).map(|pod| (format!("{name}-{pod}").into(), PodStanding::Live)).collect();
    let record = ScaledRecord {
        uid: format!("uid-of-{name}").into(),
        target: Some((of("Deployment"), "apps/v1".into())),
        min: 0,
        max: 100,
        triggers: vec![],
        works_for_others: false,
        traps: vec![],
    };
    Sighting {
        name: of(SCALED_OBJECT),
        target: of("Deployment"),
        workload: Workload {
            replicas: Some(wants.replicas),
            ready: Some(0),
            starting: Some(pods.max(wants.replicas)),
            max: Some(100),
            ..Workload::default()
        },
        crew,
        roster: vec![],
        grace: None,
        starts: Starts::default(),
        newest_node: None,
        object: Some(Arc::new(record)),
    }
}

async fn serve(mut handle: testing::Server, server: Arc<Mutex<Server>>) {
    let mut unanswered: Vec<SendResponse<Response<Body>>> = Vec::new();
    while let Some((request, send)) = handle.next_request().await {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let query = parts.uri.query().unwrap_or_default();
        let answer = server.lock().unwrap().answer(parts.method.as_str(), parts.uri.path(), query, body);
        match answer {
            None => unanswered.push(send),
            Some((code, body)) => {
                let body = Body::from(body.to_string().into_bytes());
                send.send_response(Response::builder().status(code).body(body).unwrap());
            }
        }
    }
}
