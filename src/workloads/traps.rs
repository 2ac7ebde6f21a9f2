//! What people write into a ScaledObject or ScaledJob that then stands in the way, as one table.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::workloads::{SCALED_JOB, record::Trigger};

/// One mistake that can be seen in an object.
pub struct Trap {
    /// Its name in metrics.
    pub name: &'static str,
    /// What it does, and what would be right.
    pub what: &'static str,
    holds: fn(&Seen<'_>) -> bool,
}

/// What stands in the way of an object, as only time shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Observed {
    /// Its name in metrics.
    pub name: &'static str,
    /// What it does, and what would be right.
    pub what: &'static str,
}

/// Workers hold jobs under names that are no pods'.
pub static WORKERS_ARE_NO_PODS: Observed = Observed {
    name: "workers-are-no-pods",
    what: "workers hold jobs, and none of their names is or begins with a pod's: let a worker's name be its pod's, or say by worker_pod of the layout where it stands. Until then nobody is named who goes first",
};

/// A busy worker would go before all others.
pub static BUSY_NOT_READY: Observed = Observed {
    name: "busy-not-ready",
    what: "a busy worker is not Ready, so a ReplicaSet would remove it first whatever its deletion cost, and nobody goes: let the readiness probe pass while a worker works",
};

/// Somebody else has written deletion costs.
pub static COSTS_OF_OTHERS: Observed = Observed {
    name: "costs-of-others",
    what: "somebody else writes deletion costs onto its pods: leave it to one of the two. Until then nobody is named who goes first",
};

/// Work that is not seen here.
pub static OTHER_TRIGGERS: Observed = Observed {
    name: "other-triggers",
    what: "triggers of other scalers bring work that is not seen here, so nobody is named who goes first: one ScaledObject for each Deployment, its queues as triggers of Foresail's",
};

/// Jobs run longer than their pods may go on.
pub static SHORT_GRACE: Observed = Observed {
    name: "short-grace",
    what: "one job in twenty runs longer than terminationGracePeriodSeconds of its pods: a worker that is told to go is killed before its job ends. Set it above the longest run time",
};

/// Every trap that only time shows.
pub static OBSERVED: [&Observed; 5] =
    [&WORKERS_ARE_NO_PODS, &BUSY_NOT_READY, &COSTS_OF_OTHERS, &OTHER_TRIGGERS, &SHORT_GRACE];

/// An object that refers to this Foresail.
struct Seen<'a> {
    kind: &'a str,
    metadata: &'a ObjectMeta,
    spec: &'a Value,
    triggers: &'a [Trigger],
}

/// Seconds: a cooldown above this is said. Foresail itself holds what is worth holding.
const LONG_COOLDOWN: u64 = 60;

/// Pods in one period: a policy below this slows a burst.
const QUICK_POLICY: u64 = 100;

/// What Argo CD tracks objects by unless it is told to use annotations.
const TRACKING_LABEL: &str = "app.kubernetes.io/instance";

/// Names the labels that KEDA does not copy onto the HPA, separated by commas.
const EXCLUDED_LABELS: &str = "scaledobject.keda.sh/hpa-excluded-labels";

/// Annotations of objects that are tracked otherwise: by Argo CD's own annotation, or by Helm.
const TRACKED_OTHERWISE: [&str; 2] = ["argocd.argoproj.io/tracking-id", "meta.helm.sh/release-name"];

/// Every trap that is looked for.
pub const TRAPS: &[Trap] = &[
    Trap {
        name: "fallback-to-zero",
        what: "fallback.replicas is 0 and minReplicaCount too: KEDA scales to zero when it gets no number. Leave fallback out, or set replicas above 0",
        holds: |seen| {
            seen.whole("/fallback/replicas") == Some(0) && seen.whole("/minReplicaCount").unwrap_or(0) == 0
        },
    },
    Trap {
        name: "mode-jobs-missing",
        what: "a ScaledJob's trigger needs mode: jobs in its metadata, or Jobs are started for work that is held or in hand",
        holds: |seen| {
            seen.kind == SCALED_JOB && seen.triggers.iter().any(|trigger| !trigger.is("mode", "jobs"))
        },
    },
    Trap {
        name: "mode-jobs-in-scaled-object",
        what: "mode: jobs is for a ScaledJob: in a ScaledObject nothing keeps busy workers",
        holds: |seen| {
            seen.kind != SCALED_JOB && seen.triggers.iter().any(|trigger| trigger.is("mode", "jobs"))
        },
    },
    Trap {
        name: "strategy-differs",
        what: "the trigger's strategy is not the ScaledJob's scalingStrategy.strategy: the value counts what KEDA does not expect",
        holds: |seen| {
            let own = seen.text("/scalingStrategy/strategy").unwrap_or("default");
            let differs = |trigger: &Trigger| trigger.get("strategy").unwrap_or("default") != own;
            seen.kind == SCALED_JOB && own != "custom" && seen.triggers.iter().any(differs)
        },
    },
    Trap {
        name: "rollout-strategy",
        what: "an edit of the ScaledJob kills the Jobs that run: set rollout.strategy to gradual",
        holds: |seen| {
            let gradual = ["/rollout/strategy", "/rolloutStrategy"];
            seen.kind == SCALED_JOB && !gradual.iter().any(|path| seen.text(path) == Some("gradual"))
        },
    },
    Trap {
        name: "hpa-labels",
        what: "KEDA copies the label app.kubernetes.io/instance onto the HPA, and Argo CD that tracks by it deletes the HPA: annotate the ScaledObject with scaledobject.keda.sh/hpa-excluded-labels: app.kubernetes.io/instance",
        holds: |seen| {
            let excluded = seen.annotation(EXCLUDED_LABELS).unwrap_or_default();
            let labels = seen.metadata.labels.as_ref();
            seen.scales_pods()
                && labels.is_some_and(|labels| labels.contains_key(TRACKING_LABEL))
                && !excluded.split(',').any(|label| label.trim() == TRACKING_LABEL)
                && !TRACKED_OTHERWISE.iter().any(|key| seen.annotation(key).is_some())
        },
    },
    Trap {
        name: "metric-type-value",
        what: "metricType: Value multiplies by the pods that are ready, and in a ScaledJob starts nothing: leave metricType out",
        holds: |seen| {
            let triggers = seen.spec.pointer("/triggers").and_then(Value::as_array);
            triggers.into_iter().flatten().any(|trigger| {
                trigger.get("metricType").and_then(Value::as_str) == Some("Value")
                    && Trigger::read(trigger).is_some_and(|ours| seen.triggers.contains(&ours))
            })
        },
    },
    Trap {
        name: "scale-up-policy",
        what: "the HPA's default policy adds 4 pods or doubles them each 15 s: set behavior.scaleUp.policies to [{ type: Pods, value: 1000, periodSeconds: 15 }]",
        holds: |seen| seen.scales_pods() && !seen.scales_up_at_once(),
    },
    Trap {
        name: "scale-up-window",
        what: "behavior.scaleUp.stabilizationWindowSeconds delays every burst: set it to 0",
        holds: |seen| {
            seen.scales_pods() && seen.behavior_whole("scaleUp/stabilizationWindowSeconds").unwrap_or(0) > 0
        },
    },
    Trap {
        name: "scale-down-window",
        what: "the HPA keeps workers 300 s longer than Foresail asks: set behavior.scaleDown.stabilizationWindowSeconds to 0",
        holds: |seen| {
            seen.scales_pods()
                && seen.behavior_whole("scaleDown/stabilizationWindowSeconds").unwrap_or(300) > 0
        },
    },
    Trap {
        name: "scale-down-policy",
        what: "behavior.scaleDown lets workers go slowly or not at all: leave its policies and selectPolicy out",
        holds: |seen| seen.scales_pods() && !seen.scales_down_at_once(),
    },
    Trap {
        name: "tolerance",
        what: "the HPA ignores a change of less than 10 %: set behavior.scaleUp.tolerance and scaleDown.tolerance to \"0\" (Kubernetes 1.35, KEDA 2.18)",
        holds: |seen| {
            let none = |path: &str| seen.behavior(path).is_some_and(is_zero);
            seen.scales_pods() && !(none("scaleUp/tolerance") && none("scaleDown/tolerance"))
        },
    },
    Trap {
        name: "cooldown",
        what: "cooldownPeriod keeps the last workers for minutes beyond what Foresail holds: 15 is enough",
        holds: |seen| {
            seen.kind != SCALED_JOB
                && seen.whole("/minReplicaCount").unwrap_or(0) == 0
                && seen.whole("/cooldownPeriod").unwrap_or(300) > LONG_COOLDOWN
        },
    },
];

/// The traps that an object of ours is in.
pub(super) fn find(
    kind: &str,
    metadata: &ObjectMeta,
    spec: &Value,
    triggers: &[Trigger],
) -> Vec<&'static Trap> {
    let seen = Seen { kind, metadata, spec, triggers };
    TRAPS.iter().filter(|trap| (trap.holds)(&seen)).collect()
}

impl std::fmt::Debug for Trap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Trap {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<'a> Seen<'a> {
    fn whole(&self, path: &str) -> Option<u64> {
        self.spec.pointer(path)?.as_u64()
    }

    fn text(&self, path: &str) -> Option<&'a str> {
        self.spec.pointer(path)?.as_str()
    }

    fn annotation(&self, key: &str) -> Option<&'a str> {
        self.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    fn behavior(&self, path: &str) -> Option<&'a Value> {
        self.spec.pointer(&format!("/advanced/horizontalPodAutoscalerConfig/behavior/{path}"))
    }

    fn behavior_whole(&self, path: &str) -> Option<u64> {
        self.behavior(path)?.as_u64()
    }

    /// Whether an HPA stands between the value and the pods.
    fn scales_pods(&self) -> bool {
        self.kind != SCALED_JOB
    }

    /// Whether some policy lets a burst through: with several the HPA takes the largest step, unless it is
    /// told otherwise.
    fn scales_up_at_once(&self) -> bool {
        self.takes_largest_step("scaleUp")
            && self.policies("scaleUp").is_some_and(|all| all.iter().any(is_quick))
    }

    /// As for upwards; without any policy of its own the HPA lets all go at once.
    fn scales_down_at_once(&self) -> bool {
        let all_at_once = |policy: &Value| is_quick(policy) || is_percent(policy, 100);
        self.takes_largest_step("scaleDown")
            && self.policies("scaleDown").is_none_or(|all| all.iter().any(all_at_once))
    }

    fn policies(&self, direction: &str) -> Option<&'a Vec<Value>> {
        self.behavior(&format!("{direction}/policies"))?.as_array()
    }

    fn takes_largest_step(&self, direction: &str) -> bool {
        let choice = self.behavior(&format!("{direction}/selectPolicy")).and_then(Value::as_str);
        choice.unwrap_or("Max") == "Max"
    }
}

/// Whether a policy of the HPA moves so many pods so often that it slows nothing.
fn is_quick(policy: &Value) -> bool {
    policy.get("type").and_then(Value::as_str) == Some("Pods")
        && policy.get("value").and_then(Value::as_u64).unwrap_or(0) >= QUICK_POLICY
        && policy.get("periodSeconds").and_then(Value::as_u64).unwrap_or(u64::MAX) <= 15
}

/// Whether a policy of the HPA moves at least this share of all pods.
fn is_percent(policy: &Value, least: u64) -> bool {
    policy.get("type").and_then(Value::as_str) == Some("Percent")
        && policy.get("value").and_then(Value::as_u64).unwrap_or(0) >= least
}

/// A quantity that is nothing, as text or as a number.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.parse::<f64>().is_ok_and(|number| number == 0.0),
        number => number.as_f64() == Some(0.0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workloads::SCALED_OBJECT;

    fn names(kind: &str, spec: &Value) -> Vec<&'static str> {
        let triggers: Vec<_> =
            spec["triggers"].as_array().into_iter().flatten().filter_map(Trigger::read).collect();
        find(kind, &ObjectMeta::default(), spec, &triggers).into_iter().map(|trap| trap.name).collect()
    }

    fn recommended() -> Value {
        json!({
            "cooldownPeriod": 15,
            "advanced": { "horizontalPodAutoscalerConfig": { "behavior": {
                "scaleUp": { "stabilizationWindowSeconds": 0, "tolerance": "0", "policies": [{ "type": "Pods", "value": 1000, "periodSeconds": 15 }] },
                "scaleDown": { "stabilizationWindowSeconds": 0, "tolerance": "0" },
            } } },
            "triggers": [{ "type": "external-push", "metadata": { "scalerAddress": "f:6000", "queue": "md" } }],
        })
    }

    #[test]
    fn what_the_docs_recommend_is_no_trap_and_each_change_of_it_is_one() {
        assert_eq!(names(SCALED_OBJECT, &recommended()), [""; 0]);
        let up = "/advanced/horizontalPodAutoscalerConfig/behavior/scaleUp";
        for (path, value, wanted) in [
            ("/cooldownPeriod".to_owned(), json!(300), "cooldown"),
            (format!("{up}/tolerance"), json!("100m"), "tolerance"),
            (format!("{up}/stabilizationWindowSeconds"), json!(30), "scale-up-window"),
            (format!("{up}/policies/0/value"), json!(4), "scale-up-policy"),
            (
                "/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown/stabilizationWindowSeconds"
                    .to_owned(),
                json!(300),
                "scale-down-window",
            ),
            (
                "/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown/policies".to_owned(),
                json!([{ "type": "Percent", "value": 10, "periodSeconds": 60 }]),
                "scale-down-policy",
            ),
            (
                "/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown/selectPolicy".to_owned(),
                json!("Disabled"),
                "scale-down-policy",
            ),
            ("/triggers/0/metadata/mode".to_owned(), json!("jobs"), "mode-jobs-in-scaled-object"),
            ("/triggers/0/metricType".to_owned(), json!("Value"), "metric-type-value"),
            ("/fallback".to_owned(), json!({ "replicas": 0, "failureThreshold": 3 }), "fallback-to-zero"),
        ] {
            let mut spec = recommended();
            let (parent, key) = path.rsplit_once('/').unwrap();
            let parent = spec.pointer_mut(parent).unwrap();
            match key.parse::<usize>() {
                Ok(at) => parent[at] = value,
                Err(_) => parent[key] = value,
            }
            assert_eq!(names(SCALED_OBJECT, &spec), [wanted], "{path}");
        }
    }

    #[test]
    fn a_bare_scaled_object_is_in_every_trap_of_the_hpas_defaults() {
        let spec = json!({ "triggers": [] });
        assert_eq!(
            names(SCALED_OBJECT, &spec),
            ["scale-up-policy", "scale-down-window", "tolerance", "cooldown"]
        );
    }

    #[test]
    fn a_scaled_jobs_trigger_says_its_mode_and_its_strategy() {
        let job = |metadata: Value, strategy: &str| json!({ "rollout": { "strategy": "gradual" }, "scalingStrategy": { "strategy": strategy }, "triggers": [{ "type": "external", "metadata": metadata }] });
        assert_eq!(names(SCALED_JOB, &job(json!({ "mode": "jobs" }), "default")), [""; 0]);
        assert_eq!(names(SCALED_JOB, &job(json!({}), "default")), ["mode-jobs-missing"]);
        assert_eq!(names(SCALED_JOB, &job(json!({ "mode": "jobs" }), "eager")), ["strategy-differs"]);
        assert_eq!(names(SCALED_JOB, &job(json!({ "mode": "jobs", "strategy": "eager" }), "eager")), [""; 0]);
    }

    #[test]
    fn an_edit_of_a_scaled_job_kills_nothing_only_where_it_is_gradual() {
        let job = |rollout: Value| {
            let mut spec = json!({ "triggers": [{ "type": "external", "metadata": { "mode": "jobs" } }] });
            spec["rollout"] = rollout;
            names(SCALED_JOB, &spec)
        };
        assert_eq!(job(json!({ "strategy": "gradual" })), [""; 0]);
        assert_eq!(job(json!(null)), ["rollout-strategy"]);
        assert_eq!(job(json!({ "strategy": "default" })), ["rollout-strategy"]);
    }

    #[test]
    fn a_label_that_argo_cd_tracks_by_is_kept_off_the_hpa() {
        let found = |kind: &str, labels: Value, annotations: Value| {
            let metadata = json!({ "labels": labels, "annotations": annotations });
            let metadata: ObjectMeta = serde_json::from_value(metadata).unwrap();
            let traps = find(kind, &metadata, &recommended(), &[]);
            traps.iter().any(|trap| trap.name == "hpa-labels")
        };
        let tracked = || json!({ TRACKING_LABEL: "lab", "team": "hpc" });
        assert!(found(SCALED_OBJECT, tracked(), json!({})));
        assert!(found(SCALED_OBJECT, tracked(), json!({ EXCLUDED_LABELS: "team" })));
        assert!(!found(
            SCALED_OBJECT,
            tracked(),
            json!({ EXCLUDED_LABELS: format!("team, {TRACKING_LABEL}") })
        ));
        assert!(!found(SCALED_OBJECT, json!({ "team": "hpc" }), json!({})));
        assert!(!found(SCALED_JOB, tracked(), json!({})));
        for otherwise in TRACKED_OTHERWISE {
            assert!(!found(SCALED_OBJECT, tracked(), json!({ otherwise: "x" })), "{otherwise}");
        }
    }

    #[test]
    fn an_object_that_somebody_wrote_wrongly_is_looked_at_all_the_same() {
        for spec in [json!(null), json!(7), json!({ "triggers": "none", "fallback": [], "advanced": 3 })] {
            assert!(!names(SCALED_OBJECT, &spec).is_empty());
        }
    }
}
