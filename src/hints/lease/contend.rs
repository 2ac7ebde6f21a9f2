//! Who may hold the Lease and for how long, as values: what was seen and when, what to ask for next.
//!
//! A time written in the Lease is never compared with a clock here, since it is another machine's. A holder's time is
//! up when this replica has seen the Lease unchanged for as long as it lasts; and who holds it believes so from the
//! START of the last write that went through, for a shorter time. The API server lets no write through that is based
//! on an older version, so whatever is slow or lost in between, two never hold it at once.

/// Seconds that a hold lasts in the eyes of the others, from when they saw its last renewal.
pub(super) const LEASE: f64 = 15.0;

/// Seconds that it lasts in the eyes of the holder, from the start of its last renewal. What is left up to [`LEASE`]
/// is for writes that were begun at the last moment, and for clocks that run apart.
pub(super) const HOLD: f64 = 10.0;

/// Seconds from one renewal to the next.
const RENEW_EVERY: f64 = 5.0;

/// Seconds from one look at another's hold to the next, and after a failure.
pub(super) const RETRY: f64 = 2.0;

/// The Lease as the API server has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// Changes with every write.
    pub(super) version: String,
    /// Whose it is; empty where it was given up.
    pub(super) holder: String,
    /// Seconds that its holder gave it.
    pub(super) duration: f64,
    /// How often it has changed hands.
    pub(super) transitions: i32,
}

/// What to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Draft {
    /// The version that it takes the place of; `None` makes a new Lease.
    pub(super) version: Option<String>,
    /// Whose it will be.
    pub(super) holder: String,
    /// Unix seconds, to be read by people: since when it is its holder's. `None` leaves what is there.
    pub(super) acquired: Option<f64>,
    /// Unix seconds, to be read by people.
    pub(super) renewed: f64,
    /// How often it has changed hands.
    pub(super) transitions: i32,
}

/// What the API server is asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ask {
    /// The Lease as it is.
    Read,
    /// To write it, if it is still of the draft's version.
    Write(Draft),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// The Lease; `None` where there is none.
    Read(Option<Record>),
    /// It was written and is this now.
    Written(Record),
    /// Somebody else has written meanwhile.
    Conflict,
    /// Nothing in time, or an error: whether a write went through is not known.
    Nothing,
}

/// The Lease as it was last seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// `None` where there is none.
    pub(super) record: Option<Record>,
    /// From when on it is anybody's, unless it changes before.
    pub(super) free_at: f64,
}

/// What may be done with the Lease.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// It is ours.
    Renew,
    /// It is nobody's.
    Take,
    /// It is another's until then, unless it changes.
    Wait(f64),
}

/// What may be done at `now` with a Lease that was seen so.
pub(super) fn evaluate(seen: &Seen, me: &str, now: f64) -> Verdict {
    match &seen.record {
        Some(record) if record.holder == me => Verdict::Renew,
        _ if now >= seen.free_at => Verdict::Take,
        _ => Verdict::Wait(seen.free_at),
    }
}

/// The Lease as it is seen at `now`, after it was seen as `before`.
pub(super) fn look(before: Option<&Seen>, record: Option<Record>, me: &str, now: f64) -> Seen {
    let held = |record: &Record| !record.holder.is_empty() && record.holder != me;
    let free_at = match (&record, before) {
        // Unchanged: its time runs since it was first seen so.
        (record, Some(before)) if same(record.as_ref(), before.record.as_ref()) => before.free_at,
        (Some(record), _) if held(record) => now + record.duration.max(LEASE),
        // Somebody deleted it: who held it may not know that yet.
        (None, Some(Seen { record: Some(gone), .. })) if held(gone) => now + gone.duration.max(LEASE),
        _ => now,
    };
    Seen { record, free_at }
}

fn same(one: Option<&Record>, other: Option<&Record>) -> bool {
    one.map(|record| &record.version) == other.map(|record| &record.version)
}

/// One replica that would hold the Lease.
#[derive(Debug)]
pub(super) struct Contender {
    me: String,
    seen: Option<Seen>,
    /// Whether what was seen is what there is now, as far as this replica can know.
    fresh: bool,
    /// Whether a write of its own may be what is there.
    may_be_mine: bool,
    held_until: f64,
}

impl Contender {
    /// One of this name, which nobody else ever has.
    pub(super) fn new(me: String) -> Self {
        Self { me, seen: None, fresh: false, may_be_mine: false, held_until: 0.0 }
    }

    /// Until when nobody else can hold it, as of now; a time that is past where it is not held.
    pub(super) fn held_until(&self) -> f64 {
        self.held_until
    }

    /// What to ask next.
    pub(super) fn ask(&mut self, now: f64) -> Ask {
        let ask = self.next(now);
        self.fresh = false;
        self.may_be_mine |= matches!(ask, Ask::Write(_));
        ask
    }

    fn next(&self, now: f64) -> Ask {
        let Some(seen) = self.seen.as_ref().filter(|_| self.fresh) else { return Ask::Read };
        let record = seen.record.as_ref();
        let draft = Draft {
            version: record.map(|record| record.version.clone()),
            holder: self.me.clone(),
            acquired: None,
            renewed: now,
            transitions: record.map_or(0, |record| record.transitions),
        };
        match evaluate(seen, &self.me, now) {
            Verdict::Renew => Ask::Write(draft),
            Verdict::Take => Ask::Write(Draft {
                acquired: Some(now),
                transitions: record.map_or(0, |record| record.transitions.saturating_add(1)),
                ..draft
            }),
            Verdict::Wait(_) => Ask::Read,
        }
    }

    /// Takes in at `now` what came of what was asked at `asked`; returns the seconds until the next ask.
    pub(super) fn hear(&mut self, heard: Heard, asked: f64, now: f64) -> f64 {
        match heard {
            Heard::Written(record) => {
                self.may_be_mine = record.holder == self.me;
                self.seen = Some(look(self.seen.as_ref(), Some(record), &self.me, now));
                self.fresh = true;
                self.held_until = if self.may_be_mine { asked + HOLD } else { 0.0 };
                (asked + RENEW_EVERY - now).max(0.0)
            }
            Heard::Read(record) => {
                let seen = look(self.seen.as_ref(), record, &self.me, now);
                let verdict = evaluate(&seen, &self.me, now);
                self.seen = Some(seen);
                self.fresh = !matches!(verdict, Verdict::Wait(_));
                self.may_be_mine = verdict == Verdict::Renew;
                if !self.may_be_mine {
                    self.held_until = 0.0;
                }
                match verdict {
                    Verdict::Renew | Verdict::Take => 0.0,
                    Verdict::Wait(until) => (until - now).clamp(0.0, RETRY),
                }
            }
            Heard::Conflict => {
                self.fresh = false;
                0.0
            }
            Heard::Nothing => {
                self.fresh = false;
                RETRY
            }
        }
    }

    /// Writes no more from now on. Returns what to ask to give the Lease up; `None` where it is not ours.
    pub(super) fn give_up(&mut self, now: f64) -> Option<Ask> {
        self.held_until = 0.0;
        if !self.may_be_mine {
            return None;
        }
        if !self.fresh {
            return Some(Ask::Read);
        }
        let record = self.seen.as_ref()?.record.as_ref().filter(|record| record.holder == self.me)?;
        Some(Ask::Write(Draft {
            version: Some(record.version.clone()),
            holder: String::new(),
            acquired: None,
            renewed: now,
            transitions: record.transitions,
        }))
    }
}

#[cfg(test)]
mod tests;
