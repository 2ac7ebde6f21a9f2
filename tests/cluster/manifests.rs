//! YAML that several scenarios need.

use crate::runner::WORKER_IMAGE;

/// The `behavior` that Foresail recommends, for a line `behavior: {...}`.
pub(crate) const BEHAVIOR: &str = r#"{ scaleUp: { stabilizationWindowSeconds: 0, tolerance: "0", policies: [{ type: Pods, value: 1000, periodSeconds: 15 }] }, scaleDown: { stabilizationWindowSeconds: 0, tolerance: "0" } }"#;

/// A worker of `queue` in the store at `store`, as one container on one line; `more` are further arguments.
pub(crate) fn worker(store: &str, queue: &str, more: &[&str]) -> String {
    let arguments = [&["--store", store, "--queue", queue], more].concat();
    format!(
        "{{ name: worker, image: \"{WORKER_IMAGE}\", args: {arguments:?}, env: [{{ name: POD_NAME, valueFrom: \
         {{ fieldRef: {{ fieldPath: metadata.name }} }} }}], resources: {{ requests: {{ cpu: 100m }} }} }}"
    )
}

/// A Deployment `worker` without replicas, of one container.
pub(crate) fn deployment(container: &str) -> String {
    format!(
        r"
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: worker }}
spec:
  replicas: 0
  selector: {{ matchLabels: {{ app: worker }} }}
  template:
    metadata: {{ labels: {{ app: worker }} }}
    spec:
      containers:
        - {container}
"
    )
}
