//! What may be spent on forecasts: idle worker-seconds, as a share of the work.

use serde::{Deserialize, Serialize};

use super::whole;

/// Seconds over which work counts for what may be saved up: a day.
const MEMORY: f64 = 86_400.0;

/// Longest step that is accounted for, seconds: across a longer one nobody knows who was busy.
const LONGEST: f64 = 300.0;

/// A token bucket of idle worker-seconds: work fills it, speculation drains it, and it holds what a day's work fills.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    left: f64,
    /// Busy worker-seconds, decayed over a day.
    work: f64,
    /// Idle worker-seconds spent on forecasts, decayed over a day.
    spent: f64,
    /// The same without decay, since the process began: spent on forecasts, and busy.
    #[serde(skip)]
    in_all: (f64, f64),
    at: Option<f64>,
    /// Workers that are busy, and such as stand ready on the word of a forecast, since then.
    busy: u32,
    idle: u32,
}

impl Budget {
    /// Accounts for the time up to `now`; `share` of the work may be spent.
    pub(super) fn pass(&mut self, now: f64, share: f64) {
        let Some(last) = self.at.replace(now) else { return };
        let seconds = (now - last).clamp(0.0, LONGEST);
        let kept = (-seconds / MEMORY).exp();
        let (busy, idle) = (f64::from(self.busy), f64::from(self.idle));
        self.work = self.work * kept + busy * seconds;
        self.spent = self.spent * kept + idle * seconds;
        self.in_all = (self.in_all.0 + idle * seconds, self.in_all.1 + busy * seconds);
        self.left = (self.left + (share * busy - idle) * seconds).clamp(0.0, share * self.work);
    }

    /// From now on `busy` workers work, and `idle` ones stand ready on the word of a forecast.
    pub(super) fn stand(&mut self, busy: u32, idle: u32) {
        (self.busy, self.idle) = (busy, idle);
    }

    /// Spare workers that it can pay for during `seconds`.
    pub(super) fn affords(&self, seconds: f64) -> u32 {
        whole(self.left / seconds.max(1.0))
    }

    /// Counts so many busy worker-seconds, decayed over a day, of which nothing was spent.
    pub(super) fn earn(&mut self, work: f64, share: f64) {
        self.work += work;
        self.left += share * work;
    }

    /// The same, where nobody knows who was busy since it was last accounted for.
    pub(super) fn after_a_pause(self) -> Self {
        Self { at: None, busy: 0, idle: 0, ..self }
    }

    /// Whether all of it could have been accounted: what is read back may be anything.
    pub(super) fn is_sound(&self) -> bool {
        [self.left, self.work, self.spent].iter().all(|seconds| *seconds >= 0.0 && seconds.is_finite())
    }

    /// Idle worker-seconds that may still be spent on forecasts.
    pub fn left(&self) -> f64 {
        self.left
    }

    /// Idle worker-seconds spent on forecasts since the process began, and busy ones.
    pub fn in_all(&self) -> (f64, f64) {
        self.in_all
    }

    /// Idle worker-seconds spent on forecasts for each busy one, over about a day.
    pub fn share_spent(&self) -> f64 {
        if self.work > 0.0 { self.spent / self.work } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn work_fills_it_and_idle_workers_drain_it() {
        let mut budget = Budget::default();
        budget.pass(0.0, 0.1);
        budget.stand(10, 0);
        assert_eq!(budget.affords(10.0), 0, "nothing was done yet");
        budget.pass(100.0, 0.1);
        budget.stand(0, 3);
        assert_eq!(budget.affords(9.0), 11, "100 worker-seconds");
        budget.pass(130.0, 0.1);
        assert_eq!(budget.affords(1.0), 10, "90 of them are spent");
        assert!((budget.share_spent() - 0.09).abs() < 0.001);
        let (spent, busy) = budget.in_all();
        assert!((spent - 90.0).abs() < 1e-9 && (busy - 1_000.0).abs() < 1e-9, "{spent} {busy}");
    }

    proptest! {
        /// Whoever holds no more than it affords never spends more than the share.
        #[test]
        fn no_more_is_spent_than_the_share_of_the_work(
            steps in prop::collection::vec((0.1..60.0_f64, 0_u32..50, 0_u32..80), 1..200), share in 0.0..1.0_f64,
        ) {
            let (mut budget, mut now, mut work, mut spent) = (Budget::default(), 0.0, 0.0, 0.0);
            for (seconds, busy, wanted) in steps {
                budget.pass(now, share);
                let idle = wanted.min(budget.affords(60.0));
                budget.stand(busy, idle);
                now += seconds;
                work += f64::from(busy) * seconds;
                spent += f64::from(idle) * seconds;
            }
            prop_assert!(spent <= share * work + 1e-6, "{spent} of {work}");
        }
    }
}
