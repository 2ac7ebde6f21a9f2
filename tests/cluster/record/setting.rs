//! What is set the same in every recorded scenario, as manifests and as numbers.

use std::path::Path;

use foresail::{
    sim::timeline::{self, FORMAT, Header, Manifests, Versions},
    sizing::DECISION_VERSION,
};
use jiff::{SignedDuration, Timestamp, Unit};

use super::load::Load;
use crate::{
    manifests::{self, RECOMMENDED},
    runner::{RUN, START_DELAY, WORKER_IMAGE},
};

/// The queue of all jobs.
pub(crate) const QUEUE: &str = "work";

/// Stands in a recorded manifest for what differs with each run.
const ADDRESS: &str = "foresail.foresail:6000";

const SAMPLE_EVERY: u32 = 1;
const KEEP_ALIVE: u32 = 30;
const POLLING_INTERVAL: u32 = 30;
const COOLDOWN_PERIOD: u32 = 15;
const MAX_REPLICAS: u32 = 24;
const CPU: &str = "900m";
const MEMORY: &str = "512Mi";
const START_SECONDS: [u32; 2] = [3, 8];
const GRACE_PERIOD: u32 = 60;
pub(crate) const INSTANCE_TYPE: &str = "c-4x-amd64-linux";
pub(crate) const REGISTRATION_DELAY: u32 = 20;
const CONSOLIDATE_AFTER: u32 = 30;

/// Foresail's configuration without its listeners.
pub(super) fn foresail(redis: u16, address: &str, kubeconfig: &Path) -> String {
    format!(
        r#"
{foresail}
kubernetes: {{ addresses: ["{address}"], kubeconfig: {kubeconfig} }}
"#,
        foresail = sources_and_policies(redis),
        kubeconfig = kubeconfig.display(),
    )
}

fn sources_and_policies(redis: u16) -> String {
    format!(
        r#"sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {redis} }}
    namespaces: {{ "*": ["*"] }}
    sample_every: {SAMPLE_EVERY}s
    layouts:
      lists: {{ preset: redis-list, processing: "{{queue}}:processing:{{worker}}" }}
policies:
  default: {{ keep_alive: {KEEP_ALIVE}s }}
"#
    )
}

/// A `ScaledObject` as the docs recommend it.
pub(crate) fn scaled_object(address: &str) -> String {
    let (polling, cooldown) =
        (format!("pollingInterval: {POLLING_INTERVAL}"), format!("cooldownPeriod: {COOLDOWN_PERIOD}"));
    let max = format!("maxReplicaCount: {MAX_REPLICAS}");
    let spec = [&*polling, &cooldown, "minReplicaCount: 0", &max, RECOMMENDED];
    let trigger = manifests::trigger("external-push", address, &format!("queue: {QUEUE}"));
    manifests::scaled_object("worker", &spec, &trigger)
}

/// Workers that take jobs from the Redis at `store`, wherever a node comes for them.
pub(crate) fn deployment(store: &str) -> String {
    let [least, most] = START_SECONDS;
    format!(
        r#"apiVersion: apps/v1
kind: Deployment
metadata: {{ name: worker }}
spec:
  replicas: 0
  selector: {{ matchLabels: {{ app: worker }} }}
  template:
    metadata:
      labels: {{ app: worker }}
      annotations: {{ {RUN}: "true", {START_DELAY}: {least}s-{most}s }}
    spec:
      terminationGracePeriodSeconds: {GRACE_PERIOD}
      containers:
        - name: worker
          image: {WORKER_IMAGE}
          args: ["--store", "{store}", "--queue", "{QUEUE}"]
          env: [{{ name: POD_NAME, valueFrom: {{ fieldRef: {{ fieldPath: metadata.name }} }} }}]
          resources: {{ requests: {{ cpu: {CPU}, memory: {MEMORY} }} }}
"#
    )
}

/// Nodes of four cores that take a while to come, and go when they are empty.
pub(crate) fn node_pool() -> String {
    format!(
        r"apiVersion: karpenter.kwok.sh/v1alpha1
kind: KWOKNodeClass
metadata: {{ name: workers }}
spec: {{ nodeRegistrationDelay: {REGISTRATION_DELAY}s }}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {{ name: workers }}
spec:
  disruption: {{ consolidationPolicy: WhenEmpty, consolidateAfter: {CONSOLIDATE_AFTER}s }}
  template:
    spec:
      nodeClassRef: {{ group: karpenter.kwok.sh, kind: KWOKNodeClass, name: workers }}
      requirements:
        - {{ key: node.kubernetes.io/instance-type, operator: In, values: [{INSTANCE_TYPE}] }}
        - {{ key: karpenter.sh/capacity-type, operator: In, values: [on-demand] }}
"
    )
}

/// Room for so many workers of the [`deployment`] besides those that are there.
pub(super) fn capacity_buffer(replicas: u32) -> String {
    format!(
        r"apiVersion: v1
kind: PodTemplate
metadata: {{ name: worker-room }}
template:
  spec:
    containers:
      - name: room
        image: {WORKER_IMAGE}
        resources: {{ requests: {{ cpu: {CPU}, memory: {MEMORY} }} }}
---
apiVersion: autoscaling.x-k8s.io/v1beta1
kind: CapacityBuffer
metadata: {{ name: worker-room }}
spec:
  podTemplateRef: {{ name: worker-room }}
  replicas: {replicas}
"
    )
}

pub(super) fn header(load: &Load, began: f64) -> Header {
    Header {
        format: FORMAT,
        scenario: load.name.to_owned(),
        recorded: recorded(began),
        versions: versions(),
        decision_version: DECISION_VERSION,
        seed: load.seed,
        foresail: timeline::Foresail {
            sample_every: SAMPLE_EVERY.into(),
            keep_alive: KEEP_ALIVE.into(),
            slots: 1,
            knows_workload: true,
        },
        keda: timeline::Keda {
            polling_interval: POLLING_INTERVAL.into(),
            cooldown_period: COOLDOWN_PERIOD.into(),
            min_replicas: 0,
            max_replicas: MAX_REPLICAS,
        },
        // What RECOMMENDED and the stack's options say.
        hpa: timeline::Hpa {
            sync_period: 15.0,
            tolerance: 0.0,
            stabilization: 0.0,
            up_pods: 1000,
            up_period: 15.0,
        },
        pods: timeline::Pods {
            cpu: super::watches::quantity(CPU),
            memory: super::watches::quantity(MEMORY),
            start_delay: START_SECONDS.map(f64::from),
            grace_period: GRACE_PERIOD.into(),
        },
        nodes: timeline::Nodes {
            instance_type: INSTANCE_TYPE.to_owned(),
            registration_delay: REGISTRATION_DELAY.into(),
            consolidate_after: CONSOLIDATE_AFTER.into(),
        },
        manifests: Manifests {
            foresail: sources_and_policies(6379),
            scaled_object: scaled_object(ADDRESS),
            deployment: deployment("redis://redis:6379"),
            node_pool: node_pool(),
            buffer: load.buffer.first().map(|first| capacity_buffer(first.replicas)),
        },
    }
}

fn recorded(began: f64) -> String {
    let instant = Timestamp::from_duration(SignedDuration::from_secs_f64(began));
    instant
        .and_then(|instant| instant.round(Unit::Second))
        .map(|instant| instant.to_string())
        .unwrap_or_default()
}

/// As the modules say that the programs are built from.
fn versions() -> Versions {
    let required = |module: &str, of: &str| {
        let line = of.lines().map(str::trim).find_map(|line| {
            let line = line.strip_prefix("require ").unwrap_or(line);
            line.strip_prefix(module)?.strip_prefix(" v")
        });
        let version = line.and_then(|rest| rest.split_whitespace().next());
        version.unwrap_or_else(|| panic!("no version of {module} in its go.mod")).to_owned()
    };
    Versions {
        foresail: env!("CARGO_PKG_VERSION").to_owned(),
        kubernetes: required("k8s.io/kubernetes", include_str!("../tools/kubernetes/go.mod")),
        keda: required("github.com/kedacore/keda/v2", include_str!("../tools/keda/go.mod")),
        karpenter: required("sigs.k8s.io/karpenter", include_str!("../tools/karpenter/go.mod")),
        kwok: required("sigs.k8s.io/kwok", include_str!("../tools/kwok/go.mod")),
    }
}
