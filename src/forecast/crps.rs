//! The continuous ranked probability score: how far a whole distribution was from what came.

use super::predictive::Predictive;

/// Counts up to which every term is added up; beyond, one stands for as many as are a part of it.
const EXACT: u64 = 256;
const PART: u64 = 64;

/// What comes with a lower chance than this is left out of the tail.
const TAIL: f64 = 1e-5;

/// Counts beyond which no tail is followed.
const FARTHEST: u64 = 1 << 24;

/// The score of a forecast where `outcome` came, in jobs; 0 is perfect.
///
/// `sum over k of (P(N <= k) - [k >= outcome])^2` (Matheson and Winkler 1976; Gneiting and Raftery 2007, equation 20,
/// for counts), of the calibrated distribution. It is the mean of twice the quantile loss over all levels, and of a
/// forecast of one number its absolute error. Exact up to 256 jobs; beyond, to some 10^-4 of it.
pub fn crps(law: &Predictive, outcome: u64) -> f64 {
    let (mut score, mut from) = (0.0, 0_u64);
    while from < FARTHEST {
        let step = if from < EXACT { 1 } else { from / PART };
        // What is to be added changes at the outcome.
        let to = if from < outcome { (from + step).min(outcome) } else { from + step };
        let middle = from + (to - from) / 2;
        let beyond = law.at_least(middle + 1);
        if from >= outcome && beyond < TAIL {
            break;
        }
        let off = if from >= outcome { beyond } else { 1.0 - beyond };
        score += (to - from) as f64 * off * off;
        from = to;
    }
    score
}
