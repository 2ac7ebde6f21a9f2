//! Whose past is read next, and when: values in, values out. Times are Unix seconds.

use std::collections::BTreeMap;

/// Seconds until a read that failed is tried again; twice as long after each failure, up to the longest.
const FIRST_AGAIN: f64 = 60.0;
const LONGEST_AGAIN: f64 = 3_600.0;

/// Seconds for which it is tried: weights that a queue has learned by itself for longer are worth more than old ones.
const TRIED_FOR: f64 = 86_400.0;

/// A source rests so many times what a read took: it is read 5 % of the time at most.
const REST: f64 = 20.0;

/// Seconds of such a rest at most.
const LONGEST_REST: f64 = 600.0;

/// The queues `Q` whose past is not known yet.
#[derive(Debug)]
pub(super) struct Agenda<Q> {
    /// As they were asked for.
    entries: Vec<Entry<Q>>,
    /// Until when each source rests.
    rests: BTreeMap<String, f64>,
}

/// A queue whose past is not known yet.
#[derive(Debug, PartialEq)]
pub(super) struct Entry<Q> {
    pub(super) queue: Q,
    /// When it was asked for.
    pub(super) asked: f64,
    source: String,
    failures: u32,
    due: f64,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Turn<Q> {
    /// This queue is read now; it is no longer on the agenda.
    Now(Entry<Q>),
    /// None before this time.
    At(f64),
    /// There is none.
    Never,
}

impl<Q> Default for Agenda<Q> {
    fn default() -> Self {
        Self { entries: Vec::new(), rests: BTreeMap::new() }
    }
}

impl<Q> Agenda<Q> {
    /// A new queue of this source.
    pub(super) fn ask(&mut self, queue: Q, source: &str, now: f64) {
        self.entries.push(Entry { queue, asked: now, source: source.to_owned(), failures: 0, due: now });
    }

    /// Those that failed least go first, so that none of them keeps a new one waiting; then who waits longest.
    pub(super) fn turn(&mut self, now: f64) -> Turn<Q> {
        self.rests.retain(|_, until| *until > now);
        let ready = |entry: &Entry<Q>| entry.due.max(self.rests.get(&entry.source).copied().unwrap_or(now));
        let all = self.entries.iter().enumerate();
        let due = all.filter(|(_, entry)| ready(entry) <= now);
        let order = |a: &Entry<Q>, b: &Entry<Q>| a.failures.cmp(&b.failures).then(a.due.total_cmp(&b.due));
        let next = due.min_by(|(_, a), (_, b)| order(a, b)).map(|(at, _)| at);
        match next {
            Some(at) => Turn::Now(self.entries.remove(at)),
            None => self.entries.iter().map(ready).min_by(f64::total_cmp).map_or(Turn::Never, Turn::At),
        }
    }

    /// A read of this source took so many seconds.
    pub(super) fn rest(&mut self, source: &str, took: f64, now: f64) {
        self.rests.insert(source.to_owned(), now + (took * REST).min(LONGEST_REST));
    }

    /// The read of a queue failed: it is put on the agenda again, while it is worth it.
    pub(super) fn failed(&mut self, entry: Entry<Q>, now: f64) {
        let failures = entry.failures.saturating_add(1);
        let again = (FIRST_AGAIN * f64::from(entry.failures).exp2()).min(LONGEST_AGAIN);
        let due = now + again;
        if due <= entry.asked + TRIED_FOR {
            self.entries.push(Entry { failures, due, ..entry });
        }
    }

    /// What failed may have been mended: nobody waits for another try, but for the rest of the source.
    pub(super) fn hasten(&mut self, now: f64) {
        for entry in &mut self.entries {
            entry.due = entry.due.min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now<Q: std::fmt::Debug>(agenda: &mut Agenda<Q>, at: f64) -> Entry<Q> {
        match agenda.turn(at) {
            Turn::Now(entry) => entry,
            other => panic!("at {at}: {other:?}"),
        }
    }

    /// The seconds at which a queue is read that always fails.
    fn tries(took: f64) -> Vec<f64> {
        let mut agenda = Agenda::default();
        agenda.ask("md", "jobs", 1_000.0);
        let (mut tries, mut at) = (Vec::new(), 1_000.0);
        loop {
            match agenda.turn(at) {
                Turn::Now(entry) => {
                    tries.push(at - 1_000.0);
                    at += took;
                    agenda.rest("jobs", took, at);
                    agenda.failed(entry, at);
                }
                Turn::At(later) => {
                    assert!(later > at);
                    at = later;
                }
                Turn::Never => return tries,
            }
        }
    }

    #[test]
    fn a_failure_is_tried_again_after_rests_that_grow_from_a_minute_to_an_hour_for_a_day() {
        let tries = tries(0.0);
        assert_eq!(tries[..8], [0.0, 60.0, 180.0, 420.0, 900.0, 1_860.0, 3_780.0, 7_380.0]);
        assert!(tries.windows(2).skip(6).all(|pair| (pair[1] - pair[0] - 3_600.0).abs() < 1e-9), "{tries:?}");
        assert!(tries.last().is_some_and(|last| (82_800.0..=86_400.0).contains(last)), "{tries:?}");
    }

    #[test]
    fn a_source_rests_twenty_times_what_a_read_took_and_others_do_not() {
        assert_eq!(tries(10.0)[..3], [0.0, 210.0, 420.0]);
        assert_eq!(tries(120.0)[..3], [0.0, 720.0, 1_440.0], "ten minutes at most");
        let mut agenda = Agenda::default();
        for queue in ["a", "b", "c"] {
            agenda.ask(queue, if queue == "c" { "other" } else { "jobs" }, 0.0);
        }
        assert_eq!(now(&mut agenda, 0.0).queue, "a");
        agenda.rest("jobs", 1.0, 1.0);
        assert_eq!(now(&mut agenda, 1.0).queue, "c");
        assert_eq!(agenda.turn(1.0), Turn::At(21.0));
        assert_eq!(now(&mut agenda, 21.0).queue, "b");
        assert_eq!(agenda.turn(21.0), Turn::Never);
    }

    #[test]
    fn a_queue_that_fails_starves_no_other() {
        let mut agenda = Agenda::default();
        agenda.ask("bad", "jobs", 0.0);
        for at in [0.0, 60.0] {
            let bad = now(&mut agenda, at);
            assert_eq!((bad.queue, bad.asked), ("bad", 0.0));
            agenda.failed(bad, at);
        }
        // Due for long, and behind those that come only now.
        agenda.ask("new", "jobs", 5_000.0);
        agenda.ask("newer", "jobs", 5_000.0);
        let order: Vec<_> = (0..3).map(|_| now(&mut agenda, 5_000.0).queue).collect();
        assert_eq!(order, ["new", "newer", "bad"]);
    }

    #[test]
    fn what_may_have_been_mended_is_tried_at_once_but_for_the_rest_of_its_source() {
        let mut agenda = Agenda::default();
        agenda.ask("md", "jobs", 0.0);
        let md = now(&mut agenda, 0.0);
        agenda.rest("jobs", 1.0, 1.0);
        agenda.failed(md, 1.0);
        assert_eq!(agenda.turn(2.0), Turn::At(61.0));
        agenda.hasten(2.0);
        assert_eq!(agenda.turn(2.0), Turn::At(21.0));
        assert_eq!(now(&mut agenda, 21.0).queue, "md");
    }
}
