//! What Foresail sees of Kubernetes, and what it does with that.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};

use super::{Cluster, Scenario, scenarios};
use crate::{
    api::{Replicas, eventually, until_crds_served},
    foresail::Foresail,
    manifests::{RECOMMENDED, deployment, scaled_object, scaled_object_of, trigger, worker},
    support::redis::RedisServer,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![Ci:
        workloads::a_fresh_foresail_starts_from_the_replicas_that_are_there,
        workloads::a_new_object_over_running_workers_starts_from_them,
        workloads::a_custom_kind_is_scaled_and_its_replicas_are_seen,
        workloads::one_that_nobody_calls_knows_every_ref,
        workloads::what_stands_in_the_way_in_an_object_is_said,
        workloads::without_karpenter_all_but_its_claims_is_seen,
    ]
}

const PATIENCE: Duration = Duration::from_mins(1);

async fn a_fresh_foresail_starts_from_the_replicas_that_are_there(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let namespace = cluster.namespace("fresh").await;
    let mut foresail = start(cluster, "foresail", &redis, &namespace, None).await;
    cluster.apply(&namespace, &deployment(3, IDLE)).await;
    // A list that workers pop says nothing of who is busy, so without the replicas there would be no answer.
    cluster.apply(&namespace, &scaled(&foresail.address(), "plain", "work")).await;
    let replicas = Replicas::watch(cluster.client(), &namespace, "worker").await;
    until_ref(&foresail, &namespace, |row| row["target"] == 3 && row["last_asked"].is_number()).await;

    foresail.kill();
    foresail.start_again().await;
    until_ref(&foresail, &namespace, |row| row["target"] == 3 && row["workload"]["replicas"] == 3).await;
    replicas.until_wanted(3, PATIENCE).await;
    let why = refs(&foresail, &namespace)[0]["why"].to_string();
    assert!(why.contains("workers=0+3") && why.contains("no_fall=in-flight-unseen"), "{why}");
}

async fn a_new_object_over_running_workers_starts_from_them(cluster: &Cluster) {
    cluster.runner().await;
    let redis = RedisServer::start().await;
    let namespace = cluster.namespace("taken-over").await;
    let foresail = start(cluster, "foresail", &redis, &namespace, None).await;
    cluster.apply(&namespace, &deployment(3, &worker(&redis.url(), "work", &[]))).await;
    let replicas = Replicas::watch(cluster.client(), &namespace, "worker").await;
    replicas.until_ready(3, PATIENCE).await;
    let made = Instant::now();
    // Nothing of KEDA's or the HPA's holds what Foresail would let go.
    let spec = ["pollingInterval: 1", "cooldownPeriod: 1", "maxReplicaCount: 9", RECOMMENDED];
    let metadata = "layout: reliable, queue: work, policy: patient";
    let trigger = trigger("external-push", &foresail.address(), metadata);
    cluster.apply(&namespace, &scaled_object("worker", &spec, &trigger)).await;
    eventually("KEDA and the HPA have read a few times", PATIENCE, async || {
        let answered = foresail.metric(r#"foresail_grpc_requests_total{code="OK",method="GetMetrics"}"#);
        if answered >= Some(8.0) { Ok(()) } else { Err(format!("{answered:?}")) }
    })
    .await;
    assert_eq!(replicas.wanted_since(made), (3, 3), "{}", replicas.history(made));
}

async fn a_custom_kind_is_scaled_and_its_replicas_are_seen(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let namespace = cluster.namespace("custom-kind").await;
    cluster.apply(&namespace, CREWS).await;
    until_crds_served(cluster.client()).await;
    cluster.apply(&namespace, CREW).await;
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("tests.foresail.invalid", "v1", "Crew"));
    let crews: Api<DynamicObject> = Api::namespaced_with(cluster.client().clone(), &namespace, &kind);
    // What the kind's own controller would say; the HPA asks whose pods they are.
    let status = json!({ "status": { "replicas": 3, "selector": "app=worker" } });
    crews.patch_status("worker", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();

    let foresail = start(cluster, "foresail", &redis, &namespace, None).await;
    let target = "{ apiVersion: tests.foresail.invalid/v1, kind: Crew, name: worker }";
    let spec = ["pollingInterval: 5", "cooldownPeriod: 15", "maxReplicaCount: 9", RECOMMENDED];
    let trigger = trigger("external-push", &foresail.address(), "layout: plain, queue: work");
    cluster.apply(&namespace, &scaled_object_of("worker", target, &spec, &trigger)).await;
    until_ref(&foresail, &namespace, |row| row["target"] == 3 && row["workload"]["replicas"] == 3).await;

    for job in 0..5 {
        redis.command::<()>(&["LPUSH", "work", &job.to_string()]).await;
    }
    eventually("KEDA has scaled it", PATIENCE, async || {
        let crew = crews.get("worker").await.map_err(|error| error.to_string())?;
        let replicas = &crew.data["spec"]["replicas"];
        if *replicas == 5 { Ok(()) } else { Err(replicas.to_string()) }
    })
    .await;
    // Its pods are nobody's that is known, so nothing is said of them.
    let seen = |row: &Value| row["workload"]["replicas"] == 5 && row["workload"]["ready"].is_null();
    until_ref(&foresail, &namespace, seen).await;
}

async fn one_that_nobody_calls_knows_every_ref(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let namespace = cluster.namespace("warm").await;
    let called = start(cluster, "called", &redis, &namespace, None).await;
    let idle = start(cluster, "idle", &redis, &namespace, Some(&called.address())).await;
    cluster.apply(&namespace, &deployment(0, IDLE)).await;
    cluster.apply(&namespace, &scaled(&called.address(), "reliable", "work")).await;
    for job in 0..4 {
        redis.command::<()>(&["LPUSH", "work", &job.to_string()]).await;
    }
    let replicas = Replicas::watch(cluster.client(), &namespace, "worker").await;
    replicas.until_wanted(4, Duration::from_mins(2)).await;
    let warm =
        |row: &Value| row["target"] == 4 && row["last_asked"].is_null() && row["workload"]["replicas"] == 4;
    until_ref(&idle, &namespace, warm).await;

    // Another queue is another ref, which starts where the one before stood.
    cluster.apply(&namespace, &scaled(&called.address(), "plain", "other")).await;
    let edited = |row: &Value| row["queue"]["queue"] == "other" && row["target"] == 4;
    until_ref(&idle, &namespace, edited).await;
}

async fn what_stands_in_the_way_in_an_object_is_said(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let namespace = cluster.namespace("traps").await;
    let foresail = start(cluster, "foresail", &redis, &namespace, None).await;
    cluster.apply(&namespace, &deployment(0, IDLE)).await;
    cluster.apply(&namespace, &scaled(&foresail.address(), "nowhere", "work")).await;
    let path = format!("/api/objects/{namespace}/worker");
    eventually("the traps are told", PATIENCE, async || {
        let objects = json(&foresail.page(&path));
        let traps = objects[0]["traps"].as_array().cloned().unwrap_or_default();
        let names: Vec<_> = traps.iter().filter_map(|trap| trap["trap"].as_str()).collect();
        let wanted = ["scale-up-policy", "scale-down-window", "tolerance", "wrong-metadata"];
        if names == wanted { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await;
    let metric = format!(
        "foresail_object_traps{{namespace=\"{namespace}\",scaled_object=\"worker\",trap=\"tolerance\"}}"
    );
    assert_eq!(foresail.metric(&metric), Some(1.0));
    assert_eq!(foresail.metric("foresail_kubernetes_in_sight"), Some(1.0));
}

async fn without_karpenter_all_but_its_claims_is_seen(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let namespace = cluster.namespace("no-claims").await;
    let foresail = start(cluster, "foresail", &redis, &namespace, None).await;
    cluster.apply(&namespace, &deployment(3, IDLE)).await;
    cluster.apply(&namespace, &scaled(&foresail.address(), "plain", "work")).await;
    until_ref(&foresail, &namespace, |row| row["workload"]["replicas"] == 3).await;
    eventually("the claims are missed", PATIENCE, async || {
        let failed = foresail.metric(r#"foresail_kubernetes_watch_errors_total{kind="NodeClaim"}"#);
        if failed >= Some(2.0) { Ok(()) } else { Err(format!("{failed:?}")) }
    })
    .await;
    assert_eq!(foresail.metric("foresail_kubernetes_in_sight"), Some(1.0));
    let said = foresail.log().matches("a kind that may be missing cannot be watched").count();
    assert_eq!(said, 1, "however often it is tried");
}

/// A Foresail that watches one namespace; `address` is the triggers' where that is not its own.
async fn start(
    cluster: &Cluster,
    name: &str,
    redis: &RedisServer,
    namespace: &str,
    address: Option<&str>,
) -> Foresail {
    let kubeconfig: &Path = &cluster.stack.kubeconfig;
    let sections = format!(
        r#"
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {} }}
    namespaces: {{ "*": ["*"] }}
    sample_every: 500ms
    layouts:
      reliable: {{ preset: redis-list, processing: "{{queue}}:busy" }}
      plain: {{ preset: redis-list }}
policies:
  default: {{ keep_alive: 0s }}
  patient: {{ keep_alive: 10m }}
kubernetes: {{ addresses: ["{}"], namespaces: [{namespace}], kubeconfig: {}, node_claims: true }}
"#,
        redis.port(),
        address.unwrap_or(Foresail::ADDRESS),
        kubeconfig.display(),
    );
    Foresail::start_as(name, &cluster.logs, &sections).await
}

/// Waits until the newest ref of the `ScaledObject` fits.
async fn until_ref(foresail: &Foresail, namespace: &str, fits: impl Fn(&Value) -> bool) {
    eventually("a ref is answered as it should", PATIENCE, async || {
        let rows = refs(foresail, namespace);
        if rows.iter().any(&fits) { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
}

fn refs(foresail: &Foresail, namespace: &str) -> Vec<Value> {
    let rows = json(&foresail.page(&format!("/api/refs/{namespace}/worker")));
    rows.as_array().cloned().unwrap_or_default()
}

/// The JSON of an answer; null where there is none.
fn json(page: &str) -> Value {
    let body = page.split_once("\r\n\r\n").map_or(page, |(_, body)| body);
    serde_json::from_str(body).unwrap_or_default()
}

/// A container that nobody runs.
const IDLE: &str = "{ name: worker, image: worker }";

fn scaled(address: &str, layout: &str, queue: &str) -> String {
    let spec = ["pollingInterval: 5", "cooldownPeriod: 15", "maxReplicaCount: 9"];
    let metadata = format!("layout: {layout}, queue: {queue}");
    scaled_object("worker", &spec, &trigger("external", address, &metadata))
}

/// A kind of scale target that Kubernetes does not come with.
const CREWS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: crews.tests.foresail.invalid }
spec:
  group: tests.foresail.invalid
  names: { kind: Crew, plural: crews, singular: crew }
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: { type: object, properties: { replicas: { type: integer } } }
            status: { type: object, properties: { replicas: { type: integer }, selector: { type: string } } }
      subresources:
        status: {}
        scale:
          specReplicasPath: .spec.replicas
          statusReplicasPath: .status.replicas
          labelSelectorPath: .status.selector
";

const CREW: &str = "
apiVersion: tests.foresail.invalid/v1
kind: Crew
metadata: { name: worker }
spec: { replicas: 3 }
";
