//! Falls whose victims are named before they are answered (`victims: deletion-cost`).
//!
//! Every replica of Foresail finds the same order in what it sees, and answers a lower target once the costs stand on
//! the pods, whoever wrote them.

use std::{collections::HashMap, sync::Arc};

use super::{active::ActiveRef, busy::Busy, cluster::Cluster, queues::Queues};
use crate::{
    answers::{CostChange, Row},
    config::source::WorkloadName,
    sizing::{Decision, Falling, Mode},
    victims::{self, Activity, Fall, Nameless, Pod, Seen},
    workloads::{BUSY_NOT_READY, COSTS_OF_OTHERS, OTHER_TRIGGERS, RosterPod, Sighting, WORKERS_ARE_NO_PODS},
};

/// Seconds for which a lower target waits for the costs of those that go.
const PATIENCE: f64 = 10.0;

/// Seconds after which a busy worker that is not Ready is no pod that has just started any more.
const NOT_READY_YET: f64 = 60.0;

/// Falls that wait.
#[derive(Debug, Default)]
pub(super) struct Falls {
    /// By what is scaled, what its fall waits for, and since when.
    waiting: HashMap<WorkloadName, (Falling, f64)>,
    /// In a tick: rows of objects with several triggers.
    together: Vec<(Arc<Sighting>, usize)>,
}

/// What falls are found in.
pub(super) struct Scene<'a> {
    pub(super) now: f64,
    pub(super) rows: &'a mut [Option<Row>],
    pub(super) refs: &'a [Option<ActiveRef>],
    pub(super) queues: &'a Queues,
    /// Takes what is to be written.
    pub(super) costs: &'a mut Vec<CostChange>,
    /// Takes what keeps workers from being named, where some are to go.
    pub(super) cluster: &'a mut Cluster,
}

impl Falls {
    /// Lets targets fall as far as those that go are named, and says what is to be written for it.
    pub(super) fn name_victims(&mut self, mut scene: Scene<'_>) {
        for at in 0..scene.rows.len() {
            let Some(sighting) = scene.scaled_by_replica_set(at) else { continue };
            match sighting.object.as_ref().map_or(0, |object| object.triggers.len()) {
                0 => {}
                1 => self.of_fleet(&mut scene, &[at]),
                _ => self.together.push((sighting.clone(), at)),
            }
        }
        let mut together = std::mem::take(&mut self.together);
        together.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        for fleet in together.chunk_by(|(a, _), (b, _)| a.name == b.name) {
            let rows: Vec<usize> = fleet.iter().map(|(_, at)| *at).collect();
            self.of_fleet(&mut scene, &rows);
        }
        together.clear();
        self.together = together;
    }

    /// The refs at these rows scale the same pods.
    fn of_fleet(&mut self, scene: &mut Scene<'_>, fleet: &[usize]) {
        // Where one of them has no number, KEDA removes nobody.
        let Some((highest, sighting, mut decision)) = scene.highest(fleet) else { return };
        if decision.target == 0 || decision.target >= live(&sighting) {
            self.waits_no_more(&sighting);
            take_back(scene.costs, &sighting);
            return;
        }
        let found = scene.fall(fleet, &sighting, &decision);
        let (stay, falling) = self.settle(scene, &sighting, decision.target, found);
        for trap in [&WORKERS_ARE_NO_PODS, &COSTS_OF_OTHERS, &OTHER_TRIGGERS] {
            scene.cluster.observe(&sighting.name, trap, falling == Some(Falling::Unranked(trap.name)));
        }
        decision.keep(stay);
        decision.why.fall = falling;
        if let Some(row) = &mut scene.rows[highest] {
            row.answer = Ok(decision);
        }
    }

    /// How many workers stay at least, and why, where `target` are wanted of more.
    fn settle(
        &mut self,
        scene: &mut Scene<'_>,
        sighting: &Sighting,
        target: u32,
        found: Result<Fall, Falling>,
    ) -> (u32, Option<Falling>) {
        let live = live(sighting);
        let asked_for = sighting.workload.asked_for().unwrap_or(live).max(target);
        let hindered = found == Err(Falling::BusyNotReady);
        let long = hindered && self.waits(sighting, Falling::BusyNotReady, scene.now) >= NOT_READY_YET;
        scene.cluster.observe(&sighting.name, &BUSY_NOT_READY, long);
        let fall = match found {
            Ok(fall) => fall,
            Err(falling) => {
                take_back(scene.costs, sighting);
                if hindered {
                    return (asked_for, Some(falling));
                }
                self.waits_no_more(sighting);
                return (target, Some(falling));
            }
        };
        scene
            .costs
            .extend(fall.costs.iter().map(|&(pod, cost)| change(sighting, &sighting.roster[pod], cost)));
        if fall.named {
            self.waits_no_more(sighting);
            let stay = live.saturating_sub(u32::try_from(fall.going).unwrap_or(live)).min(asked_for);
            return (stay, (stay > target).then(|| Falling::Kept(stay - target)));
        }
        if self.waits(sighting, Falling::Pending, scene.now) < PATIENCE {
            (asked_for, Some(Falling::Pending))
        } else {
            (target, Some(Falling::Unranked("costs-unseen")))
        }
    }

    /// Seconds for which a fall has waited for this.
    fn waits(&mut self, sighting: &Sighting, cause: Falling, now: f64) -> f64 {
        match self.waiting.get(&sighting.target) {
            Some((known, since)) if *known == cause => now - since,
            _ => {
                self.waiting.insert(sighting.target.clone(), (cause, now));
                0.0
            }
        }
    }

    fn waits_no_more(&mut self, sighting: &Sighting) {
        // In most ticks nothing falls, and there may be very many workloads.
        if !self.waiting.is_empty() {
            self.waiting.remove(&sighting.target);
        }
    }
}

const UNKNOWN: Falling = Falling::Unranked("busy-unknown");

impl Scene<'_> {
    /// What is seen of a ref's pods where a `ReplicaSet` chooses among them who goes.
    fn scaled_by_replica_set(&self, at: usize) -> Option<&Arc<Sighting>> {
        let sighting = self.rows[at].as_ref()?.sighting.as_ref()?;
        let spec = self.refs.get(at)?.as_ref()?.spec.as_ref().ok()?;
        (spec.policy.mode == Mode::Workers && !sighting.roster.is_empty()).then_some(sighting)
    }

    /// The row of the highest target, what is seen of the pods, and the decision; `None` where some ref has none.
    fn highest(&self, fleet: &[usize]) -> Option<(usize, Arc<Sighting>, Decision)> {
        let decision = |at: usize| self.rows[at].as_ref()?.answer.as_ref().ok().copied();
        let higher = |best: Option<(usize, Decision)>, &at: &usize| {
            let this = decision(at)?;
            Some(best.filter(|(_, best)| best.target >= this.target).or(Some((at, this))))
        };
        let (at, decision) = fleet.iter().try_fold(None, higher)??;
        Some((at, self.rows[at].as_ref()?.sighting.clone()?, decision))
    }

    /// Who goes where fewer workers are wanted than there are.
    fn fall(&self, fleet: &[usize], sighting: &Sighting, decision: &Decision) -> Result<Fall, Falling> {
        let pods = self.busy(fleet, sighting)?;
        let seen: Vec<Seen> = sighting.roster.iter().map(seen).collect();
        let going = live(sighting).saturating_sub(decision.target) as usize;
        victims::fall(&pods, &seen, going, !decision.is_capped()).map_err(|nameless| match nameless {
            Nameless::BusyUnknown => UNKNOWN,
            Nameless::BusyNotReady => Falling::BusyNotReady,
        })
    }

    /// The pods and who of them is busy, as all refs of the fleet together know it.
    fn busy<'a>(&self, fleet: &[usize], sighting: &'a Sighting) -> Result<Vec<Pod<&'a str>>, Falling> {
        let object = sighting.object.as_ref();
        if object.is_none_or(|object| object.works_for_others || object.triggers.len() > fleet.len()) {
            return Err(Falling::Unranked(OTHER_TRIGGERS.name));
        }
        if sighting.roster.iter().any(|pod| pod.cost.is_some_and(|cost| !cost.ours)) {
            return Err(Falling::Unranked(COSTS_OF_OTHERS.name));
        }
        let busy_of = |&at: &usize| {
            let known = self.refs[at].as_ref()?.queue.as_ref()?;
            self.queues.get(known)?.busy.as_ref()
        };
        let busy: Option<Vec<&Busy>> = fleet.iter().map(busy_of).collect();
        let busy = busy.ok_or(UNKNOWN)?;
        if busy.iter().any(|busy| busy.strangers_only) {
            return Err(Falling::Unranked(WORKERS_ARE_NO_PODS.name));
        }
        let pod = |pod: &'a RosterPod| {
            let activity = match pod.ready {
                _ if busy.iter().any(|busy| busy.holds(&pod.name)) => Activity::Busy,
                Some(_) => Activity::Idle,
                None => Activity::Starting,
            };
            Pod {
                node: pod.node.as_deref(),
                activity: Some(activity),
                since: pod.ready.unwrap_or(pod.created),
            }
        };
        Ok(sighting.roster.iter().map(pod).collect())
    }
}

fn seen(pod: &RosterPod) -> Seen {
    Seen { cost: pod.cost.map(|cost| cost.value), ready: pod.ready.is_some() }
}

/// Pods that there are, but for those that were told to go.
fn live(sighting: &Sighting) -> u32 {
    u32::try_from(sighting.roster.len()).unwrap_or(u32::MAX)
}

/// Nobody is to go before others any more.
fn take_back(costs: &mut Vec<CostChange>, sighting: &Sighting) {
    let ours = sighting.roster.iter().filter(|pod| pod.cost.is_some_and(|cost| cost.ours));
    costs.extend(ours.map(|pod| change(sighting, pod, None)));
}

fn change(sighting: &Sighting, pod: &RosterPod, cost: Option<i32>) -> CostChange {
    CostChange { namespace: sighting.target.namespace.as_str().into(), pod: pod.name.clone(), cost }
}

#[cfg(test)]
mod tests;
