//! What is seen of one object: its numbers, its pods by name, and how they start.

use std::sync::Arc;

use super::{Belongings, Fold, Phase, Pod, small};
use crate::{
    config::source::WorkloadName,
    sizing::Workload,
    workloads::{RosterPod, SCALED_JOB, Sighting, Standing},
};

impl Fold {
    /// What is seen of an object now; `None` where it is not ours, or may not be told of.
    pub(super) fn sighting(&self, name: &WorkloadName) -> Option<Sighting> {
        let object = self.objects.get(name).map(|kept| kept.value.clone());
        let is_ours = object.is_some() || self.watched.contains(name);
        if !is_ours || self.closed.contains(&name.namespace) {
            return None;
        }
        let target = object.as_ref().map_or_else(|| name.clone(), |object| object.target_of(name));
        let none = Belongings::default();
        let belongings = self.crews.get(&target).unwrap_or(&none);
        let gone =
            belongings.gone.iter().map(|(name, since)| (name.clone(), Standing::Gone { since: *since }));
        let namespace: Arc<str> = target.namespace.as_str().into();
        let pods = belongings.pods.iter().filter_map(|name| {
            let pod = &self.pods.get(&(namespace.clone(), name.clone()))?.value;
            Some((name, pod))
        });
        let live = pods.clone().filter(|(_, pod)| standing(pod) == Standing::Live);
        let grace = live.filter_map(|(_, pod)| pod.grace).min();
        let roster = if is_chosen_from(&target.kind) { roster(pods.clone()) } else { Vec::new() };
        let crew = gone.chain(pods.clone().map(|(name, pod)| (name.clone(), standing(pod)))).collect();
        let workload = Workload {
            min: object.as_ref().map(|object| object.min),
            max: object.as_ref().map(|object| object.max),
            ..self.workload(&target, belongings, pods.map(|(_, pod)| pod))
        };
        Some(Sighting {
            name: name.clone(),
            target,
            workload,
            crew,
            roster,
            grace,
            starts: belongings.starts.clone(),
            newest_node: belongings.newest_node.clone(),
            object,
        })
    }

    fn workload<'a>(
        &self,
        target: &WorkloadName,
        belongings: &Belongings,
        pods: impl Iterator<Item = &'a Pod>,
    ) -> Workload {
        let replicas = match target.kind.as_str() {
            SCALED_JOB => Some(small(belongings.jobs.len())),
            _ => self.targets.get(target).map(|kept| kept.value),
        };
        let Some(replicas) = replicas else { return Workload::default() };
        let (mut live, mut ready, mut terminating) = (0_u32, 0_u32, 0_u32);
        for pod in pods {
            match pod.phase {
                Phase::Starting => live += 1,
                Phase::Ready => (live, ready) = (live + 1, ready + 1),
                Phase::Terminating => terminating += 1,
                Phase::Ended(_) => {}
            }
        }
        // Whose pods another kind of target has is not known where none name it as their owner.
        let seen = is_kept(&target.kind) || live + terminating > 0 || replicas == 0;
        Workload {
            replicas: Some(replicas),
            ready: seen.then_some(ready),
            starting: seen.then(|| live.max(replicas).saturating_sub(ready)),
            terminating: seen.then_some(terminating),
            ..Workload::default()
        }
    }
}

/// Those that live, in the order of their names: each replica of Foresail has the same.
fn roster<'a>(pods: impl Iterator<Item = (&'a Arc<str>, &'a Pod)>) -> Vec<RosterPod> {
    let live = pods.filter(|(_, pod)| standing(pod) == Standing::Live);
    let mut roster: Vec<_> = live
        .map(|(name, pod)| RosterPod {
            name: name.clone(),
            node: pod.node.clone(),
            created: pod.waiting.created,
            ready: pod.ready,
            cost: pod.cost,
        })
        .collect();
    roster.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    roster
}

fn standing(pod: &Pod) -> Standing {
    match pod.phase {
        Phase::Starting | Phase::Ready => Standing::Live,
        Phase::Terminating => Standing::Terminating,
        Phase::Ended(since) => Standing::Gone { since },
    }
}

/// Kinds of which a `ReplicaSet` chooses the pods that go.
fn is_chosen_from(kind: &str) -> bool {
    matches!(kind, "Deployment" | "ReplicaSet")
}

/// Kinds whose pods are known by their owners.
fn is_kept(kind: &str) -> bool {
    matches!(kind, "Deployment" | "StatefulSet" | SCALED_JOB)
}
