#![expect(clippy::float_cmp, reason = "what is added is added exactly")]

use std::collections::BTreeMap;

use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

use super::*;

const ME: &str = "me";

fn record(version: &str, holder: &str) -> Record {
    Record { version: version.into(), holder: holder.into(), duration: LEASE, transitions: 3 }
}

#[test]
fn a_lease_is_renewed_taken_or_awaited() {
    let seen = |record, free_at| Seen { record, free_at };
    let other = || Some(record("7", "other"));
    for (what, seen, now, wanted) in [
        ("there is none", seen(None, 100.0), 100.0, Verdict::Take),
        ("one that was another's was deleted", seen(None, 115.0), 100.0, Verdict::Wait(115.0)),
        ("given up", seen(Some(record("7", "")), 100.0), 100.0, Verdict::Take),
        ("another's", seen(other(), 115.0), 114.9, Verdict::Wait(115.0)),
        ("another's, and its time is up", seen(other(), 115.0), 115.0, Verdict::Take),
        ("ours", seen(Some(record("7", ME)), 100.0), 100.0, Verdict::Renew),
        ("ours, of long ago", seen(Some(record("7", ME)), 100.0), 1e6, Verdict::Renew),
    ] {
        assert_eq!(evaluate(&seen, ME, now), wanted, "{what}");
    }
}

#[test]
fn the_time_of_another_runs_from_when_it_was_first_seen_so() {
    let first = look(None, Some(record("7", "other")), ME, 100.0);
    assert_eq!(first.free_at, 100.0 + LEASE);
    let unchanged = look(Some(&first), Some(record("7", "other")), ME, 110.0);
    assert_eq!(unchanged.free_at, first.free_at);
    let renewed = look(Some(&unchanged), Some(record("8", "other")), ME, 111.0);
    assert_eq!(renewed.free_at, 111.0 + LEASE);
    let longer = Record { duration: 40.0, ..record("9", "other") };
    assert_eq!(look(Some(&renewed), Some(longer), ME, 112.0).free_at, 152.0, "its holder counts on 40 s");
    let gone = look(Some(&renewed), None, ME, 113.0);
    assert_eq!(gone.free_at, 113.0 + LEASE, "its holder may not know yet");
    assert_eq!(look(Some(&gone), None, ME, 120.0).free_at, gone.free_at);
    assert_eq!(look(Some(&gone), Some(record("1", "")), ME, 121.0).free_at, 121.0);
}

#[test]
fn it_is_taken_renewed_lost_and_given_up() {
    let mut me = Contender::new(ME.into());
    assert_eq!(me.ask(100.0), Ask::Read);
    assert_eq!(me.hear(Heard::Read(None), 100.0, 100.1), 0.0);
    let Ask::Write(draft) = me.ask(100.1) else { panic!() };
    assert_eq!((draft.version, draft.acquired, draft.transitions), (None, Some(100.1), 0));
    let rest = me.hear(Heard::Written(record("1", ME)), 100.1, 101.1);
    assert!((rest - 4.0).abs() < 1e-9, "renewals are as far apart whatever one takes: {rest}");
    assert!((me.held_until() - 110.1).abs() < 1e-9, "from the start of the write");

    let Ask::Write(draft) = me.ask(105.1) else { panic!() };
    assert_eq!((draft.version.as_deref(), draft.acquired), (Some("1"), None));
    assert_eq!(me.hear(Heard::Nothing, 105.1, 107.1), RETRY);
    assert!((me.held_until() - 110.1).abs() < 1e-9, "what is not known to be written renews nothing");
    assert_eq!(me.ask(109.0), Ask::Read, "it may have been written all the same");
    me.hear(Heard::Read(Some(record("2", ME))), 109.0, 109.1);
    assert!((me.held_until() - 110.1).abs() < 1e-9, "to read is not to renew");
    let Ask::Write(_) = me.ask(109.1) else { panic!() };
    assert_eq!(me.hear(Heard::Conflict, 109.1, 109.2), 0.0);
    assert_eq!(me.ask(109.2), Ask::Read);
    assert_eq!(me.hear(Heard::Read(Some(record("3", "other"))), 109.2, 109.3), RETRY);
    assert_eq!((me.held_until(), me.give_up(109.3)), (0.0, None));

    me.hear(Heard::Read(Some(record("4", ""))), 111.0, 111.0);
    let Ask::Write(draft) = me.ask(111.0) else { panic!() };
    assert_eq!((draft.acquired, draft.transitions), (Some(111.0), 4));
    assert_eq!(me.give_up(111.1), Some(Ask::Read), "what was being asked may have been done");
    me.hear(Heard::Read(Some(record("5", ME))), 111.1, 111.2);
    let Some(Ask::Write(draft)) = me.give_up(111.2) else { panic!() };
    assert_eq!((draft.holder.as_str(), draft.version.as_deref()), ("", Some("5")));
    me.hear(Heard::Written(record("6", "")), 111.2, 111.3);
    assert_eq!((me.held_until(), me.give_up(111.3)), (0.0, None));
}

/// What happens to one who contends.
enum Event {
    Wake,
    /// A request reaches the API server.
    Arrive(u64, Ask),
    /// Its answer, or that nobody waits for it any more.
    Hear(u64, Heard),
    Crash,
}

/// Contenders with clocks of their own, a store that compares and swaps, and a network between them.
struct World {
    rng: Pcg64,
    now: f64,
    contenders: Vec<Fellow>,
    stored: Option<Record>,
    writes: u64,
    /// By time, and in the order that they were made.
    events: BTreeMap<(u64, u64), (usize, Event)>,
    made: u64,
    /// Until when everything may be slow or lost.
    stormy_until: f64,
}

struct Fellow {
    contender: Contender,
    offset: f64,
    rate: f64,
    asking: u64,
    asked: f64,
    alive: bool,
}

impl Fellow {
    fn local(&self, now: f64) -> f64 {
        self.offset + now * self.rate
    }

    fn holds(&self, now: f64) -> bool {
        self.alive && self.local(now) < self.contender.held_until()
    }
}

impl World {
    fn new(seed: u64, contenders: usize, stormy_until: f64) -> Self {
        let mut rng = Pcg64::seed_from_u64(seed);
        let fellows = (0..contenders).map(|at| Fellow {
            contender: Contender::new(format!("replica-{at}")),
            offset: rng.random_range(0.0..1e5),
            rate: rng.random_range(0.99..1.01),
            asking: 0,
            asked: 0.0,
            alive: true,
        });
        let contenders = fellows.collect::<Vec<_>>();
        let mut world = Self {
            rng,
            now: 0.0,
            stored: None,
            writes: 0,
            events: BTreeMap::new(),
            made: 0,
            stormy_until,
            contenders,
        };
        for at in 0..world.contenders.len() {
            let first = world.rng.random_range(0.0..5.0);
            world.at(first, at, Event::Wake);
        }
        // All but the first may die.
        for at in 1..world.contenders.len() {
            if world.rng.random_bool(0.3) {
                let end = world.rng.random_range(0.0..stormy_until);
                world.at(end, at, Event::Crash);
            }
        }
        world
    }

    fn at(&mut self, time: f64, who: usize, event: Event) {
        self.made += 1;
        self.events.insert((time.to_bits(), self.made), (who, event));
    }

    /// Seconds that something takes; now and then far too many.
    fn delay(&mut self) -> f64 {
        let usual = self.rng.random_range(0.001..0.05);
        let storm = self.now < self.stormy_until && self.rng.random_bool(0.2);
        if storm { self.rng.random_range(0.05..25.0) } else { usual }
    }

    fn is_lost(&mut self) -> bool {
        self.now < self.stormy_until && self.rng.random_bool(0.15)
    }

    /// One event; false where none is left before `until`.
    fn step(&mut self, until: f64) -> bool {
        let Some(entry) = self.events.first_entry() else { return false };
        let time = f64::from_bits(entry.key().0);
        if time > until {
            return false;
        }
        let (who, event) = entry.remove();
        self.now = time;
        if !self.contenders[who].alive {
            // What it sent before still arrives.
            if let Event::Arrive(_, ask) = event {
                self.store(ask);
            }
            return true;
        }
        match event {
            Event::Crash => self.contenders[who].alive = false,
            Event::Wake => self.ask(who),
            Event::Arrive(number, ask) => {
                let heard = self.store(ask);
                if !self.is_lost() {
                    let back = self.now + self.delay();
                    self.at(back, who, Event::Hear(number, heard));
                }
            }
            Event::Hear(number, heard) => {
                let fellow = &mut self.contenders[who];
                if number == fellow.asking {
                    fellow.asking += 1;
                    let local = fellow.local(time);
                    let rest = fellow.contender.hear(heard, fellow.asked, local);
                    // A process that was frozen wakes late.
                    let frozen = if rest > 0.0 { self.delay() } else { 0.0 };
                    self.at(time + rest + frozen, who, Event::Wake);
                }
            }
        }
        true
    }

    fn ask(&mut self, who: usize) {
        let now = self.now;
        let fellow = &mut self.contenders[who];
        fellow.asked = fellow.local(now);
        let ask = fellow.contender.ask(fellow.asked);
        let number = fellow.asking;
        if !self.is_lost() {
            let there = now + self.delay();
            self.at(there, who, Event::Arrive(number, ask));
        }
        // Two seconds of patience, and more where the process was frozen just then.
        let patience = now + 2.0 + self.delay();
        self.at(patience, who, Event::Hear(number, Heard::Nothing));
    }

    fn store(&mut self, ask: Ask) -> Heard {
        let Ask::Write(draft) = ask else { return Heard::Read(self.stored.clone()) };
        if draft.version != self.stored.as_ref().map(|record| record.version.clone()) {
            return Heard::Conflict;
        }
        self.writes += 1;
        let record = Record {
            version: self.writes.to_string(),
            holder: draft.holder,
            duration: LEASE,
            transitions: draft.transitions,
        };
        self.stored = Some(record.clone());
        Heard::Written(record)
    }

    fn holders(&self) -> usize {
        self.contenders.iter().filter(|fellow| fellow.holds(self.now)).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is slow, lost, frozen or dead, and whatever the clocks say.
    #[test]
    fn never_two_hold_it_and_in_the_end_one_does(seed in any::<u64>(), contenders in 2_usize..=3) {
        let mut world = World::new(seed, contenders, 300.0);
        let mut held = 0;
        while world.step(300.0) {
            let holders = world.holders();
            prop_assert!(holders <= 1, "{holders} hold it at {}", world.now);
            held += holders;
        }
        prop_assert!(held > 0, "the storm was so heavy that nothing was tried");
        // What was on its way arrives, and a hold of somebody dead ends.
        while world.step(380.0) {
            prop_assert!(world.holders() <= 1);
        }
        prop_assert!(world.holders() == 1, "nobody holds it in calm weather");
    }
}
