use serde_json::json;

use super::*;

fn chunk(spec: &Value, purpose: Purpose, besides: &Besides) -> (Value, Vec<String>) {
    let Shape { template, notes } = Worker::of(spec).unwrap().chunk(purpose, besides);
    (serde_json::to_value(template).unwrap(), notes.iter().map(ToString::to_string).collect())
}

/// Requests of a buffer's chunk for a pod with this spec.
fn requests_of(pod: &Value) -> Value {
    chunk(&json!({ "template": { "spec": pod } }), Purpose::Buffer, &Besides::default()).0["spec"]["containers"][0]
        ["resources"]["requests"]
        .take()
}

fn container(cpu: &str, memory: &str) -> Value {
    json!({ "name": "c", "resources": { "requests": { "cpu": cpu, "memory": memory } } })
}

#[test]
fn a_chunk_is_as_big_as_its_pod_goes_to_the_same_nodes_and_does_nothing() {
    let affinity = json!({ "nodeAffinity": {}, "podAntiAffinity": {} });
    let spec = json!({ "replicas": 3, "template": {
        "metadata": { "labels": { "app": "md" }, "annotations": { "karpenter.sh/do-not-disrupt": "true" } },
        "spec": {
            "containers": [{
                "name": "worker", "image": "md:1", "env": [{ "name": "SECRET", "value": "x" }],
                "resources": {
                    "requests": { "cpu": "3500m", "memory": "12Gi", "nvidia.com/gpu": "1" },
                    "limits": { "memory": "16Gi", "nvidia.com/gpu": "1", "ephemeral-storage": "2Gi" },
                },
                "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
            }],
            "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }],
            "serviceAccountName": "md", "priorityClassName": "high", "schedulerName": "mine",
            "nodeSelector": { "pool": "gpu" },
            "tolerations": [{ "key": "nvidia.com/gpu", "operator": "Exists" }],
            "affinity": affinity,
            "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule" }],
        },
    } });
    let (template, notes) = chunk(&spec, Purpose::Buffer, &Besides::default());
    let whole = json!({
        "metadata": { "labels": { "app": "md" } },
        "spec": {
            "affinity": affinity,
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "chunk",
                "image": PAUSE,
                "resources": {
                    "requests": { "cpu": "3500m", "memory": "12Gi", "ephemeral-storage": "2Gi", "nvidia.com/gpu": "1" },
                    "limits": { "nvidia.com/gpu": "1" },
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] }, "readOnlyRootFilesystem": true,
                },
            }],
            "enableServiceLinks": false,
            "nodeSelector": { "pool": "gpu" },
            "schedulerName": "mine",
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": NOBODY, "seccompProfile": { "type": "RuntimeDefault" },
            },
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{ "key": "nvidia.com/gpu", "operator": "Exists" }],
            "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule" }],
        },
    });
    assert_eq!(template, whole);
    assert_eq!(notes, [Note::Volumes.to_string()]);
    let (placeholder, notes) = chunk(&spec, Purpose::Placeholder, &Besides::default());
    assert_eq!(placeholder.get("metadata"), None, "a Service would find it");
    assert_eq!(notes, [Note::Volumes.to_string(), Note::Labels.to_string()]);
}

#[test]
fn containers_want_their_sum_and_an_init_container_may_want_more_before() {
    let two = json!([container("1", "1Gi"), container("500m", "512Mi")]);
    assert_eq!(requests_of(&json!({ "containers": two })), json!({ "cpu": "1500m", "memory": "1536Mi" }));
    let init = json!([container("2", "1Gi"), container("100m", "3Gi")]);
    let pod = json!({ "containers": two, "initContainers": init });
    assert_eq!(requests_of(&pod), json!({ "cpu": "2", "memory": "3Gi" }), "each resource by itself");
}

#[test]
fn sidecars_stay_beside_whatever_starts_after_them() {
    let mut sidecar = container("200m", "100Mi");
    sidecar["restartPolicy"] = json!("Always");
    let pod = |init: &[&Value]| json!({ "containers": [container("1", "1Gi")], "initContainers": init });
    let big = container("2", "1Mi");
    assert_eq!(requests_of(&pod(&[&sidecar]))["cpu"], "1200m");
    assert_eq!(requests_of(&pod(&[&sidecar, &big]))["cpu"], "2200m");
    assert_eq!(requests_of(&pod(&[&big, &sidecar]))["cpu"], "2");
    assert_eq!(requests_of(&pod(&[&big, &sidecar]))["memory"], "1124Mi");
}

#[test]
fn what_is_said_of_the_whole_pod_stands_above_its_containers() {
    let pod = json!({
        "containers": [container("1", "1Gi")],
        "resources": { "requests": { "cpu": "4" }, "limits": { "memory": "9Gi", "hugepages-2Mi": "4Mi" } },
    });
    assert_eq!(requests_of(&pod), json!({ "cpu": "4", "memory": "1Gi", "hugepages-2Mi": "4Mi" }));
}

#[test]
fn overhead_and_what_is_injected_come_on_top() {
    let of = |pairs: &[(&str, &str)]| {
        let mut all = Resources::default();
        for (name, text) in pairs {
            all.set(name, text.parse().unwrap());
        }
        all
    };
    let spec = json!({ "template": { "spec": { "containers": [container("1", "1Gi")], "runtimeClassName": "kata" } } });
    let cpu = |purpose, besides: &Besides| {
        let (template, notes) = chunk(&spec, purpose, besides);
        (template["spec"]["containers"][0]["resources"]["requests"]["cpu"].clone(), notes)
    };
    let known = Besides { overhead: Some(of(&[("cpu", "250m")])), sidecar: of(&[("cpu", "100m")]) };
    assert_eq!(cpu(Purpose::Buffer, &known), (json!("1350m"), vec![]));
    assert_eq!(
        cpu(Purpose::Placeholder, &known),
        (json!("1100m"), vec![]),
        "the API server adds the overhead"
    );
    let (alone, notes) = cpu(Purpose::Buffer, &Besides::default());
    assert_eq!((alone, notes), (json!("1"), vec![Note::Overhead("kata".to_owned()).to_string()]));
}

#[test]
fn a_scaled_job_has_its_template_elsewhere_and_what_a_chunk_cannot_say_is_said() {
    let spec = json!({ "jobTargetRef": { "template": { "spec": {
        "containers": [{ "name": "c", "resources": { "limits": { "cpu": "2" }, "claims": [{ "name": "gpu" }] } }],
        "resourceClaims": [{ "name": "gpu" }], "restartPolicy": "Never",
    } } } });
    let (template, notes) = chunk(&spec, Purpose::Buffer, &Besides::default());
    assert_eq!(template["spec"]["containers"][0]["resources"]["requests"], json!({ "cpu": "2" }));
    assert_eq!(notes, [Note::NoRequest("memory").to_string(), Note::Claims.to_string()]);
    let set = json!({ "template": { "spec": { "containers": [container("1", "x")] } }, "volumeClaimTemplates": [{}] });
    let (_, notes) = chunk(&set, Purpose::Buffer, &Besides::default());
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].starts_with("memory: \"x\" is no quantity"), "{notes:?}");
    let error = Worker::of(&json!({ "replicas": 1 })).unwrap_err().to_string();
    assert_eq!(error, "it has no pod template that can be read: spec.template is missing");
}
