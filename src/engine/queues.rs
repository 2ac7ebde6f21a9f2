//! The queues that some ref asks for: found by name when a ref comes, by place at every tick.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::busy::Busy;
use crate::{
    clock::Zone,
    forecast::{
        Forecast,
        horizons::{HORIZONS, Horizons},
        learner::Learner,
        outcomes::Outcomes,
    },
    series::{KnownQueue, QueueIndex, QueueKey, QueueRules, Sample, Series},
    sizing::{Mode, Policy},
};

/// Where in a period the one at this place has its turn, from 0 to 1: neighbours far from each other, and as many in
/// each part of it (the golden ratio's multiples).
pub(super) fn turn(place: usize) -> f64 {
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    (place as f64 * golden).fract()
}

/// All queues, each at its place in the series.
#[derive(Default)]
pub(super) struct Queues {
    by_key: HashMap<QueueKey, Arc<KnownQueue>>,
    places: Vec<Option<Queue>>,
}

/// A queue that some ref asks for.
pub(super) struct Queue {
    pub(super) known: Arc<KnownQueue>,
    /// As in `known`, at hand without a look there.
    pub(super) index: QueueIndex,
    pub(super) worker_refs: u32,
    pub(super) error: Option<Arc<str>>,
    /// Whether its reads fail though its source can be read.
    pub(super) own_fault: bool,
    /// Its busy workers, where victims are named and the layout can tell.
    pub(super) busy: Option<Busy>,
    /// Whether the first read came back, with whatever result.
    pub(super) read: bool,
    refs: u32,
    pub(super) learner: Box<Learner>,
    /// Mean run time, seconds, as the learner knows it, at hand without a look there.
    pub(super) run_time: Option<f64>,
    /// To whose hours its recurring bursts keep: as the ref says that came first.
    pub(super) zone: Zone,
}

impl Queue {
    /// Whether a ref of `mode: jobs` asks for it: KEDA starts Jobs by the newest sample, and by how old that is
    /// it starts too many.
    pub(super) fn starts_jobs(&self) -> bool {
        self.refs > self.worker_refs
    }

    /// Teaches the forecast what a sample says that was just taken in. Gives what came of forecasts meanwhile.
    pub(super) fn learn(&mut self, at: f64, sample: &Sample, series: &Series) -> [Outcomes; HORIZONS] {
        self.learner.follow(at, sample, series, self.index, self.zone.offset(at));
        self.run_time = self.learner.run_time();
        self.learner.forecast_mut().take_outcomes()
    }

    /// Looks ahead about as far as workers take to start; where several refs ask for it, those of the slowest.
    pub(super) fn look_ahead(&mut self, lead: f64) {
        if !self.is_shared() || lead > self.learner.looks_ahead() {
            self.learner.look_ahead(lead);
        }
    }

    /// The part of each ref that keeps workers in what the queue did on the day before `now`, of which `past` knows,
    /// busy worker-seconds.
    pub(super) fn work_for_each(&self, past: &Forecast, now: f64) -> f64 {
        past.work_of_a_day(now) / f64::from(self.worker_refs.max(1))
    }

    /// Whether more than one ref asks for it.
    pub(super) fn is_shared(&self) -> bool {
        self.refs > 1
    }
}

impl Queues {
    /// The queue that a sampler or a ref knows; one that was dropped, or dropped and added again, is not it.
    pub(super) fn get(&self, known: &Arc<KnownQueue>) -> Option<&Queue> {
        self.places.get(known.index.at())?.as_ref().filter(|queue| Arc::ptr_eq(&queue.known, known))
    }

    /// As [`Queues::get`].
    pub(super) fn get_mut(&mut self, known: &Arc<KnownQueue>) -> Option<&mut Queue> {
        self.places.get_mut(known.index.at())?.as_mut().filter(|queue| Arc::ptr_eq(&queue.known, known))
    }

    /// Finds or adds a ref's queue and counts the ref. `recall` says what was learned of a new one before.
    pub(super) fn claim(
        &mut self,
        key: &QueueKey,
        rules: QueueRules,
        policy: &Policy,
        series: &mut Series,
        recall: impl FnOnce(&QueueKey) -> Option<Forecast>,
    ) -> Arc<KnownQueue> {
        let known = self
            .by_key
            .entry(key.clone())
            .or_insert_with_key(|key| Arc::new(KnownQueue { key: key.clone(), index: series.add(rules) }));
        let place = known.index.at();
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        let queue = self.places[place].get_or_insert_with(|| Queue {
            known: known.clone(),
            index: known.index,
            worker_refs: 0,
            error: None,
            own_fault: false,
            busy: None,
            read: false,
            refs: 0,
            learner: Box::new(
                recall(key)
                    .map_or_else(|| Learner::new(Horizons::default()), Learner::resume)
                    .apart(turn(known.index.at())),
            ),
            run_time: None,
            zone: Zone::named(policy.timezone.as_deref()),
        });
        queue.refs += 1;
        queue.worker_refs += u32::from(policy.mode == Mode::Workers);
        known.clone()
    }

    /// A ref leaves its queue; with the last one the queue goes, and is returned.
    pub(super) fn release(
        &mut self,
        known: &Arc<KnownQueue>,
        mode: Mode,
        series: &mut Series,
    ) -> Option<Queue> {
        let queue = self.get_mut(known)?;
        queue.refs -= 1;
        queue.worker_refs -= u32::from(mode == Mode::Workers);
        if queue.refs > 0 {
            return None;
        }
        self.by_key.remove(&known.key);
        series.remove(known.index);
        self.places[known.index.at()].take()
    }

    /// Places of queues, those in between that are free included.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// The queues at some of the places.
    pub(super) fn at(&self, places: Range<usize>) -> impl Iterator<Item = &Queue> {
        self.places.iter().skip(places.start).take(places.len()).flatten()
    }

    /// Every queue, in the order of their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.places.iter().flatten()
    }

    /// Queues known.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}
