//! The pace of reads: interval, read guard, back-off with jitter.

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

/// A source is read at most 5 % of the time: the next read comes no sooner than this many times the
/// last one's duration.
const REST: f64 = 20.0;

/// Share of the interval by which two reads may shift, so that replicas do not read in step.
const JITTER: f64 = 0.05;

/// Seconds between two tries of a source that is down, at most.
const LONGEST_BACK_OFF: f64 = 10.0;

/// Seconds of rest after a read that timed out, at most: no timeout may keep a store that is well again
/// from being seen.
const LONGEST_TIMED_OUT_REST: f64 = 60.0;

/// How a read ended, as far as the pace goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The store answered.
    Read,
    /// The store took the read and did not answer in time. It may work on it all the same.
    TimedOut,
    /// The read was refused, or the store cannot be reached.
    Failed,
}

/// When the next read of one source may come.
#[derive(Debug)]
pub struct Pace {
    every: f64,
    failures: u32,
    /// Whether the last try found nobody to ask.
    away: bool,
    earliest: f64,
    next: f64,
    rng: Pcg64,
}

impl Pace {
    /// A pace of one read every `every` seconds, beginning at `now`.
    pub fn new(every: f64, now: f64, seed: u64) -> Self {
        Self { every, failures: 0, away: false, earliest: now, next: now, rng: Pcg64::seed_from_u64(seed) }
    }

    /// When the next read is due, Unix seconds.
    pub fn next_read(&self) -> f64 {
        self.next
    }

    /// Brings the next read forward to `now`, or to the first moment that the guard allows: a queue
    /// was added. A source that cannot be reached keeps its back-off; after a read that timed out the guard
    /// alone says when.
    pub fn hurry(&mut self, now: f64) {
        if !self.away {
            self.next = self.next.min(now.max(self.earliest));
        }
    }

    /// Notes a read that was begun at `began`, once connected, and took `seconds`. Returns whether the read
    /// guard, not the interval or the back-off, sets the pace.
    pub fn done(&mut self, began: f64, seconds: f64, outcome: Outcome) -> bool {
        let succeeded = outcome == Outcome::Read;
        self.away = outcome == Outcome::Failed;
        self.failures = if succeeded { 0 } else { self.failures.saturating_add(1) };
        let rest = match outcome {
            Outcome::Read => seconds * REST,
            Outcome::TimedOut => (seconds * REST).min(LONGEST_TIMED_OUT_REST),
            Outcome::Failed => 0.0,
        };
        self.earliest = began + seconds + rest;
        let wait = if succeeded {
            self.every * self.rng.random_range(1.0 - JITTER..=1.0)
        } else {
            let doubled = self.every * f64::from(2_u32.saturating_pow(self.failures.min(16)));
            doubled.min(LONGEST_BACK_OFF.max(self.every)) * self.rng.random_range(0.5..=1.0)
        };
        self.next = (began + wait).max(self.earliest);
        rest > 0.0 && self.earliest > began + if succeeded { self.every } else { wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_read_keeps_the_interval() {
        let mut pace = Pace::new(1.0, 100.0, 1);
        assert!(!pace.done(100.0, 0.01, Outcome::Read));
        assert!((100.95..=101.0).contains(&pace.next_read()), "{}", pace.next_read());
    }

    #[test]
    fn a_slow_read_rests_twenty_times_as_long() {
        let mut pace = Pace::new(1.0, 100.0, 1);
        assert!(pace.done(100.0, 0.5, Outcome::Read));
        assert!((pace.next_read() - 110.5).abs() < 1e-9);
        pace.hurry(101.0);
        assert!((pace.next_read() - 110.5).abs() < 1e-9, "hurry stays behind the guard");
    }

    #[test]
    fn a_read_that_times_out_is_work_for_the_store_and_rests_up_to_a_minute() {
        for (timeout, rest) in [(2.0, 40.0), (10.0, 60.0)] {
            let mut pace = Pace::new(1.0, 100.0, 1);
            assert!(pace.done(100.0, timeout, Outcome::TimedOut));
            assert!((pace.next_read() - (100.0 + timeout + rest)).abs() < 1e-9, "{}", pace.next_read());
        }
        let mut pace = Pace::new(1.0, 100.0, 1);
        assert!(!pace.done(100.0, 2.0, Outcome::Failed));
        assert!(pace.next_read() <= 102.0, "a refused connection is no work");
    }

    #[test]
    fn failures_back_off_with_jitter_up_to_ten_seconds_and_a_success_ends_it() {
        let mut pace = Pace::new(1.0, 0.0, 7);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let began = pace.next_read();
            pace.done(began, 0.0, Outcome::Failed);
            waits.push(pace.next_read() - began);
        }
        assert!(waits[0] >= 1.0 && waits[0] <= 2.0, "{waits:?}");
        assert!(waits[7] >= 5.0 && waits[7] <= 10.0, "{waits:?}");
        let began = pace.next_read();
        pace.hurry(began - 4.0);
        assert!(pace.next_read() >= began, "a source that is down keeps its back-off");
        pace.done(began, 0.0, Outcome::Read);
        assert!(pace.next_read() - began <= 1.0);
    }

    #[test]
    fn after_a_time_out_a_new_queue_waits_for_the_guard_and_not_for_the_back_off() {
        let mut pace = Pace::new(1.0, 0.0, 1);
        let mut began = 0.0;
        for _ in 0..8 {
            pace.done(began, 0.1, Outcome::TimedOut);
            began = pace.next_read();
        }
        pace.done(began, 0.1, Outcome::TimedOut);
        assert!(pace.next_read() >= began + 5.0, "the back-off is longer than the guard's rest");
        pace.hurry(began + 1.0);
        assert!((pace.next_read() - (began + 0.1 + 2.0)).abs() < 1e-9, "{}", pace.next_read() - began);
    }

    #[test]
    fn a_new_queue_brings_the_read_forward() {
        let mut pace = Pace::new(60.0, 0.0, 1);
        pace.done(0.0, 0.001, Outcome::Read);
        pace.hurry(5.0);
        assert!((pace.next_read() - 5.0).abs() < 1e-9);
    }
}
