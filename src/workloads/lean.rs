//! Objects as the API server sends them, with nothing but the fields that are read: all else is dropped
//! while it is parsed, so that a page of pods costs little.

use std::{borrow::Cow, fmt::Debug, sync::Arc};

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};
use kube::{Resource, core::DynamicResourceScope};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    config::source::WorkloadName,
    workloads::{
        Change, ClaimRecord, JobRecord, PodRecord, SCALED_JOB, SCALED_OBJECT, ScaledRecord,
        record::{COST_MANAGER, DELETION_COST, DeletionCost, SCALED_JOB_LABEL, counted_for},
    },
};

/// A kind that is watched, as the API calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
    /// Only objects with this label.
    pub(super) label: Option<&'static str>,
}

pub(super) const SCALED_OBJECTS: Kind = keda(SCALED_OBJECT, "scaledobjects");
pub(super) const SCALED_JOBS: Kind = keda(SCALED_JOB, "scaledjobs");
pub(super) const DEPLOYMENTS: Kind =
    Kind { name: "Deployment", group: "apps", version: "v1", plural: "deployments", label: None };
pub(super) const STATEFUL_SETS: Kind =
    Kind { name: "StatefulSet", group: "apps", version: "v1", plural: "statefulsets", label: None };
pub(super) const JOBS: Kind =
    Kind { name: "Job", group: "batch", version: "v1", plural: "jobs", label: Some(SCALED_JOB_LABEL) };
pub(super) const PODS: Kind = Kind { name: "Pod", group: "", version: "v1", plural: "pods", label: None };

pub(super) const NODE_CLAIMS: Kind =
    Kind { name: "NodeClaim", group: "karpenter.sh", version: "v1", plural: "nodeclaims", label: None };

/// Label of a NodeClaim that names its NodePool.
const POOL_LABEL: &str = "karpenter.sh/nodepool";

/// Label of a NodeClaim that names what was launched.
const INSTANCE_TYPE_LABEL: &str = "node.kubernetes.io/instance-type";

const fn keda(name: &'static str, plural: &'static str) -> Kind {
    Kind { name, group: "keda.sh", version: "v1alpha1", plural, label: None }
}

impl Kind {
    /// Whether its definition comes with KEDA and may be absent.
    pub(super) fn is_kedas(&self) -> bool {
        self.group == "keda.sh"
    }

    /// Whether all else can be seen without it.
    pub(super) fn is_optional(&self) -> bool {
        *self == NODE_CLAIMS
    }
}

/// An object, cut down to the parts of its spec and status that are named.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "S: DeserializeOwned, T: DeserializeOwned")]
pub(super) struct Lean<S, T> {
    #[serde(default)]
    metadata: ObjectMeta,
    spec: Option<S>,
    status: Option<T>,
}

/// A spec that is read field by field, since somebody may have written anything.
pub(super) type Scaled = Lean<Value, Nothing>;
pub(super) type Replicated = Lean<Replicas, Nothing>;
pub(super) type Job = Lean<Nothing, Status>;
pub(super) type Pod = Lean<OnNode, Status>;
pub(super) type Claim = Lean<Nothing, Status>;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Nothing {}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Replicas {
    replicas: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct OnNode {
    #[serde(rename = "nodeName")]
    node: Option<String>,
    #[serde(rename = "terminationGracePeriodSeconds")]
    grace: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Status {
    phase: Option<String>,
    /// Of a NodeClaim.
    #[serde(rename = "nodeName")]
    node: Option<String>,
    #[serde(default)]
    conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(rename = "lastTransitionTime")]
    since: Option<Time>,
}

impl<S, T> Resource for Lean<S, T> {
    type DynamicType = Kind;
    type Scope = DynamicResourceScope;

    fn kind(kind: &Kind) -> Cow<'_, str> {
        kind.name.into()
    }

    fn group(kind: &Kind) -> Cow<'_, str> {
        kind.group.into()
    }

    fn version(kind: &Kind) -> Cow<'_, str> {
        kind.version.into()
    }

    fn plural(kind: &Kind) -> Cow<'_, str> {
        kind.plural.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// From an object to what is kept of it, by kind.
pub(super) type Cut<S, T> = fn(Kind, &Lean<S, T>, gone: bool, addresses: &[String]) -> Change;

/// Keeps a ScaledObject or ScaledJob that means us; one that means others now is as good as gone.
pub(super) fn scaled(kind: Kind, object: &Scaled, gone: bool, addresses: &[String]) -> Change {
    let name = object.name(kind);
    let spec = object.spec.as_ref().filter(|_| !gone);
    let record = spec.and_then(|spec| ScaledRecord::read(kind.name, &object.metadata, spec, addresses));
    Change::Scaled(name, record.map(Arc::new))
}

/// Keeps the replicas that are asked for: 1 where nobody says.
pub(super) fn replicated(kind: Kind, object: &Replicated, gone: bool, _: &[String]) -> Change {
    let replicas = object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    Change::Target(object.name(kind), (!gone).then_some(replicas))
}

/// Keeps a Job that KEDA made.
pub(super) fn job(_: Kind, object: &Job, gone: bool, _: &[String]) -> Change {
    let scaled_job = object.label(SCALED_JOB_LABEL).filter(|_| !gone);
    let finished = ["Complete", "Failed"].iter().any(|kind| object.since(kind).is_some());
    let (namespace, name) = object.place();
    let record = scaled_job.map(|scaled_job| JobRecord { scaled_job: scaled_job.into(), finished });
    Change::Job(namespace, name, record)
}

/// Keeps a pod that something scales.
pub(super) fn pod(_: Kind, object: &Pod, gone: bool, _: &[String]) -> Change {
    let (namespace, name) = object.place();
    if gone {
        return Change::Pod(namespace, name, None);
    }
    let owners = object.metadata.owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller == Some(true));
    let counted = owner.and_then(|owner| counted_for(&owner.kind, &owner.name, |label| object.label(label)));
    // One that was let go of by its owner is gone for those that count it.
    let record = counted.map(|(owner_kind, owner)| PodRecord {
        owner_kind: owner_kind.into(),
        owner: owner.into(),
        created: object.created(),
        scheduled: object.since("PodScheduled"),
        ready: object.since("Ready"),
        terminating: object.metadata.deletion_timestamp.is_some(),
        finished: object
            .status
            .as_ref()
            .is_some_and(|status| matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"))),
        node: object.spec.as_ref().and_then(|spec| spec.node.as_deref().map(Arc::from)),
        cost: object.deletion_cost(),
        grace: object.spec.as_ref().and_then(|spec| spec.grace),
    });
    Change::Pod(namespace, name, record)
}

/// Keeps a NodeClaim: a node from the moment in which it was asked for.
pub(super) fn claim(_: Kind, object: &Claim, gone: bool, _: &[String]) -> Change {
    let (_, name) = object.place();
    let text = |text: &str| Arc::from(text);
    let node = object.status.as_ref().and_then(|status| status.node.as_deref());
    let record = (!gone).then(|| ClaimRecord {
        pool: object.label(POOL_LABEL).map_or_else(Arc::default, text),
        instance_type: object.label(INSTANCE_TYPE_LABEL).map(text),
        node: node.filter(|node| !node.is_empty()).map(text),
        created: object.created(),
        launched: object.since("Launched"),
        registered: object.since("Registered"),
        initialized: object.since("Initialized"),
    });
    Change::Claim(name, record)
}

impl<S, T> Lean<S, T> {
    fn place(&self) -> (Arc<str>, Arc<str>) {
        let text = |text: &Option<String>| Arc::from(text.as_deref().unwrap_or_default());
        (text(&self.metadata.namespace), text(&self.metadata.name))
    }

    fn name(&self, kind: Kind) -> WorkloadName {
        WorkloadName {
            kind: kind.name.to_owned(),
            namespace: self.metadata.namespace.clone().unwrap_or_default(),
            name: self.metadata.name.clone().unwrap_or_default(),
        }
    }

    /// What it would cost to delete it; what is no number counts as 0, as Kubernetes takes it.
    fn deletion_cost(&self) -> Option<DeletionCost> {
        let value = self.metadata.annotations.as_ref()?.get(DELETION_COST)?;
        let managers = self.metadata.managed_fields.as_deref().unwrap_or_default();
        let ours = managers.iter().any(|fields| fields.manager.as_deref() == Some(COST_MANAGER));
        Some(DeletionCost { value: value.parse().unwrap_or(0), ours })
    }

    /// When it was created, Unix seconds.
    fn created(&self) -> f64 {
        self.metadata.creation_timestamp.as_ref().map_or(0.0, seconds)
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.metadata.labels.as_ref()?.get(key).map(String::as_str)
    }
}

impl<S> Lean<S, Status> {
    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let all = self.status.as_ref().and_then(|status| status.conditions.as_deref());
        all.unwrap_or_default().iter()
    }

    /// Since when a condition holds, Unix seconds; `None` where it does not. The beginning of time where nobody
    /// says since when.
    fn since(&self, kind: &str) -> Option<f64> {
        let condition =
            self.conditions().find(|condition| condition.kind == kind && condition.status == "True")?;
        Some(condition.since.as_ref().map_or(0.0, seconds))
    }
}

fn seconds(time: &Time) -> f64 {
    let at: Timestamp = time.0;
    at.as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workloads::{Start, StartKind};

    fn read(pod_json: Value) -> Change {
        pod(PODS, &serde_json::from_value(pod_json).unwrap(), false, &[])
    }

    #[test]
    fn of_a_pod_the_owner_and_its_moments_are_kept() {
        let change = read(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "namespace": "chem", "name": "md-7d9f-x2", "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": { "pod-template-hash": "7d9f", "app": "md" },
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "md-7d9f", "uid": "1", "controller": true }],
                "managedFields": [{ "manager": "x", "operation": "Update" }],
            },
            "spec": { "containers": [{ "name": "c", "image": "i" }], "nodeName": "n1", "terminationGracePeriodSeconds": 45 },
            "status": { "phase": "Running", "conditions": [
                { "type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:20Z" },
                { "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:41Z" },
            ] },
        }));
        let Change::Pod(namespace, name, Some(record)) = change else { panic!("{change:?}") };
        assert_eq!(
            (&*namespace, &*name, &*record.owner_kind, &*record.owner),
            ("chem", "md-7d9f-x2", "Deployment", "md")
        );
        assert_eq!((record.terminating, record.finished), (false, false));
        assert_eq!((record.node.as_deref(), record.cost, record.grace), (Some("n1"), None, Some(45)));
        let start = record.waiting().start(record.ready.unwrap());
        assert_eq!(start, Start { kind: StartKind::Cold, seconds: 41.0, behind: 0.0 });
    }

    #[test]
    fn a_cost_is_ours_where_our_manager_wrote_it() {
        let cost = |value: &str, manager: &str| {
            let change = read(json!({ "metadata": {
                "namespace": "chem", "name": "md-1",
                "annotations": { DELETION_COST: value },
                "managedFields": [{ "manager": manager, "operation": "Apply" }],
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "md", "uid": "1", "controller": true }],
            } }));
            let Change::Pod(_, _, Some(record)) = change else { panic!("{change:?}") };
            record.cost
        };
        assert_eq!(cost("-3", COST_MANAGER), Some(DeletionCost { value: -3, ours: true }));
        assert_eq!(cost("7", "kubectl"), Some(DeletionCost { value: 7, ours: false }));
        assert_eq!(cost("much", "kubectl"), Some(DeletionCost { value: 0, ours: false }));
    }

    #[test]
    fn of_a_claim_the_pool_the_node_and_the_conditions_that_are_true_are_kept() {
        let read = |status: Value, gone| {
            let object = json!({
                "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
                "metadata": {
                    "name": "gpu-x7k2p", "creationTimestamp": "2026-01-01T00:00:00Z",
                    "labels": { "karpenter.sh/nodepool": "gpu", "node.kubernetes.io/instance-type": "g6.2xlarge" },
                },
                "spec": { "requirements": [{ "key": "k", "operator": "In", "values": ["v"] }], "expireAfter": "Never" },
                "status": status,
            });
            claim(NODE_CLAIMS, &serde_json::from_value(object).unwrap(), gone, &[])
        };
        let status = json!({ "nodeName": "ip-10-0-0-1", "providerID": "aws:///i-1", "conditions": [
            { "type": "Launched", "status": "True", "lastTransitionTime": "2026-01-01T00:00:03Z" },
            { "type": "Registered", "status": "True", "lastTransitionTime": "2026-01-01T00:00:40Z" },
            { "type": "Initialized", "status": "Unknown", "lastTransitionTime": "2026-01-01T00:00:01Z" },
        ] });
        let created = 1_767_225_600.0;
        let wanted = ClaimRecord {
            pool: "gpu".into(),
            instance_type: Some("g6.2xlarge".into()),
            node: Some("ip-10-0-0-1".into()),
            created,
            launched: Some(created + 3.0),
            registered: Some(created + 40.0),
            initialized: None,
        };
        assert_eq!(read(status, false), Change::Claim("gpu-x7k2p".into(), Some(wanted)));
        assert_eq!(read(Value::Null, true), Change::Claim("gpu-x7k2p".into(), None));
        let Change::Claim(_, Some(new)) = read(json!({ "nodeName": "" }), false) else {
            panic!("it is there")
        };
        assert_eq!((new.node, new.launched), (None, None), "it was only just asked for");
    }

    #[test]
    fn a_pod_without_a_status_or_an_owner_is_read_too() {
        assert_eq!(
            read(json!({ "metadata": { "namespace": "n", "name": "p" } })),
            Change::Pod("n".into(), "p".into(), None),
        );
    }
}
