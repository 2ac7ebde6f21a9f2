//! The number of arrivals in a time ahead, as a distribution.

use super::calibration::Calibration;
use super::negative_binomial::{Mixture, NegativeBinomial};

/// Where the counts of arrivals come from.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Counted, by a total or by arrivals and completions.
    #[default]
    Counted,
    /// Net increases of a depth: what came and went between two samples is not seen, and of what came while other
    /// jobs went only the difference. So every forecast is of what will be *seen*: a lower bound of what comes.
    NetIncrease,
}

/// A recurring burst that may begin within the time ahead.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct DueBurst {
    /// Probability that it begins within the time ahead, 0 to 1.
    pub chance: f32,
    /// Jobs that it brings, mean.
    pub mean: f32,
    /// Scatter of its jobs, as the size of a negative binomial law.
    pub size: f32,
}

impl DueBurst {
    /// Jobs to be expected of it.
    pub fn expected(&self) -> f64 {
        f64::from(self.chance) * f64::from(self.mean)
    }
}

/// The law of the number of arrivals in a time ahead: a negative binomial count, and with some probability that of
/// a recurring burst on top; its levels calibrated by how earlier forecasts of the same kind came out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Predictive {
    /// Without and with the burst that may be due.
    law: Mixture,
    calibration: Calibration,
    basis: Basis,
}

impl Predictive {
    /// The law that the self-exciting process gives, with a burst that may be due, before calibration.
    pub fn new(usual: NegativeBinomial, due: Option<DueBurst>) -> Self {
        let due = due.filter(|due| due.chance > 0.0 && due.mean > 0.0);
        let law = due.map_or(Mixture { usual, chance: 0.0, other: usual }, |due| {
            // The burst has its own scatter, the usual arrivals theirs; their variances add up.
            let burst = NegativeBinomial::new(f64::from(due.mean), f64::from(due.size));
            let mean = usual.mean() + burst.mean();
            let excess = (usual.variance() + burst.variance() - mean).max(1e-9);
            let other = NegativeBinomial::new(mean, mean * mean / excess);
            Mixture { usual, chance: f64::from(due.chance).min(1.0), other }
        });
        Self { law, calibration: Calibration::default(), basis: Basis::Counted }
    }

    /// The same with calibrated levels.
    #[must_use]
    pub fn calibrated(self, calibration: Calibration) -> Self {
        Self { calibration, ..self }
    }

    /// The same, marked with where its counts come from.
    #[must_use]
    pub fn on(self, basis: Basis) -> Self {
        Self { basis, ..self }
    }

    /// Where the counts come from: on [`Basis::NetIncrease`] this is a lower bound of what will arrive.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Mean number of arrivals, 0 to 10^5. Calibration leaves it alone.
    pub fn mean(&self) -> f64 {
        self.law.mean()
    }

    /// Chance that the recurring burst comes that may be due, 0 to 1.
    pub fn due(&self) -> f64 {
        self.law.chance
    }

    /// Variance of the number of arrivals. Calibration leaves it alone.
    pub fn variance(&self) -> f64 {
        self.law.variance()
    }

    /// The smallest count `k` with `P(N <= k) >= level` (0 to 1), calibrated.
    pub fn quantile(&self, level: f64) -> u64 {
        self.quantiles([level])[0]
    }

    /// The same for several rising levels, for little more than the last of them costs.
    pub fn quantiles<const N: usize>(&self, levels: [f64; N]) -> [u64; N] {
        self.quantiles_up_to(u64::MAX, levels)
    }

    /// The same where nothing beyond `most` matters: what is more is `most`, and costs no search.
    pub fn quantiles_up_to<const N: usize>(&self, most: u64, levels: [f64; N]) -> [u64; N] {
        self.law.quantiles(self.calibration.working(levels), most)
    }

    /// `P(N >= k)`, calibrated; to an absolute error of 10^-9 before calibration.
    pub fn at_least(&self, k: u64) -> f64 {
        1.0 - self.calibration.nominal(1.0 - self.law.at_least(k))
    }

    /// Where an outcome fell: `P(N < k)` and `P(N = k)`, not calibrated.
    pub(super) fn place(&self, k: u64) -> (f64, f64) {
        let (from, beyond) = (self.law.at_least(k), self.law.at_least(k.saturating_add(1)));
        (1.0 - from, (from - beyond).max(0.0))
    }
}
