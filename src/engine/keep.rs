//! What is kept over restarts: taken down when a queue or ref comes, put back when it goes, and handed out from time
//! to time, some in each tick.

use std::ops::Range;

use super::{Engine, active::ActiveRef, queues::Queue};
use crate::{
    forecast::{Forecast, state::State},
    refs::RefEntry,
    series::QueueKey,
    sizing::{Memory, RefState},
    state::{Piece, Record, RefName, Shelf, keeper::Outlet},
};

/// Queues and refs that are copied in one tick, at least. A copy takes half a microsecond.
const PORTION: usize = 100;

/// Ticks that a round takes, about, where there are more of them.
const TICKS: usize = 60;

/// What an engine remembers beyond its own life.
pub struct Keep {
    shelf: Shelf,
    outlet: Outlet,
    /// Seconds between two rounds.
    every: f64,
    /// Seconds after which what nobody asks for is forgotten.
    forget_after: f64,
    /// When the next round begins; `None` before the first tick.
    next: Option<f64>,
    /// Places of queues and rows of refs that the round at hand has handed out.
    round: Option<usize>,
}

impl Keep {
    /// With `shelf` as what was known before; every so many seconds all goes to `outlet`.
    pub fn new(shelf: Shelf, outlet: Outlet, every: f64, forget_after: f64) -> Self {
        Self { shelf, outlet, every, forget_after, next: None, round: None }
    }

    /// What was learned of a queue before.
    pub(super) fn recall_queue(&mut self, key: &QueueKey) -> Option<Forecast> {
        self.shelf.take_queue(key)
    }

    /// What a ref remembers from before.
    pub(super) fn recall_ref(&mut self, entry: &RefEntry) -> Option<RefState> {
        self.shelf.take_ref(name(entry))
    }

    /// Nobody asks for a queue any more.
    pub(super) fn shelve_queue(&mut self, queue: &Queue) {
        let forecast = queue.learner.forecast();
        if let Some(used) = forecast.arrivals().seen_until() {
            self.shelf.put(Record::of_queue(queue.known.key.clone(), used, &State::of(forecast)));
        }
    }

    /// Nobody asks for a ref any more.
    pub(super) fn shelve_ref(&mut self, gone: &ActiveRef) {
        let used = gone.entry.last_seen();
        self.shelf.put(Record::of_ref(name(&gone.entry), used, &Memory::of(&gone.state)));
    }

    /// Before what the shelf may forget.
    fn forget_before(&self, now: f64) -> f64 {
        now - self.forget_after
    }

    /// Begins a round if one is due.
    fn begin(&mut self, now: f64) {
        let next = *self.next.get_or_insert(now + self.every);
        if self.round.is_none() && now >= next && self.outlet.is_free() {
            self.next = Some(now + self.every);
            self.begin_now(now);
        }
    }

    fn begin_now(&mut self, now: f64) {
        self.shelf.forget(self.forget_before(now));
        // First, so that of two with one name the one that is in use is read last.
        self.outlet.send(self.shelf.records().cloned().map(Piece::Shelved).collect(), None);
        self.round = Some(0);
    }
}

impl Engine {
    /// The same, with a memory beyond its own life.
    #[must_use]
    pub fn keeping(mut self, keep: Keep) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Hands out some copies, if it is time for it; to be called once a tick.
    pub fn keep_some(&mut self, now: f64) {
        let Some(keep) = &mut self.keep else { return };
        keep.begin(now);
        let Some(from) = keep.round else { return };
        let all = self.queues.places().max(self.active.len());
        let to = (from + PORTION.max(all / TICKS)).min(all);
        let pieces = self.pieces(from..to, now);
        self.hand_out(pieces, (to < all).then_some(to), now);
    }

    /// Hands out a copy of everything: the process ends.
    pub fn keep_all(&mut self, now: f64) {
        let Some(keep) = &mut self.keep else { return };
        if keep.round.is_none() {
            keep.begin_now(now);
        }
        let from = self.keep.as_ref().and_then(|keep| keep.round).unwrap_or(0);
        let pieces = self.pieces(from..self.queues.places().max(self.active.len()), now);
        self.hand_out(pieces, None, now);
    }

    fn hand_out(&mut self, pieces: Vec<Piece>, rest: Option<usize>, now: f64) {
        let Some(keep) = &mut self.keep else { return };
        keep.round = rest;
        let end = rest.is_none().then(|| keep.forget_before(now));
        keep.outlet.send(pieces, end);
    }

    fn pieces(&self, places: Range<usize>, now: f64) -> Vec<Piece> {
        let queue = |queue: &Queue| {
            let forecast = queue.learner.forecast();
            forecast.arrivals().seen_until()?;
            Some(Piece::Queue(queue.known.clone(), now, Box::new(State::of(forecast))))
        };
        let queues = self.queues.at(places.clone()).filter_map(queue);
        let refs = self.active.iter().skip(places.start).take(places.len()).flatten();
        let refs = refs.map(|one| Piece::Ref(name(&one.entry), now, Box::new(Memory::of(&one.state))));
        queues.chain(refs).collect()
    }
}

fn name(entry: &RefEntry) -> RefName {
    RefName {
        namespace: entry.key.namespace.clone(),
        name: entry.key.name.clone(),
        metric: entry.metric_name.clone(),
    }
}
