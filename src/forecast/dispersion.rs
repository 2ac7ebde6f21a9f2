//! How much counts scatter about their forecast.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::negative_binomial::NegativeBinomial;

/// Step of the gradient for one outcome.
const STEP: f64 = 0.007;

/// The slope learns slower: logarithms of means span about 10.
const SLOPE_STEP: f64 = STEP / 10.0;

/// Smallest mean that is told apart.
const LEAST: f64 = 1e-3;

/// What `a` and `b` are kept to.
const LEVELS: RangeInclusive<f32> = -8.0..=8.0;
const SLOPES: RangeInclusive<f32> = -0.5..=1.5;

/// The size of the negative binomial law as a power of its mean: `ln size = a + b ln mean`.
///
/// So the variance is `mean + mean^(2 - b) / e^a`, Taylor's law (Taylor 1961): the bursts of an array job scatter less
/// in proportion than single submitters do. `a` and `b` climb the likelihood, one bounded step an outcome. The prior
/// is what seven public logs came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dispersion {
    level: f32,
    slope: f32,
}

impl Default for Dispersion {
    fn default() -> Self {
        Self { level: -1.0, slope: 0.4 }
    }
}

impl Dispersion {
    /// The size for a mean.
    pub fn size(&self, mean: f64) -> f64 {
        let ln_size = f64::from(self.level) + f64::from(self.slope) * mean.max(LEAST).ln();
        ln_size.clamp(-5.0, 9.0).exp()
    }

    /// Whether both numbers are within what learning keeps them to.
    pub(super) fn is_sound(self) -> bool {
        LEVELS.contains(&self.level) && SLOPES.contains(&self.slope)
    }

    /// Learns that a forecast of `mean` arrivals came out as `arrivals`.
    #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
    pub fn learn(&mut self, mean: f64, arrivals: f64) {
        let mean = mean.max(LEAST);
        let score = NegativeBinomial::new(mean, self.size(mean)).score_of_ln_size(arrivals).clamp(-1.0, 1.0);
        let slope = f64::from(self.slope) + SLOPE_STEP * score * mean.ln();
        self.level = ((f64::from(self.level) + STEP * score) as f32).clamp(*LEVELS.start(), *LEVELS.end());
        self.slope = (slope as f32).clamp(*SLOPES.start(), *SLOPES.end());
    }
}
