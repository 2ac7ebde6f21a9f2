//! Objects folded into what is seen of each workload. Pure: what came in, and when, is an argument.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    mem,
    sync::Arc,
};

use crate::{
    config::source::WorkloadName,
    sizing::Workload,
    workloads::{
        Change, DeletionCost, JobRecord, News, PodRecord, RosterPod, SCALED_JOB, ScaledRecord, Sighting,
        Standing, Start, Starts,
    },
};

/// Pods of a workload that are remembered after they have gone.
const GONE_REMEMBERED: usize = 1000;

/// Everything that is known of the cluster.
#[derive(Debug, Default)]
pub struct Fold {
    objects: HashMap<WorkloadName, Kept<Arc<ScaledRecord>>>,
    /// Workloads that the operator's `watch` names.
    watched: BTreeSet<WorkloadName>,
    targets: HashMap<WorkloadName, Kept<u32>>,
    jobs: HashMap<Place, Kept<JobRecord>>,
    pods: HashMap<Place, Kept<Pod>>,
    crews: HashMap<Arc<WorkloadName>, Belongings>,
    /// By target, the objects that scale it.
    users: HashMap<WorkloadName, BTreeSet<WorkloadName>>,
    /// Namespaces of which nothing is told.
    closed: BTreeSet<String>,
    /// Objects whose sighting may have changed since the last news.
    dirty: BTreeSet<WorkloadName>,
    started: Vec<Start>,
}

/// Namespace and name.
type Place = (Arc<str>, Arc<str>);

/// A record, and the list that last told of it.
#[derive(Debug)]
struct Kept<T> {
    value: T,
    round: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct Pod {
    owner: Arc<WorkloadName>,
    phase: Phase,
    was_unschedulable: bool,
    /// Its start was told, or happened before it was first seen.
    start_told: bool,
    node: Option<Arc<str>>,
    created: f64,
    ready: Option<f64>,
    cost: Option<DeletionCost>,
    grace: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Starting,
    Ready,
    Terminating,
    /// It ran to its end, as was first seen then.
    Ended(f64),
}

/// What belongs to one workload.
#[derive(Debug, Default)]
struct Belongings {
    pods: HashSet<Arc<str>>,
    /// Jobs that have not ended.
    jobs: HashSet<Arc<str>>,
    gone: VecDeque<(Arc<str>, f64)>,
    starts: Starts,
}

impl Fold {
    /// Takes in one object as it is at `now`; `round` is the number of the list that this is a part of.
    pub fn apply(&mut self, now: f64, change: Change, round: u32) {
        match change {
            Change::Scaled(name, record) => self.scaled(name, record, round),
            Change::Target(name, Some(replicas)) => {
                let before = self.targets.insert(name.clone(), Kept { value: replicas, round });
                if before.is_none_or(|before| before.value != replicas) {
                    self.touch(&name);
                }
            }
            Change::Target(name, None) => {
                if self.targets.remove(&name).is_some() {
                    self.touch(&name);
                }
            }
            Change::Job(namespace, name, record) => self.job((namespace, name), record, round),
            Change::Pod(namespace, name, Some(record)) => self.pod(now, (namespace, name), &record, round),
            Change::Pod(namespace, name, None) => self.pod_gone(now, &(namespace, name)),
        }
    }

    /// Drops what the list `round` of a kind did not tell of, in one namespace or in all.
    pub fn sweep(&mut self, now: f64, kind: &str, namespace: Option<&str>, round: u32) {
        let here = |at: &str| namespace.is_none_or(|namespace| namespace == at);
        let stale =
            |name: &WorkloadName, seen: u32| name.kind == kind && seen != round && here(&name.namespace);
        let changes: Vec<Change> = match kind {
            "Pod" => places(&self.pods, here, round).map(|(ns, name)| Change::Pod(ns, name, None)).collect(),
            "Job" => places(&self.jobs, here, round).map(|(ns, name)| Change::Job(ns, name, None)).collect(),
            _ => {
                let objects = self.objects.iter().filter(|(name, kept)| stale(name, kept.round));
                let targets = self.targets.iter().filter(|(name, kept)| stale(name, kept.round));
                let objects = objects.map(|(name, _)| Change::Scaled(name.clone(), None));
                objects.chain(targets.map(|(name, _)| Change::Target(name.clone(), None))).collect()
            }
        };
        for change in changes {
            self.apply(now, change, round);
        }
    }

    /// Takes the workloads that the operator's `watch` names.
    pub fn watch(&mut self, names: BTreeSet<WorkloadName>) {
        if names != self.watched {
            let before = mem::replace(&mut self.watched, names);
            let changed = before.symmetric_difference(&self.watched);
            self.dirty.extend(changed.cloned());
        }
    }

    /// Takes the namespaces of which nothing is to be told, whatever is known: a part is no whole.
    pub fn close(&mut self, namespaces: BTreeSet<String>) {
        let before = mem::replace(&mut self.closed, namespaces);
        let changed =
            |name: &&WorkloadName| before.contains(&name.namespace) != self.closed.contains(&name.namespace);
        let known = self.objects.keys().chain(&self.watched);
        self.dirty.extend(known.filter(changed).cloned());
    }

    /// Namespaces of which nothing is told.
    pub fn closed(&self) -> &BTreeSet<String> {
        &self.closed
    }

    /// What has changed since the last call.
    pub fn take_news(&mut self) -> News {
        let mut news = News::default();
        for name in mem::take(&mut self.dirty) {
            match self.sighting(&name) {
                Some(sighting) => news.seen.push(Arc::new(sighting)),
                None => news.gone.push(name),
            }
        }
        news
    }

    /// Starts of pods since the last call, of workloads that are scaled by us.
    pub fn take_started(&mut self) -> Vec<Start> {
        mem::take(&mut self.started)
    }

    /// Pods that are kept.
    pub fn pods(&self) -> usize {
        self.pods.len()
    }

    /// Scale targets whose kind is not watched, with the version of their API.
    pub fn others(&self) -> impl Iterator<Item = &(WorkloadName, Box<str>)> {
        let targets = self.objects.values().filter_map(|kept| kept.value.target.as_ref());
        targets.filter(|(name, version)| !is_watched(&name.kind, version))
    }

    fn scaled(&mut self, name: WorkloadName, record: Option<Arc<ScaledRecord>>, round: u32) {
        let before = match record.clone() {
            Some(value) => self.objects.insert(name.clone(), Kept { value, round }),
            None => self.objects.remove(&name),
        };
        let before = before.map(|kept| kept.value);
        if before == record {
            return;
        }
        if let Some(target) = before.map(|before| before.target_of(&name))
            && let Some(users) = self.users.get_mut(&target)
        {
            users.remove(&name);
            if users.is_empty() {
                self.users.remove(&target);
            }
        }
        if let Some(record) = record {
            self.users.entry(record.target_of(&name)).or_default().insert(name.clone());
        }
        self.dirty.insert(name);
    }

    fn job(&mut self, place: Place, record: Option<JobRecord>, round: u32) {
        let owner = |place: &Place, record: &JobRecord| name(SCALED_JOB, &place.0, &record.scaled_job);
        let before = match record.clone() {
            Some(value) => self.jobs.insert(place.clone(), Kept { value, round }),
            None => self.jobs.remove(&place),
        };
        let before = before.map(|kept| kept.value);
        if before == record {
            return;
        }
        if let Some(before) = before {
            let owner = owner(&place, &before);
            if let Some(belongings) = self.crews.get_mut(&owner) {
                belongings.jobs.remove(&place.1);
            }
            self.touch(&owner);
        }
        if let Some(record) = record {
            let owner = owner(&place, &record);
            if !record.finished {
                self.belongings(&owner).1.jobs.insert(place.1);
            }
            self.touch(&owner);
        }
    }

    fn pod(&mut self, now: f64, place: Place, record: &PodRecord, round: u32) {
        let owner = name(&record.owner_kind, &place.0, &record.owner);
        let before = self.pods.get(&place).map(|kept| &kept.value);
        let was_unschedulable = record.unschedulable || before.is_some_and(|before| before.was_unschedulable);
        let told = before.map_or(record.ready.is_some(), |before| before.start_told);
        let phase = match before.map(|before| before.phase) {
            Some(ended @ Phase::Ended(_)) if record.finished => ended,
            _ if record.finished => Phase::Ended(now),
            _ if record.terminating => Phase::Terminating,
            _ if record.ready.is_some() => Phase::Ready,
            _ => Phase::Starting,
        };
        if let Some(former) = before.map(|before| before.owner.clone()).filter(|former| **former != owner) {
            self.leave(&place.1, &former);
            self.touch(&former);
        }
        let used = self.users.contains_key(&owner) || self.watched.contains(&owner);
        let (owner, belongings) = self.belongings(&owner);
        belongings.pods.insert(place.1.clone());
        let start = record.start(was_unschedulable).filter(|_| !told);
        if let (Some(start), true) = (start, used) {
            belongings.starts.push(start);
            self.started.push(start);
        }
        let pod = Pod {
            owner: owner.clone(),
            phase,
            was_unschedulable,
            start_told: told || start.is_some(),
            node: record.node.clone(),
            created: record.created,
            ready: record.ready,
            cost: record.cost,
            grace: record.grace,
        };
        let before = self.pods.insert(place, Kept { value: pod.clone(), round });
        if before.is_none_or(|before| before.value != pod) {
            self.touch(&owner);
        }
    }

    fn pod_gone(&mut self, now: f64, place: &Place) {
        let Some(Kept { value: pod, .. }) = self.pods.remove(place) else { return };
        let used = self.users.contains_key(&*pod.owner) || self.watched.contains(&*pod.owner);
        if used && let Some(belongings) = self.crews.get_mut(&pod.owner) {
            let since = if let Phase::Ended(since) = pod.phase { since } else { now };
            belongings.gone.push_back((place.1.clone(), since));
            if belongings.gone.len() > GONE_REMEMBERED {
                belongings.gone.pop_front();
            }
        }
        self.leave(&place.1, &pod.owner);
        self.touch(&pod.owner);
    }

    /// A pod is not its owner's any more. With the last one the owner is forgotten, unless it is scaled.
    fn leave(&mut self, pod: &Arc<str>, owner: &Arc<WorkloadName>) {
        let Some(belongings) = self.crews.get_mut(owner) else { return };
        belongings.pods.remove(pod);
        let empty = belongings.pods.is_empty() && belongings.jobs.is_empty();
        if empty && !self.users.contains_key(&**owner) && !self.watched.contains(&**owner) {
            self.crews.remove(owner);
        }
    }

    fn belongings(&mut self, owner: &WorkloadName) -> (Arc<WorkloadName>, &mut Belongings) {
        let owner = match self.crews.get_key_value(owner) {
            Some((known, _)) => known.clone(),
            None => Arc::new(owner.clone()),
        };
        (owner.clone(), self.crews.entry(owner).or_default())
    }

    /// Something of a target has changed.
    fn touch(&mut self, target: &WorkloadName) {
        if let Some(users) = self.users.get(target) {
            self.dirty.extend(users.iter().cloned());
        }
        if self.watched.contains(target) {
            self.dirty.insert(target.clone());
        }
    }

    fn sighting(&self, name: &WorkloadName) -> Option<Sighting> {
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
            created: pod.created,
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

/// Kinds of targets that are watched as a whole.
fn is_watched(kind: &str, version: &str) -> bool {
    version == "apps/v1" && matches!(kind, "Deployment" | "StatefulSet")
}

/// Kinds of which a `ReplicaSet` chooses the pods that go.
fn is_chosen_from(kind: &str) -> bool {
    matches!(kind, "Deployment" | "ReplicaSet")
}

/// Kinds whose pods are known by their owners.
fn is_kept(kind: &str) -> bool {
    matches!(kind, "Deployment" | "StatefulSet" | SCALED_JOB)
}

fn places<T>(
    kept: &HashMap<Place, Kept<T>>,
    here: impl Fn(&str) -> bool,
    round: u32,
) -> impl Iterator<Item = Place> {
    kept.iter()
        .filter(move |(place, kept)| kept.round != round && here(&place.0))
        .map(|(place, _)| place.clone())
}

fn name(kind: &str, namespace: &str, name: &str) -> WorkloadName {
    WorkloadName { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
