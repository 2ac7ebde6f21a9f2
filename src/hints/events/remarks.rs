//! What is to be said of which object, and when: once each, few at a time. No clock and no cluster here.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::config::source::WorkloadName;

/// Seconds between two Events.
const APART: f64 = 1.0;

/// Events in any minute.
const A_MINUTE: usize = 20;

/// Seconds until an Event that could not be written is tried again.
const AGAIN: f64 = 60.0;

/// Bytes of a remark that the API server takes.
const LONGEST: usize = 1024;

/// One thing to be said of one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Remark {
    /// The ScaledObject or ScaledJob.
    pub(super) object: WorkloadName,
    /// The object's own.
    pub(super) uid: Box<str>,
    /// The trap's name.
    pub(super) trap: &'static str,
    /// What it does, and what would be right.
    pub(super) note: String,
}

/// What a remark is known by: object, trap, and what exactly was said.
type Key = (Box<str>, u32);

impl Remark {
    /// A remark whose note fits into an Event.
    pub(super) fn new(object: WorkloadName, uid: &str, trap: &'static str, note: String) -> Self {
        let mut note = note;
        note.truncate(note.floor_char_boundary(LONGEST));
        Self { object, uid: uid.into(), trap, note }
    }

    /// The Event's name: the same whoever writes it, so that the same is never said by two Events.
    pub(super) fn event_name(&self) -> String {
        let name = &self.object.name;
        format!("{}.{:08x}", &name[..name.floor_char_boundary(200)], self.key().1)
    }

    /// The trap's name as Kubernetes writes reasons: `fallback-to-zero` is `FallbackToZero`.
    pub(super) fn reason(&self) -> String {
        let words = self.trap.split('-').map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
                .collect::<String>()
        });
        words.collect()
    }

    fn key(&self) -> Key {
        let mut sum = crc32fast::Hasher::new();
        for part in [&*self.object.kind, &self.uid, self.trap, &self.note] {
            sum.update(part.as_bytes());
            sum.update(&[0]);
        }
        (self.uid.clone(), sum.finalize())
    }
}

/// What was said and what waits to be said.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    said: HashSet<Key>,
    /// Not to be tried again before then.
    aside: HashMap<Key, f64>,
    waiting: VecDeque<Remark>,
    /// When the last Events were tried.
    tried: VecDeque<f64>,
}

impl Remarks {
    /// Takes in all that there is to say now; what is in order again may be said anew when it is not. Triggers that get
    /// no answer come first.
    pub(super) fn look(&mut self, all: impl IntoIterator<Item = Remark>) {
        let all: Vec<(Key, Remark)> = all.into_iter().map(|remark| (remark.key(), remark)).collect();
        let there: HashSet<&Key> = all.iter().map(|(key, _)| key).collect();
        self.said.retain(|key| there.contains(key));
        self.aside.retain(|key, _| there.contains(key));
        drop(there);
        let mut waiting: Vec<Remark> =
            all.into_iter().filter(|(key, _)| !self.said.contains(key)).map(|(_, remark)| remark).collect();
        waiting.sort_by_key(|remark| remark.trap != "wrong-metadata");
        self.waiting = waiting.into();
    }

    /// What may be said at `now`, and counts as tried.
    pub(super) fn next(&mut self, now: f64) -> Option<Remark> {
        while self.tried.front().is_some_and(|at| now - at >= 60.0) {
            self.tried.pop_front();
        }
        let soon = self.tried.back().is_some_and(|at| now - at < APART);
        if soon || self.tried.len() >= A_MINUTE {
            return None;
        }
        let may = |remark: &Remark| self.aside.get(&remark.key()).is_none_or(|until| now >= *until);
        let at = self.waiting.iter().position(may)?;
        let remark = self.waiting.remove(at)?;
        self.tried.push_back(now);
        Some(remark)
    }

    /// It was said.
    pub(super) fn said(&mut self, remark: &Remark) {
        let key = remark.key();
        self.aside.remove(&key);
        self.said.insert(key);
    }

    /// It could not be said, and waits its time; others are not kept waiting by it.
    pub(super) fn failed(&mut self, remark: Remark, now: f64) {
        self.aside.insert(remark.key(), now + AGAIN);
        self.waiting.push_back(remark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(name: &str, trap: &'static str) -> Remark {
        let object =
            WorkloadName { kind: "ScaledObject".into(), namespace: "chem".into(), name: name.into() };
        Remark::new(object, &format!("uid-of-{name}"), trap, format!("{trap} is bad"))
    }

    fn crowd(objects: usize) -> Vec<Remark> {
        (0..objects).map(|at| remark(&format!("so-{at}"), "cooldown")).collect()
    }

    #[test]
    fn each_is_said_once_and_again_only_after_it_was_in_order() {
        let mut remarks = Remarks::default();
        let both = || [remark("a", "cooldown"), remark("a", "tolerance")];
        remarks.look(both());
        for (now, trap) in [(0.0, "cooldown"), (1.0, "tolerance")] {
            let next = remarks.next(now).unwrap();
            assert_eq!(next.trap, trap);
            remarks.said(&next);
        }
        remarks.look(both());
        assert_eq!(remarks.next(10.0), None);
        remarks.look([remark("a", "tolerance")]);
        remarks.look(both());
        assert_eq!(remarks.next(20.0).unwrap().trap, "cooldown");
    }

    #[test]
    fn one_a_second_and_twenty_a_minute_are_said_at_most() {
        let mut remarks = Remarks::default();
        remarks.look(crowd(500));
        let mut said = Vec::new();
        for tenth in 0..6_000 {
            let now = f64::from(tenth) / 10.0;
            if let Some(remark) = remarks.next(now) {
                remarks.said(&remark);
                said.push(now);
            }
        }
        assert!(said.windows(2).all(|two| two[1] - two[0] >= 1.0), "{said:?}");
        assert!(said.windows(21).all(|some| some[20] - some[0] >= 60.0), "{said:?}");
        assert_eq!(said.len(), 200);
    }

    #[test]
    fn one_that_cannot_be_said_keeps_no_other_waiting() {
        let mut remarks = Remarks::default();
        remarks.look([remark("a", "cooldown"), remark("b", "cooldown")]);
        let first = remarks.next(0.0).unwrap();
        remarks.failed(first.clone(), 0.0);
        let second = remarks.next(1.0).unwrap();
        assert_eq!(second.object.name, "b");
        remarks.said(&second);
        assert_eq!(remarks.next(30.0), None);
        remarks.look([remark("a", "cooldown"), remark("b", "cooldown")]);
        assert_eq!(remarks.next(59.0), None, "a look at the cluster makes nothing come earlier");
        assert_eq!(remarks.next(60.0), Some(first));
    }

    #[test]
    fn what_gets_no_answer_comes_first() {
        let mut remarks = Remarks::default();
        remarks.look(crowd(3).into_iter().chain([remark("z", "wrong-metadata")]));
        assert_eq!(remarks.next(0.0).unwrap().trap, "wrong-metadata");
    }

    #[test]
    fn an_event_is_called_the_same_by_whoever_writes_it_and_fits() {
        let one = remark("md", "fallback-to-zero");
        assert_eq!(one.event_name(), remark("md", "fallback-to-zero").event_name());
        assert!(one.event_name().starts_with("md."), "{}", one.event_name());
        assert_eq!(one.reason(), "FallbackToZero");
        let others = [remark("md", "tolerance"), Remark { uid: "new".into(), ..one.clone() }];
        for other in others {
            assert_ne!(other.event_name(), one.event_name());
        }
        let long = Remark::new(
            WorkloadName { name: "n".repeat(253), ..one.object },
            "u",
            "tolerance",
            "\u{e9}".repeat(1000),
        );
        assert!(long.note.len() <= 1024 && long.event_name().len() <= 253);
    }
}
