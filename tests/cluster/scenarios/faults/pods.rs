//! Foresail as pods behind a Service: a kubelet's probes decide when a frozen one goes.

use std::time::Instant;

use k8s_openapi::{ByteString, api::core::v1::Pod};
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::{Value, json};

use super::{
    Cluster, LONG, Scenario, measured,
    replicas::{Scene, no_worker_went},
};
use crate::{
    api::{Replicas, apply_objects, eventually},
    runner::proxy::ServiceProxy,
    scenarios::scenarios,
    server::with_listeners,
    stack::FORESAIL_IMAGE,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All: faults::of_two_pods_the_frozen_one_is_killed_by_its_probe_and_no_worker_goes]
}

async fn of_two_pods_the_frozen_one_is_killed_by_its_probe_and_no_worker_goes(cluster: &Cluster) {
    let runner = cluster.runner().await;
    let mut scene = Scene::of_busy_workers(cluster, "frozen-pod").await;
    let namespace = scene.namespace.clone();
    apply_objects(cluster.client(), Some(&namespace), vec![service()]).await;
    let service = ServiceProxy::start(cluster.client().clone(), &namespace, "foresail", 6000).await;
    scene.address = service.address().to_string();
    let config = with_listeners(&scene.config("/etc/foresail/kubeconfig"), 6000, 8080);
    let files = json!({ "foresail.yaml": config, "kubeconfig": kubeconfig(cluster).to_string() });
    apply_objects(cluster.client(), Some(&namespace), vec![secret(&files), deployment()]).await;
    let pods = Replicas::watch(cluster.client(), &namespace, "foresail").await;
    pods.until_ready(2, LONG).await;
    service.until_ready(2, LONG).await;
    let workers = scene.busy_workers().await;

    let answering = answering(cluster, &namespace).await;
    let frozen = Instant::now();
    runner.signal(&namespace, &answering, "STOP");
    service.until_ready(1, LONG).await;
    let unready = frozen.elapsed();
    eventually("the liveness probe has killed it", LONG, async || {
        let ends = runner.ends(&namespace);
        let killed = ends.iter().any(|end| end.pod == answering && end.reason == "Unhealthy");
        if killed { Ok(()) } else { Err(format!("{ends:?}")) }
    })
    .await;
    let killed = frozen.elapsed();
    scene.more_work_means_more_workers(&workers).await;
    let right = frozen.elapsed().saturating_sub(killed);
    no_worker_went(&workers, frozen);
    measured(
        "frozen pod",
        &format!(
            "no new connections after {:.1} s, killed after {:.1} s, new work answered {:.1} s later",
            unready.as_secs_f64(),
            killed.as_secs_f64(),
            right.as_secs_f64()
        ),
    );
}

/// The pod that KEDA asks: behind one address there is one.
async fn answering(cluster: &Cluster, namespace: &str) -> String {
    let pods: Api<Pod> = Api::namespaced(cluster.client().clone(), namespace);
    let own = ListParams::default().labels("app=foresail");
    eventually("one of the pods answers KEDA", LONG, async || {
        for pod in pods.list(&own).await.map_err(|error| error.to_string())?.items {
            let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone()).unwrap_or_default();
            let page = ureq::get(format!("http://{address}:8080/metrics"))
                .call()
                .and_then(|mut page| page.body_mut().read_to_string())
                .map_err(|error| error.to_string())?;
            if page.contains(r#"foresail_grpc_requests_total{code="OK",method="GetMetrics"}"#) {
                return Ok(pod.name_any());
            }
        }
        Err("none has been asked".to_owned())
    })
    .await
}

/// The administrator's, in one piece: a pod does not see the files that the stack's own leads to.
fn kubeconfig(cluster: &Cluster) -> Value {
    let text = std::fs::read_to_string(&cluster.stack.kubeconfig).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let place = config["clusters"][0]["cluster"].as_object_mut().unwrap();
    let authority = place.remove("certificate-authority").unwrap();
    let authority = std::fs::read(authority.as_str().unwrap()).unwrap();
    place.insert("certificate-authority-data".to_owned(), json!(ByteString(authority)));
    config
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "foresail" },
        "spec": { "selector": { "app": "foresail" }, "ports": [{ "name": "grpc", "port": 6000, "targetPort": 6000 }] },
    })
}

fn secret(files: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "foresail" }, "stringData": files })
}

/// With the probes of the chart.
fn deployment() -> Value {
    let probe = |path: &str, period: u32, failures: u32| {
        json!({
            "httpGet": { "path": path, "port": 8080 },
            "timeoutSeconds": 3, "periodSeconds": period, "failureThreshold": failures,
        })
    };
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "foresail" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "foresail" } },
            "template": {
                "metadata": { "labels": { "app": "foresail" } },
                "spec": {
                    "automountServiceAccountToken": false,
                    "terminationGracePeriodSeconds": 10,
                    "containers": [{
                        "name": "foresail",
                        "image": FORESAIL_IMAGE,
                        "args": ["serve", "--config=/etc/foresail/foresail.yaml", "--bind=$(POD_IP)"],
                        "env": [{ "name": "POD_IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } }],
                        "ports": [{ "containerPort": 6000 }, { "containerPort": 8080 }],
                        "livenessProbe": probe("/livez", 10, 3),
                        "readinessProbe": probe("/readyz", 5, 2),
                        "volumeMounts": [{ "name": "config", "mountPath": "/etc/foresail", "readOnly": true }],
                    }],
                    "volumes": [{ "name": "config", "secret": { "secretName": "foresail" } }],
                },
            },
        },
    })
}
