//! How often outcomes stayed within the quantiles that were forecast.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// Decayed shares of outcomes that the quantiles at [`LEVELS`](super::calibration::LEVELS) covered.
///
/// An outcome below a quantile is covered, one above it is not; one equal to it counts by the part of its chance that
/// the level reaches (Czado, Gneiting and Held 2009). Else a median of 0 would seem to cover far too much wherever
/// nothing comes most of the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    covered: [f32; 4],
    outcomes: f32,
}

impl Coverage {
    /// For each of [`LEVELS`](super::calibration::LEVELS) the share of the latest outcomes that its quantile covered; `None` before the first.
    pub fn shares(&self) -> Option<[f64; 4]> {
        let share = |covered: f32| f64::from(covered) / f64::from(self.outcomes);
        (self.outcomes > 0.0).then(|| self.covered.map(share))
    }

    /// Whether all of it could have been learned: what is read back may be anything.
    pub(super) fn is_sound(&self) -> bool {
        self.covered.iter().chain([&self.outcomes]).all(|sum| *sum >= 0.0 && sum.is_finite())
    }

    /// Takes for each level how much of an outcome was covered, 0 to 1; so much is `kept` of what was known before.
    #[expect(clippy::cast_possible_truncation, reason = "sums are kept in single precision")]
    pub(super) fn learn(&mut self, covered: [f64; 4], kept: f64) {
        let add = |sum: &mut f32, more: f64| *sum = (kept * f64::from(*sum) + more) as f32;
        for (sum, covered) in self.covered.iter_mut().zip(covered) {
            add(sum, covered);
        }
        add(&mut self.outcomes, 1.0);
    }
}

/// How much of an outcome each of these quantiles covered; `tied` is how much of one that is equal to it.
pub(super) fn covered(quantiles: [f64; 4], outcome: f64, tied: [f64; 4]) -> [f64; 4] {
    let mut covered = tied;
    for (covered, quantile) in covered.iter_mut().zip(quantiles) {
        match outcome.total_cmp(&quantile) {
            Ordering::Less => *covered = 1.0,
            Ordering::Equal => {}
            Ordering::Greater => *covered = 0.0,
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::calibration::LEVELS;

    #[test]
    fn an_outcome_equal_to_a_quantile_counts_in_part() {
        let parts = covered([0.0, 1.0, 2.0, 2.0], 1.0, LEVELS);
        assert_eq!(parts.map(|part| part.to_string()), ["0", "0.75", "1", "1"]);
        let mut coverage = Coverage::default();
        assert_eq!(coverage.shares(), None);
        coverage.learn([0.0, 1.0, 1.0, 1.0], 1.0);
        coverage.learn([1.0, 1.0, 1.0, 0.0], 1.0);
        let shares = coverage.shares().expect("two outcomes");
        for (share, exact) in shares.into_iter().zip([0.5, 1.0, 1.0, 0.5]) {
            assert!((share - exact).abs() < 1e-5, "{shares:?}");
        }
    }
}
