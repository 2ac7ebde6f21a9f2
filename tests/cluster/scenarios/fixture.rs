//! What the scenarios share that look at KEDA and the HPA, not at workers: queues of a length that they set,
//! Deployments whose pods nobody runs, and ScaledObjects put together from parts.

use std::time::Duration;

use serde_json::{Value, json};

use super::Cluster;
use crate::{
    api::{self, Replicas, eventually},
    foresail::Foresail,
    support::redis::RedisServer,
};

/// For anything that takes a few syncs of the HPA or polls of KEDA.
pub(super) const SOON: Duration = Duration::from_mins(1);

/// One Redis full of lists, and one Foresail that tells their lengths as workers wanted, holding nothing.
pub(super) struct Lists {
    pub(super) redis: RedisServer,
    pub(super) foresail: Foresail,
}

impl Lists {
    pub(super) async fn start(cluster: &Cluster) -> Self {
        Self::start_as(cluster, "foresail", "").await
    }

    /// One of several, with more under `grpc` (`tls: ...`).
    pub(super) async fn start_as(cluster: &Cluster, name: &str, grpc: &str) -> Self {
        let redis = RedisServer::start().await;
        let sections = config(&redis);
        let foresail = Foresail::start_listening(name, &cluster.logs, |port, http| {
            format!(
                "grpc:\n  listen: 0.0.0.0:{port}\n  {grpc}\nhttp: {{ listen: 127.0.0.1:{http} }}\n{sections}"
            )
        });
        Self { redis, foresail: foresail.await }
    }

    /// So many jobs wait, from one instant to the next.
    pub(super) async fn set(&self, queue: &str, jobs: usize) {
        let waiting: usize = self.redis.command(&["LLEN", queue]).await;
        if jobs == 0 {
            self.redis.command::<()>(&["DEL", queue]).await;
        } else if jobs < waiting {
            self.redis.command::<()>(&["LTRIM", queue, "0", &(jobs - 1).to_string()]).await;
        } else if jobs > waiting {
            let push = ["RPUSH", queue].into_iter().chain(std::iter::repeat_n("job", jobs - waiting));
            self.redis.command::<()>(&push.collect::<Vec<_>>()).await;
        }
    }

    /// The trigger of a queue, by push.
    pub(super) fn trigger(&self, queue: &str) -> Value {
        trigger("external-push", &self.foresail.address(), queue)
    }

    /// Calls of one method that Foresail answered well.
    pub(super) fn calls(&self, method: &str) -> f64 {
        let series = format!("foresail_grpc_requests_total{{code=\"OK\",method=\"{method}\"}}");
        self.foresail.metric(&series).unwrap_or(0.0)
    }

    /// Activity streams that KEDA has open.
    pub(super) fn streams(&self) -> f64 {
        self.foresail.metric("foresail_grpc_streams{method=\"StreamIsActive\"}").unwrap_or(0.0)
    }

    /// Waits until Foresail would tell KEDA `target` for an object of this name.
    pub(super) async fn until_told(&self, object: &str, target: f64) {
        eventually(&format!("Foresail wants {target} workers for {object}"), SOON, async || {
            let page = self.foresail.page("/metrics");
            let label = format!("scaled_object=\"{object}\"");
            let line = page
                .lines()
                .find(|line| line.starts_with("foresail_ref_target{") && line.contains(&label))
                .ok_or("it knows no such object")?;
            if line.ends_with(&format!(" {target}")) { Ok(()) } else { Err(line.to_owned()) }
        })
        .await;
    }
}

/// A trigger of any type that asks this Foresail about a queue.
pub(super) fn trigger(kind: &str, address: &str, queue: &str) -> Value {
    json!({
        "type": kind,
        "metadata": { "scalerAddress": address, "layout": "reliable", "queue": queue },
    })
}

/// A Deployment of `replicas` pods that no scheduler looks at, and a ScaledObject for it; both called `name`.
/// `spec` is what the ScaledObject says beside its target. The watch on the Deployment comes back.
pub(super) async fn scale(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    replicas: usize,
    spec: Value,
) -> Replicas {
    let objects = vec![deployment(name, replicas)];
    api::apply_objects(cluster.client(), Some(namespace), objects).await;
    let watch = Replicas::watch(cluster.client(), namespace, name).await;
    annotate(cluster, namespace, name, json!({}), spec).await;
    watch
}

/// The ScaledObject of [`scale`] with these annotations, and no others of ours.
pub(super) async fn annotate(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    annotations: Value,
    mut spec: Value,
) {
    spec["scaleTargetRef"] = json!({ "name": name });
    let object = json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": { "name": name, "annotations": annotations },
        "spec": spec,
    });
    api::apply_objects(cluster.client(), Some(namespace), vec![object]).await;
}

fn deployment(name: &str, replicas: usize) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "schedulerName": "none", "containers": [{ "name": "worker", "image": "worker" }] },
            },
        },
    })
}

/// The `behavior` that the docs recommend.
pub(super) fn recommended() -> Value {
    json!({ "horizontalPodAutoscalerConfig": { "behavior": {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "tolerance": "0",
            "policies": [{ "type": "Pods", "value": 1000, "periodSeconds": 15 }],
        },
        "scaleDown": { "stabilizationWindowSeconds": 0, "tolerance": "0" },
    } } })
}

/// The same for clusters that know no `tolerance`.
pub(super) fn recommended_without_tolerance() -> Value {
    let mut advanced = recommended();
    for direction in ["scaleUp", "scaleDown"] {
        let rules = &mut advanced["horizontalPodAutoscalerConfig"]["behavior"][direction];
        rules.as_object_mut().expect("it is a map").remove("tolerance");
    }
    advanced
}

/// Waits until the HPA that KEDA wrote for `name` has decided on a metric of so many thousandths per replica.
/// It says so after it has scaled.
pub(super) async fn until_read(cluster: &Cluster, namespace: &str, name: &str, milli_per_replica: u64) {
    let what = format!("the HPA of {name} has read {milli_per_replica}m per replica");
    eventually(&what, SOON, async || {
        let hpa = hpa(cluster, namespace, name).await?;
        let read = hpa["status"]["currentMetrics"][0]["external"]["current"]["averageValue"].as_str();
        match read.and_then(milli) {
            Some(value) if value == milli_per_replica => Ok(()),
            _ => Err(format!("{:?}", hpa["status"])),
        }
    })
    .await;
}

/// The HPA that KEDA wrote for a ScaledObject.
pub(super) async fn hpa(cluster: &Cluster, namespace: &str, name: &str) -> Result<Value, String> {
    let path =
        format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/keda-hpa-{name}");
    api::get(cluster.client(), &path).await
}

/// Waits until a condition of a ScaledObject has this status; what its message then says.
pub(super) async fn until_condition(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    kind: &str,
    status: &str,
) -> String {
    let path = format!("/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects/{name}");
    eventually(&format!("{name} is {kind}={status}"), SOON, async || {
        let object = api::get(cluster.client(), &path).await?;
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let fits = |one: &&Value| one["type"] == kind && one["status"] == status;
        let found = conditions.iter().find(fits).ok_or_else(|| format!("{conditions:?}"))?;
        Ok(found["message"].as_str().unwrap_or_default().to_owned())
    })
    .await
}

/// Thousandths of a quantity such as `1050m` or `2`.
fn milli(quantity: &str) -> Option<u64> {
    match quantity.strip_suffix('m') {
        Some(thousandths) => thousandths.parse().ok(),
        None => Some(quantity.parse::<u64>().ok()? * 1000),
    }
}

fn config(redis: &RedisServer) -> String {
    format!(
        r#"
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {} }}
    namespaces: {{ "*": ["*"] }}
    sample_every: 200ms
    layouts:
      reliable: {{ preset: redis-list, processing: "{{queue}}:busy" }}
policies:
  default: {{ keep_alive: 0s }}
"#,
        redis.port()
    )
}
