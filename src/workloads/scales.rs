//! Scale targets of other kinds: asked for their `/scale`, gently, and only while an object refers to them.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject, GroupVersionKind},
    discovery::oneshot,
};
use tokio::sync::Mutex;

use crate::{config::source::WorkloadName, workloads::Change};

/// Requests at a time.
const AT_ONCE: usize = 4;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The API's names of the kinds that were asked for, found once.
#[derive(Default)]
pub(super) struct Scales {
    kinds: Mutex<HashMap<(String, Box<str>), ApiResource>>,
}

impl Scales {
    /// Replicas of each target now. One that cannot be read is unknown.
    pub(super) async fn read(
        &self,
        client: &Client,
        targets: BTreeSet<(WorkloadName, Box<str>)>,
    ) -> Vec<Change> {
        let read = |(name, version): (WorkloadName, Box<str>)| async move {
            let replicas = match tokio::time::timeout(PATIENCE, self.replicas(client, &name, &version)).await
            {
                Ok(Ok(replicas)) => replicas,
                Ok(Err(error)) => {
                    tracing::debug!(target_name = %name, %error, "a scale target cannot be read");
                    None
                }
                Err(_) => None,
            };
            Change::Target(name, replicas)
        };
        stream::iter(targets).map(read).buffer_unordered(AT_ONCE).collect().await
    }

    async fn replicas(
        &self,
        client: &Client,
        name: &WorkloadName,
        version: &str,
    ) -> Result<Option<u32>, kube::Error> {
        let kind = self.kind(client, &name.kind, version).await?;
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), &name.namespace, &kind);
        let scale = api.get_scale(&name.name).await?;
        Ok(scale.spec.and_then(|spec| u32::try_from(spec.replicas.unwrap_or(0)).ok()))
    }

    async fn kind(&self, client: &Client, kind: &str, version: &str) -> Result<ApiResource, kube::Error> {
        let key = (kind.to_owned(), Box::from(version));
        if let Some(known) = self.kinds.lock().await.get(&key) {
            return Ok(known.clone());
        }
        let (group, bare) = version.rsplit_once('/').unwrap_or(("", version));
        let (found, _) = oneshot::pinned_kind(client, &GroupVersionKind::gvk(group, bare, kind)).await?;
        self.kinds.lock().await.insert(key, found.clone());
        Ok(found)
    }
}
