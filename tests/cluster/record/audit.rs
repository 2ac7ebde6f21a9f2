//! The API server's audit log: the only witness of when the HPA read its metric, and of who set replicas.

use std::{fs, path::Path};

use foresail::sim::timeline::Scaler;
use jiff::Timestamp;
use serde::Deserialize;

pub(super) use crate::stack::AUDIT_LOG as FILE;

/// As the HPA's controller is called.
const HPA: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";

/// What was found, in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// When the HPA asked for its metric and when it had the answer, in Unix seconds.
    pub(super) reads: Vec<(f64, f64)>,
    /// When replicas were set, in Unix seconds, by whom and to how many.
    pub(super) writes: Vec<(f64, Scaler, u32)>,
}

/// The fields of one line that count here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    user: User,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
    response_object: Option<Scale>,
    request_received_timestamp: String,
    stage_timestamp: String,
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectRef {
    namespace: Option<String>,
    api_group: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ResponseStatus {
    code: u16,
}

#[derive(Debug, Deserialize)]
struct Scale {
    spec: Option<ScaleSpec>,
}

#[derive(Debug, Deserialize)]
struct ScaleSpec {
    #[serde(default)]
    replicas: u32,
}

/// Reads what concerns `namespace`.
pub(super) fn read(file: &Path, namespace: &str) -> Audit {
    let text = fs::read_to_string(file).expect("the API server writes an audit log");
    let mut audit = Audit::default();
    for line in text.lines() {
        let entry: Entry = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        let Some(object) = &entry.object_ref else { continue };
        if object.namespace.as_deref() != Some(namespace) {
            continue;
        }
        let by = if entry.user.username == HPA { Scaler::Hpa } else { Scaler::Keda };
        let began = seconds(&entry.request_received_timestamp);
        match object.api_group.as_deref() {
            Some("external.metrics.k8s.io") if by == Scaler::Hpa => {
                audit.reads.push((began, seconds(&entry.stage_timestamp)));
            }
            Some("apps") if entry.response_status.is_some_and(|status| status.code == 200) => {
                let scale = entry.response_object.and_then(|scale| scale.spec);
                let scale = scale.unwrap_or_else(|| panic!("no replicas in {line}"));
                audit.writes.push((began, by, scale.replicas));
            }
            _ => {}
        }
    }
    audit
}

fn seconds(timestamp: &str) -> f64 {
    let instant: Timestamp = timestamp.parse().unwrap_or_else(|error| panic!("{timestamp:?}: {error}"));
    instant.as_duration().as_secs_f64()
}
