//! What a process finds in its pod, and what becomes of it: told by the [mirror](crate::mirror).

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::Value;

use super::{SOON, until_ended};
use crate::{
    api::{Replicas, eventually},
    runner::proxy::ServiceProxy,
    scenarios::{Cluster, Scenario, scenarios},
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![Ci:
        runner::a_pod_finds_what_its_spec_says,
        runner::a_changed_config_map_reaches_the_process,
        runner::a_frozen_process_is_killed_by_its_liveness_probe_and_started_again,
        runner::a_services_address_leads_to_ready_pods_only,
        runner::what_the_runner_cannot_do_stands_in_the_pods_status,
    ]
}

async fn a_pod_finds_what_its_spec_says(cluster: &Cluster) {
    let (namespace, _) = mirrors(cluster, 1).await;
    let pod = only_pod(cluster, &namespace).await;
    let address = pod.status.as_ref().unwrap().pod_ip.clone().unwrap();
    let facts: Value = serde_json::from_str(&page(&address, "").unwrap()).unwrap();

    let environment = &facts["environment"];
    assert_eq!(environment["POD_NAME"], pod.name_any());
    assert_eq!(environment["POD_NAMESPACE"], namespace.as_str());
    assert_eq!(environment["POD_IP"], address.as_str());
    assert_eq!(environment["NODE"], pod.spec.as_ref().unwrap().node_name.clone().unwrap());
    assert_eq!(environment["FROM_MAP"], "blue");
    assert_eq!(environment["FROM_SECRET"], "hush");
    assert_eq!(environment["MADE_UP"], format!("http://{address}:7000"));
    assert_eq!(environment["PLAIN"], "$(POD_IP)", "a doubled dollar stands for itself");
    assert_eq!(environment["KUBERNETES_SERVICE_HOST"], "127.0.0.1");
    assert!(environment["CARGO_PKG_NAME"].is_null(), "nothing of the runner's own environment");
    assert_eq!(facts["arguments"], serde_json::json!(["blue", "$(NOT_THERE)"]));

    let process = &facts["process"];
    assert_eq!(
        (&process["Uid"], &process["Gid"]),
        (&"1234 1234 1234 1234".into(), &"2345 2345 2345 2345".into())
    );
    assert_eq!(process["CapPrm"], "0000000000000000");
    assert_eq!(process["NoNewPrivs"], "1");

    assert_eq!(page(&address, "file/etc/mirror/map/colour").unwrap(), "blue");
    assert_eq!(page(&address, "file/etc/mirror/secret/word").unwrap(), "hush");
    assert_eq!(page(&address, "file/etc/mirror/one.txt").unwrap(), "blue", "a single file, by subPath");
    let account = "file/var/run/secrets/kubernetes.io/serviceaccount";
    assert_eq!(page(&address, &format!("{account}/namespace")).unwrap(), namespace);
    assert_eq!(page(&address, &format!("{account}/token")).unwrap().split('.').count(), 3, "a signed token");
    assert!(page(&address, &format!("{account}/ca.crt")).unwrap().contains("BEGIN CERTIFICATE"));

    write(&address, "scratch/note").unwrap();
    assert_eq!(page(&address, "file/scratch/note").unwrap(), "written");
    for read_only in ["note", "etc/mirror/map/colour", "usr/note"] {
        write(&address, read_only).expect_err(read_only);
    }
    let home = env!("CARGO_MANIFEST_DIR").trim_start_matches('/');
    page(&address, &format!("file/{home}/Cargo.toml")).expect_err("nothing else of this machine is there");
}

async fn a_changed_config_map_reaches_the_process(cluster: &Cluster) {
    let (namespace, _) = mirrors(cluster, 1).await;
    let address = only_pod(cluster, &namespace).await.status.unwrap().pod_ip.unwrap();
    assert_eq!(page(&address, "file/etc/mirror/map/colour").unwrap(), "blue");
    cluster.apply(&namespace, &MIRROR_OBJECTS.replace("blue", "green")).await;
    eventually("the file is green", SOON, async || {
        let colour = page(&address, "file/etc/mirror/map/colour")?;
        if colour == "green" { Ok(()) } else { Err(colour) }
    })
    .await;
    assert_eq!(page(&address, "file/etc/mirror/one.txt").unwrap(), "blue", "what subPath mounts stays");
}

async fn a_frozen_process_is_killed_by_its_liveness_probe_and_started_again(cluster: &Cluster) {
    let (namespace, replicas) = mirrors(cluster, 1).await;
    let pod = only_pod(cluster, &namespace).await.name_any();
    let runner = cluster.runner().await;
    let first = runner.process(&namespace, &pod);
    runner.signal(&namespace, &pod, "STOP");
    replicas.until("it is not ready", SOON, |seen| seen.ready == 0).await;

    let end = until_ended(cluster, &namespace, &pod).await;
    assert_eq!((end.reason.as_str(), end.exit_code, end.killed), ("Unhealthy", 137, true), "{end:?}");
    replicas.until_ready(1, SOON).await;
    assert_ne!(runner.process(&namespace, &pod), first);
    let status = only_pod(cluster, &namespace).await.status.unwrap().container_statuses.unwrap().remove(0);
    assert_eq!(status.restart_count, 1);
    let last = status.last_state.unwrap().terminated.unwrap();
    assert!(last.message.unwrap().contains("liveness probe"), "it says why");
}

async fn a_services_address_leads_to_ready_pods_only(cluster: &Cluster) {
    let (namespace, _) = mirrors(cluster, 2).await;
    let proxy = ServiceProxy::start(cluster.client().clone(), &namespace, "mirror", 8000).await;
    proxy.until_ready(2, SOON).await;
    let address = proxy.address().to_string();
    let answering = || -> Result<String, String> {
        let facts: Value =
            serde_json::from_str(&page_of(&address, "")?).map_err(|error| error.to_string())?;
        Ok(facts["environment"]["POD_NAME"].as_str().unwrap_or_default().to_owned())
    };
    let (one, other) = (answering().unwrap(), answering().unwrap());
    assert_ne!(one, other, "new connections go to both");

    cluster.runner().await.signal(&namespace, &one, "STOP");
    proxy.until_ready(1, SOON).await;
    assert_eq!((answering().unwrap(), answering().unwrap()), (other.clone(), other), "the one that is left");
}

async fn what_the_runner_cannot_do_stands_in_the_pods_status(cluster: &Cluster) {
    cluster.runner().await;
    let namespace = cluster.namespace("refused").await;
    cluster.apply(&namespace, REFUSED).await;
    for (pod, reason, words) in [
        ("unknown-image", "ErrImagePull", "no image \"nobody/made-it:1\""),
        ("two", "CreateContainerError", "more than one container"),
        ("no-map", "CreateContainerConfigError", "configmap nowhere is not there"),
    ] {
        let pods: Api<Pod> = Api::namespaced(cluster.client().clone(), &namespace);
        eventually(&format!("pod {pod} is refused"), SOON, async || {
            let found = pods.get(pod).await.map_err(|error| error.to_string())?;
            let seen = format!("{:?}", found.status);
            let status = found.status.and_then(|status| status.container_statuses).unwrap_or_default();
            let waiting = status.first().and_then(|status| status.state.clone()?.waiting);
            let says = waiting.is_some_and(|waiting| {
                waiting.reason.as_deref() == Some(reason)
                    && waiting.message.is_some_and(|message| message.contains(words))
            });
            if says { Ok(()) } else { Err(seen) }
        })
        .await;
    }
}

/// A Deployment of mirrors with its Service, all Ready; its namespace.
async fn mirrors(cluster: &Cluster, replicas: usize) -> (String, Replicas) {
    cluster.runner().await;
    let namespace = cluster.namespace("mirror").await;
    cluster.apply(&namespace, MIRROR_OBJECTS).await;
    cluster.apply(&namespace, &MIRRORS.replace("REPLICAS", &replicas.to_string())).await;
    let seen = Replicas::watch(cluster.client(), &namespace, "mirror").await;
    seen.until_ready(i32::try_from(replicas).unwrap(), SOON).await;
    (namespace, seen)
}

async fn only_pod(cluster: &Cluster, namespace: &str) -> Pod {
    let pods: Api<Pod> = Api::namespaced(cluster.client().clone(), namespace);
    let mut pods = pods.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(pods.len(), 1);
    pods.remove(0)
}

fn page(address: &str, path: &str) -> Result<String, String> {
    page_of(&format!("{address}:7000"), path)
}

fn page_of(address: &str, path: &str) -> Result<String, String> {
    let text = |error: ureq::Error| error.to_string();
    agent()
        .get(format!("http://{address}/{path}"))
        .call()
        .map_err(text)?
        .body_mut()
        .read_to_string()
        .map_err(text)
}

fn write(address: &str, path: &str) -> Result<(), String> {
    let put = agent().put(format!("http://{address}:7000/file/{path}")).send("written");
    put.map(drop).map_err(|error| error.to_string())
}

/// A connection for each request.
fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().max_idle_connections(0);
    config.timeout_global(Some(Duration::from_secs(5))).build().new_agent()
}

const MIRROR_OBJECTS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: { name: mirror }
data: { colour: blue }
---
apiVersion: v1
kind: Secret
metadata: { name: mirror }
stringData: { word: hush }
";

const MIRRORS: &str = r#"
apiVersion: v1
kind: Service
metadata: { name: mirror }
spec:
  selector: { app: mirror }
  ports: [{ name: web, port: 8000, targetPort: web }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: mirror }
spec:
  replicas: REPLICAS
  selector: { matchLabels: { app: mirror } }
  template:
    metadata:
      labels: { app: mirror }
      annotations: { runner.foresail.invalid/start-delay: 50ms-200ms }
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: { runAsUser: 1234, runAsGroup: 2345, fsGroup: 3456, runAsNonRoot: true }
      containers:
      - name: mirror
        image: foresail-mirror:test
        args: [--listen, "$(POD_IP):7000", --, $(FROM_MAP), $(NOT_THERE)]
        env:
        - { name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
        - { name: POD_NAMESPACE, valueFrom: { fieldRef: { fieldPath: metadata.namespace } } }
        - { name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
        - { name: NODE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }
        - { name: FROM_MAP, valueFrom: { configMapKeyRef: { name: mirror, key: colour } } }
        - { name: FROM_SECRET, valueFrom: { secretKeyRef: { name: mirror, key: word } } }
        - { name: MADE_UP, value: "http://$(POD_IP):7000" }
        - { name: PLAIN, value: "$$(POD_IP)" }
        ports: [{ name: web, containerPort: 7000 }]
        readinessProbe: { httpGet: { path: /, port: web }, periodSeconds: 1, failureThreshold: 1 }
        livenessProbe: { httpGet: { path: /, port: web }, periodSeconds: 1, failureThreshold: 2 }
        startupProbe: { tcpSocket: { port: web }, periodSeconds: 1, failureThreshold: 10 }
        securityContext:
          readOnlyRootFilesystem: true
          allowPrivilegeEscalation: false
          capabilities: { drop: [ALL] }
        volumeMounts:
        - { name: map, mountPath: /etc/mirror/map }
        - { name: map, mountPath: /etc/mirror/one.txt, subPath: colour }
        - { name: secret, mountPath: /etc/mirror/secret }
        - { name: scratch, mountPath: /scratch }
      volumes:
      - { name: map, configMap: { name: mirror } }
      - { name: secret, secret: { secretName: mirror, defaultMode: 0400 } }
      - { name: scratch, emptyDir: {} }
"#;

const REFUSED: &str = "
apiVersion: v1
kind: Pod
metadata: { name: unknown-image }
spec: { containers: [{ name: one, image: 'nobody/made-it:1' }] }
---
apiVersion: v1
kind: Pod
metadata: { name: two }
spec: { containers: [{ name: one, image: 'foresail-mirror:test' }, { name: two, image: 'foresail-mirror:test' }] }
---
apiVersion: v1
kind: Pod
metadata: { name: no-map }
spec:
  containers: [{ name: one, image: 'foresail-mirror:test' }]
  volumes: [{ name: map, configMap: { name: nowhere } }]
";
