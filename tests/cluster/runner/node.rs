//! Fake nodes: posted once, kept alive by their leases.

use std::time::Duration;

use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Node},
    jiff::Timestamp,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::task::JoinSet;

/// Where nodes have their leases.
const LEASES: &str = "kube-node-lease";

/// As a kubelet: a quarter of the lease's length.
const RENEW_EVERY: Duration = Duration::from_secs(10);
const LEASE_SECONDS: u32 = 40;

/// A node on which nothing runs but what the runner starts.
#[derive(Debug, Clone)]
pub(crate) struct FakeNode {
    pub(crate) name: String,
    /// Quantities, as in `8` and `16Gi`.
    pub(crate) cpu: String,
    pub(crate) memory: String,
    pub(crate) pods: u32,
    /// Beside `kubernetes.io/hostname` and the like.
    pub(crate) labels: Vec<(String, String)>,
    /// Keeps pods away that do not tolerate it: the key of a taint.
    pub(crate) taint: Option<String>,
}

/// Keeps nodes alive until it is dropped.
pub(crate) struct Nodes {
    _leases: JoinSet<()>,
}

impl Nodes {
    /// Posts nodes beside those of the runner, which runs pods on them that ask for it ([`super::RUN`]).
    pub(crate) async fn post(client: &Client, fakes: &[FakeNode]) -> Self {
        let mut leases = JoinSet::new();
        for fake in fakes {
            leases.spawn(keep(client.clone(), post(client, fake).await));
        }
        Self { _leases: leases }
    }
}

impl FakeNode {
    /// 32 cores, 64 GiB, 110 pods.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            cpu: "32".to_owned(),
            memory: "64Gi".to_owned(),
            pods: 110,
            labels: Vec::new(),
            taint: None,
        }
    }
}

/// Posts `fake`, and returns when it is there, Ready and without taints.
pub(super) async fn post(client: &Client, fake: &FakeNode) -> Node {
    let nodes: Api<Node> = Api::all(client.clone());
    let parameters = PostParams::default();
    let node = match nodes.create(&parameters, &object(fake)).await {
        Ok(node) => node,
        Err(error) => panic!("node {} cannot be posted: {error}", fake.name),
    };
    // Admission marks each new node as not ready, until the controller manager has looked at it.
    let free = json!({ "spec": { "taints": taints(fake) } });
    let patched = nodes.patch(&fake.name, &PatchParams::default(), &Patch::Merge(free)).await;
    patched
        .unwrap_or_else(|error| panic!("the taints of node {} cannot be taken off: {error}", node.name_any()))
}

/// Renews the node's lease, for ever.
pub(super) async fn keep(client: Client, node: Node) {
    let leases: Api<Lease> = Api::namespaced(client, LEASES);
    let name = node.name_any();
    let parameters = PatchParams::apply("foresail-runner").force();
    let mut every = tokio::time::interval(RENEW_EVERY);
    loop {
        every.tick().await;
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": name, "ownerReferences": [
                { "apiVersion": "v1", "kind": "Node", "name": name, "uid": node.uid() },
            ] },
            "spec": {
                "holderIdentity": name,
                "leaseDurationSeconds": LEASE_SECONDS,
                // A MicroTime has exactly six digits behind the point.
                "renewTime": format!("{:.6}", Timestamp::now()),
            },
        });
        if let Err(error) = leases.patch(&name, &parameters, &Patch::Apply(lease)).await {
            eprintln!("runner: the lease of node {name} cannot be renewed: {error}");
        }
    }
}

fn taints(fake: &FakeNode) -> serde_json::Value {
    fake.taint.iter().map(|key| json!({ "key": key, "effect": "NoSchedule" })).collect()
}

fn object(fake: &FakeNode) -> Node {
    let mut labels = serde_json::Map::new();
    for (name, value) in [
        ("kubernetes.io/hostname", fake.name.as_str()),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
    ] {
        labels.insert(name.to_owned(), value.into());
    }
    labels.extend(fake.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
    let size = json!({
        "cpu": fake.cpu, "memory": fake.memory, "pods": fake.pods.to_string(), "ephemeral-storage": "100Gi",
    });
    let now = Timestamp::now();
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind, "status": status, "reason": "Fake", "message": "a runner stands behind this node",
            "lastHeartbeatTime": now.to_string(), "lastTransitionTime": now.to_string(),
        })
    };
    let node = json!({
        "metadata": { "name": fake.name, "labels": labels },
        "spec": { "taints": taints(fake) },
        "status": {
            "capacity": size, "allocatable": size,
            "conditions": [
                condition("Ready", "True"), condition("MemoryPressure", "False"),
                condition("DiskPressure", "False"), condition("PIDPressure", "False"),
                condition("NetworkUnavailable", "False"),
            ],
            "addresses": [
                { "type": "InternalIP", "address": "127.0.0.1" }, { "type": "Hostname", "address": fake.name },
            ],
            "nodeInfo": {
                "architecture": "amd64", "bootID": fake.name, "containerRuntimeVersion": "foresail://runner",
                "kernelVersion": "linux", "kubeProxyVersion": "", "kubeletVersion": "v1.36.3",
                "machineID": fake.name, "operatingSystem": "linux", "osImage": "fake", "systemUUID": fake.name,
            },
        },
    });
    serde_json::from_value(node).expect("the node above is a Node")
}
