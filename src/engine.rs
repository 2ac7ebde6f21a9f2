//! The tick: samples in, decisions out, one table published. The only writer of queue and ref state.

mod active;
#[cfg(test)]
mod bench;
mod busy;
mod cluster;
mod crews;
mod falls;
mod faults;
mod graces;
mod groups;
mod keep;
mod learned;
mod meaning;
mod past;
mod publish;
mod queues;
mod run;
mod shadow;

pub use keep::Keep;
pub use past::Unlearned;
pub use run::{Event, run};
pub use shadow::{AT_LEAST_EVERY, WATCHED};

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::sync::{mpsc::UnboundedSender, watch};

use self::{
    active::{ActiveRef, Remembered},
    busy::Busy,
    cluster::Cluster,
    crews::{Crews, QueueCrew},
    falls::Falls,
    faults::Faults,
    groups::Groups,
    meaning::{object, rules, wanted, watched},
    queues::{Queues, turn},
};
use crate::{
    answers::{Answers, Table},
    config::Config,
    forecast::{horizons::HORIZONS, outcomes::Outcomes},
    refs::{self, Caller, RefEntry, RefSpec, Refs},
    sampler::{Interest, Reading, Wish},
    series::{KnownQueue, Sample, Series},
    source::Identity,
    workloads::{News, Sight, StartCounts},
};

/// By source, what its sampler has to read.
pub type Interests = BTreeMap<String, watch::Receiver<Interest>>;

/// Everything that the tick works on.
pub struct Engine {
    config: Arc<Config>,
    refs: Arc<Refs>,
    answers: Arc<Answers>,
    series: Series,
    queues: Queues,
    groups: Groups,
    falls: Falls,
    /// Whether victims are named: as it was at the start, when those began who write their costs.
    names_victims: bool,
    active: Vec<Option<ActiveRef>>,
    interest: BTreeMap<String, watch::Sender<Interest>>,
    identities: HashMap<String, Identity>,
    cluster: Cluster,
    tick: u64,
    expired_at: f64,
    /// The table before the newest, to be filled again without allocating.
    spare: Option<Arc<Table>>,
    /// Refs that turned active in the tick at hand, and how often by now; told once its table is out.
    activated: Vec<(Arc<RefEntry>, u64)>,
    /// What lasts longer than the process.
    keep: Option<Keep>,
    /// What came of the forecasts of all queues since the start.
    outcomes: [Outcomes; HORIZONS],
    /// Who finds out what new queues were like before.
    historian: Option<UnboundedSender<Unlearned>>,
}

impl Engine {
    /// An engine that knows no queue yet.
    pub fn new(config: Arc<Config>, refs: Arc<Refs>, answers: Arc<Answers>) -> Self {
        let mut engine = Self {
            cluster: Cluster::new(config.kubernetes.is_some()),
            names_victims: config.hints.victims,
            config,
            refs,
            answers,
            series: Series::default(),
            queues: Queues::default(),
            groups: Groups::default(),
            falls: Falls::default(),
            active: Vec::new(),
            interest: BTreeMap::new(),
            identities: HashMap::new(),
            tick: 0,
            expired_at: 0.0,
            spare: None,
            activated: Vec::new(),
            keep: None,
            outcomes: Default::default(),
            historian: None,
        };
        engine.open_sources();
        engine.groups.configure(&engine.config);
        engine
    }

    /// What each source's sampler has to read; changes as refs come and go.
    pub fn interests(&self) -> Interests {
        self.interest.iter().map(|(source, sender)| (source.clone(), sender.subscribe())).collect()
    }

    /// Keeps the refs that `watch` names, without KEDA asking for them.
    pub fn keep_watched(&mut self, now: f64) {
        let watched = watched(&self.config);
        self.refs.unwatch_all_but(&watched);
        for key in watched {
            let name = key.name.clone();
            let added = match refs::resolve(&key, &self.config, Caller::Operator) {
                Ok((spec, _)) => {
                    self.refs.add(key, spec, Caller::Operator, now).map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = added {
                tracing::warn!(name, error, "a watched queue is left out");
            }
        }
    }

    /// Takes in a ref that a call has just added. [`Engine::announce`] tells the samplers.
    pub fn adopt(&mut self, entry: Arc<RefEntry>) {
        let row = entry.row;
        if self.active.len() <= row {
            self.active.resize_with(row + 1, || None);
        }
        // The call may have read a configuration older or newer than the engine's own.
        let spec = refs::resolve(&entry.key, &self.config, entry.caller()).map(|(spec, _)| spec);
        let mut adopted = self.activate(entry, spec, Remembered::default());
        if let Some(former) = self.former_self(&adopted) {
            adopted.state = former.state.clone();
            adopted.activity.active = former.activity.active;
        } else if let Some(known) = self.keep.as_mut().and_then(|keep| keep.recall_ref(&adopted.entry)) {
            // What its pods were seen to do since the start is learned on top of it.
            adopted.state = known;
            adopted.starts = StartCounts::default();
            adopted.look(adopted.entry.last_seen(), &self.cluster, &mut self.queues);
        } else {
            adopted.begin_after(self.work_before(&adopted, adopted.entry.last_seen()));
        }
        adopted.state.apart(turn(row));
        self.active[row] = Some(adopted);
        self.groups.note_change();
    }

    /// Tells the samplers which queues to read.
    pub fn announce(&mut self) {
        let mut by_source: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for queue in self.queues.iter() {
            by_source.entry(&queue.known.key.source).or_default().push(queue.known.clone());
        }
        for (source, sender) in &self.interest {
            let queues = by_source.remove(source.as_str()).unwrap_or_default();
            let Some(config) = self.config.sources.get(source) else { continue };
            let queues =
                queues.into_iter().map(|queue| Wish { parts: wanted(config, &queue.key), queue }).collect();
            sender.send_if_modified(|interest| {
                let changed = interest.queues != queues;
                interest.queues = queues;
                changed
            });
        }
    }

    /// Takes in what a sampler read, or that it could not. Returns whether somebody waits for what it
    /// says: a queue was read for the first time, an idle one has work, or Jobs are started by its newest sample.
    pub fn absorb(&mut self, reading: Reading) -> bool {
        let Reading { source, at, interest, result } = reading;
        let (mut awaited, mut faults) = (false, Faults::default());
        match result {
            Ok(batch) => {
                self.note_identity(&source, at, batch.identity);
                let in_sight = self.cluster.sight() == Some(Sight::Clear);
                let mut crews = if in_sight {
                    Crews::of(self.active.iter().flatten(), &interest, &batch.samples)
                } else {
                    Crews::default()
                };
                for (wish, sample) in interest.queues.iter().zip(batch.samples) {
                    let crew = crews.take(&wish.queue);
                    awaited |= self.absorb_one(&wish.queue, at, sample, crew, Some(&mut faults));
                }
            }
            Err(error) => {
                for wish in &interest.queues {
                    awaited |= self.absorb_one(&wish.queue, at, Err(error.clone()), None, None);
                }
            }
        }
        faults.log(&source);
        awaited
    }

    /// Takes in what has changed in Kubernetes. Returns whether somebody waits for it: it was listed for
    /// the first time, or a new ref's workload was seen.
    pub fn see(&mut self, news: &News, sight: Sight, now: f64) -> bool {
        let mut awaited = self.cluster.look(sight);
        for name in &news.gone {
            self.cluster.forget(name, &self.refs);
        }
        for sighting in &news.seen {
            self.cluster.note(sighting, &self.config, &self.refs, now);
        }
        for active in self.active.iter_mut().flatten() {
            active.look(now, &self.cluster, &mut self.queues);
            awaited |= active.has_come_into_sight();
        }
        self.cluster.publish();
        awaited
    }

    /// Takes a new configuration; what is known of queues and refs stays.
    pub fn reload(&mut self, config: Arc<Config>, now: f64) {
        self.config = config;
        self.open_sources();
        self.groups.configure(&self.config);
        // First, since on whose word a ref is kept says what it may use.
        self.keep_watched(now);
        self.cluster.resolve_anew(&self.config, &self.refs, now);
        for row in 0..self.active.len() {
            let Some(mut active) = self.active[row].take() else { continue };
            let spec =
                refs::resolve(&active.entry.key, &self.config, active.entry.caller()).map(|(spec, _)| spec);
            if spec == active.spec && (spec.is_err() || active.queue.is_some()) {
                active.pin = self.config.pin_for(&active.entry.key.namespace, &active.entry.key.name);
                self.active[row] = Some(active);
                continue;
            }
            // The new place is taken before the old one is left, so that a queue which both want stays.
            let ActiveRef { entry, state, activity, starts, .. } = active;
            let next = self.activate(entry, spec, Remembered { state, activity, starts });
            self.active[row] = Some(next);
            self.release(active.queue.as_ref(), active.spec.as_ref().ok());
        }
        for queue in self.queues.iter() {
            if let Some(rules) = rules(&self.config, &queue.known.key) {
                self.series.set_rules(queue.known.index, rules);
            }
        }
        self.announce();
    }

    /// Queues known.
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// The ref that this one was before its trigger was edited: an edit changes nothing by itself.
    fn former_self(&self, new: &ActiveRef) -> Option<&ActiveRef> {
        let queue = self.queues.get(new.queue.as_ref()?).filter(|queue| queue.is_shared())?;
        let same = |old: &&ActiveRef| {
            let (old_key, new_key) = (&old.entry.key, &new.entry.key);
            (&old_key.namespace, &old_key.name) == (&new_key.namespace, &new_key.name)
                && old.queue.as_ref().is_some_and(|known| Arc::ptr_eq(known, &queue.known))
        };
        self.active
            .iter()
            .flatten()
            .filter(same)
            .max_by(|a, b| a.entry.last_seen().total_cmp(&b.entry.last_seen()))
    }

    fn open_sources(&mut self) {
        self.interest.retain(|source, _| self.config.sources.contains_key(source));
        for source in self.config.sources.keys() {
            self.interest.entry(source.clone()).or_insert_with(|| watch::Sender::new(Interest::default()));
        }
    }

    fn activate(
        &mut self,
        entry: Arc<RefEntry>,
        spec: Result<RefSpec, refs::RefError>,
        Remembered { state, activity, starts }: Remembered,
    ) -> ActiveRef {
        let queue = spec.as_ref().ok().and_then(|spec| self.claim(spec));
        let pin = self.config.pin_for(&entry.key.namespace, &entry.key.name);
        let object = object(&self.config, &entry, spec.as_ref().ok());
        let mut active = ActiveRef {
            entry,
            spec,
            queue,
            pin,
            state,
            activity,
            object,
            sighting: None,
            starts,
            logged: None,
            awaiting: None,
            seat: None,
        };
        active.look(active.entry.last_seen(), &self.cluster, &mut self.queues);
        active
    }

    /// Finds or adds a ref's queue and counts the ref.
    fn claim(&mut self, spec: &RefSpec) -> Option<Arc<KnownQueue>> {
        let rules = rules(&self.config, &spec.queue)?;
        let keep = &mut self.keep;
        let mut is_unlearned = false;
        let recall = |key: &_| {
            let known = keep.as_mut().and_then(|keep| keep.recall_queue(key));
            is_unlearned = known.is_none();
            known
        };
        let known = self.queues.claim(&spec.queue, rules, &spec.policy, &mut self.series, recall);
        if is_unlearned {
            self.ask_for_the_past(&known);
        }
        Some(known)
    }

    fn release(&mut self, queue: Option<&Arc<KnownQueue>>, spec: Option<&RefSpec>) {
        if let (Some(known), Some(spec)) = (queue, spec) {
            let gone = self.queues.release(known, spec.policy.mode, &mut self.series);
            if let (Some(gone), Some(keep)) = (gone, &mut self.keep) {
                keep.shelve_queue(&gone);
            }
        }
    }

    /// One queue's part of a reading; `faults` where the source itself could be read. Returns whether
    /// somebody waits for it.
    fn absorb_one(
        &mut self,
        known: &Arc<KnownQueue>,
        at: f64,
        sample: Result<Sample, Arc<str>>,
        crew: Option<QueueCrew>,
        faults: Option<&mut Faults>,
    ) -> bool {
        let Some(queue) = self.queues.get_mut(known) else { return false };
        let first = !std::mem::replace(&mut queue.read, true);
        match sample {
            Ok(mut sample) => {
                queue.error = None;
                if let Some(faults) = faults {
                    faults.ended += usize::from(std::mem::take(&mut queue.own_fault));
                }
                let has_work = sample.work().is_some_and(|work| work > 0);
                let wakes = has_work && !self.series.has_work(known.index);
                let awaited = first || wakes || queue.starts_jobs();
                let crew = crew.unwrap_or_default();
                let draining = crew.call_roll(&mut sample, at);
                queue.busy = if self.names_victims { Busy::of(&sample, &crew.crews()) } else { None };
                self.series.intake(known.index, at, &sample, draining);
                let outcomes = queue.learn(at, &sample, &self.series);
                self.outcomes.iter_mut().zip(outcomes).for_each(|(sum, more)| *sum += more);
                awaited
            }
            Err(error) => {
                if let Some(faults) = faults {
                    faults.of(queue, &error);
                }
                queue.error = Some(error);
                queue.learner.miss();
                self.series.fail(known.index);
                first
            }
        }
    }

    fn expire(&mut self, now: f64) {
        let gone = self.refs.expire(now);
        for entry in &gone {
            if let Some(active) = self.active.get_mut(entry.row).and_then(Option::take) {
                self.release(active.queue.as_ref(), active.spec.as_ref().ok());
                if let Some(keep) = &mut self.keep {
                    keep.shelve_ref(&active);
                }
            }
            self.refs.free_row(entry.row);
        }
        if !gone.is_empty() {
            self.groups.note_change();
            self.announce();
        }
    }

    fn note_identity(&mut self, source: &str, at: f64, identity: Option<Identity>) {
        let Some(identity) = identity else { return };
        match self.identities.get_mut(source) {
            Some(before) if *before != identity => *before = identity,
            Some(_) => return,
            None => {
                self.identities.insert(source.to_owned(), identity);
                return;
            }
        }
        let distrust = self.config.sources.get(source).map_or(0.0, |config| config.distrust);
        tracing::warn!(
            source,
            distrust_seconds = distrust,
            "the store is not the one it was: no target falls for a while"
        );
        for queue in self.queues.iter().filter(|queue| queue.known.key.source == source) {
            self.series.distrust(queue.known.index, at + distrust);
        }
    }
}
