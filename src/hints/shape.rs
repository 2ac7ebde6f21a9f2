//! The shape of a chunk: a pod that wants as much room as a worker does, on the same nodes, and does nothing.
//!
//! Requests are those that the scheduler goes by: what all containers want at once, or what an init container wants
//! before that, plus the overhead of the `RuntimeClass`, plus what is put into each pod later.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Affinity, Capabilities, Container, PodSecurityContext, PodSpec, PodTemplateSpec,
        ResourceRequirements, SeccompProfile, SecurityContext,
    },
    apimachinery::pkg::{api::resource::Quantity as Written, apis::meta::v1::ObjectMeta},
};
use serde_json::Value;

use crate::nodes::{Quantity, Resources};

/// Does nothing until it is told to go.
const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// The user that `pause` runs as: nobody.
const NOBODY: i64 = 65_535;

/// Who takes up the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A node autoscaler that thinks of such pods, and makes none.
    Buffer,
    /// A pod that is there. The API server adds the overhead of its `RuntimeClass` itself.
    Placeholder,
}

/// What a chunk is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// The template of the worker's pods.
    pub template: PodTemplateSpec,
    /// Each pod comes with volumes of its own, which the template does not name.
    pub claims_volumes: bool,
}

/// What the template does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Besides {
    /// What the template's `RuntimeClass` adds to each pod, where it was looked up.
    pub overhead: Option<Resources>,
    /// What is put into each pod as it is made, such as a proxy.
    pub sidecar: Resources,
}

/// A chunk's pod template, and what it cannot say.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The template.
    pub template: PodTemplateSpec,
    /// Why a worker may want another node than the chunk does.
    pub notes: Vec<Note>,
}

/// Why a worker may want another node than its chunk does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// Volumes may bind a pod to a zone.
    #[error(
        "its volumes may bind a pod to a zone, and a chunk has none: name the zone in the nodeSelector if they do"
    )]
    Volumes,
    /// Devices by DRA.
    #[error("it claims devices by resourceClaims, and a chunk cannot: its room has no such device")]
    Claims,
    /// Nobody says how much the worker wants.
    #[error("its containers request no {0}: a chunk takes none")]
    NoRequest(&'static str),
    /// The overhead is unknown.
    #[error("the overhead of RuntimeClass {0:?} is not known, and is left out")]
    Overhead(String),
    /// Pods that do not run carry no labels, which affinity would have to see.
    #[error("a placeholder has not the labels of its pods, so their affinity to each other is not seen")]
    Labels,
    /// A quantity that nobody can read.
    #[error("{0}: it is left out")]
    Quantity(String),
}

/// Why there is no chunk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it has no pod template that can be read: {0}")]
pub struct NoTemplate(String);

impl Worker {
    /// Reads the spec of a Deployment, `StatefulSet`, ScaledJob, or whatever else has a `template`.
    ///
    /// # Errors
    /// Where there is no template, or none that can be read.
    pub fn of(spec: &Value) -> Result<Self, NoTemplate> {
        let job = spec.get("jobTargetRef").unwrap_or(spec);
        let template =
            job.get("template").ok_or_else(|| NoTemplate("spec.template is missing".to_owned()))?;
        let template =
            serde_json::from_value(template.clone()).map_err(|error| NoTemplate(error.to_string()))?;
        let claims = spec.get("volumeClaimTemplates").and_then(Value::as_array);
        Ok(Self { template, claims_volumes: claims.is_some_and(|claims| !claims.is_empty()) })
    }

    /// The `RuntimeClass` whose overhead is to be looked up.
    pub fn runtime_class(&self) -> Option<&str> {
        let spec = self.template.spec.as_ref()?;
        spec.runtime_class_name.as_deref().filter(|_| spec.overhead.is_none())
    }

    /// The chunk that has room for one pod of it.
    pub fn chunk(&self, purpose: Purpose, besides: &Besides) -> Shape {
        let mut notes = Vec::new();
        let nothing = PodSpec::default();
        let spec = self.template.spec.as_ref().unwrap_or(&nothing);
        let mut wants = requests(spec, &mut notes);
        for name in ["cpu", "memory"] {
            if wants.get(name).is_none() {
                notes.push(Note::NoRequest(name));
            }
        }
        wants.add(&besides.sidecar);
        if purpose == Purpose::Buffer {
            wants.add(&self.overhead(spec, besides, &mut notes));
        }
        if self.claims_volumes
            || spec
                .volumes
                .iter()
                .flatten()
                .any(|v| v.persistent_volume_claim.is_some() || v.ephemeral.is_some())
        {
            notes.push(Note::Volumes);
        }
        if spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
            notes.push(Note::Claims);
        }
        let labels = self.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
        // A Service would send requests to a placeholder with the labels of a worker.
        let labels = if purpose == Purpose::Placeholder {
            if labels.is_some() && relates(spec) {
                notes.push(Note::Labels);
            }
            None
        } else {
            labels
        };
        let template = PodTemplateSpec {
            metadata: labels.map(|labels| ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
            spec: Some(PodSpec {
                affinity: spec.affinity.clone(),
                automount_service_account_token: Some(false),
                containers: vec![pause(&wants)],
                enable_service_links: Some(false),
                node_selector: spec.node_selector.clone(),
                runtime_class_name: spec.runtime_class_name.clone(),
                scheduler_name: spec.scheduler_name.clone(),
                security_context: Some(restricted()),
                termination_grace_period_seconds: Some(0),
                tolerations: spec.tolerations.clone(),
                topology_spread_constraints: spec.topology_spread_constraints.clone(),
                ..PodSpec::default()
            }),
        };
        Shape { template, notes }
    }

    fn overhead(&self, spec: &PodSpec, besides: &Besides, notes: &mut Vec<Note>) -> Resources {
        match (&spec.overhead, &besides.overhead, self.runtime_class()) {
            (Some(written), ..) => read(written, notes),
            (None, Some(found), _) => found.clone(),
            (None, None, Some(class)) => {
                notes.push(Note::Overhead(class.to_owned()));
                Resources::default()
            }
            (None, None, None) => Resources::default(),
        }
    }
}

/// Reads quantities; those that cannot be read are left out.
pub(super) fn read(written: &BTreeMap<String, Written>, notes: &mut Vec<Note>) -> Resources {
    let mut all = Resources::default();
    for (name, Written(text)) in written {
        match text.parse() {
            Ok(quantity) => all.set(name, quantity),
            Err(error) => notes.push(Note::Quantity(format!("{name}: {error}"))),
        }
    }
    all
}

/// What the scheduler takes a pod to want, without overhead.
fn requests(spec: &PodSpec, notes: &mut Vec<Note>) -> Resources {
    let mut all = Resources::default();
    for container in &spec.containers {
        all.add(&wanted(container.resources.as_ref(), notes));
    }
    // Sidecars stay from their start on: beside the containers, and beside the init containers after them.
    let (mut sidecars, mut most) = (Resources::default(), Resources::default());
    for container in spec.init_containers.iter().flatten() {
        let mut now = wanted(container.resources.as_ref(), notes);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars.add(&now);
            now = sidecars.clone();
        } else {
            now.add(&sidecars);
        }
        most.raise(&now);
    }
    all.add(&sidecars);
    all.raise(&most);
    // What is said of the whole pod takes the place of the containers' sums; a limit only where nobody requests.
    let of_pod = |part: Option<&BTreeMap<String, Written>>, notes: &mut Vec<Note>| {
        part.map_or_else(Resources::default, |part| read(part, notes))
    };
    let pod = spec.resources.as_ref();
    for (name, limit) in of_pod(pod.and_then(|pod| pod.limits.as_ref()), notes).iter() {
        if all.get(name).is_none() {
            all.set(name, limit);
        }
    }
    for (name, request) in of_pod(pod.and_then(|pod| pod.requests.as_ref()), notes).iter() {
        all.set(name, request);
    }
    all
}

/// What a container wants: its requests, and its limits where it requests nothing.
fn wanted(resources: Option<&ResourceRequirements>, notes: &mut Vec<Note>) -> Resources {
    let mut all = Resources::default();
    let Some(ResourceRequirements { limits, requests, .. }) = resources else { return all };
    for part in [limits, requests].into_iter().flatten() {
        for (name, quantity) in read(part, notes).iter() {
            all.set(name, quantity);
        }
    }
    all
}

/// Whether its pods choose their nodes by where others of them are.
fn relates(spec: &PodSpec) -> bool {
    let among = |affinity: &Affinity| affinity.pod_affinity.is_some() || affinity.pod_anti_affinity.is_some();
    spec.affinity.as_ref().is_some_and(among) || spec.topology_spread_constraints.is_some()
}

/// The one container, which Pod Security `restricted` lets pass.
fn pause(wants: &Resources) -> Container {
    let written = |(name, quantity): (&str, Quantity)| {
        let binary = name == "memory" || name == "ephemeral-storage" || name.starts_with("hugepages-");
        (name.to_owned(), Written(quantity.text(binary)))
    };
    // Nothing but these may be requested without a limit.
    let overcommits = |name: &str| matches!(name, "cpu" | "memory" | "ephemeral-storage");
    let limits: BTreeMap<_, _> = wants.iter().filter(|(name, _)| !overcommits(name)).map(written).collect();
    Container {
        name: "chunk".to_owned(),
        image: Some(PAUSE.to_owned()),
        resources: Some(ResourceRequirements {
            claims: None,
            limits: (!limits.is_empty()).then_some(limits),
            requests: Some(wants.iter().map(written).collect()),
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn restricted() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(NOBODY),
        seccomp_profile: Some(SeccompProfile { localhost_profile: None, type_: "RuntimeDefault".to_owned() }),
        ..PodSecurityContext::default()
    }
}
