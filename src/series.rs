//! The table of queues: samples in, what may be believed of each queue out.
//!
//! Wrong zeros come from reads that succeed: a store restarted empty, a failover to a lagging
//! replica. So a sample is not believed at once when it says that all work is gone.

mod counter;
mod queue;
mod sample;

pub use counter::Counter;
pub use queue::{KnownQueue, QueueKey};
pub use sample::{Holder, Quality, Sample};

/// Equal samples that it takes to believe that a queue with work has run dry.
pub const ZEROS_TO_BELIEVE: u8 = 3;

/// What is fixed for a queue by its layout and source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueueRules {
    /// Seconds that waiting must have been 0 before a target falls, where in flight cannot be seen.
    pub max_run: f64,
    /// Seconds that a last good sample still counts.
    pub stale_after: f64,
}

/// A queue's place in the table; valid until it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueIndex(u32);

/// What is believed of one queue now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueueView {
    /// The numbers last believed.
    pub depth: Depth,
    /// How long waiting has been seen to be 0 without a gap, seconds; `None` while work waits.
    pub empty_for: Option<f64>,
    /// As in [`QueueRules`].
    pub max_run: f64,
    /// Why no target may fall now.
    pub no_fall: Option<NoFall>,
    /// Whether the queue was ever seen with work or by its key; else it is probably a typo.
    pub ever_seen: bool,
    /// Seconds since the numbers were read.
    pub age: f64,
}

/// The numbers of one sample that decisions use.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Depth {
    /// Jobs that a worker could take now.
    pub waiting: u64,
    /// Jobs held by workers, stuck ones and those on terminating workers included.
    pub in_flight: Option<u64>,
    /// Of those in flight, on workers that are terminating.
    pub draining: u64,
    /// Of those in flight, with a lost worker.
    pub stuck: u64,
    /// Distinct workers that hold a job which is not stuck and that are not terminating.
    pub busy_workers: Option<u64>,
    /// Jobs that become ready later.
    pub scheduled: Option<u64>,
    /// Seconds that the oldest waiting job has waited.
    pub oldest_age: Option<f64>,
    /// How far the counts can be trusted.
    pub quality: Quality,
}

/// Why no target may fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFall {
    /// The newest read failed: what is known is the last good sample.
    FailedSample,
    /// The newest samples say that all work is gone, but too few of them do yet.
    ZeroUnconfirmed,
    /// The store's identity changed a short while ago.
    StoreChanged,
}

impl NoFall {
    /// The word that stands in `why`.
    pub fn word(self) -> &'static str {
        match self {
            Self::FailedSample => "failed-sample",
            Self::ZeroUnconfirmed => "zero-unconfirmed",
            Self::StoreChanged => "store-changed",
        }
    }
}

/// Why nothing can be said of a queue.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Unseen {
    /// It was never read.
    #[error("no sample yet")]
    NoSample,
    /// The last good sample is older than `stale_after`.
    #[error("last good sample is {age:.0} s old (stale_after {stale_after:.0} s)")]
    Stale {
        /// Age of the sample, seconds.
        age: f64,
        /// The bound, seconds.
        stale_after: f64,
    },
}

/// All queues, a struct of arrays; the engine and the simulation are its only writers.
#[derive(Debug, Default)]
pub struct Series {
    rules: Vec<QueueRules>,
    seen: Vec<Seen>,
    trust: Vec<Trust>,
    totals: Vec<Totals>,
    free: Vec<u32>,
}

/// The last sample that was believed.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// When the newest successful read was made; `None` before the first.
    at: Option<f64>,
    depth: Depth,
    /// Seconds of unbroken sight of an empty queue.
    empty_for: Option<f64>,
    ever: bool,
}

/// What stands against believing a fall.
#[derive(Debug, Clone, Copy)]
struct Trust {
    failing: bool,
    zeros: u8,
    no_fall_until: f64,
}

impl Default for Trust {
    fn default() -> Self {
        Self { failing: false, zeros: 0, no_fall_until: f64::NEG_INFINITY }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    arrivals: Counter,
    completions: Counter,
}

impl Series {
    /// Adds a queue of which nothing is known yet.
    pub fn add(&mut self, rules: QueueRules) -> QueueIndex {
        if let Some(free) = self.free.pop() {
            let at = free as usize;
            self.rules[at] = rules;
            self.seen[at] = Seen::default();
            self.trust[at] = Trust::default();
            self.totals[at] = Totals::default();
            return QueueIndex(free);
        }
        let index = u32::try_from(self.rules.len()).expect("fewer than 2^32 queues fit into memory");
        self.rules.push(rules);
        self.seen.push(Seen::default());
        self.trust.push(Trust::default());
        self.totals.push(Totals::default());
        QueueIndex(index)
    }

    /// Forgets a queue; its index may be given out again.
    pub fn remove(&mut self, queue: QueueIndex) {
        self.free.push(queue.0);
    }

    /// Takes new rules for a queue and keeps what is known of it.
    pub fn set_rules(&mut self, queue: QueueIndex, rules: QueueRules) {
        self.rules[queue.at()] = rules;
    }

    /// Takes a sample in, read at `at`. A time before the last one counts as the last one.
    ///
    /// `draining` are jobs of `in_flight` on workers that are terminating. A sample that does not
    /// know `waiting` says nothing and counts as failed.
    pub fn intake(&mut self, queue: QueueIndex, at: f64, sample: &Sample, draining: u64) {
        let Some(waiting) = sample.waiting else { return self.fail(queue) };
        let (seen, trust) = (&mut self.seen[queue.at()], &mut self.trust[queue.at()]);
        let totals = &mut self.totals[queue.at()];
        totals.arrivals.observe(sample.arrivals_total);
        totals.completions.observe(sample.completions_total);

        let gap = seen.at.map_or(0.0, |last| (at - last).max(0.0));
        let blind = std::mem::take(&mut trust.failing);
        seen.at = Some(seen.at.map_or(at, |last| last.max(at)));
        seen.ever |= sample.seen || sample.work().is_some_and(|work| work > 0);

        let gone = sample.work() == Some(0);
        let had_work = seen.depth.has_work();
        trust.zeros = if gone { trust.zeros.saturating_add(1) } else { 0 };
        if gone && had_work && trust.zeros < ZEROS_TO_BELIEVE {
            return;
        }
        // Jobs that were seen to run and can no longer be seen may run on: max_run begins anew.
        let lost_sight = sample.in_flight.is_none() && seen.depth.in_flight.is_some_and(|n| n > 0);
        seen.empty_for = match (waiting, seen.empty_for) {
            (0, None) => Some(0.0),
            (0, Some(_)) if lost_sight => Some(0.0),
            // What was not seen does not count: work may have come and gone.
            (0, Some(so_far)) => Some(if blind { so_far } else { so_far + gap }),
            _ => None,
        };
        seen.depth = Depth {
            waiting,
            in_flight: sample.in_flight,
            draining,
            stuck: sample.stuck.unwrap_or(0),
            busy_workers: sample.busy_workers(),
            scheduled: sample.scheduled,
            oldest_age: sample.oldest_age,
            quality: sample.quality,
        };
    }

    /// Notes that a read of this queue failed: what is known stays, and no target falls.
    pub fn fail(&mut self, queue: QueueIndex) {
        self.trust[queue.at()].failing = true;
    }

    /// Lets no target of this queue fall before `until`: its store is not the one it was.
    pub fn distrust(&mut self, queue: QueueIndex, until: f64) {
        let trust = &mut self.trust[queue.at()];
        trust.no_fall_until = trust.no_fall_until.max(until);
    }

    /// What is believed of a queue at `now`.
    ///
    /// # Errors
    /// When nothing may be believed: never read, or the last good sample is too old.
    pub fn view(&self, queue: QueueIndex, now: f64) -> Result<QueueView, Unseen> {
        let (rules, seen, trust) = (&self.rules[queue.at()], &self.seen[queue.at()], &self.trust[queue.at()]);
        let age = (now - seen.at.ok_or(Unseen::NoSample)?).max(0.0);
        if age > rules.stale_after {
            return Err(Unseen::Stale { age, stale_after: rules.stale_after });
        }
        let had_work = seen.depth.has_work();
        let no_fall = if trust.failing {
            Some(NoFall::FailedSample)
        } else if trust.zeros > 0 && had_work {
            Some(NoFall::ZeroUnconfirmed)
        } else if now < trust.no_fall_until {
            Some(NoFall::StoreChanged)
        } else {
            None
        };
        Ok(QueueView {
            depth: seen.depth,
            empty_for: seen.empty_for,
            max_run: rules.max_run,
            no_fall,
            ever_seen: seen.ever,
            age,
        })
    }

    /// Whether the numbers last believed hold any work.
    pub fn has_work(&self, queue: QueueIndex) -> bool {
        self.seen[queue.at()].depth.has_work()
    }

    /// Jobs seen to arrive since the queue was first read, where the layout counts them.
    pub fn arrivals(&self, queue: QueueIndex) -> Option<u64> {
        self.totals[queue.at()].arrivals.counted()
    }

    /// Jobs seen to end since the queue was first read, where the layout counts them.
    pub fn completions(&self, queue: QueueIndex) -> Option<u64> {
        self.totals[queue.at()].completions.counted()
    }
}

impl QueueView {
    /// Whether time alone changes nothing of it: a sample that shows the same is no news.
    pub fn is_steady(&self) -> bool {
        let settling =
            self.depth.in_flight.is_none() && self.empty_for.is_some_and(|seconds| seconds < self.max_run);
        self.no_fall.is_none() && !settling
    }
}

impl Depth {
    fn has_work(&self) -> bool {
        self.waiting > 0 || self.in_flight.is_some_and(|n| n > 0)
    }
}

impl QueueIndex {
    /// The place as an index: places are given out from 0, and again after they are free.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: QueueRules = QueueRules { max_run: 300.0, stale_after: 120.0 };

    fn sample(waiting: u64, in_flight: Option<u64>) -> Sample {
        Sample { waiting: Some(waiting), in_flight, ..Sample::default() }
    }

    fn table() -> (Series, QueueIndex) {
        let mut series = Series::default();
        let queue = series.add(RULES);
        (series, queue)
    }

    #[test]
    fn nothing_is_known_before_the_first_sample_nor_after_it_went_stale() {
        let (mut series, queue) = table();
        assert_eq!(series.view(queue, 0.0), Err(Unseen::NoSample));
        series.intake(queue, 0.0, &sample(3, None), 0);
        assert!(series.view(queue, 120.0).is_ok());
        assert_eq!(series.view(queue, 121.0), Err(Unseen::Stale { age: 121.0, stale_after: 120.0 }));
    }

    #[test]
    fn a_fall_to_nothing_is_believed_at_the_third_equal_sample() {
        let (mut series, queue) = table();
        series.intake(queue, 0.0, &sample(4, Some(2)), 0);
        for at in [1.0, 2.0] {
            series.intake(queue, at, &sample(0, Some(0)), 0);
            let view = series.view(queue, at).unwrap();
            assert_eq!((view.depth.waiting, view.no_fall), (4, Some(NoFall::ZeroUnconfirmed)));
        }
        series.intake(queue, 3.0, &sample(0, Some(0)), 0);
        let view = series.view(queue, 3.0).unwrap();
        assert_eq!((view.depth.waiting, view.no_fall), (0, None));
    }

    #[test]
    fn a_sample_with_work_between_zeros_starts_the_count_again() {
        let (mut series, queue) = table();
        for (at, waiting) in [4, 0, 0, 1, 0, 0].into_iter().enumerate() {
            series.intake(queue, at as f64, &sample(waiting, None), 0);
        }
        assert_eq!(series.view(queue, 5.0).unwrap().depth.waiting, 1);
    }

    #[test]
    fn time_that_was_not_seen_does_not_count_as_empty() {
        let (mut series, queue) = table();
        series.intake(queue, 0.0, &sample(0, None), 0);
        series.intake(queue, 10.0, &sample(0, None), 0);
        series.fail(queue);
        assert_eq!(series.view(queue, 20.0).unwrap().no_fall, Some(NoFall::FailedSample));
        series.intake(queue, 100.0, &sample(0, None), 0);
        assert_eq!(series.view(queue, 100.0).unwrap().empty_for, Some(10.0));
        series.intake(queue, 105.0, &sample(0, None), 0);
        assert_eq!(series.view(queue, 105.0).unwrap().empty_for, Some(15.0));
    }

    #[test]
    fn after_a_change_of_the_store_no_target_falls_for_a_while() {
        let (mut series, queue) = table();
        series.intake(queue, 0.0, &sample(5, Some(0)), 0);
        series.distrust(queue, 120.0);
        assert_eq!(series.view(queue, 60.0).unwrap().no_fall, Some(NoFall::StoreChanged));
        assert_eq!(series.view(queue, 120.0).unwrap().no_fall, None);
    }

    #[test]
    fn a_clock_that_jumps_back_adds_no_time() {
        let (mut series, queue) = table();
        series.intake(queue, 100.0, &sample(0, None), 0);
        series.intake(queue, 40.0, &sample(0, None), 0);
        let view = series.view(queue, 100.0).unwrap();
        assert_eq!((view.empty_for, view.age), (Some(0.0), 0.0));
    }

    #[test]
    fn a_slot_given_back_remembers_nothing() {
        let (mut series, queue) = table();
        series.intake(queue, 0.0, &sample(5, None), 0);
        series.remove(queue);
        let again = series.add(RULES);
        assert_eq!((again, series.view(again, 0.0)), (queue, Err(Unseen::NoSample)));
    }
}
