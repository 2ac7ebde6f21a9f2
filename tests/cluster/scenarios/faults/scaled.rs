//! A Deployment with its `ScaledObject`, and what KEDA says of it.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{Cluster, LONG, Replicas, jobs::QUEUE};
use crate::{
    api::{self, eventually},
    manifests::{RECOMMENDED, scaled_object, trigger},
};

/// How a worker is scaled; what matters to a scenario is set, the rest is [`Scaled::of`]'s.
#[derive(Debug, Clone)]
pub(super) struct Scaled<'a> {
    /// The Deployment's and the `ScaledObject`'s.
    pub(super) name: &'a str,
    /// `external` or `external-push`.
    pub(super) kind: &'a str,
    pub(super) address: &'a str,
    pub(super) source: &'a str,
    pub(super) layout: &'a str,
    /// Seconds.
    pub(super) polling: u32,
    pub(super) min: u32,
    /// YAML, or nothing.
    pub(super) fallback: &'a str,
}

/// A worker in the cluster, its replicas on record.
pub(super) struct Worker<'a> {
    pub(super) replicas: Replicas,
    pub(super) name: String,
    cluster: &'a Cluster,
    namespace: String,
}

impl<'a> Scaled<'a> {
    /// The layout's name is the worker's too.
    pub(super) fn of(layout: &'a str, address: &'a str) -> Self {
        let source = if layout == "table" { "lab" } else { "jobs" };
        Self { name: layout, kind: "external", address, source, layout, polling: 2, min: 0, fallback: "" }
    }

    /// Makes both, with no replicas.
    pub(super) async fn apply<'c>(&self, cluster: &'c Cluster, namespace: &str) -> Worker<'c> {
        cluster.apply(namespace, &self.deployment()).await;
        cluster.apply(namespace, &self.scaled_object()).await;
        let replicas = Replicas::watch(cluster.client(), namespace, self.name).await;
        Worker { replicas, name: self.name.to_owned(), cluster, namespace: namespace.to_owned() }
    }

    fn deployment(&self) -> String {
        let Self { name, .. } = self;
        format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name} }}
spec:
  replicas: 0
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
      # Nobody's node: what becomes of a pod is the scenario's to say.
      nodeSelector: {{ nobody: \"true\" }}
      containers: [{{ name: worker, image: worker }}]
"
        )
    }

    /// With the HPA's `behavior` that our documentation recommends: what Foresail says is done at once.
    fn scaled_object(&self) -> String {
        let (polling, min) =
            (format!("pollingInterval: {}", self.polling), format!("minReplicaCount: {}", self.min));
        let fallback = format!("fallback: {}", self.fallback);
        let mut spec = vec![&*polling, "cooldownPeriod: 1", &min, "maxReplicaCount: 50", RECOMMENDED];
        if !self.fallback.is_empty() {
            spec.push(&fallback);
        }
        let metadata = format!("source: {}, layout: {}, queue: {QUEUE}", self.source, self.layout);
        scaled_object(self.name, &spec, &trigger(self.kind, self.address, &metadata))
    }
}

impl Worker<'_> {
    /// Calls all its pods Ready, as a kubelet would, once there are so many.
    pub(super) async fn until_all_ready(&self, replicas: i32) {
        self.replicas.until("all pods are there", LONG, |seen| seen.current == replicas).await;
        let pods: Api<Pod> = Api::namespaced(self.cluster.client().clone(), &self.namespace);
        let own = ListParams::default().labels(&format!("app={}", self.name));
        let status = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
        for pod in pods.list(&own).await.unwrap().items {
            pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&status))
                .await
                .unwrap();
        }
        self.replicas.until_ready(replicas, LONG).await;
    }

    /// Waits until KEDA says that the triggers do not work.
    pub(super) async fn until_keda_complains(&self) {
        self.until_condition("Ready", "False").await;
    }

    /// Waits until a condition of the `ScaledObject` has a status.
    pub(super) async fn until_condition(&self, kind: &str, status: &str) {
        let what = format!("{} of {} is {status}", kind, self.name);
        eventually(&what, LONG, async || {
            let object = self.scaled_object().await?;
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let holds = conditions.iter().any(|one| one["type"] == kind && one["status"] == status);
            if holds { Ok(()) } else { Err(format!("{conditions:?}")) }
        })
        .await;
    }

    /// Waits until KEDA has met so many more errors, whoever it asked for: its own poll or the HPA.
    pub(super) async fn until_keda_fails(&self, times: f64) {
        let before = self.keda_errors().await;
        eventually(&format!("KEDA fails {times} times for {}", self.name), LONG, async || {
            let errors = self.keda_errors().await - before;
            if errors >= times { Ok(()) } else { Err(format!("{errors} times")) }
        })
        .await;
    }

    async fn keda_errors(&self) -> f64 {
        let labels = format!(r#"{{namespace="{}",scaledObject="{}"}}"#, self.namespace, self.name);
        let page = self.cluster.stack.keda.lock().await.operator_metrics();
        let line = page.lines().find(|line| {
            line.strip_prefix("keda_scaled_object_errors_total").is_some_and(|rest| rest.starts_with(&labels))
        });
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }

    async fn scaled_object(&self) -> Result<Value, String> {
        let path =
            format!("/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects/{}", self.namespace, self.name);
        api::get(self.cluster.client(), &path).await
    }
}
