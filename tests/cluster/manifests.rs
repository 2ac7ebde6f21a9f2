//! YAML that several scenarios need.

use crate::runner::WORKER_IMAGE;

/// The `behavior` that Foresail recommends, as a line of a `ScaledObject`'s spec.
pub(crate) const RECOMMENDED: &str = r#"advanced: { horizontalPodAutoscalerConfig: { behavior: { scaleUp: { stabilizationWindowSeconds: 0, tolerance: "0", policies: [{ type: Pods, value: 1000, periodSeconds: 15 }] }, scaleDown: { stabilizationWindowSeconds: 0, tolerance: "0" } } } }"#;

/// A worker of `queue` in the store at `store`, as one container on one line; `more` are further arguments.
pub(crate) fn worker(store: &str, queue: &str, more: &[&str]) -> String {
    let arguments = [&["--store", store, "--queue", queue], more].concat();
    format!(
        "{{ name: worker, image: \"{WORKER_IMAGE}\", args: {arguments:?}, env: [{{ name: POD_NAME, valueFrom: \
         {{ fieldRef: {{ fieldPath: metadata.name }} }} }}], resources: {{ requests: {{ cpu: 100m }} }} }}"
    )
}

/// A Deployment `worker` of pods with one container.
pub(crate) fn deployment(replicas: u32, container: &str) -> String {
    format!(
        r"
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: worker }}
spec:
  replicas: {replicas}
  selector: {{ matchLabels: {{ app: worker }} }}
  template:
    metadata: {{ labels: {{ app: worker }} }}
    spec:
      containers:
        - {container}
"
    )
}

/// A `ScaledObject` for the Deployment of its name; `spec` are further lines of its spec.
pub(crate) fn scaled_object(name: &str, spec: &[&str], trigger: &str) -> String {
    scaled_object_of(name, &format!("{{ name: {name} }}"), spec, trigger)
}

/// As [`scaled_object`], for any `scaleTargetRef`.
pub(crate) fn scaled_object_of(name: &str, target: &str, spec: &[&str], trigger: &str) -> String {
    let spec: Vec<String> = spec.iter().map(|line| format!("  {line}\n")).collect();
    let spec = spec.concat();
    format!(
        "apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{ name: {name} }}
spec:
  scaleTargetRef: {target}
{spec}  triggers:
    - {trigger}
"
    )
}

/// A trigger that asks the Foresail at `address`; `metadata` is the rest of its metadata, as in `queue: md`.
pub(crate) fn trigger(kind: &str, address: &str, metadata: &str) -> String {
    format!("{{ type: {kind}, metadata: {{ scalerAddress: \"{address}\", {metadata} }} }}")
}
