//! Calibrated levels: online conformal inference on the levels of a distribution.

use serde::{Deserialize, Serialize};

/// Levels that are tracked; between them the map is linear.
pub const LEVELS: [f64; 4] = [0.5, 0.75, 0.9, 0.97];

/// Step of the log-odds of a level: some 100 outcomes move a level that is wrong by a factor of e.
const STEP: f64 = 0.04;

/// Bounds of the log-odds: a level stays between 0.0003 and 0.9997.
const FARTHEST: f64 = 8.0;

/// For each of [`LEVELS`] the level of the uncalibrated law whose quantile covers that share of the outcomes.
///
/// Adaptive conformal inference (Gibbs and Candes 2021, arXiv 2106.00170) on the log-odds of the level: after each
/// outcome `z <- z + step * (level - covered)`. So while `z` stays within its bounds, the long-run coverage is the
/// level whatever the arrivals do. Counts are discrete: an outcome equal to the quantile counts as covered by the
/// part of its mass that the level reaches (Czado, Gneiting and Held 2009), else a queue that is empty 19 times of 20
/// would seem to be covered by nothing less than 0.95.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration([f32; 4]);

impl Default for Calibration {
    fn default() -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
        Self(LEVELS.map(|level| log_odds(level) as f32))
    }
}

impl Calibration {
    /// Learns from an outcome that fell where `below` is the mass below it and `at` its own (both uncalibrated).
    /// Returns how much of it each level covered.
    pub fn learn(&mut self, below: f64, at: f64) -> [f64; 4] {
        let covered = self.0.map(|z| covered(logistic(f64::from(z)), below, at));
        for ((z, level), covered) in self.0.iter_mut().zip(LEVELS).zip(covered) {
            let moved = f64::from(*z) + STEP * (level - covered);
            #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
            {
                *z = moved.clamp(-FARTHEST, FARTHEST) as f32;
            }
        }
        covered
    }

    /// Whether the log-odds are within their bounds.
    pub(super) fn is_sound(self) -> bool {
        self.0.iter().all(|z| f64::from(z.abs()) <= FARTHEST)
    }

    /// The levels of the uncalibrated law that stand for nominal ones.
    pub fn working<const N: usize>(&self, nominal: [f64; N]) -> [f64; N] {
        let knots = self.knots();
        nominal.map(|nominal| {
            let mut low = (0.0, 0.0);
            for knot in knots {
                if nominal <= knot.0 {
                    return between(low, knot, nominal);
                }
                low = knot;
            }
            1.0
        })
    }

    /// The inverse of [`Self::working`].
    pub fn nominal(&self, working: f64) -> f64 {
        let mut low = (0.0, 0.0);
        for (nominal, level) in self.knots() {
            let knot = (level, nominal);
            if working <= knot.0 {
                return between(low, knot, working);
            }
            low = knot;
        }
        1.0
    }

    /// Nominal and working levels, both strictly rising to (1, 1).
    fn knots(&self) -> [(f64, f64); 5] {
        let mut knots = [(1.0, 1.0); 5];
        let mut least = 0.0;
        for ((knot, nominal), z) in knots.iter_mut().zip(LEVELS).zip(self.0) {
            least = logistic(f64::from(z)).max(least + 1e-6);
            *knot = (nominal, least);
        }
        knots
    }
}

/// The share of an outcome's mass that lies within a level, `below` being the mass below it and `at` its own: 1 below
/// the quantile, 0 above it.
pub fn covered(level: f64, below: f64, at: f64) -> f64 {
    if at > 0.0 { ((level - below) / at).clamp(0.0, 1.0) } else { f64::from(u8::from(level > below)) }
}

fn between((x0, y0): (f64, f64), (x1, y1): (f64, f64), x: f64) -> f64 {
    if x1 > x0 { y0 + (y1 - y0) * ((x - x0) / (x1 - x0)).clamp(0.0, 1.0) } else { y1 }
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn log_odds(level: f64) -> f64 {
    (level / (1.0 - level)).ln()
}
