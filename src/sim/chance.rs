//! Random numbers of a run. Each kind of event draws from a stream of its own, so that the n-th of a kind is the
//! same whatever else happens: policies are compared on common random numbers.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::field::Span;

/// What a stream of random numbers is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Restart = 1,
    Retry,
    Crash,
    Launch,
    Register,
    ImagePull,
    Capacity,
    Reclaim,
    Storm,
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Chance(Pcg64Mcg);

impl Chance {
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        Self(Pcg64Mcg::seed_from_u64(stream(seed, purpose)))
    }

    /// Whether an event of this probability happens.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.0.random::<f64>() < probability
    }

    /// An instant of a span, each as likely.
    pub(super) fn within(&mut self, Span { from, to }: Span) -> f64 {
        from + (to - from) * self.0.random::<f64>()
    }

    /// Seconds until the first event of a Poisson process of so many an hour; infinite at a rate of 0.
    pub(super) fn seconds_until(&mut self, per_hour: f64) -> f64 {
        if per_hour > 0.0 {
            let share: f64 = self.0.random();
            -(1.0 - share).ln() * 3600.0 / per_hour
        } else {
            f64::INFINITY
        }
    }
}

/// The seed of the stream for `purpose`.
pub(super) fn stream(seed: u64, purpose: Purpose) -> u64 {
    mix(seed ^ mix(purpose as u64))
}

/// A number that looks random and is always the same for `x`: the finaliser of `SplitMix64` (Steele, Lea, Flood
/// 2014).
pub(super) const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
