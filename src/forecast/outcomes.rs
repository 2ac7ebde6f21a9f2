//! What came of forecasts, summed: for counters, and for whoever judges many queues together.

use std::ops::AddAssign;

use super::calibration::LEVELS;

/// Sums over the outcomes of forecasts. Unlike [`Skill`](super::skill::Skill) they forget nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outcomes {
    /// Outcomes.
    pub number: f64,
    /// What was lost by the forecasts: the quantile loss, mean over the levels, in jobs.
    pub forecast: f64,
    /// The same by "nothing comes".
    pub nothing: f64,
    /// The same by "as many come as in the same time before".
    pub persistence: f64,
    /// Outcomes that the quantile at each of [`LEVELS`] covered, one equal to it in part.
    pub covered: [f64; 4],
}

impl Outcomes {
    /// One outcome: the quantiles that were forecast for it, what came in the same time before, what came, and how
    /// much of that each quantile covered.
    pub(super) fn one(quantiles: [f64; 4], before: f64, outcome: f64, covered: [f64; 4]) -> Self {
        Self {
            number: 1.0,
            forecast: loss(quantiles, outcome),
            nothing: loss([0.0; 4], outcome),
            persistence: loss([before; 4], outcome),
            covered,
        }
    }
}

impl AddAssign for Outcomes {
    fn add_assign(&mut self, more: Self) {
        self.number += more.number;
        self.forecast += more.forecast;
        self.nothing += more.nothing;
        self.persistence += more.persistence;
        for (sum, more) in self.covered.iter_mut().zip(more.covered) {
            *sum += more;
        }
    }
}

/// The mean quantile (pinball) loss of these quantiles at [`LEVELS`], in jobs: `level (y - q)` where `q` fell short of
/// the outcome `y`, `(1 - level) (q - y)` where it was more.
pub fn loss(quantiles: [f64; 4], outcome: f64) -> f64 {
    let one = |(q, level): (f64, f64)| ((outcome - q) * level).max((q - outcome) * (1.0 - level));
    quantiles.into_iter().zip(LEVELS).map(one).sum::<f64>() / LEVELS.len() as f64
}
