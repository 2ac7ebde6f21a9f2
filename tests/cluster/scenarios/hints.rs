//! Room on nodes for pods that are expected: Foresail's buffers, and what Karpenter makes of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Cluster, Scenario, scenarios};
use crate::{
    api::{self, Replicas, eventually},
    foresail::Foresail,
    jobs::Jobs,
    record::setting::{QUEUE, deployment, node_pool, scaled_object},
    server,
    stack::Options,
    support::redis::RedisServer,
    worker::store::Work,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All, on Options::with_karpenter();
        hints::room_stands_by_for_jobs_that_are_expected_whoever_writes_and_goes_with_the_forecast,
    ]
}

/// For forecasts that are believed, on a machine that does more than that.
const LONG: Duration = Duration::from_mins(8);

/// Chunks at most.
const CHUNKS: u64 = 4;

/// Workers that fit a node.
const A_NODE: u64 = 4;

async fn room_stands_by_for_jobs_that_are_expected_whoever_writes_and_goes_with_the_forecast(
    cluster: &Cluster,
) {
    cluster.stack.runner().await;
    let redis = RedisServer::start().await;
    let namespace = cluster.namespace("room").await;
    let mut one = start(cluster, "one", &redis, &namespace, Foresail::ADDRESS).await;
    let other = start(cluster, "other", &redis, &namespace, &one.address()).await;
    cluster.apply(&namespace, &node_pool()).await;
    cluster.apply(&namespace, &deployment(&redis.url())).await;
    let replicas = Replicas::watch(cluster.client(), &namespace, "worker").await;
    cluster.apply(&namespace, &scaled_object(&one.address())).await;
    let jobs = Jobs::at(&redis.url(), QUEUE).await;
    let feeding = async {
        loop {
            jobs.submit(1, Work::Run(2.0)).await;
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    };
    let watching = async {
        until_buffer(cluster, &namespace, "room is asked for", |buffer| chunks(buffer) > 0).await;
        let path = format!("/api/v1/namespaces/{namespace}/podtemplates/foresail-worker");
        let template = api::get(cluster.client(), &path).await.expect("a buffer has a template");
        let container = &template["template"]["spec"]["containers"][0];
        assert_eq!(container["resources"]["requests"], json!({ "cpu": "900m", "memory": "512Mi" }));
        assert_eq!(template["template"]["metadata"]["labels"], json!({ "app": "worker" }));

        let owned = until_buffer(cluster, &namespace, "Karpenter takes it up", |buffer| {
            api::has_condition(buffer, "ReadyForProvisioning")
        })
        .await;
        assert_eq!(owned["metadata"]["ownerReferences"][0]["kind"], "ScaledObject");
        eventually("nodes have room for the workers and the chunks", LONG, async || {
            let (nodes, workers) = (nodes(cluster).await?, workers(&replicas));
            let wanted = chunks(&buffer(cluster, &namespace).await?);
            let holds = wanted > 0 && workers > 0 && nodes * A_NODE >= workers + wanted;
            if holds { Ok(()) } else { Err(format!("{nodes} nodes, {workers} workers, {wanted} chunks")) }
        })
        .await;
        let (writer, other) = if is_written_by(&one) { (&one, &other) } else { (&other, &one) };
        assert!(is_written_by(writer) && !is_written_by(other));
        let explain = |foresail: &Foresail| {
            let output =
                server::run(&["explain", &format!("{namespace}/worker"), "--http", &foresail.url("")]);
            server::text(&output.stdout)
        };
        eventually("explain tells of it", LONG, async || {
            let said = explain(writer);
            let told = said.contains("/worker  room: for ") && said.contains(" is asked for");
            if told { Ok(()) } else { Err(said) }
        })
        .await;
        let said = explain(other);
        assert!(said.contains("room: another replica asks for it"), "{said}");
    };
    tokio::select! {
        () = feeding => {}
        () = watching => {}
    }

    // Whoever writes is killed: the other one goes on.
    let told = if is_written_by(&one) {
        one.kill();
        other
    } else {
        let mut other = other;
        other.kill();
        one
    };
    eventually("the other one writes", Duration::from_mins(1), async || {
        if is_written_by(&told) { Ok(()) } else { Err("it does not".to_owned()) }
    })
    .await;

    // Without a forecast there is nothing to wait for.
    let file = told.folder.path().join("foresail.yaml");
    let config = std::fs::read_to_string(&file).expect("it was started with it");
    std::fs::write(&file, format!("{config}\noverride: [{{ match: '*', mode: reactive }}]\n"))
        .expect("its folder can be written");
    until_buffer(cluster, &namespace, "no room is asked for", |buffer| chunks(buffer) == 0).await;
    eventually("the room is given back", LONG, async || {
        let (nodes, workers) = (nodes(cluster).await?, workers(&replicas));
        let fits = nodes * A_NODE <= workers.next_multiple_of(A_NODE);
        if fits { Ok(()) } else { Err(format!("{nodes} nodes for {workers} workers")) }
    })
    .await;
}

/// One of two that watch a namespace and share a Lease; `address` is what triggers name.
async fn start(
    cluster: &Cluster,
    name: &str,
    redis: &RedisServer,
    namespace: &str,
    address: &str,
) -> Foresail {
    let sections = format!(
        r#"
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {} }}
    namespaces: {{ "*": ["*"] }}
    layouts:
      lists: {{ preset: redis-list, processing: "{{queue}}:processing:{{worker}}" }}
policies:
  default: {{ objective: wait, wait: 2s, keep_alive: 5s }}
kubernetes: {{ addresses: ["{address}"], namespaces: [{namespace}], kubeconfig: {} }}
hints: {{ mode: capacity-buffer, chunks: {CHUNKS}, hold: 20s, lease: {{ namespace: {namespace} }} }}
"#,
        redis.port(),
        cluster.stack.kubeconfig.display(),
    );
    Foresail::start_as(name, &cluster.logs, &sections).await
}

fn is_written_by(foresail: &Foresail) -> bool {
    foresail.metric("foresail_hint_chunks{").is_some()
}

async fn buffer(cluster: &Cluster, namespace: &str) -> Result<Value, String> {
    let group = "/apis/autoscaling.x-k8s.io/v1beta1";
    api::get(cluster.client(), &format!("{group}/namespaces/{namespace}/capacitybuffers/foresail-worker"))
        .await
}

async fn nodes(cluster: &Cluster) -> Result<u64, String> {
    let nodes = api::get(cluster.client(), "/api/v1/nodes").await?;
    Ok(nodes["items"].as_array().map_or(0, |all| all.len() as u64))
}

fn workers(replicas: &Replicas) -> u64 {
    u64::try_from(replicas.now().wanted).unwrap_or(0)
}

fn chunks(buffer: &Value) -> u64 {
    buffer["spec"]["replicas"].as_u64().unwrap_or(0)
}

/// Waits until the buffer fits; the buffer then.
async fn until_buffer(
    cluster: &Cluster,
    namespace: &str,
    what: &str,
    fits: impl Fn(&Value) -> bool,
) -> Value {
    eventually(what, LONG, async || {
        let found = buffer(cluster, namespace).await?;
        assert!(chunks(&found) <= CHUNKS, "{found}");
        if fits(&found) { Ok(found) } else { Err(found.to_string()) }
    })
    .await
}
