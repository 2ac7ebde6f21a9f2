//! Falls whose victims are named before they are answered (`victims: deletion-cost`).
//!
//! Every replica of Foresail finds the same order in what it sees, and answers a lower target once the costs stand on
//! the pods, whoever wrote them.

use std::{collections::HashMap, sync::Arc};

use super::{active::ActiveRef, cluster::Cluster, queues::Queues};
use crate::{
    answers::{CostChange, Row},
    config::source::WorkloadName,
    series::Sample,
    sizing::{Falling, Mode},
    victims::{self, Activity, Nameless, Pod, Seen},
    workloads::{
        BUSY_NOT_READY, COSTS_OF_OTHERS, Crew, OTHER_TRIGGERS, Observed, RosterPod, Sighting,
        WORKERS_ARE_NO_PODS,
    },
};

/// Seconds for which a lower target waits for the costs of those that go.
const PATIENCE: f64 = 10.0;

/// Workers of a queue that hold jobs, as of its newest sample.
#[derive(Debug, Default)]
pub(super) struct Busy {
    /// Their names, sorted; those of pods where they are known.
    names: Vec<Box<str>>,
    /// Some hold jobs, and none of them is a pod: names in the store say nothing of pods.
    strangers_only: bool,
}

/// Falls that wait.
#[derive(Debug, Default)]
pub(super) struct Falls {
    /// By what is scaled, since when its fall waits.
    waiting: HashMap<WorkloadName, f64>,
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

impl Busy {
    /// Those that hold a job of this sample which is not stuck; `None` where the layout cannot tell.
    pub(super) fn of(sample: &Sample, crews: &[&Crew]) -> Option<Self> {
        let running = sample.holders.as_ref()?.iter().filter(|holder| holder.jobs > holder.stuck);
        let mut names: Vec<_> = running.map(|holder| holder.worker.clone()).collect();
        names.sort_unstable();
        let is_pod = |name: &str| crews.iter().any(|crew| crew.pod_of(name).is_some());
        let strangers_only = !names.is_empty() && !names.iter().any(|name| is_pod(name));
        Some(Self { names, strangers_only })
    }

    fn holds(&self, pod: &str) -> bool {
        self.names.binary_search_by(|name| (**name).cmp(pod)).is_ok()
    }
}

impl Falls {
    /// Lets targets fall as far as those that go are named, and says what is to be written for it.
    pub(super) fn name_victims(&mut self, mut scene: Scene<'_>) {
        self.together.clear();
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
        let Some(highest) = scene.highest(fleet) else { return };
        let Some(sighting) = scene.rows[highest].as_ref().and_then(|row| row.sighting.clone()) else {
            return;
        };
        let roster = &sighting.roster;
        let live = u32::try_from(roster.len()).unwrap_or(u32::MAX);
        let Some(Row { answer: Ok(decision), .. }) = &mut scene.rows[highest] else { return };
        let target = decision.target;
        if target == 0 || target >= live {
            self.waiting.remove(&sighting.target);
            take_back(scene.costs, &sighting);
            return;
        }
        let asked_for = sighting.workload.asked_for().unwrap_or(live).max(target);
        let found = scene.busy(fleet, &sighting).and_then(|pods| {
            let seen: Vec<Seen> = roster.iter().map(seen).collect();
            let Some(Row { answer: Ok(decision), .. }) = &scene.rows[highest] else { return Err(UNKNOWN) };
            let going = (live - target) as usize;
            victims::fall(&pods, &seen, going, !decision.is_capped()).map_err(|nameless| match nameless {
                Nameless::BusyUnknown => UNKNOWN,
                Nameless::BusyNotReady => Falling::BusyNotReady,
            })
        });
        let (stay, falling) = match found {
            Ok(fall) => {
                let namespace: Arc<str> = sighting.target.namespace.as_str().into();
                scene.costs.extend(fall.costs.iter().map(|&(pod, cost)| CostChange {
                    namespace: namespace.clone(),
                    pod: roster[pod].name.clone(),
                    cost,
                }));
                let stay = live.saturating_sub(u32::try_from(fall.going).unwrap_or(live)).min(asked_for);
                if fall.named {
                    self.waiting.remove(&sighting.target);
                    (stay, (stay > target).then(|| Falling::Kept(stay - target)))
                } else if scene.now - *self.waiting.entry(sighting.target.clone()).or_insert(scene.now)
                    < PATIENCE
                {
                    (asked_for, Some(Falling::Pending))
                } else {
                    (target, Some(Falling::Unranked("costs-unseen")))
                }
            }
            Err(falling) => {
                self.waiting.remove(&sighting.target);
                take_back(scene.costs, &sighting);
                let stay = if falling == Falling::BusyNotReady { asked_for } else { target };
                (stay, Some(falling))
            }
        };
        scene.cluster.observe(&sighting.name, observed(falling));
        if let Some(Row { answer: Ok(decision), .. }) = &mut scene.rows[highest] {
            decision.keep(stay);
            decision.why.fall = falling;
        }
    }
}

/// What somebody has to mend, of what keeps workers from being named.
fn observed(falling: Option<Falling>) -> Option<&'static Observed> {
    match falling? {
        Falling::BusyNotReady => Some(&BUSY_NOT_READY),
        Falling::Unranked(reason) => [&WORKERS_ARE_NO_PODS, &COSTS_OF_OTHERS, &OTHER_TRIGGERS]
            .into_iter()
            .find(|observed| observed.name == reason),
        Falling::Pending | Falling::Kept(_) => None,
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

    /// The row of the highest target; `None` where some ref has none.
    fn highest(&self, fleet: &[usize]) -> Option<usize> {
        let target = |at: usize| self.rows[at].as_ref()?.answer.as_ref().ok().map(|decision| decision.target);
        fleet.iter().all(|&at| target(at).is_some()).then_some(())?;
        fleet.iter().copied().max_by_key(|&at| target(at))
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

/// Nobody is to go before others any more.
fn take_back(costs: &mut Vec<CostChange>, sighting: &Sighting) {
    let ours = sighting.roster.iter().filter(|pod| pod.cost.is_some_and(|cost| cost.ours));
    costs.extend(ours.map(|pod| CostChange {
        namespace: sighting.target.namespace.as_str().into(),
        pod: pod.name.clone(),
        cost: None,
    }));
}

#[cfg(test)]
mod tests;
