//! What is kept of an object: the few fields that are needed, and nothing that can fail to be read.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::{
    config::source::WorkloadName,
    workloads::{ClaimRecord, SCALED_JOB, SCALED_OBJECT, Trap, starts::Waiting, traps},
};

/// Label of the Jobs and pods that KEDA makes for a ScaledJob.
pub(super) const SCALED_JOB_LABEL: &str = "scaledjob.keda.sh/name";

/// KEDA's own default of `maxReplicaCount`.
const MOST_REPLICAS: u32 = 100;

/// KEDA resolves metadata keys that end so from the environment of the scale target.
const FROM_ENV: &str = "FromEnv";

/// One object as it is now; `None` where it is gone.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A ScaledObject or ScaledJob that refers to this Foresail.
    Scaled(WorkloadName, Option<Arc<ScaledRecord>>),
    /// A Deployment, `StatefulSet` or whatever else has replicas.
    Target(WorkloadName, Option<u32>),
    /// A Job that KEDA made, by namespace and name.
    Job(Arc<str>, Arc<str>, Option<JobRecord>),
    /// A pod, by namespace and name.
    Pod(Arc<str>, Arc<str>, Option<PodRecord>),
    /// A NodeClaim, by name.
    Claim(Arc<str>, Option<ClaimRecord>),
}

/// A ScaledObject or ScaledJob.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledRecord {
    /// The object's own, which no other ever has; empty where nobody says.
    pub uid: Box<str>,
    /// What it scales, with the API's version; `None` for a ScaledJob, whose Jobs are its own.
    pub target: Option<(WorkloadName, Box<str>)>,
    /// Replicas or Jobs at least.
    pub min: u32,
    /// Replicas or Jobs at most.
    pub max: u32,
    /// Its triggers that mean this Foresail.
    pub triggers: Vec<Trigger>,
    /// Whether triggers for other scalers bring work that is not seen here.
    pub works_for_others: bool,
    /// The traps that it is in.
    pub traps: Vec<&'static Trap>,
}

/// A trigger that means this Foresail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its metadata as KEDA sends it, sorted.
    pub metadata: Vec<(String, String)>,
}

/// A Job of a ScaledJob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// The ScaledJob's name.
    pub scaled_job: Arc<str>,
    /// Whether it has ended.
    pub finished: bool,
}

/// A pod that something scales.
#[derive(Debug, Clone, PartialEq)]
pub struct PodRecord {
    /// Kind of what it belongs to: a Deployment rather than its `ReplicaSet`, a ScaledJob rather than a Job.
    pub owner_kind: Arc<str>,
    /// Name of what it belongs to.
    pub owner: Arc<str>,
    /// When it was created, Unix seconds.
    pub created: f64,
    /// When it was given its node.
    pub scheduled: Option<f64>,
    /// Since when it is Ready; `None` while it is not.
    pub ready: Option<f64>,
    /// It was told to go.
    pub terminating: bool,
    /// It has run to its end, well or badly.
    pub finished: bool,
    /// Its node.
    pub node: Option<Arc<str>>,
    /// What it would cost to delete it, as its annotation says.
    pub cost: Option<DeletionCost>,
    /// Seconds that it has to end once it is told to go.
    pub grace: Option<u32>,
}

/// The annotation of a pod by which a `ReplicaSet` chooses whom it deletes.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The field manager by whose name deletion costs are known to be ours.
pub const COST_MANAGER: &str = "foresail-victims";

/// A pod's deletion cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionCost {
    /// Those with the lowest go first.
    pub value: i32,
    /// Whether Foresail wrote it.
    pub ours: bool,
}

impl ScaledRecord {
    /// Reads a ScaledObject or ScaledJob; `None` where no trigger of it means one of `addresses`, which are
    /// in lower case.
    pub fn read(
        kind: &'static str,
        metadata: &ObjectMeta,
        spec: &Value,
        addresses: &[String],
    ) -> Option<Self> {
        let all = spec.get("triggers").and_then(Value::as_array);
        let ours = |trigger: &Trigger| trigger.means(addresses);
        let triggers: Vec<_> = all.into_iter().flatten().filter_map(Trigger::read).filter(ours).collect();
        if triggers.is_empty() {
            return None;
        }
        let count = |key: &str| Some(u32::try_from(spec.get(key)?.as_u64()?).unwrap_or(u32::MAX));
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let traps = traps::find(kind, metadata, spec, &triggers);
        Some(Self {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            target: (kind == SCALED_OBJECT).then(|| target(namespace, spec.get("scaleTargetRef"))),
            min: count("minReplicaCount").unwrap_or(0),
            max: count("maxReplicaCount").unwrap_or(MOST_REPLICAS),
            works_for_others: all.into_iter().flatten().any(|trigger| brings_work(trigger, addresses)),
            triggers,
            traps,
        })
    }

    /// What its Jobs or its scale target are called.
    pub fn target_of(&self, name: &WorkloadName) -> WorkloadName {
        self.target.as_ref().map_or_else(|| name.clone(), |(target, _)| target.clone())
    }
}

/// Whether a trigger that is not ours may stand for work: those that look at a clock or at the pods do not.
fn brings_work(trigger: &Value, addresses: &[String]) -> bool {
    let workless = matches!(trigger.get("type").and_then(Value::as_str), Some("cpu" | "memory" | "cron"));
    !workless && !Trigger::read(trigger).is_some_and(|trigger| trigger.means(addresses))
}

fn target(namespace: &str, target: Option<&Value>) -> (WorkloadName, Box<str>) {
    let text =
        |key: &str| target.and_then(|target| target.get(key)?.as_str()).filter(|text| !text.is_empty());
    let name = WorkloadName {
        kind: text("kind").unwrap_or("Deployment").to_owned(),
        namespace: namespace.to_owned(),
        name: text("name").unwrap_or_default().to_owned(),
    };
    (name, text("apiVersion").unwrap_or("apps/v1").into())
}

impl Trigger {
    /// Reads one trigger; `None` where it is not for an external scaler.
    pub fn read(trigger: &Value) -> Option<Self> {
        if !matches!(trigger.get("type")?.as_str()?, "external" | "external-push") {
            return None;
        }
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let pairs = trigger.get("metadata").and_then(Value::as_object).into_iter().flatten();
        let mut metadata: Vec<_> = pairs.map(|(key, value)| (key.clone(), text(value))).collect();
        metadata.sort_unstable();
        Some(Self { metadata })
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Whether it means a Foresail with one of these addresses, which are in lower case.
    fn means(&self, addresses: &[String]) -> bool {
        let address = self.get("scalerAddress").unwrap_or_default().trim().to_lowercase();
        addresses.contains(&address)
    }

    /// Whether a key has this value.
    pub fn is(&self, key: &str, value: &str) -> bool {
        self.get(key) == Some(value)
    }

    /// Whether KEDA sends it exactly as it is written, nothing taken from a container's environment.
    pub fn is_whole(&self) -> bool {
        !self.metadata.iter().any(|(key, _)| key.ends_with(FROM_ENV))
    }
}

impl PodRecord {
    /// The moments that say whether it waited for a node, as if no other did.
    pub(super) fn waiting(&self) -> Waiting {
        Waiting { created: self.created, scheduled: self.scheduled, behind: 0.0 }
    }
}

/// Kind and name of what a pod is counted for, from its owner; `None` for pods that nothing scales.
pub(super) fn counted_for<'a>(
    kind: &'a str,
    name: &'a str,
    label: impl Fn(&str) -> Option<&'a str>,
) -> Option<(&'a str, &'a str)> {
    match kind {
        "Job" => label(SCALED_JOB_LABEL).map(|scaled_job| (SCALED_JOB, scaled_job)),
        "ReplicaSet" => {
            let hash = label("pod-template-hash");
            let deployment = hash.and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
            Some(deployment.map_or((kind, name), |deployment| ("Deployment", deployment)))
        }
        "DaemonSet" | "Node" => None,
        _ => Some((kind, name)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, proptest};
    use serde_json::json;

    use super::*;

    const OURS: [&str; 1] = ["foresail.foresail:6000"];

    fn read(spec: &Value) -> Option<ScaledRecord> {
        let metadata =
            ObjectMeta { namespace: Some("chem".into()), uid: Some("1-2-3".into()), ..ObjectMeta::default() };
        ScaledRecord::read(SCALED_OBJECT, &metadata, spec, &OURS.map(str::to_owned))
    }

    #[test]
    fn only_triggers_with_our_address_are_ours() {
        let trigger = |kind: &str, address: &str| json!({ "type": kind, "metadata": { "scalerAddress": address, "queue": "md" } });
        let spec = json!({ "scaleTargetRef": { "name": "md" }, "minReplicaCount": 2, "triggers": [
            trigger("external-push", "Foresail.foresail:6000"),
            trigger("external", "other:6000"),
            trigger("redis", "foresail.foresail:6000"),
        ] });
        let record = read(&spec).unwrap();
        assert_eq!((record.triggers.len(), record.min, record.max), (1, 2, 100));
        assert_eq!(&*record.uid, "1-2-3");
        assert!(record.works_for_others, "of the redis trigger nothing is seen");
        let cron = json!({ "type": "cron", "metadata": {} });
        let alone = json!({ "triggers": [trigger("external", "foresail.foresail:6000"), cron] });
        assert!(!read(&alone).unwrap().works_for_others);
        let wanted = WorkloadName { kind: "Deployment".into(), namespace: "chem".into(), name: "md".into() };
        assert_eq!(record.target, Some((wanted, "apps/v1".into())));
        assert_eq!(read(&json!({ "triggers": [trigger("external", "other:6000")] })), None);
    }

    #[test]
    fn a_trigger_that_takes_a_value_from_the_environment_is_not_known_whole() {
        let trigger = |key: &str| {
            Trigger::read(&json!({ "type": "external", "metadata": { key: "X", "queue": "md" } })).unwrap()
        };
        assert!(trigger("layout").is_whole() && !trigger("policyFromEnv").is_whole());
    }

    #[test]
    fn a_pod_counts_for_what_is_scaled_and_not_for_what_stands_between() {
        let with = |kind, name, key: &'static str, value| {
            counted_for(kind, name, move |k| (k == key).then_some(value))
        };
        assert_eq!(with("ReplicaSet", "md-7d9f", "pod-template-hash", "7d9f"), Some(("Deployment", "md")));
        assert_eq!(with("ReplicaSet", "bare", "", ""), Some(("ReplicaSet", "bare")));
        assert_eq!(with("Job", "x-1", SCALED_JOB_LABEL, "x"), Some((SCALED_JOB, "x")));
        assert_eq!(with("Job", "backup-1", "", ""), None);
        assert_eq!(with("StatefulSet", "db", "", ""), Some(("StatefulSet", "db")));
        assert_eq!(with("DaemonSet", "logs", "", ""), None);
    }

    fn any_value() -> impl prop::strategy::Strategy<Value = Value> {
        use prop::strategy::Strategy as _;
        let keys = "triggers|type|metadata|scalerAddress|fallback|replicas|minReplicaCount|scaleTargetRef|kind|name|[a-z]{0,4}";
        let texts = "external|external-push|foresail.foresail:6000|Deployment|\\PC{0,8}";
        let leaf = prop::strategy::Union::new([
            prop::strategy::Just(Value::Null).boxed(),
            proptest::prelude::any::<i64>().prop_map(Value::from).boxed(),
            proptest::prelude::any::<f64>().prop_map(Value::from).boxed(),
            texts.prop_map(Value::from).boxed(),
        ]);
        leaf.prop_recursive(5, 60, 6, move |inner| {
            prop::strategy::Union::new([
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from).boxed(),
                prop::collection::btree_map(keys, inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect()))
                    .boxed(),
            ])
        })
    }

    proptest! {
        /// Whatever somebody wrote: a record or none, and no panic.
        #[test]
        fn any_object_can_be_read(spec in any_value(), inner in any_value()) {
            let with_triggers = json!({ "triggers": [{ "type": "external", "metadata": { "scalerAddress": OURS[0], "x": inner } }], "fallback": spec, "advanced": spec, "minReplicaCount": spec });
            for kind in [SCALED_OBJECT, SCALED_JOB] {
                let (none, ours) = (ObjectMeta::default(), OURS.map(str::to_owned));
                ScaledRecord::read(kind, &none, &spec, &ours);
                prop_assert!(ScaledRecord::read(kind, &none, &with_triggers, &ours).is_some());
            }
        }
    }
}
