//! The Kubernetes objects of a crowd, as a careful user writes them.

use serde_json::{Value, json};

use super::{Queue, Scaler, Store, Stores};

const POSTGRES_ACCESS: &str = "postgres";

/// What KEDA's `postgresql` trigger connects with: a secret, and the object that refers to it.
pub(super) fn postgres_access(stores: &Stores) -> (Value, Value) {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": POSTGRES_ACCESS },
        "stringData": { "connection": stores.postgres_url() },
    });
    let authentication = json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": { "name": POSTGRES_ACCESS },
        "spec": { "secretTargetRef": [{
            "parameter": "connection", "name": POSTGRES_ACCESS, "key": "connection",
        }] },
    });
    (secret, authentication)
}

/// A Deployment at rest. Nobody schedules its pods: what is looked at is how many are wanted.
pub(super) fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name },
        "spec": {
            "replicas": 0,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "schedulerName": "nobody", "containers": [{ "name": "worker", "image": "worker" }] },
            },
        },
    })
}

/// With the HPA behaviour that docs/metadata.md recommends; KEDA polls every `polling` seconds.
pub(super) fn scaled_object(name: &str, trigger: &Value, polling: u32) -> Value {
    json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": { "name": name },
        "spec": {
            "scaleTargetRef": { "name": name },
            "minReplicaCount": 0,
            "maxReplicaCount": 100,
            "pollingInterval": polling,
            "cooldownPeriod": 15,
            "advanced": { "horizontalPodAutoscalerConfig": { "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "tolerance": "0",
                    "policies": [{ "type": "Pods", "value": 1000, "periodSeconds": 15 }],
                },
                "scaleDown": { "stabilizationWindowSeconds": 0, "tolerance": "0" },
            } } },
            "triggers": [trigger],
        },
    })
}

/// One worker a job.
pub(super) fn trigger(queue: Queue, stores: &Stores, scaler: &Scaler) -> Value {
    match (scaler, queue.store) {
        (Scaler::Foresail { address }, store) => json!({
            "type": "external-push",
            "metadata": {
                "scalerAddress": address,
                "source": Stores::source(store),
                "layout": "jobs",
                "queue": queue.name(),
            },
        }),
        (Scaler::Keda, Store::Redis) => json!({
            "type": "redis",
            "metadata": { "address": stores.redis.address(), "listName": queue.name(), "listLength": "1" },
        }),
        (Scaler::Keda, Store::Postgres) => json!({
            "type": "postgresql",
            "metadata": {
                "query": format!(
                    "SELECT count(*) FROM jobs WHERE queue = '{}' AND status IN ('queued', 'running')",
                    queue.name()
                ),
                "targetQueryValue": "1",
            },
            "authenticationRef": { "name": POSTGRES_ACCESS },
        }),
    }
}
