//! Arrival rates decayed at six time scales, exact for steps of any length.

use serde::{Deserialize, Serialize};

/// Time scales of the rates, seconds: how long ago most of what a rate remembers came in.
pub const SCALES: [f64; 6] = [30.0, 120.0, 600.0, 2_400.0, 9_600.0, 86_400.0];

/// How the scales are said.
pub const SCALE_WORDS: [&str; 6] = ["half minute", "2 minutes", "10 minutes", "40 minutes", "3 hours", "day"];

/// Powers that lead from a scale's decay to that of the next shorter one: `SCALES[k + 1] / SCALES[k]`.
const RATIOS: [i32; 5] = [4, 5, 4, 4, 9];

/// Seconds; within a shorter step arrivals count as one instant, since their rate would be noise.
const INSTANT: f64 = 1e-3;

/// Exponentially decayed rates, arrivals a second.
///
/// Each follows `e' = g e + (1 - g) n / dt` with `g = exp(-dt / scale)`: the solution of `de/dt = (a(t) - e) /
/// scale` for `n` arrivals spread evenly over the step, so a long step equals any division of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates([f64; 6]);

impl Rates {
    /// The rates, in the order of [`SCALES`], arrivals a second.
    pub fn per_second(&self) -> &[f64; 6] {
        &self.0
    }

    /// The rates that are these, arrivals a second.
    pub fn from_per_second(rates: [f64; 6]) -> Self {
        Self(rates)
    }

    /// Goes on by `dt` seconds (0 or more) in which `arrivals` came in evenly.
    pub fn advance(&mut self, dt: f64, arrivals: f64) {
        let kept = decays(dt);
        if dt < INSTANT {
            for ((rate, kept), scale) in self.0.iter_mut().zip(kept).zip(SCALES) {
                *rate = *rate * kept + arrivals / scale;
            }
            return;
        }
        let seen = arrivals / dt;
        for (rate, kept) in self.0.iter_mut().zip(kept) {
            *rate = seen + kept * (*rate - seen);
        }
    }

    /// The rates of all that these and `more` have seen, both as of now.
    pub(super) fn add(&mut self, more: &Self) {
        for (rate, more) in self.0.iter_mut().zip(more.0) {
            *rate += more;
        }
    }

    /// Goes on by `dt` seconds of which nothing is known: short memories fade into the longest one, which stays.
    pub fn fade(&mut self, dt: f64) {
        let usual = self.0[SCALES.len() - 1];
        for (rate, kept) in self.0.iter_mut().zip(decays(dt)) {
            *rate = usual + kept * (*rate - usual);
        }
    }
}

/// `exp(-dt / scale)` of every scale, from one exponential: the scales are whole multiples of one another.
fn decays(dt: f64) -> [f64; 6] {
    let mut kept = [(-dt / SCALES[5]).exp(); 6];
    for k in (0..5).rev() {
        kept[k] = kept[k + 1].powi(RATIOS[k]);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decays_are_those_of_the_scales() {
        for dt in [0.0, 1e-6, 1.0, 29.7, 90.0, 4_000.0, 1e7] {
            for (kept, scale) in decays(dt).into_iter().zip(SCALES) {
                let exact = (-dt / scale).exp();
                assert!((kept - exact).abs() <= 1e-12 * exact + 1e-300, "{dt} {scale}: {kept} {exact}");
            }
        }
    }

    #[test]
    fn what_is_not_seen_leaves_the_longest_memory_alone() {
        let mut rates = Rates::default();
        rates.advance(60.0, 120.0);
        let before = *rates.per_second();
        rates.fade(86_400.0);
        let after = *rates.per_second();
        assert!((after[5] - before[5]).abs() < 1e-15);
        assert!((after[0] - before[5]).abs() < 1e-9 && before[0] > 1.0);
    }
}
