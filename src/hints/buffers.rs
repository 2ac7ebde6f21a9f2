//! Room for pods to come, asked for by the replicas of objects that node autoscalers read.
//!
//! One loop keeps what is wanted; whatever waits for the API server is a task of its own with a deadline, one at a time
//! for each object. So what happens to one object stops no other. Replicas are set to 0, and the object stays: Karpenter
//! may keep empty nodes for a buffer that was deleted.

mod asking;
mod calls;
mod kept;
mod objects;
#[cfg(test)]
mod tests;
mod wants;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use kube::{ResourceExt as _, api::DynamicObject};
use tokio::{task::JoinSet, time::sleep};

pub(super) use self::asking::{Asking, asks_for_us};
use self::{
    calls::{Failure, Reason},
    kept::{Kept, Step},
    objects::{FOR_LABEL, Kind, LEASE_LABEL, Place},
};
use super::{
    Part,
    shape::{Purpose, Shape},
};
use crate::{
    answers::{Rooms, Table, Trouble},
    config::{hints::HintMode, source::WorkloadName},
    nodes::Spares,
    telemetry::HintsMetrics,
    workloads::Sight,
};

/// The longest time from one look at what is wanted to the next, where no tick comes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Seconds from one survey of what is there to the next.
const SURVEY_EVERY: f64 = 15.0;

/// Seconds from one look at Karpenter's `NodePool`s to the next.
const POOLS_EVERY: f64 = 60.0;

/// Seconds for which nothing is written where the API server does not know the kind, or refuses to list it.
const REST: f64 = 60.0;

/// Asks for room until `part.stop` is cancelled. What is asked for then stays: another replica goes on from there.
pub(super) async fn run(part: Part) {
    let Some(kind) = Kind::of(part.config.mode) else { return };
    let mut ticks = part.answers.subscribe();
    let mut room = Room::new(part, kind);
    loop {
        tokio::select! {
            () = room.part.stop.cancelled() => return,
            Some(done) = room.tasks.join_next() => {
                if let Ok(done) = done {
                    room.take(done);
                    room.go_on();
                }
            }
            Ok(()) = ticks.changed() => room.step(),
            () = sleep(LOOK_EVERY) => room.step(),
        }
    }
}

/// What a task has found.
enum Done {
    Survey(Result<Vec<DynamicObject>, Failure>),
    Pools(Option<f64>),
    Shape(WorkloadName, Result<Arc<Shape>, Failure>),
    Write(WorkloadName, u32, Result<DynamicObject, Failure>),
    /// An object of nobody's is at 0.
    Stray(String, Result<DynamicObject, Failure>),
}

/// Everything of one term of writing.
struct Room {
    part: Part,
    kind: Kind,
    /// The Lease, as a label.
    lease: String,
    spares: Spares<WorkloadName>,
    kept: BTreeMap<WorkloadName, Kept>,
    tasks: JoinSet<Done>,
    /// The term of this; `None` while another replica writes.
    term: Option<u64>,
    /// What was there was seen in this term.
    surveyed: bool,
    survey_due: f64,
    surveying: Option<f64>,
    pools_due: f64,
    consolidate_after: Option<f64>,
    /// Until when nothing is written, since the kind is not there.
    absent_until: f64,
    /// What is in the way of all, as the log has it.
    trouble: Option<Failure>,
}

impl Room {
    fn new(part: Part, kind: Kind) -> Self {
        let lease = objects::lease_label(&part.client, &part.config.lease);
        Self {
            part,
            kind,
            lease,
            spares: Spares::default(),
            kept: BTreeMap::new(),
            tasks: JoinSet::new(),
            term: None,
            surveyed: false,
            survey_due: 0.0,
            surveying: None,
            pools_due: 0.0,
            consolidate_after: None,
            absent_until: 0.0,
            trouble: None,
        }
    }

    /// Whether the objects are ours, and not those of somebody whose replicas we set.
    fn ours(&self) -> bool {
        self.part.config.mode != HintMode::Adopt
    }

    /// One look at what is wanted, and word of what is asked for.
    fn step(&mut self) {
        self.look();
        self.part.answers.publish_rooms(self.rooms());
    }

    fn rooms(&self) -> Rooms {
        if self.term.is_none() {
            return Rooms::Elsewhere;
        }
        let row = |(name, kept): (&WorkloadName, &Kept)| (name.clone(), kept.row(self.spares.of(name)));
        let trouble =
            |failure: &Failure| Trouble { reason: failure.reason.name(), words: failure.words.clone() };
        Rooms::Here { rows: self.kept.iter().map(row).collect(), trouble: self.trouble.as_ref().map(trouble) }
    }

    fn look(&mut self) {
        let now = self.part.clock.now();
        let term = self.part.leadership.is_held(now).then(|| self.part.leadership.term());
        if self.term != term {
            // Tasks of another term end where they are.
            let (part, kind, trouble) = (self.part.clone(), self.kind, self.trouble.take());
            *self = Self { term, trouble, ..Self::new(part, kind) };
        }
        let table = self.part.answers.load_newest();
        if term.is_none() || table.tick == 0 || table.sight != Some(Sight::Clear) && !self.surveyed {
            return;
        }
        self.look_around(now, &table);
        if self.surveyed {
            self.want(now, &table);
            self.act(now);
        }
    }

    /// What a task has found lets others begin at once.
    fn go_on(&mut self) {
        let now = self.part.clock.now();
        let leads = self.part.leadership.is_held(now) && self.term == Some(self.part.leadership.term());
        if leads && self.surveyed {
            self.act(now);
        }
    }

    /// Sees what is there, and how nodes are taken away.
    fn look_around(&mut self, now: f64, table: &Table) {
        if now >= self.pools_due {
            self.pools_due = now + POOLS_EVERY;
            let client = self.part.client.clone();
            self.tasks.spawn(async move { Done::Pools(calls::consolidate_after(&client).await) });
        }
        if now >= self.survey_due && self.surveying.is_none() {
            self.surveying = Some(now);
            let (client, kind) = (self.part.client.clone(), self.kind);
            let label =
                if self.ours() { format!("{LEASE_LABEL}={}", self.lease) } else { FOR_LABEL.to_owned() };
            let named = table.objects.iter().map(|row| row.sighting.name.namespace.clone());
            let namespaces: BTreeSet<String> = named.collect();
            self.tasks
                .spawn(async move { Done::Survey(calls::list(&client, kind, &label, namespaces).await) });
        }
    }

    /// Takes what the newest decisions want.
    fn want(&mut self, now: f64, table: &Table) {
        let fresh = table.sight == Some(Sight::Clear) && now - table.at < wants::STALE;
        let mut wanted = if fresh {
            wants::of(table, |name| self.kept.contains_key(name), self.consolidate_after)
        } else {
            BTreeMap::new()
        };
        let limits = self.part.config.limits;
        for (name, wants) in &mut wanted {
            let kept = self.kept.entry(name.clone()).or_default();
            kept.cold = wants.cold;
            kept.uid = wants.uid.clone();
            kept.target = Some(wants.target.clone());
            if let Some(wanted) = &mut wants.wanted {
                wanted.chunks = kept.at_most(limits.chunks);
            }
        }
        let there =
            |name: &WorkloadName| !fresh || table.objects.iter().any(|row| row.sighting.name == *name);
        let unknown = self.kept.keys().filter(|name| !wanted.contains_key(name) && there(name));
        let unknown: Vec<_> = unknown.map(|name| (name.clone(), None)).collect();
        let known = wanted.into_iter().map(|(name, wants)| (name, wants.wanted));
        self.spares.step(now, &limits, known.chain(unknown));
    }

    /// Does for each object what is next, and lets go of those of which nothing is left.
    fn act(&mut self, now: f64) {
        if now < self.absent_until {
            return;
        }
        let mut next = Vec::new();
        for (name, kept) in &mut self.kept {
            let chunks = self.spares.of(name);
            if let Some(step) = kept.next(now, chunks, self.part.config.mode) {
                next.push((name.clone(), step));
            }
        }
        for (name, step) in next {
            self.begin(name, step);
        }
        let spares = &self.spares;
        self.kept.retain(|name, kept| !kept.is_over() || spares.iter().any(|(known, _)| known == name));
    }

    fn begin(&mut self, name: WorkloadName, step: Step) {
        let (client, kind, config) = (self.part.client.clone(), self.kind, &self.part.config);
        let Some(kept) = self.kept.get_mut(&name) else { return };
        let place = Place {
            object: name.clone(),
            uid: kept.uid.clone(),
            lease: self.lease.clone(),
            priority_class: config.priority_class.clone(),
        };
        match step {
            Step::Shape => {
                let Some((target, version)) = kept.target.clone() else { return };
                let (sidecar, before) = (config.sidecar.clone(), kept.shape.clone());
                let metrics = self.part.metrics.hints.clone();
                kept.begin();
                self.tasks.spawn(async move {
                    let purpose = match kind {
                        Kind::Deployment => Purpose::Placeholder,
                        Kind::CapacityBuffer | Kind::PodTemplate => Purpose::Buffer,
                    };
                    let shaped = async {
                        let shape = calls::shape(&client, &target, &version, purpose, sidecar).await?;
                        if kind == Kind::CapacityBuffer && before.as_deref() != Some(&shape) {
                            let template = place.pod_template(&shape);
                            let applied = calls::apply(&client, Kind::PodTemplate, &template, false).await;
                            count(&metrics, Kind::PodTemplate, &applied);
                            applied?;
                        }
                        Ok(Arc::new(shape))
                    };
                    Done::Shape(name, shaped.await)
                });
            }
            Step::Write(chunks) => {
                let ours = config.mode != HintMode::Adopt;
                let found = kept.found.as_ref().map(|found| objects::rescaled(kind, found, ours, chunks));
                let object = match (kind, &kept.shape) {
                    _ if chunks == 0 || !ours => found,
                    (Kind::Deployment, Some(shape)) => Some(place.placeholder(shape, chunks)),
                    (Kind::Deployment, None) => found,
                    _ => Some(place.buffer(chunks)),
                };
                let Some(object) = object else { return };
                kept.begin();
                self.tasks.spawn(async move {
                    Done::Write(name, chunks, calls::apply(&client, kind, &object, !ours).await)
                });
            }
        }
    }

    /// Takes what a task has found.
    fn take(&mut self, done: Done) {
        let now = self.part.clock.now();
        let metrics = &self.part.metrics.hints;
        match done {
            Done::Pools(after) => self.consolidate_after = after,
            Done::Survey(result) => self.take_survey(now, result),
            Done::Shape(name, result) => {
                let Some(kept) = self.kept.get_mut(&name) else { return };
                kept.shaped(now, &name, result, self.kind);
            }
            Done::Write(name, chunks, result) => {
                count(metrics, self.kind, &result);
                if let Err(failure @ Failure { reason: Reason::Absent, .. }) = &result {
                    self.absent_until = now + REST;
                    self.say(failure.clone());
                }
                let Some(kept) = self.kept.get_mut(&name) else { return };
                kept.wrote(now, &name, chunks, result);
            }
            Done::Stray(name, result) => {
                count(metrics, self.kind, &result);
                match result {
                    Ok(_) => tracing::info!(name, "nobody wants this room any more: it is at 0"),
                    Err(failure) => self.say(failure),
                }
            }
        }
    }

    /// Takes what is there: what was written before this term, what became of it, and what nobody wants.
    fn take_survey(&mut self, now: f64, result: Result<Vec<DynamicObject>, Failure>) {
        let began = self.surveying.take().unwrap_or(now);
        self.survey_due = now + SURVEY_EVERY;
        let found = match result {
            Ok(found) => found,
            Err(failure) => {
                match failure.reason {
                    Reason::Absent => (self.absent_until, self.survey_due) = (now + REST, now + REST),
                    // What is there stays unknown, and what is wanted can be written all the same.
                    Reason::Forbidden => (self.surveyed, self.survey_due) = (true, now + REST),
                    _ => {}
                }
                self.say(failure);
                return;
            }
        };
        self.trouble = None;
        let table = self.part.answers.load_newest();
        if table.sight != Some(Sight::Clear) {
            return;
        }
        let ours = self.ours();
        let mut named: BTreeMap<(&str, String), &WorkloadName> = BTreeMap::new();
        for row in table.objects.iter() {
            let name = &row.sighting.name;
            let label = if ours { objects::name_for(name) } else { name.name.clone() };
            // Of the same name, a ScaledObject stands before a ScaledJob.
            let known = named.entry((&name.namespace, label)).or_insert(name);
            *known = (*known).max(name);
        }
        let mut seen = BTreeSet::new();
        for object in found {
            let namespace = object.namespace().unwrap_or_default();
            let label = object.labels().get(FOR_LABEL).cloned().unwrap_or_default();
            let Some(&name) = named.get(&(namespace.as_str(), label)) else {
                self.zero(&object);
                continue;
            };
            seen.insert(name.clone());
            if !self.surveyed && wants::may_be_wanted(&table, name) {
                self.spares.begin(now, name.clone(), objects::chunks_of(&object));
            }
            let kept = self.kept.entry(name.clone()).or_default();
            kept.saw(now, began, name, self.kind, object);
        }
        for (name, kept) in &mut self.kept {
            if !seen.contains(name) {
                kept.missed(began, name, ours);
            }
        }
        self.surveyed = true;
    }

    /// Says what is in the way of all, once until it is something else.
    fn say(&mut self, failure: Failure) {
        if self.trouble.as_ref() != Some(&failure) {
            tracing::warn!("{}", failure.words);
            self.trouble = Some(failure);
        }
    }

    /// Sets the chunks of an object to 0 that belongs to nobody who is there.
    fn zero(&mut self, object: &DynamicObject) {
        let (ours, kind, client) = (self.ours(), self.kind, self.part.client.clone());
        let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
        let kept = self.kept.keys().any(|known| {
            Some(known.namespace.as_str()) == object.namespace().as_deref()
                && object.labels().get(FOR_LABEL) == Some(&objects::name_for(known))
        });
        if kept || objects::chunks_of(object) == 0 || !objects::is_written_by_us(object) {
            return;
        }
        let zero = objects::rescaled(kind, object, ours, 0);
        self.tasks.spawn(async move { Done::Stray(name, calls::apply(&client, kind, &zero, !ours).await) });
    }
}

/// Counts a write.
fn count<T>(metrics: &HintsMetrics, kind: Kind, result: &Result<T, Failure>) {
    let word = result.as_ref().err().map_or("ok", |failure| failure.reason.result());
    metrics.room_writes.with_label_values(&[kind.name(), word]).inc();
}

/// What a workload's pods are made of: its object, and the API's version of that.
type Target = (WorkloadName, Arc<str>);
