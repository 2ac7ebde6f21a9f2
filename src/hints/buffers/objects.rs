//! The objects that ask for room: their names, what is written of them, and what is read back.

use kube::{
    Client, ResourceExt as _,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};
use serde_json::{Value, json};

use crate::{
    config::{
        hints::{HintMode, LeaseName},
        source::WorkloadName,
    },
    hints::shape::Shape,
    workloads::SCALED_JOB,
};

/// Who writes, for the API server's book-keeping.
pub(super) const MANAGER: &str = "foresail-hints";

/// Label by which a Foresail knows what it has made: its Lease, since others may run in the same cluster.
pub(super) const LEASE_LABEL: &str = "foresail/lease";

/// Label that names the object whose pods there is room for.
pub(super) const FOR_LABEL: &str = "foresail/for";

/// The longest value of a label.
const LONGEST: usize = 63;

/// A kind that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    CapacityBuffer,
    PodTemplate,
    Deployment,
}

impl Kind {
    /// The kind whose replicas are the chunks; `None` where nothing is written.
    pub(super) fn of(mode: HintMode) -> Option<Self> {
        match mode {
            HintMode::Observe => None,
            HintMode::CapacityBuffer | HintMode::Adopt => Some(Self::CapacityBuffer),
            HintMode::Placeholder => Some(Self::Deployment),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CapacityBuffer => "CapacityBuffer",
            Self::PodTemplate => "PodTemplate",
            Self::Deployment => "Deployment",
        }
    }

    pub(super) fn resource(self) -> ApiResource {
        let (group, version, plural) = match self {
            Self::CapacityBuffer => ("autoscaling.x-k8s.io", "v1beta1", "capacitybuffers"),
            Self::PodTemplate => ("", "v1", "podtemplates"),
            Self::Deployment => ("apps", "v1", "deployments"),
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, self.name()), plural)
    }
}

/// What an object is called that asks for room for the pods of another, as a name and as a label.
pub(super) fn name_for(object: &WorkloadName) -> String {
    let job = if object.kind == SCALED_JOB { "job." } else { "" };
    short(format!("foresail-{job}{}", object.name))
}

/// A Lease as a label's value: its namespace and name.
pub(super) fn lease_label(client: &Client, LeaseName { namespace, name }: &LeaseName) -> String {
    let namespace = namespace.as_deref().unwrap_or(client.default_namespace());
    short(format!("{namespace}.{name}"))
}

/// A name as it is, or, where it is too long for a label, its beginning and a sum of it.
pub(super) fn short(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    let sum = format!("-{:08x}", crc32fast::hash(name.as_bytes()));
    let begin = name.get(..LONGEST - sum.len()).unwrap_or_default();
    format!("{}{sum}", begin.trim_end_matches(['-', '.', '_']))
}

/// What is written for one object of KEDA's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// KEDA's object.
    pub(super) object: WorkloadName,
    /// Its uid.
    pub(super) uid: Box<str>,
    /// The Lease under which it is written, as a label.
    pub(super) lease: String,
    /// The class of placeholders.
    pub(super) priority_class: String,
}

impl Place {
    /// The template of a chunk.
    pub(super) fn pod_template(&self, shape: &Shape) -> Value {
        json!({
            "apiVersion": "v1", "kind": "PodTemplate", "metadata": self.metadata(), "template": shape.template,
        })
    }

    /// A buffer of so many chunks.
    pub(super) fn buffer(&self, chunks: u32) -> Value {
        json!({
            "apiVersion": "autoscaling.x-k8s.io/v1beta1", "kind": "CapacityBuffer", "metadata": self.metadata(),
            "spec": { "podTemplateRef": { "name": name_for(&self.object) }, "replicas": chunks },
        })
    }

    /// So many pods that hold room.
    pub(super) fn placeholder(&self, shape: &Shape, chunks: u32) -> Value {
        let metadata = self.metadata();
        let mut template = json!(shape.template);
        template["metadata"] = json!({ "labels": metadata["labels"] });
        template["spec"]["priorityClassName"] = self.priority_class.as_str().into();
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {
                "replicas": chunks,
                "selector": { "matchLabels": { FOR_LABEL: name_for(&self.object) } },
                "strategy": { "type": "Recreate" },
                "template": template,
            },
        })
    }

    fn metadata(&self) -> Value {
        let name = name_for(&self.object);
        json!({
            "name": name,
            "namespace": self.object.namespace,
            "labels": { "app.kubernetes.io/managed-by": "foresail", LEASE_LABEL: self.lease, FOR_LABEL: name },
            "ownerReferences": [{
                "apiVersion": "keda.sh/v1alpha1", "kind": self.object.kind, "name": self.object.name,
                "uid": self.uid, "controller": false, "blockOwnerDeletion": false,
            }],
        })
    }
}

/// An object that is there, and asks for so many chunks from now on. It is not made anew where it is gone meanwhile.
pub(super) fn rescaled(kind: Kind, found: &DynamicObject, ours: bool, chunks: u32) -> Value {
    let resource = kind.resource();
    let mut metadata =
        json!({ "name": found.name_any(), "namespace": found.namespace(), "uid": found.uid() });
    let mut spec = json!({ "replicas": chunks });
    if ours {
        metadata["labels"] = json!(found.labels());
        metadata["ownerReferences"] = json!(found.owner_references());
        spec = found.data["spec"].clone();
        spec["replicas"] = chunks.into();
    }
    json!({ "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec })
}

/// Chunks that an object asks for.
pub(super) fn chunks_of(found: &DynamicObject) -> u32 {
    found.data["spec"]["replicas"].as_u64().map_or(0, |chunks| u32::try_from(chunks).unwrap_or(u32::MAX))
}

/// Whether the chunks of an object were written by a Foresail.
pub(super) fn is_written_by_us(found: &DynamicObject) -> bool {
    found.managed_fields().iter().any(|entry| entry.manager.as_deref() == Some(MANAGER))
}

/// What those who bring nodes say of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// Nothing: nobody may read it.
    Silence,
    /// It cannot be taken up, with the reason.
    Unready(String),
    /// The room is not there, nor on its way.
    Wanting,
    /// The room is there, or on its way.
    Fine,
}

impl Reply {
    pub(super) fn of(kind: Kind, found: &DynamicObject) -> Self {
        let status = &found.data["status"];
        if kind == Kind::Deployment {
            let there = status["availableReplicas"].as_u64().unwrap_or(0);
            return if there < u64::from(chunks_of(found)) { Self::Wanting } else { Self::Fine };
        }
        let condition = |kind: &str| status["conditions"].as_array()?.iter().find(|one| one["type"] == kind);
        let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        match (condition("ReadyForProvisioning"), condition("Provisioning")) {
            (None, _) => Self::Silence,
            (Some(ready), _) if ready["status"] == "False" => {
                Self::Unready(format!("{}: {}", text(ready, "reason"), text(ready, "message")))
            }
            (_, Some(provisioning)) if provisioning["reason"] == "RequiresNewCapacity" => Self::Wanting,
            _ => Self::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, name: &str) -> WorkloadName {
        WorkloadName { kind: kind.to_owned(), namespace: "chem".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn names_differ_by_kind_and_fit_a_label() {
        assert_eq!(name_for(&object("ScaledObject", "md")), "foresail-md");
        assert_eq!(name_for(&object(SCALED_JOB, "md")), "foresail-job.md");
        let [one, other] =
            ["a", "b"].map(|end| name_for(&object("ScaledObject", &format!("{}{end}", "x-".repeat(60)))));
        assert!(one.len() <= LONGEST && one != other, "{one} {other}");
        assert!(one.starts_with("foresail-x-x") && one.ends_with(|c: char| c.is_ascii_alphanumeric()));
    }

    #[test]
    fn of_somebody_elses_buffer_nothing_is_written_but_its_replicas() {
        let found: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "autoscaling.x-k8s.io/v1beta1", "kind": "CapacityBuffer",
            "metadata": { "name": "warm", "namespace": "chem", "uid": "1", "labels": { "foresail/for": "md" } },
            "spec": { "replicas": 3, "podTemplateRef": { "name": "theirs" }, "limits": { "cpu": "9" } },
        }))
        .unwrap();
        let bare = rescaled(Kind::CapacityBuffer, &found, false, 0);
        assert_eq!(bare["spec"], json!({ "replicas": 0 }));
        assert_eq!(bare["metadata"], json!({ "name": "warm", "namespace": "chem", "uid": "1" }));
        let whole = rescaled(Kind::CapacityBuffer, &found, true, 0);
        assert_eq!(
            whole["spec"],
            json!({ "replicas": 0, "podTemplateRef": { "name": "theirs" }, "limits": { "cpu": "9" } })
        );
        assert_eq!((chunks_of(&found), is_written_by_us(&found)), (3, false));
    }

    #[test]
    fn what_is_said_of_a_buffer_is_read() {
        let of = |kind, status: Value| {
            let found = json!({ "metadata": {}, "spec": { "replicas": 2 }, "status": status });
            Reply::of(kind, &serde_json::from_value(found).unwrap())
        };
        let conditions = |ready: &str, reason: &str| {
            json!({ "conditions": [
                { "type": "ReadyForProvisioning", "status": ready, "reason": "Resolved", "message": "m" },
                { "type": "Provisioning", "status": "False", "reason": reason },
            ] })
        };
        let buffer = Kind::CapacityBuffer;
        assert_eq!(of(buffer, json!(null)), Reply::Silence);
        assert_eq!(of(buffer, conditions("False", "x")), Reply::Unready("Resolved: m".to_owned()));
        assert_eq!(of(buffer, conditions("True", "RequiresNewCapacity")), Reply::Wanting);
        assert_eq!(of(buffer, conditions("True", "FitsExistingCapacity")), Reply::Fine);
        assert_eq!(of(Kind::Deployment, json!({ "availableReplicas": 1 })), Reply::Wanting);
        assert_eq!(of(Kind::Deployment, json!({ "availableReplicas": 2 })), Reply::Fine);
    }
}
