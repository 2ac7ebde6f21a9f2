//! Deletion costs onto pods, as the answers want them: the only thing that is ever written to a pod.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    answers::CostChange,
    hints::{Part, late},
    workloads::{COST_MANAGER, DELETION_COST},
};

/// Between two looks at what is wanted.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Pods written to at most after one look: an API server must not notice.
const MOST: usize = 25;

/// Writes that are under way at a time.
const AT_ONCE: usize = 8;

/// How long the API server may take for one write: it ends before anybody else may write.
const PATIENCE: Duration = Duration::from_secs(2);

/// Seconds after which the same is written again to a pod: by then the watch has told of it.
const AGAIN_AFTER: f64 = 5.0;

/// Writes what is wanted, while this replica is the one that writes.
pub(super) async fn run(part: &Part) {
    let mut writer = Writer { part, tried: HashMap::new(), failing: false };
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = part.stop.cancelled() => return,
            _ = looks.tick() => {
                let now = part.clock.now();
                if part.leadership.is_held(now) {
                    writer.round(now).await;
                }
            }
        }
    }
}

/// A pod's namespace and name.
type Place = (Arc<str>, Arc<str>);

/// What was tried of late.
struct Writer<'a> {
    part: &'a Part,
    /// The cost, and when.
    tried: HashMap<Place, (Option<i32>, f64)>,
    /// Whether the last round failed, and said so.
    failing: bool,
}

impl Writer<'_> {
    async fn round(&mut self, now: f64) {
        self.tried.retain(|_, (_, at)| now - *at < AGAIN_AFTER);
        let due = self.due();
        if due.is_empty() {
            return;
        }
        let writes = due.iter().map(|change| write_change(self.part.clone(), change.clone()));
        let written: Vec<_> =
            stream::iter(writes.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await;
        for change in due {
            self.tried.insert((change.namespace, change.pod), (change.cost, now));
        }
        let writes = &self.part.metrics.hints.cost_writes;
        let mut failed = None;
        for result in written {
            match result {
                Ok(()) => writes.with_label_values(&["ok"]).inc(),
                Err(error) => {
                    writes.with_label_values(&["error"]).inc();
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if !std::mem::replace(&mut self.failing, true) => {
                tracing::warn!(error, "deletion costs cannot be written: falls are answered unranked");
            }
            None => self.failing = false,
            Some(_) => {}
        }
    }

    /// What is to be written now: what is taken back comes first, since such a pod may be busy.
    fn due(&self) -> Vec<CostChange> {
        let table = self.part.answers.load();
        let is_due = |change: &&CostChange| {
            let tried = self.tried.get(&(change.namespace.clone(), change.pod.clone()));
            tried.is_none_or(|(cost, _)| *cost != change.cost)
        };
        let mut due: Vec<CostChange> = table.costs.iter().filter(is_due).cloned().collect();
        due.sort_by_key(|change| change.cost);
        due.truncate(MOST);
        due
    }
}

/// Writes a change, if this replica still may: a round can last longer than the Lease.
async fn write_change(part: Part, change: CostChange) -> Result<(), String> {
    if !part.leadership.is_held(part.clock.now()) {
        return Ok(());
    }
    write(part.client, &change.namespace, &change.pod, change.cost).await
}

/// Writes one cost, or takes it back. A merge patch, and no apply: of a pod that has gone by now nothing is to be made.
pub(super) async fn write(
    client: Client,
    namespace: &str,
    pod: &str,
    cost: Option<i32>,
) -> Result<(), String> {
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let cost = cost.map(|cost| cost.to_string());
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { DELETION_COST: cost } } }));
    let params = PatchParams { field_manager: Some(COST_MANAGER.to_owned()), ..PatchParams::default() };
    match timeout(PATIENCE, pods.patch_metadata(pod, &params, &patch)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(()),
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => Err(format!(
            "{}: with victims: deletion-cost it needs the verb patch on pods in namespace {namespace}",
            status.message
        )),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(late(PATIENCE)),
    }
}

#[cfg(test)]
mod tests;
