//! Objects folded into what is seen of each workload. Pure: what came in, and when, is an argument.

mod claims;
mod sight;
mod teach;

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    mem,
    sync::Arc,
};

use self::claims::Claims;
use crate::{
    config::source::WorkloadName,
    forecast::line::Line,
    workloads::{
        Change, DeletionCost, JobRecord, NewestNode, News, NodeStart, PodRecord, SCALED_JOB, ScaledRecord,
        Start, Starts, starts::Waiting,
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
    claims: Claims,
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
    waiting: Waiting,
    /// What it tells of starts was told, or happened before it was first seen.
    start_told: bool,
    node: Option<Arc<str>>,
    ready: Option<f64>,
    cost: Option<DeletionCost>,
    grace: Option<u32>,
}

impl Pod {
    /// Whether it waits for a node.
    fn in_line(&self) -> bool {
        self.phase == Phase::Starting && self.waiting.scheduled.is_none()
    }
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
    /// Pods for which a node may be under way.
    line: Line,
    newest_node: Option<NewestNode>,
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
            Change::Pod(namespace, name, None) => self.pod_gone(now, &(namespace, name), true),
            Change::Claim(name, Some(record)) => {
                if let Some(node) = self.claims.apply(name, record, round) {
                    self.note_nodes(Some(&node));
                }
            }
            Change::Claim(name, None) => self.claims.gone(&name, true),
        }
    }

    /// Drops what the list `round` of a kind did not tell of, in one namespace or in all.
    pub fn sweep(&mut self, now: f64, kind: &str, namespace: Option<&str>, round: u32) {
        let here = |at: &str| namespace.is_none_or(|namespace| namespace == at);
        let stale =
            |name: &WorkloadName, seen: u32| name.kind == kind && seen != round && here(&name.namespace);
        let changes: Vec<Change> = match kind {
            "Pod" => {
                let gone: Vec<_> = places(&self.pods, here, round).collect();
                return gone.iter().for_each(|place| self.pod_gone(now, place, false));
            }
            "NodeClaim" => {
                self.claims.sweep(round);
                return self.note_nodes(None);
            }
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

    /// How far nodes that were asked for have come since the last call.
    pub fn take_nodes(&mut self) -> Vec<NodeStart> {
        self.claims.take_told()
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
        let told = before.map_or(record.ready.is_some(), |before| before.start_told);
        let behind = before.map(|before| before.waiting.behind);
        let phase = match before.map(|before| before.phase) {
            Some(ended @ Phase::Ended(_)) if record.finished => ended,
            _ if record.finished => Phase::Ended(now),
            _ if record.terminating => Phase::Terminating,
            _ if record.ready.is_some() => Phase::Ready,
            _ => Phase::Starting,
        };
        let (former, was_in_line) =
            before.map_or((None, false), |pod| (Some(pod.owner.clone()), pod.in_line()));
        if let Some(former) = former.filter(|former| **former != owner) {
            self.leave(&place.1, &former);
            self.touch(&former);
        }
        let (owner, belongings) = self.belongings(&owner);
        belongings.pods.insert(place.1.clone());
        let mut pod = Pod {
            owner: owner.clone(),
            phase,
            waiting: record.waiting(),
            start_told: told,
            node: record.node.clone(),
            ready: record.ready,
            cost: record.cost,
            grace: record.grace,
        };
        if was_in_line && pod.waiting.scheduled.is_some() {
            belongings.line.leave(pod.waiting.created);
        }
        pod.waiting.behind = behind
            .unwrap_or_else(|| if pod.in_line() { belongings.line.join(pod.waiting.created) } else { 0.0 });
        self.learn(now, &mut pod);
        let before = self.pods.insert(place, Kept { value: pod.clone(), round });
        if before.is_none_or(|before| before.value != pod) {
            self.touch(&owner);
        }
    }

    /// A pod is gone; `was_seen` where a watch told of it, and not a list that lacks it.
    fn pod_gone(&mut self, now: f64, place: &Place, was_seen: bool) {
        let Some(Kept { value: pod, .. }) = self.pods.remove(place) else { return };
        if was_seen {
            self.learn_gone(now, &pod);
        }
        if self.is_used(&pod.owner)
            && let Some(belongings) = self.crews.get_mut(&pod.owner)
        {
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
        if empty && !self.is_used(owner) {
            self.crews.remove(owner);
        }
    }

    /// Whether it is scaled by us, or watched.
    fn is_used(&self, owner: &WorkloadName) -> bool {
        self.users.contains_key(owner) || self.watched.contains(owner)
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
}

/// Kinds of targets that are watched as a whole.
fn is_watched(kind: &str, version: &str) -> bool {
    version == "apps/v1" && matches!(kind, "Deployment" | "StatefulSet")
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
