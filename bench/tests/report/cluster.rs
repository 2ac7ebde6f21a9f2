//! As much of an API server as tells of one Deployment and its pods: what Foresail watches, and no more.

use std::{path::Path, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::Uri,
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

/// The Deployment `bio/md`. Every change of its replicas is a version.
#[derive(Clone)]
pub(crate) struct Cluster {
    versions: Arc<watch::Sender<Vec<u32>>>,
    pub(crate) port: u16,
}

impl Cluster {
    /// Serves until the test's runtime ends.
    pub(crate) async fn start(replicas: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cluster = Self { versions: Arc::new(watch::Sender::new(vec![replicas])), port };
        let router = Router::new().fallback(answer).with_state(cluster.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        cluster
    }

    /// Sets the replicas; pods are ready at once.
    pub(crate) fn scale(&self, replicas: u32) {
        self.versions.send_modify(|versions| versions.push(replicas));
    }

    /// Follows the replicas.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Vec<u32>> {
        self.versions.subscribe()
    }

    /// Writes a kubeconfig that leads here.
    pub(crate) fn write_kubeconfig(&self, path: &Path) {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://127.0.0.1:{}", self.port) } }],
            "users": [{ "name": "c", "user": {} }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "c" } }],
        });
        std::fs::write(path, kubeconfig.to_string()).unwrap();
    }
}

/// A list, or a watch from a version on.
async fn answer(State(cluster): State<Cluster>, uri: Uri) -> Response {
    let kind = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let seen = cluster.subscribe();
    let asked =
        |key: &str| uri.query()?.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    if asked("watch") != Some("true") {
        let versions = seen.borrow().clone();
        let items = objects(&kind, versions.len(), *versions.last().unwrap());
        let metadata = json!({ "resourceVersion": versions.len().to_string() });
        return Json(json!({ "kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items }))
            .into_response();
    }
    let from: usize = asked("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0);
    let events = stream::unfold((seen, from), move |(mut seen, told)| {
        let kind = kind.clone();
        async move {
            let versions = seen.wait_for(|versions| versions.len() > told).await.ok()?.clone();
            let lines: String =
                events(&kind, told, &versions).iter().map(|event| event.to_string() + "\n").collect();
            Some((Ok::<_, std::convert::Infallible>(lines), (seen, versions.len())))
        }
    });
    Body::from_stream(events).into_response()
}

/// What a watch tells after it has told `told` versions.
fn events(kind: &str, told: usize, versions: &[u32]) -> Vec<Value> {
    let event = |kind: &str, object: Value| json!({ "type": kind, "object": object });
    let (before, now) = (versions[told.max(1) - 1], *versions.last().unwrap());
    match kind {
        "deployments" => vec![event("MODIFIED", deployment(versions.len(), now))],
        "pods" if now > before => (before..now).map(|nth| event("ADDED", pod(versions.len(), nth))).collect(),
        "pods" => (now..before).map(|nth| event("DELETED", pod(versions.len(), nth))).collect(),
        _ => Vec::new(),
    }
}

fn objects(kind: &str, version: usize, replicas: u32) -> Vec<Value> {
    match kind {
        "deployments" => vec![deployment(version, replicas)],
        "pods" => (0..replicas).map(|nth| pod(version, nth)).collect(),
        _ => Vec::new(),
    }
}

fn deployment(version: usize, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "md", "namespace": "bio", "resourceVersion": version.to_string() },
        "spec": { "replicas": replicas },
    })
}

fn pod(version: usize, nth: u32) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("md-5f6d8-{nth}"),
            "namespace": "bio",
            "resourceVersion": version.to_string(),
            "creationTimestamp": "2026-03-01T12:00:00Z",
            "labels": { "pod-template-hash": "5f6d8" },
            "ownerReferences": [
                { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "md-5f6d8", "uid": "u", "controller": true },
            ],
        },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-03-01T12:00:01Z" }],
        },
    })
}
