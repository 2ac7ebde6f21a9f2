//! The self-exciting process: how much each memory of recent arrivals says about those to come.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::rates::{Rates, SCALE_WORDS, SCALES};

/// Seconds since the last arrival within which a burst counts as running.
pub const BURST: f64 = 30.0;

/// Ages of the last arrival that part the hazards, seconds.
const AGES: [f64; 5] = [120.0, 480.0, 1_920.0, 7_680.0, 30_720.0];

/// How the hazards are said.
const AGE_WORDS: [&str; 6] = [
    "under 2 minutes",
    "2 to 8 minutes",
    "8 to 32 minutes",
    "half an hour to 2 hours",
    "2 to 8 hours",
    "over 8 hours",
];

/// Terms: six rates while a burst runs, the same six while none does, and six hazards.
const TERMS: usize = 18;

/// A hazard's weight counts arrivals in this many seconds.
const HAZARD_UNIT: f64 = 1e4;

/// Weights before anything was seen, from seven public logs; and how many expected arrivals each prior counts for.
const PRIOR: [f32; TERMS] = [
    0.20, 0.25, 0.20, 0.15, 0.05, 0.05, // while a burst runs
    0.10, 0.10, 0.15, 0.20, 0.05, 0.03, // while none does
    4.0, 6.0, 3.0, 1.0, 0.3, 0.1, // hazards
];
const PRIOR_EXPOSURE: [f32; TERMS] = [
    0.5, 0.5, 0.5, 0.5, 0.5, 0.5, //
    0.5, 0.5, 0.5, 0.5, 0.5, 0.5, //
    0.1, 0.1, 0.1, 0.1, 0.1, 0.1,
];

/// What a forecast is made from: the rates and how long ago the last arrival was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recent {
    /// The decayed rates.
    pub rates: Rates,
    /// Seconds since an arrival was last seen; infinite before the first.
    pub age: f64,
}

/// The weights of one horizon, learned by online expectation maximisation.
///
/// Expected arrivals in the next `H` seconds: `lambda = H (sum_k w_k e_k + v_j / 10^4)`, a discrete Hawkes process
/// (Hawkes 1971) with a sum of exponentials as its kernel. There is one set of `w` for while a burst runs and one for
/// while none does, and a hazard `v_j` for each range of the age of the last arrival. When the number `y` of
/// arrivals is known each term takes credit for its share `w_k x_k y / lambda` (the responsibilities of EM for a
/// Poisson sum) and exposure `x_k`; weight is credit over exposure, both forgotten with a half-life of three days
/// towards the prior. So weights are never negative and need no step size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Excitation {
    credit: [f32; TERMS],
    exposure: [f32; TERMS],
}

impl Default for Excitation {
    fn default() -> Self {
        let mut credit = PRIOR_EXPOSURE;
        for (credit, weight) in credit.iter_mut().zip(PRIOR) {
            *credit *= weight;
        }
        Self { credit, exposure: PRIOR_EXPOSURE }
    }
}

impl Excitation {
    /// Arrivals to be expected in the next `horizon` seconds.
    pub fn expected(&self, recent: &Recent, horizon: f64) -> f64 {
        let (memory, hazard) = speaking(recent);
        let rates = recent.rates.per_second();
        let remembered: f64 = (0..SCALES.len()).map(|k| self.weight(memory + k) * rates[k]).sum();
        horizon * (remembered + self.weight(hazard) / HAZARD_UNIT)
    }

    /// Learns that `arrivals` came in within `horizon` seconds of `recent`, where `expected` were by all parts
    /// together; so much is `kept` of what was known before, 0 to 1.
    pub fn learn(&mut self, recent: &Recent, horizon: f64, expected: f64, arrivals: f64, kept: f64) {
        let surprise = arrivals / expected.max(1e-6);
        let (mut credit, mut exposure) = ([0.0; TERMS], [0.0; TERMS]);
        for Term { index, weight, per_weight } in self.terms(recent, horizon) {
            credit[index] = weight * per_weight * surprise;
            exposure[index] = per_weight;
        }
        for k in 0..TERMS {
            let base = f64::from(PRIOR_EXPOSURE[k]);
            self.credit[k] = forget(self.credit[k], base * f64::from(PRIOR[k]), kept, credit[k]);
            self.exposure[k] = forget(self.exposure[k], base, kept, exposure[k]);
        }
    }

    /// Whether every weight is a number, 0 or more.
    pub(super) fn is_sound(&self) -> bool {
        self.credit.iter().all(|&credit| credit >= 0.0 && credit.is_finite())
            && self.exposure.iter().all(|&exposure| exposure > 0.0 && exposure.is_finite())
    }

    /// The terms that speak now.
    pub fn terms(&self, recent: &Recent, horizon: f64) -> impl Iterator<Item = Term> + use<'_> {
        let (memory, hazard) = speaking(recent);
        let rates = *recent.rates.per_second();
        let memories = (0..SCALES.len()).map(move |k| (memory + k, rates[k] * horizon));
        memories.chain([(hazard, horizon / HAZARD_UNIT)]).map(|(index, per_weight)| Term {
            index,
            weight: self.weight(index),
            per_weight,
        })
    }

    fn weight(&self, index: usize) -> f64 {
        f64::from(self.credit[index]) / f64::from(self.exposure[index])
    }
}

/// Where the terms of the rates begin that speak now, and the hazard that does.
fn speaking(recent: &Recent) -> (usize, usize) {
    let memory = if recent.age < BURST { 0 } else { SCALES.len() };
    let hazard = AGES.iter().filter(|&&bound| recent.age >= bound).count();
    (memory, 2 * SCALES.len() + hazard)
}

/// Lets a sum fall towards its prior and adds to it.
#[expect(clippy::cast_possible_truncation, reason = "sums are kept in single precision")]
fn forget(sum: f32, prior: f64, kept: f64, more: f64) -> f32 {
    (prior + kept * (f64::from(sum) - prior) + more) as f32
}

/// One term of a forecast, in words: "0.41 from the last half minute".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    index: usize,
    /// Its weight: arrivals caused per arrival remembered; of a hazard, arrivals in 10^4 s.
    pub weight: f64,
    /// What the weight is multiplied with.
    per_weight: f64,
}

impl Term {
    /// Arrivals that this term expects.
    pub fn expected(&self) -> f64 {
        self.weight * self.per_weight
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index.checked_sub(2 * SCALES.len()) {
            None => write!(f, "{:.2} from the last {}", self.weight, SCALE_WORDS[self.index % SCALES.len()]),
            Some(age) => {
                let an_hour = self.weight * 3600.0 / HAZARD_UNIT;
                write!(f, "{an_hour:.2} an hour, the last one having come {} ago", AGE_WORDS[age])
            }
        }
    }
}
