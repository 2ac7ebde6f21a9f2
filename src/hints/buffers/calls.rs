//! Calls to the API server, each with a deadline, and what their failures mean to an operator.

use std::{collections::BTreeSet, future::Future, time::Duration};

use k8s_openapi::api::node::v1::RuntimeClass;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
    core::{GroupVersionKind, Status},
    discovery::oneshot,
};
use serde_json::Value;
use tokio::time::timeout;

use super::objects::{Kind, MANAGER};
use crate::{
    config::source::WorkloadName,
    hints::shape::{Besides, NoTemplate, Purpose, Shape, Worker, read},
    nodes::Resources,
    workloads::SCALED_JOB,
};

/// How long a read may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a write may take: it ends before another replica can hold the Lease.
const WRITE_PATIENCE: Duration = Duration::from_secs(3);

/// What keeps room from being asked for, or from coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// The API server does not know the kind.
    Absent,
    /// Somebody else holds a field.
    Conflict,
    /// A right is missing.
    Forbidden,
    /// It is not there.
    Gone,
    /// Another one of the same name is there, or none.
    Replaced,
    /// The API server fails, or is late.
    Unanswered,
    /// There is no pod template to be read.
    NoTemplate,
    /// Nobody reads the buffer.
    NobodyReconciles,
    /// Whoever brings nodes cannot take it up.
    Unready,
    /// No node comes.
    NoCapacity,
}

impl Reason {
    /// The metric's label.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Absent => "crd-absent",
            Self::Conflict => "conflict",
            Self::Forbidden => "forbidden",
            Self::Gone => "gone",
            Self::Replaced => "replaced",
            Self::Unanswered => "unanswered",
            Self::NoTemplate => "no-template",
            Self::NobodyReconciles => "nobody-reconciles",
            Self::Unready => "unready",
            Self::NoCapacity => "capacity-unavailable",
        }
    }

    /// The result of a write that failed so.
    pub(super) fn result(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Conflict => "conflict",
            Self::Forbidden => "forbidden",
            _ => "error",
        }
    }
}

/// Why a call failed, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) words: String,
}

impl Failure {
    fn of(what: &str, error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self { reason: Reason::Unanswered, words: format!("{what}: {error}") };
        };
        let said = &status.message;
        let (reason, words) = match status.code {
            404 => (Reason::Gone, format!("{what} is not there: {said}")),
            403 => (Reason::Forbidden, format!("a right is missing: {said}")),
            409 if held_by_others(status) => {
                (Reason::Conflict, format!("{what} belongs to somebody else, and stays so: {said}"))
            }
            409 => (Reason::Replaced, format!("{what} is another one now: {said}")),
            code => (Reason::Unanswered, format!("{what}: {code} {said}")),
        };
        Self { reason, words }
    }
}

impl From<NoTemplate> for Failure {
    fn from(error: NoTemplate) -> Self {
        Self { reason: Reason::NoTemplate, words: error.to_string() }
    }
}

/// Whether other managers hold fields that were applied.
fn held_by_others(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "FieldManagerConflict")
}

async fn within<T>(
    patience: Duration,
    what: &str,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Failure> {
    match timeout(patience, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::of(what, &error)),
        Err(_) => {
            Err(Failure { reason: Reason::Unanswered, words: format!("{what}: no answer in {patience:?}") })
        }
    }
}

/// Applies an object, whose fields are ours where nobody else holds them, or whoever does where they are to be `taken`.
pub(super) async fn apply(
    client: &Client,
    kind: Kind,
    object: &Value,
    taken: bool,
) -> Result<DynamicObject, Failure> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind.resource());
    let params = PatchParams { force: taken, ..PatchParams::apply(MANAGER) };
    let what = format!("{}/{namespace}/{name}", kind.name());
    let body = Patch::Apply(object);
    within(WRITE_PATIENCE, &what, api.patch(name, &params, &body))
        .await
        .map_err(|failure| absent(kind, failure))
}

/// A kind that is applied is made where it is not there; so where something is missing, it is the kind.
fn absent(kind: Kind, failure: Failure) -> Failure {
    // In a namespace that is gone nothing can be made either.
    if kind != Kind::CapacityBuffer
        || failure.reason != Reason::Gone
        || failure.words.contains("namespaces \"")
    {
        return failure;
    }
    let words = "the API server knows no CapacityBuffer of autoscaling.x-k8s.io/v1beta1: its definition comes with \
                 Karpenter 1.14, the Cluster Autoscaler or GKE; mode: placeholder needs none";
    Failure { reason: Reason::Absent, words: words.to_owned() }
}

/// All objects of a kind with a label. Where not all namespaces may be read, those of these.
pub(super) async fn list(
    client: &Client,
    kind: Kind,
    label: &str,
    namespaces: BTreeSet<String>,
) -> Result<Vec<DynamicObject>, Failure> {
    let (params, resource) = (ListParams::default().labels(label), kind.resource());
    let all = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let listed =
        within(PATIENCE, kind.name(), all.list(&params)).await.map_err(|failure| absent(kind, failure));
    match listed {
        Ok(list) => return Ok(list.items),
        Err(failure) if failure.reason != Reason::Forbidden || namespaces.is_empty() => return Err(failure),
        Err(_) => {}
    }
    let mut found = Vec::new();
    for namespace in namespaces {
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &resource);
        found.extend(within(PATIENCE, kind.name(), api.list(&params)).await?.items);
    }
    Ok(found)
}

/// The shape of a chunk for the pods of this workload, as its template is now.
pub(super) async fn shape(
    client: &Client,
    target: &WorkloadName,
    version: &str,
    purpose: Purpose,
    sidecar: Resources,
) -> Result<Shape, Failure> {
    let what = target.to_string();
    let resource = match within(PATIENCE, &what, resource(client, &target.kind, version)).await {
        Err(Failure { reason: Reason::Gone, words }) => {
            return Err(Failure { reason: Reason::NoTemplate, words });
        }
        found => found?,
    };
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), &target.namespace, &resource);
    let object =
        within(PATIENCE, &what, api.get(&target.name)).await.map_err(|failure| match failure.reason {
            Reason::Gone => Failure { reason: Reason::NoTemplate, ..failure },
            _ => failure,
        })?;
    let worker = Worker::of(&object.data["spec"])?;
    let overhead = match worker.runtime_class() {
        Some(class) => overhead(client, class).await,
        None => None,
    };
    Ok(worker.chunk(purpose, &Besides { overhead, sidecar }))
}

async fn resource(client: &Client, kind: &str, version: &str) -> kube::Result<ApiResource> {
    let (group, bare) = version.rsplit_once('/').unwrap_or(("", version));
    let named = GroupVersionKind::gvk(group, bare, kind);
    match (group, kind) {
        ("apps", "Deployment") => Ok(ApiResource::from_gvk_with_plural(&named, "deployments")),
        ("apps", "StatefulSet") => Ok(ApiResource::from_gvk_with_plural(&named, "statefulsets")),
        ("keda.sh", SCALED_JOB) => Ok(ApiResource::from_gvk_with_plural(&named, "scaledjobs")),
        _ => Ok(oneshot::pinned_kind(client, &named).await?.0),
    }
}

/// What a `RuntimeClass` adds to each pod; `None` where that is not known.
async fn overhead(client: &Client, class: &str) -> Option<Resources> {
    let api = Api::<RuntimeClass>::all(client.clone());
    let found = within(PATIENCE, class, api.get(class)).await.ok()?;
    let fixed = found.overhead.and_then(|overhead| overhead.pod_fixed).unwrap_or_default();
    Some(read(&fixed, &mut Vec::new()))
}

/// Seconds for which Karpenter leaves an empty node alone, of all its `NodePool`s the shortest time; `None` where that
/// is not known.
pub(super) async fn consolidate_after(client: &Client) -> Option<f64> {
    let pools = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("karpenter.sh", "v1", "NodePool"),
        "nodepools",
    );
    let api = Api::<DynamicObject>::all_with(client.clone(), &pools);
    let all = within(PATIENCE, "NodePool", api.list(&ListParams::default())).await.ok()?;
    let after = |pool: &DynamicObject| seconds(pool.data["spec"]["disruption"]["consolidateAfter"].as_str());
    all.items.iter().map(after).min_by(f64::total_cmp)
}

/// A duration as Karpenter writes it; its default is 0.
fn seconds(text: Option<&str>) -> f64 {
    match text {
        Some("Never") => f64::INFINITY,
        Some(text) => {
            text.parse().map_or(0.0, |after: kube::core::Duration| Duration::from(after).as_secs_f64())
        }
        None => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_nobody_can_read_is_none_at_all() {
        for (text, read) in [
            (Some("5m"), 300.0),
            (Some("1h30m"), 5400.0),
            (Some("Never"), f64::INFINITY),
            (Some("x"), 0.0),
            (None, 0.0),
        ] {
            assert!(seconds(text).total_cmp(&read).is_eq(), "{text:?}");
        }
    }
}
