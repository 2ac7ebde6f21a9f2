//! A pod's status, as a kubelet writes it.

use std::{io, net::Ipv4Addr};

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::container::Exit;

/// Why a container is not started.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Refusal {
    /// No other try will help.
    #[error("the runner cannot do {0}")]
    Cannot(String),
    #[error("no image {0:?}: give it to the runner's options")]
    NoImage(String),
    /// It may come.
    #[error("{0} is not there")]
    Missing(String),
    #[error("{0}")]
    Broken(String),
}

/// What stands under `containerStatuses[0].state`.
#[derive(Debug, Clone)]
pub(super) enum State {
    Waiting { reason: String, message: String },
    Running { since: Timestamp },
    Terminated(Terminated),
}

#[derive(Debug, Clone)]
pub(super) struct Terminated {
    pub(super) exit: Exit,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
}

/// The pod's phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
}

#[derive(Debug)]
pub(super) struct Status {
    address: Ipv4Addr,
    begun: Timestamp,
    ready: bool,
    ready_since: Timestamp,
    pub(super) phase: Phase,
    pub(super) state: State,
    pub(super) last: Option<Terminated>,
    /// What `startupProbe` has said.
    pub(super) started: bool,
    pub(super) restarts: u32,
}

/// Whether the pod will never run (again).
pub(super) fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

impl Refusal {
    pub(super) fn cannot(what: &str) -> Self {
        Self::Cannot(what.to_owned())
    }

    pub(super) fn missing(what: &str) -> Self {
        Self::Missing(what.to_owned())
    }

    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Broken(_))
    }

    pub(super) fn state(&self) -> State {
        let reason = match self {
            Self::Cannot(_) | Self::Broken(_) => "CreateContainerError",
            Self::NoImage(_) => "ErrImagePull",
            Self::Missing(_) => "CreateContainerConfigError",
        };
        State::Waiting { reason: reason.to_owned(), message: self.to_string() }
    }
}

impl From<kube::Error> for Refusal {
    fn from(error: kube::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl State {
    pub(super) fn waiting(reason: &str) -> Self {
        Self::Waiting { reason: reason.to_owned(), message: String::new() }
    }
}

impl Status {
    pub(super) fn new(address: Ipv4Addr) -> Self {
        let now = Timestamp::now();
        Self {
            address,
            begun: now,
            ready: false,
            ready_since: now,
            phase: Phase::Pending,
            state: State::waiting("ContainerCreating"),
            last: None,
            started: false,
            restarts: 0,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Returns whether that is news.
    pub(super) fn set_ready(&mut self, ready: bool) -> bool {
        let news = self.ready != ready;
        if news {
            self.ready = ready;
            self.ready_since = Timestamp::now();
        }
        news
    }

    /// A strategic merge patch of the pod's status.
    pub(super) fn patch(&self, pod: &Pod) -> Value {
        let spec = pod.spec.as_ref();
        let container = spec.and_then(|spec| spec.containers.first());
        let condition = |kind: &str, holds: bool, since: Timestamp| {
            let reason = if holds || self.phase == Phase::Succeeded {
                Value::Null
            } else {
                "ContainersNotReady".into()
            };
            let status = if holds { "True" } else { "False" };
            json!({ "type": kind, "status": status, "reason": reason, "lastTransitionTime": since })
        };
        let mut statuses = Vec::new();
        statuses.extend(container.map(|container| {
            json!({
                "name": container.name,
                "image": container.image,
                "imageID": container.image,
                "containerID": format!("foresail://{}", pod.uid().unwrap_or_default()),
                "ready": self.ready,
                "started": self.started,
                "restartCount": self.restarts,
                "state": self.state.to_json(),
                "lastState": self.last.as_ref().map_or(json!({}), |last| json!({ "terminated": last.to_json() })),
            })
        }));
        json!({
            "metadata": { "uid": pod.uid() },
            "status": {
                "phase": format!("{:?}", self.phase),
                "startTime": self.begun,
                "hostIP": "127.0.0.1",
                "podIP": self.address,
                "podIPs": [{ "ip": self.address }],
                "conditions": [
                    condition("PodReadyToStartContainers", true, self.begun),
                    condition("Initialized", true, self.begun),
                    condition("ContainersReady", self.ready, self.ready_since),
                    condition("Ready", self.ready, self.ready_since),
                ],
                "containerStatuses": statuses,
            },
        })
    }
}

impl State {
    fn to_json(&self) -> Value {
        match self {
            Self::Waiting { reason, message } => {
                json!({ "waiting": { "reason": reason, "message": message } })
            }
            Self::Running { since } => json!({ "running": { "startedAt": since } }),
            Self::Terminated(terminated) => json!({ "terminated": terminated.to_json() }),
        }
    }
}

impl Terminated {
    fn to_json(&self) -> Value {
        json!({
            "exitCode": self.exit.code(),
            "signal": self.exit.signal,
            "reason": self.reason,
            "message": self.message,
            "startedAt": self.started,
            "finishedAt": self.finished,
        })
    }
}
