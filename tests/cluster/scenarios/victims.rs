//! Who goes when a target falls, as the real `ReplicaSet` controller, the HPA and KEDA have it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _, api::ListParams};

use super::{Cluster, Scenario, scenarios};
use crate::{
    api::{Replicas, eventually},
    foresail::Foresail,
    jobs::{Jobs, Outcome},
    manifests::{RECOMMENDED, scaled_object, trigger, worker},
    runner::{FakeNode, Nodes, RUN},
    support::redis::RedisServer,
    worker::store::Work,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![Ci:
        victims::no_busy_worker_goes_and_the_nodes_without_one_become_empty,
    ]
}

const PATIENCE: Duration = Duration::from_mins(2);

/// Workers that a node has room for.
const ROOM: usize = 4;

/// One more than there are long jobs: at least one of them has no busy worker then.
const NODES: usize = 6;
const LONG_JOBS: usize = 5;

/// The annotation by which a `ReplicaSet` chooses.
const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

async fn no_busy_worker_goes_and_the_nodes_without_one_become_empty(cluster: &Cluster) {
    cluster.runner().await;
    let redis = RedisServer::start().await;
    let namespace = cluster.namespace("victims").await;
    let _nodes = Nodes::post(cluster.client(), &nodes(&namespace)).await;
    let foresail = Foresail::start(&cluster.logs, &config(cluster, &redis, &namespace)).await;
    cluster.apply(&namespace, &deployment(&redis.url(), &namespace)).await;
    let trigger = trigger("external-push", &foresail.address(), "queue: work");
    cluster
        .apply(
            &namespace,
            &scaled_object("worker", &["pollingInterval: 5", "cooldownPeriod: 5", RECOMMENDED], &trigger),
        )
        .await;
    let replicas = Replicas::watch(cluster.client(), &namespace, "worker").await;

    let jobs = Jobs::at(&redis.url(), "work").await;
    let all = NODES * ROOM;
    jobs.submit(LONG_JOBS, Work::Run(60.0)).await;
    jobs.submit(all - LONG_JOBS, Work::Run(15.0)).await;
    replicas.until_ready(i32::try_from(all).unwrap(), PATIENCE).await;

    let few = |outcome: &Outcome| outcome.running() == LONG_JOBS && outcome.open() == LONG_JOBS;
    let outcome = jobs.until("only the long jobs run", PATIENCE, few).await;
    let busy: BTreeSet<String> = outcome.workers().collect();
    let pods = pods(cluster, &namespace).await;
    let kept: BTreeSet<&String> = busy.iter().map(|pod| &pods[pod].node).collect();
    assert!(kept.len() < NODES, "{LONG_JOBS} busy workers are on fewer nodes");

    // Whose going gives no node back, stays.
    let staying = kept.len() * ROOM;
    replicas
        .until("who can go has gone", PATIENCE, |seen| seen.current == i32::try_from(staying).unwrap())
        .await;
    eventually(
        "the nodes with a busy worker are whole and the others empty, and no cost is left",
        PATIENCE,
        async || {
            let left = self::pods(cluster, &namespace).await;
            let nodes: BTreeSet<&String> =
                left.values().filter(|pod| !pod.goes).map(|pod| &pod.node).collect();
            let costs: Vec<_> = left.values().filter_map(|pod| pod.cost.clone()).collect();
            if nodes == kept && costs.is_empty() { Ok(()) } else { Err(format!("{nodes:?} {costs:?}")) }
        },
    )
    .await;
    let told_to_go = self::pods(cluster, &namespace).await;
    let told_to_go: Vec<_> =
        busy.iter().filter(|pod| told_to_go.get(*pod).is_none_or(|pod| pod.goes)).collect();
    let still_running: BTreeSet<String> = jobs.outcome().await.workers().collect();
    assert!(
        told_to_go.iter().all(|pod| !still_running.contains(*pod)),
        "busy, and told to go: {told_to_go:?}"
    );
    assert!(foresail.metric("foresail_deletion_cost_writes_total{result=\"ok\"}") >= Some(1.0));

    jobs.until_all_ended(PATIENCE).await.each_ran_once();
    replicas.until_wanted(0, PATIENCE).await;
}

/// A pod, as far as it matters here.
struct Seen {
    node: String,
    goes: bool,
    cost: Option<String>,
}

async fn pods(cluster: &Cluster, namespace: &str) -> BTreeMap<String, Seen> {
    let pods: Api<Pod> = Api::namespaced(cluster.client().clone(), namespace);
    let all = pods.list(&ListParams::default()).await.expect("pods can be listed");
    let seen = |pod: Pod| {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
        let goes = pod.metadata.deletion_timestamp.is_some();
        let cost = pod.annotations().get(COST).cloned();
        (pod.name_any(), Seen { node, goes, cost })
    };
    all.into_iter().map(seen).collect()
}

/// Nodes for the workers of this scenario alone.
fn nodes(namespace: &str) -> Vec<FakeNode> {
    let node = |number: usize| FakeNode {
        cpu: ROOM.to_string(),
        labels: vec![("room".to_owned(), namespace.to_owned())],
        taint: Some(namespace.to_owned()),
        ..FakeNode::named(&format!("{namespace}-{number}"))
    };
    (0..NODES).map(node).collect()
}

fn deployment(store: &str, namespace: &str) -> String {
    let container = worker(store, "work", &[]).replace("100m", "\"1\"");
    format!(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: worker }}
spec:
  replicas: 0
  selector: {{ matchLabels: {{ app: worker }} }}
  template:
    metadata: {{ labels: {{ app: worker }}, annotations: {{ {RUN}: "true" }} }}
    spec:
      terminationGracePeriodSeconds: 120
      nodeSelector: {{ room: {namespace} }}
      tolerations: [{{ key: {namespace}, operator: Exists }}]
      containers:
        - {container}
"#
    )
}

fn config(cluster: &Cluster, redis: &RedisServer, namespace: &str) -> String {
    format!(
        r#"
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {} }}
    namespaces: {{ "*": ["*"] }}
    sample_every: 500ms
    layouts:
      reliable: {{ preset: redis-list, processing: "{{queue}}:processing:{{worker}}" }}
policies:
  default: {{ keep_alive: 0s }}
kubernetes: {{ addresses: ["{}"], namespaces: [{namespace}], kubeconfig: {} }}
hints: {{ victims: deletion-cost, lease: {{ namespace: {namespace} }} }}
"#,
        redis.port(),
        Foresail::ADDRESS,
        cluster.stack.kubeconfig.display(),
    )
}
