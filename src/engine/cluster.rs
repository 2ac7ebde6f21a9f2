//! What the engine knows of Kubernetes: the newest sightings, and the refs that are kept on their word.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    answers::ObjectRow,
    config::{Config, source::WorkloadName},
    refs::{self, Caller, RefError, RefKey, Refs},
    sizing::Workload,
    workloads::{Observed, ScaledRecord, Sight, Sighting},
};

/// Seconds after the start for which a ref waits for the first lists, where it would start from nothing.
const AWAITED: f64 = 30.0;

/// Lines for traps at a time: a start may find thousands.
const TRAP_LINES: usize = 20;

/// Everything that was seen.
pub(super) struct Cluster {
    sight: Option<Sight>,
    /// When the first tick was made.
    began: Option<f64>,
    seen: HashMap<WorkloadName, Arc<Sighting>>,
    /// What follows from the objects that refer to us.
    objects: BTreeMap<WorkloadName, Kept>,
    published: Arc<[ObjectRow]>,
    /// Traps found since the last publication.
    said: usize,
}

/// What follows from one object.
#[derive(Default)]
struct Kept {
    /// Refs that are kept since it has such triggers.
    keys: Vec<RefKey>,
    faults: Vec<RefError>,
    /// The object that this was found in.
    object: Option<Arc<ScaledRecord>>,
    /// What stands in its way as only time has shown.
    observed: Vec<&'static Observed>,
}

impl Cluster {
    /// Nothing is seen yet; `watched` whether anything will be.
    pub(super) fn new(watched: bool) -> Self {
        Self {
            sight: watched.then_some(Sight::Listing),
            began: None,
            seen: HashMap::new(),
            objects: BTreeMap::new(),
            published: Arc::default(),
            said: 0,
        }
    }

    /// Notes that a tick is made.
    pub(super) fn begin(&mut self, now: f64) {
        self.began.get_or_insert(now);
    }

    /// How much can be seen; `None` where Kubernetes is not watched.
    pub(super) fn sight(&self) -> Option<Sight> {
        self.sight
    }

    /// Notes how much can be seen now. Returns whether everything was listed for the first time.
    pub(super) fn look(&mut self, sight: Sight) -> bool {
        let before = self.sight.replace(sight);
        before == Some(Sight::Listing) && sight == Sight::Clear
    }

    /// Whether a ref that starts anew should wait for the first lists.
    pub(super) fn is_awaited(&self, now: f64) -> bool {
        self.sight == Some(Sight::Listing) && self.began.is_none_or(|began| now - began < AWAITED)
    }

    /// The newest sighting of an object.
    pub(super) fn sighting(&self, name: &WorkloadName) -> Option<Arc<Sighting>> {
        self.seen.get(name).cloned()
    }

    /// The workload of a sighting: unknown, and never zeros, while Kubernetes is out of sight.
    pub(super) fn workload(&self, sighting: Option<&Arc<Sighting>>) -> Workload {
        match (self.sight, sighting) {
            (Some(Sight::Clear), Some(sighting)) => sighting.workload,
            _ => Workload::default(),
        }
    }

    /// Takes a sighting in, and keeps the refs that its triggers are.
    pub(super) fn note(&mut self, sighting: &Arc<Sighting>, config: &Config, refs: &Refs, now: f64) {
        if let Some(object) = &sighting.object {
            let known = self.objects.entry(sighting.name.clone()).or_default();
            if known.object.as_ref() != Some(object) {
                self.said = say_traps(&sighting.name, object, known.object.as_deref(), self.said);
                known.object = Some(object.clone());
                known.resolve(&sighting.name, config, refs, now);
            }
        } else {
            self.let_go(&sighting.name, refs);
        }
        self.seen.insert(sighting.name.clone(), sighting.clone());
    }

    /// An object is gone.
    pub(super) fn forget(&mut self, name: &WorkloadName, refs: &Refs) {
        self.seen.remove(name);
        self.let_go(name, refs);
    }

    /// Reads all triggers anew, since the configuration has changed.
    pub(super) fn resolve_anew(&mut self, config: &Config, refs: &Refs, now: f64) {
        for (name, kept) in &mut self.objects {
            kept.resolve(name, config, refs, now);
        }
        self.publish();
    }

    /// Notes whether something stands in the way of an object.
    pub(super) fn observe(&mut self, name: &WorkloadName, observed: &'static Observed, holds: bool) {
        let Some(kept) = self.objects.get_mut(name) else { return };
        if kept.observed.contains(&observed) == holds {
            return;
        }
        if holds {
            kept.observed.push(observed);
            tracing::warn!(object = %name, trap = observed.name, "{}", observed.what);
        } else {
            kept.observed.retain(|known| *known != observed);
        }
        self.publish();
    }

    /// Makes the rows of all objects anew.
    pub(super) fn publish(&mut self) {
        let row = |(name, kept): (&WorkloadName, &Kept)| {
            let sighting = self.seen.get(name)?.clone();
            Some(ObjectRow { sighting, faults: kept.faults.clone(), observed: kept.observed.clone() })
        };
        if self.said > TRAP_LINES {
            tracing::warn!(traps = self.said, "so many traps are in objects: /api/objects lists them all");
        }
        self.said = 0;
        self.published = self.objects.iter().filter_map(row).collect();
    }

    /// The rows of all objects that refer to us.
    pub(super) fn objects(&self) -> Arc<[ObjectRow]> {
        self.published.clone()
    }

    fn let_go(&mut self, name: &WorkloadName, refs: &Refs) {
        for key in self.objects.remove(name).unwrap_or_default().keys {
            refs.release(&key);
        }
    }
}

impl Kept {
    /// Keeps a ref for each trigger that can be read; of the others says why not, once.
    fn resolve(&mut self, name: &WorkloadName, config: &Config, refs: &Refs, now: f64) {
        let (mut keys, mut faults) = (Vec::new(), Vec::new());
        // What KEDA takes from a container's environment cannot be known before it calls.
        let triggers =
            self.object.iter().flat_map(|object| &object.triggers).filter(|trigger| trigger.is_whole());
        for trigger in triggers {
            let key =
                RefKey::new(name.namespace.clone(), name.name.clone(), trigger.metadata.iter().cloned());
            match refs::resolve(&key, config, Caller::Cluster) {
                Ok((spec, _)) => match refs.add(key.clone(), spec, Caller::Cluster, now) {
                    Ok(_) => keys.push(key),
                    Err(error) => tracing::warn!(object = %name, %error, "a trigger's ref is left out"),
                },
                Err(fault) => faults.push(fault),
            }
        }
        for fault in faults.iter().filter(|fault| !self.faults.contains(fault)) {
            tracing::warn!(object = %name, error = %fault, "a trigger cannot be answered");
        }
        for key in self.keys.iter().filter(|key| !keys.contains(key)) {
            refs.release(key);
        }
        (self.keys, self.faults) = (keys, faults);
    }
}

/// Logs the traps that an object has newly walked into, while few were said; returns how many were found
/// by now.
fn say_traps(
    name: &WorkloadName,
    object: &ScaledRecord,
    before: Option<&ScaledRecord>,
    mut said: usize,
) -> usize {
    let known = before.map_or(&[][..], |before| &before.traps);
    for trap in object.traps.iter().filter(|trap| !known.contains(trap)) {
        said += 1;
        if said <= TRAP_LINES {
            tracing::warn!(object = %name, trap = trap.name, "{}", trap.what);
        }
    }
    said
}

#[cfg(test)]
mod tests;
