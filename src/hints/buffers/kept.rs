//! What is kept of one object: what is written, what is in the way, and what comes next.

use std::{collections::BTreeMap, sync::Arc};

use kube::api::DynamicObject;

use super::{
    Target,
    calls::{Failure, Reason},
    objects::{self, Kind, Reply},
};
use crate::{
    answers::{RoomRow, Trouble},
    config::{hints::HintMode, source::WorkloadName},
    hints::shape::Shape,
};

/// Seconds between two writes of one object.
const WRITE_EVERY: f64 = 1.0;

/// Seconds after which a template is read anew.
const SHAPE_EVERY: f64 = 60.0;

/// Seconds to rest after a call that was not answered: the first time, and at most.
const REST: [f64; 2] = [1.0, 30.0];

/// Seconds to rest where somebody has to do something first.
const LONG_REST: f64 = 60.0;

/// Seconds in which somebody must have read a buffer.
const READ_WITHIN: f64 = 60.0;

/// Of a cold start's time, so much may pass until no node is believed to come.
const COME_WITHIN: f64 = 3.0;

/// What comes next for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// To read the template of its pods.
    Shape,
    /// To write so many chunks.
    Write(u32),
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Reading the template, or writing that of the chunk.
    Shape,
    /// Writing the chunks.
    Write,
    /// What was read back of them.
    Reply,
}

/// What is kept of one object of KEDA's.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) uid: Box<str>,
    pub(super) target: Option<Target>,
    /// Seconds of a cold start.
    pub(super) cold: f64,
    /// The chunk of its pods, as it was read last.
    pub(super) shape: Option<Arc<Shape>>,
    /// What asks for its room, as it was seen last; `None` where there is nothing.
    pub(super) found: Option<DynamicObject>,
    shape_due: f64,
    /// Chunks that the API server knows of; `None` where they have to be written whatever they are.
    written: Option<u32>,
    /// When something was written last.
    wrote: f64,
    busy: bool,
    rest_until: f64,
    failed_shapes: i32,
    failed_writes: i32,
    /// Since when room is asked for of which nobody has read.
    unread_since: Option<f64>,
    /// Since when room is wanting, or is there.
    reply: Option<(Reply, f64)>,
    /// Chunks at most, since no more came.
    cap: Option<u32>,
    troubles: BTreeMap<Reason, (Origin, String)>,
}

impl Kept {
    /// Chunks that may be asked for.
    pub(super) fn at_most(&self, chunks: u32) -> u32 {
        self.cap.unwrap_or(chunks)
    }

    /// What is to be done now, where so many chunks are wanted.
    pub(super) fn next(&self, now: f64, chunks: u32, mode: HintMode) -> Option<Step> {
        if self.busy {
            return None;
        }
        let writes = match self.written {
            Some(written) => written != chunks,
            None => chunks > 0 || self.found.is_some(),
        };
        let fewer = self.written.is_some_and(|written| chunks < written);
        let ready = match mode {
            HintMode::Adopt => self.found.is_some(),
            // To give room up takes no more than to know it.
            _ if chunks == 0 || fewer => self.found.is_some(),
            _ => self.shape.is_some(),
        };
        if writes && ready {
            let may = now >= self.rest_until && now - self.wrote >= WRITE_EVERY;
            return may.then_some(Step::Write(chunks));
        }
        let shaped = mode != HintMode::Adopt && chunks > 0 && self.target.is_some();
        (shaped && now >= self.shape_due).then_some(Step::Shape)
    }

    /// A task of it begins.
    pub(super) fn begin(&mut self) {
        self.busy = true;
    }

    /// Whether nothing is asked for, so that it may be forgotten where nothing is wanted.
    pub(super) fn is_over(&self) -> bool {
        !self.busy && (self.found.is_none() || self.written == Some(0))
    }

    /// The template was read, and in mode `capacity-buffer` written.
    pub(super) fn shaped(
        &mut self,
        now: f64,
        name: &WorkloadName,
        result: Result<Arc<Shape>, Failure>,
        kind: Kind,
    ) {
        self.busy = false;
        self.shape_due = now + SHAPE_EVERY;
        match result {
            Ok(shape) => {
                self.failed_shapes = 0;
                self.well(Origin::Shape);
                if self.shape.as_ref() != Some(&shape) {
                    for note in &shape.notes {
                        tracing::warn!(object = %name, "the room may not fit its pods: {note}");
                    }
                    if kind == Kind::Deployment {
                        self.written = None;
                    }
                    self.shape = Some(shape);
                }
            }
            Err(failure) => {
                self.shape_due = now + rest(&failure, &mut self.failed_shapes);
                self.trouble(name, Origin::Shape, failure);
            }
        }
    }

    /// So many chunks were written, or were not.
    pub(super) fn wrote(
        &mut self,
        now: f64,
        name: &WorkloadName,
        chunks: u32,
        result: Result<DynamicObject, Failure>,
    ) {
        self.busy = false;
        self.wrote = now;
        match result {
            Ok(found) => {
                self.failed_writes = 0;
                self.well(Origin::Write);
                self.written = Some(chunks);
                self.found = Some(found);
                self.unread_since = self.unread_since.or(Some(now)).filter(|_| chunks > 0);
                tracing::debug!(object = %name, chunks, "room is asked for");
            }
            Err(Failure { reason: Reason::Replaced, .. }) => self.lost(),
            // Nothing asks for room any more.
            Err(Failure { reason: Reason::Gone, .. }) if chunks == 0 => self.lost(),
            Err(failure) => {
                self.rest_until = now + rest(&failure, &mut self.failed_writes);
                self.trouble(name, Origin::Write, failure);
            }
        }
    }

    /// It was seen in a survey that began at `began`.
    pub(super) fn saw(
        &mut self,
        now: f64,
        began: f64,
        name: &WorkloadName,
        kind: Kind,
        found: DynamicObject,
    ) {
        if self.busy || self.wrote >= began {
            return;
        }
        let chunks = objects::chunks_of(&found);
        self.troubles.remove(&Reason::Gone);
        self.written = Some(chunks);
        let reply = Reply::of(kind, &found);
        self.found = Some(found);
        self.heed(now, name, chunks, reply);
    }

    /// It was not there in a survey that began at `began`.
    pub(super) fn missed(&mut self, began: f64, name: &WorkloadName, ours: bool) {
        if self.busy || self.wrote >= began {
            return;
        }
        if self.found.is_some() {
            self.lost();
        }
        if !ours && !self.uid.is_empty() {
            let words =
                format!("there is no CapacityBuffer with the label {}={}", objects::FOR_LABEL, name.name);
            self.trouble(name, Origin::Reply, Failure { reason: Reason::Gone, words });
        }
    }

    fn lost(&mut self) {
        (self.written, self.found, self.unread_since) = (None, None, None);
        // The next one begins from nothing, its template included.
        (self.shape, self.shape_due) = (None, 0.0);
    }

    /// Heeds what those who bring nodes say.
    fn heed(&mut self, now: f64, name: &WorkloadName, chunks: u32, reply: Reply) {
        if chunks == 0 {
            self.unread_since = None;
        }
        let unread =
            reply == Reply::Silence && self.unread_since.is_some_and(|since| now - since >= READ_WITHIN);
        if unread {
            let words = "nobody has taken up its CapacityBuffer: is the feature gate CapacityBuffer of Karpenter on, \
                         or the Cluster Autoscaler told to read buffers?";
            let failure = Failure { reason: Reason::NobodyReconciles, words: words.to_owned() };
            self.trouble(name, Origin::Reply, failure);
        } else if reply != Reply::Silence {
            self.unread_since = None;
            self.troubles.remove(&Reason::NobodyReconciles);
        } else if chunks > 0 {
            self.unread_since = self.unread_since.or(Some(now));
        }
        match &reply {
            Reply::Unready(why) => {
                let words = format!("its room cannot be taken up: {why}");
                self.trouble(name, Origin::Reply, Failure { reason: Reason::Unready, words });
            }
            _ => drop(self.troubles.remove(&Reason::Unready)),
        }
        let patience = (COME_WITHIN * self.cold).max(READ_WITHIN);
        let since = self.reply.take().filter(|(before, _)| *before == reply).map_or(now, |(_, since)| since);
        let long = now - since >= patience;
        match reply {
            Reply::Wanting if long && chunks > 0 => {
                self.cap = Some((chunks / 2).max(1));
                let words =
                    format!("no node has come for its room in {patience:.0} s: half of it is asked for");
                self.trouble(name, Origin::Reply, Failure { reason: Reason::NoCapacity, words });
            }
            Reply::Wanting => {}
            _ => {
                self.troubles.remove(&Reason::NoCapacity);
                if long {
                    self.cap = self.cap.and_then(|cap| cap.checked_mul(2));
                }
            }
        }
        self.reply = Some((reply, if long { now } else { since }));
    }

    /// What failed so before went well.
    fn well(&mut self, origin: Origin) {
        self.troubles.retain(|_, (of, _)| *of != origin);
    }

    /// Says what is in the way, once until it is something else.
    fn trouble(&mut self, name: &WorkloadName, origin: Origin, failure: Failure) {
        let Failure { reason, words } = failure;
        if self.troubles.get(&reason).is_some_and(|(_, said)| *said == words) {
            return;
        }
        // Of a kind that is not there the room speaks for all.
        if reason != Reason::Absent {
            tracing::warn!(object = %name, reason = reason.name(), "{words}");
        }
        self.troubles.insert(reason, (origin, words));
    }

    /// What is told of it, where so many chunks are due.
    pub(super) fn row(&self, due: u32) -> RoomRow {
        let trouble = |(reason, (_, words)): (&Reason, &(Origin, String))| Trouble {
            reason: reason.name(),
            words: words.clone(),
        };
        RoomRow {
            chunks: self.found.as_ref().map(objects::chunks_of),
            due,
            at_most: self.cap,
            troubles: self.troubles.iter().map(trouble).collect(),
        }
    }
}

/// Seconds to rest after a failure, of so many before it that were not answered.
fn rest(failure: &Failure, failures: &mut i32) -> f64 {
    if failure.reason != Reason::Unanswered {
        return LONG_REST;
    }
    let rest = (REST[0] * 2.0_f64.powi(*failures)).min(REST[1]);
    *failures = (*failures + 1).min(10);
    rest
}
