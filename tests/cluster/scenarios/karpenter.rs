//! Nodes that come with the pods: Karpenter with its kwok provider.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node;
use kube::{Api, ResourceExt as _, api::ListParams};

use super::{Cluster, Scenario, scenarios};
use crate::{
    api::{Replicas, eventually},
    foresail::Foresail,
    jobs::Jobs,
    record::setting::{INSTANCE_TYPE, QUEUE, REGISTRATION_DELAY, deployment, node_pool, scaled_object},
    server,
    stack::Options,
    support::redis::RedisServer,
    worker::store::Work,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All, on Options::with_karpenter();
        karpenter::a_pending_worker_gets_a_node_of_its_own,
        karpenter::jobs_bring_nodes_from_zero_and_the_last_job_lets_them_go,
    ]
}

const POOL: &str = "workers";

/// A node takes so long to join; Kubernetes tells whole seconds.
const NODE_SECONDS: f64 = REGISTRATION_DELAY as f64;

/// For nodes and pods to come or go, on a machine that does more than that.
const LONG: Duration = Duration::from_mins(4);

async fn a_pending_worker_gets_a_node_of_its_own(cluster: &Cluster) {
    let namespace = cluster.namespace("nodes").await;
    cluster.apply(&namespace, &node_pool()).await;
    cluster.apply(&namespace, PLAYED).await;
    let replicas = Replicas::watch(cluster.client(), &namespace, "worker").await;
    replicas.until_ready(1, LONG).await;
    until_nodes(cluster, "there is one node, of the pool", |pools| pools == [POOL]).await;
}

async fn jobs_bring_nodes_from_zero_and_the_last_job_lets_them_go(cluster: &Cluster) {
    cluster.stack.runner().await;
    let redis = RedisServer::start().await;
    let namespace = cluster.namespace("from-no-node").await;
    let foresail = Foresail::start(&cluster.logs, &config(cluster, &redis, &namespace)).await;
    cluster.apply(&namespace, &node_pool()).await;
    cluster.apply(&namespace, &deployment(&redis.url())).await;
    cluster.apply(&namespace, &scaled_object(&foresail.address())).await;
    let replicas = Replicas::watch(cluster.client(), &namespace, "worker").await;
    replicas.until_wanted(0, LONG).await;
    until_nodes(cluster, "there is no node yet", <[String]>::is_empty).await;

    // Four workers fill a node.
    let jobs = Jobs::at(&redis.url(), QUEUE).await;
    let began = Instant::now();
    jobs.submit(6, Work::Run(20.0)).await;
    replicas.until_ready(6, LONG).await;
    until_nodes(cluster, "there are two nodes or more", |pools| pools.len() >= 2).await;
    jobs.until_all_ended(LONG).await.each_ran_once();
    until_node_starts_are_known(&foresail, &namespace).await;

    replicas.until("nobody is left", LONG, |seen| seen.wanted == 0 && seen.current == 0).await;
    until_nodes(cluster, "the last node is gone", <[String]>::is_empty).await;
    let (_, most) = replicas.wanted_since(began);
    assert_eq!(most, 6, "one worker for each job: {}", replicas.history(began));
}

/// Waits until Foresail has seen how long both nodes took, and says so.
async fn until_node_starts_are_known(foresail: &Foresail, namespace: &str) {
    let metric = |what: &str, phase: &str| {
        let labels = format!("{{node_pool=\"{POOL}\",phase=\"{phase}\"}}");
        foresail.metric(&format!("foresail_node_start_seconds_{what}{labels}")).unwrap_or(0.0)
    };
    eventually("the starts of two nodes are known", LONG, async || {
        let count = metric("count", "initialized");
        if count >= 2.0 { Ok(()) } else { Err(format!("{count}")) }
    })
    .await;
    for phase in ["registered", "initialized"] {
        let seconds = metric("sum", phase) / metric("count", phase);
        assert!((NODE_SECONDS - 1.0..NODE_SECONDS + 60.0).contains(&seconds), "{phase} after {seconds} s");
    }
    let output = server::run(&["explain", &format!("{namespace}/worker"), "--http", &foresail.url("")]);
    let said = server::text(&output.stdout);
    let cold =
        said.lines().find(|line| line.starts_with("  starts   cold: ")).unwrap_or_else(|| panic!("{said}"));
    let node =
        said.lines().find_map(|line| line.strip_prefix("  node     ")).unwrap_or_else(|| panic!("{said}"));
    let rest = node.strip_prefix(&format!("{INSTANCE_TYPE} of pool {POOL} came in "));
    let seconds = rest.and_then(|rest| rest.split_once(" s ")?.0.parse::<f64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= NODE_SECONDS - 1.0), "{node}");
    eprintln!("measured: a node that joins after {NODE_SECONDS} s: {node};{cold}");
}

/// Waits until the pools of all nodes, one for each node, are as `fits` says.
async fn until_nodes(cluster: &Cluster, what: &str, fits: impl Fn(&[String]) -> bool) {
    let nodes: Api<Node> = Api::all(cluster.client().clone());
    eventually(what, LONG, async || {
        let all = nodes.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let pool = |node: &Node| node.labels().get("karpenter.sh/nodepool").cloned().unwrap_or_default();
        let pools: Vec<String> = all.iter().map(pool).collect();
        if fits(&pools) { Ok(()) } else { Err(format!("{pools:?}")) }
    })
    .await;
}

fn config(cluster: &Cluster, redis: &RedisServer, namespace: &str) -> String {
    format!(
        r#"
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {} }}
    namespaces: {{ "*": ["*"] }}
    layouts:
      lists: {{ preset: redis-list, processing: "{{queue}}:processing:{{worker}}" }}
policies:
  default: {{ keep_alive: 5s }}
kubernetes: {{ addresses: ["{}"], namespaces: [{namespace}], kubeconfig: {}, node_claims: true }}
"#,
        redis.port(),
        Foresail::ADDRESS,
        cluster.stack.kubeconfig.display(),
    )
}

/// A pod that kwok plays.
const PLAYED: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: worker }
spec:
  replicas: 1
  selector: { matchLabels: { app: worker } }
  template:
    metadata: { labels: { app: worker } }
    spec: { containers: [{ name: worker, image: worker, resources: { requests: { cpu: "1" } } }] }
"#;
