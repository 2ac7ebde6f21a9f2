//! How long made-up jobs run.

use rand::seq::IndexedRandom as _;
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use rand_pcg::Pcg64Mcg;

/// Law of a run time; all times in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum RunLaw {
    /// Always this.
    Fixed(f64),
    /// Exponential.
    Exponential {
        /// Its mean.
        mean: f64,
    },
    /// Log-normal: the logarithm has mean `ln(median)` and standard deviation `sigma`.
    LogNormal {
        /// Its median.
        median: f64,
        /// From 0; 1.5 to 2.5 in logs of scientific jobs.
        sigma: f64,
    },
    /// One of these, each as likely; there is at least one.
    Empirical(Vec<f64>),
}

impl RunLaw {
    /// Draws one run time. The tails of the laws are cut at [`LONGEST`].
    pub(super) fn draw(&self, random: &mut Pcg64Mcg) -> f64 {
        let run = match self {
            Self::Fixed(seconds) => *seconds,
            Self::Exponential { mean } => {
                let unit: f64 = Exp1.sample(random);
                mean * unit
            }
            Self::LogNormal { median, sigma } => {
                let unit: f64 = StandardNormal.sample(random);
                median * (sigma * unit).exp()
            }
            Self::Empirical(seconds) => seconds.choose(random).copied().unwrap_or(0.0),
        };
        run.min(LONGEST)
    }
}

/// Ten years, seconds.
pub(super) const LONGEST: f64 = 10.0 * 365.25 * 86_400.0;
