//! What pods and the nodes under them teach of how long starts take.

use std::sync::Arc;

use super::{Fold, Phase, Pod};
use crate::{
    config::source::WorkloadName,
    workloads::{Start, StartKind},
};

impl Fold {
    /// Learns once from a pod as it is at `now`: that it is Ready, or that it was told to go before it was.
    pub(super) fn learn(&mut self, now: f64, pod: &mut Pod) {
        if !self.is_used(&pod.owner) {
            // Whoever comes to use it later has not seen how it came.
            pod.start_told |= pod.ready.is_some();
            return;
        }
        self.note_node(&pod.owner, pod.node.as_ref());
        if pod.start_told {
            return;
        }
        if let Some(ready) = pod.ready {
            pod.start_told = true;
            self.learn_start(pod, ready);
        } else if pod.phase == Phase::Terminating
            && let Some(start) = pod.waiting.given_up(now)
        {
            pod.start_told = true;
            self.take(&pod.owner, start);
        }
    }

    /// Learns from a pod that is gone at `now`: whether it was ever Ready.
    pub(super) fn learn_gone(&mut self, now: f64, pod: &Pod) {
        let starting = pod.phase == Phase::Starting && !pod.start_told;
        if starting
            && self.is_used(&pod.owner)
            && let Some(start) = pod.waiting.given_up(now)
        {
            self.take(&pod.owner, start);
        }
    }

    /// A pod is Ready. Where it waited for a node that had been asked for before it, it was lucky: the wait is counted
    /// from the node's claim. Where it did not wait and the node is new, the two together tell what a wait would have
    /// been, so that the law of cold starts stays true where nodes come before they are needed.
    fn learn_start(&mut self, pod: &Pod, ready: f64) {
        let node = pod.node.as_ref();
        let mut start = pod.waiting.start(ready);
        if start.kind == StartKind::Cold {
            self.claims.has_taught(node, &pod.owner);
            if let Some(claim) = self.claims.under(node) {
                start.behind = 0.0;
                if claim.was_under_way(pod.waiting.created) {
                    start.seconds = (ready - claim.created).max(0.0);
                }
            }
        } else if let Some(scheduled) = pod.waiting.scheduled
            && let Some(came) = self.claims.teach(node, &pod.owner, ready)
        {
            let seconds = came + (ready - scheduled).max(0.0);
            self.take(&pod.owner, Start { kind: StartKind::NewNode, seconds, behind: 0.0 });
        }
        self.take(&pod.owner, start);
    }

    fn take(&mut self, owner: &Arc<WorkloadName>, start: Start) {
        if let Some(belongings) = self.crews.get_mut(owner) {
            belongings.starts.push(start);
            self.started.push(start);
        }
    }

    /// Notes the newest node of a workload where this is it.
    fn note_node(&mut self, owner: &Arc<WorkloadName>, node: Option<&Arc<str>>) {
        let Some(found) = self.claims.newest(node) else { return };
        let Some(belongings) = self.crews.get_mut(owner) else { return };
        let known = belongings.newest_node.as_ref();
        if known.is_none_or(|known| known.created < found.created) {
            belongings.newest_node = Some(found);
            self.touch(owner);
        }
    }

    /// Notes the newest nodes of all who have pods on `node`, or on any.
    pub(super) fn note_nodes(&mut self, node: Option<&Arc<str>>) {
        let pods = self.pods.values().map(|kept| &kept.value);
        let here =
            pods.filter(|pod| pod.node.is_some() && node.is_none_or(|node| pod.node.as_ref() == Some(node)));
        let noted: Vec<_> = here
            .filter(|pod| self.is_used(&pod.owner))
            .map(|pod| (pod.owner.clone(), pod.node.clone()))
            .collect();
        for (owner, node) in noted {
            self.note_node(&owner, node.as_ref());
        }
    }
}
