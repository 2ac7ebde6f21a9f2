//! Everything that may ask for room in a cluster, for whoever wants to end it all.

use std::collections::BTreeSet;

use kube::{Client, api::DynamicObject};

use super::{
    calls,
    objects::{self, FOR_LABEL, Kind, LEASE_LABEL},
};
use crate::config::hints::{HintMode, HintsConfig};

/// Objects of one kind that ask for room, of ours or of those that we were given.
#[derive(Debug, Clone)]
pub(in crate::hints) struct Asking {
    kind: Kind,
    ours: bool,
    label: String,
}

impl Asking {
    /// All that there may be, whatever the mode is now.
    pub(in crate::hints) fn all(client: &Client, config: &HintsConfig) -> [Self; 3] {
        let ours = format!("{LEASE_LABEL}={}", objects::lease_label(client, &config.lease));
        [
            Self { kind: Kind::CapacityBuffer, ours: true, label: ours.clone() },
            Self { kind: Kind::CapacityBuffer, ours: false, label: format!("{FOR_LABEL},!{LEASE_LABEL}") },
            Self { kind: Kind::Deployment, ours: true, label: ours },
        ]
    }

    /// Whether a mode writes these.
    pub(in crate::hints) fn is_of(&self, mode: HintMode) -> bool {
        Kind::of(mode) == Some(self.kind) && self.ours == (mode != HintMode::Adopt)
    }

    /// Those that there are; the error is for people.
    pub(in crate::hints) async fn list(
        &self,
        client: &Client,
        namespaces: BTreeSet<String>,
    ) -> Result<Vec<DynamicObject>, String> {
        calls::list(client, self.kind, &self.label, namespaces).await.map_err(|failure| failure.words)
    }

    /// Lets one of them ask for nothing.
    pub(in crate::hints) async fn zero(&self, client: &Client, object: &DynamicObject) -> Result<(), String> {
        let zero = objects::rescaled(self.kind, object, self.ours, 0);
        let applied = calls::apply(client, self.kind, &zero, !self.ours).await;
        applied.map(drop).map_err(|failure| failure.words)
    }
}

/// Whether an object asks for room since a Foresail said so.
pub(in crate::hints) fn asks_for_us(object: &DynamicObject) -> bool {
    objects::chunks_of(object) > 0 && objects::is_written_by_us(object)
}
