//! When made-up jobs are submitted.

use std::f64::consts::TAU;

use rand::RngExt as _;
use rand_distr::{Distribution as _, Exp1};
use rand_pcg::Pcg64Mcg;

use super::{Shape, Span, Times};

const DAY: f64 = 86_400.0;

impl Shape {
    /// Instants in seconds after the start of a load, in no order. Some may lie behind its end.
    pub(super) fn draw(&self, start: f64, length: f64, random: &mut Pcg64Mcg) -> Vec<f64> {
        match *self {
            Self::One { at } => vec![at],
            Self::Poisson { rate, during } => thinned(during, rate, |_| 1.0, random),
            Self::Array { times, size, over } => {
                let gap = over / f64::from(size.get() - 1).max(1.0);
                let array = |at: f64| (0..size.get()).map(move |job| at + gap * f64::from(job));
                times.draw(length, random).into_iter().flat_map(array).collect()
            }
            Self::Diurnal { rate, depth, peak, weekend, during } => {
                let highest = (1.0 + depth) * weekend.max(1.0);
                let share = |at: f64| {
                    let time = start + at;
                    let clock = 1.0 + depth * (TAU * (time - peak) / DAY).cos();
                    clock * if is_weekend(time) { weekend } else { 1.0 } / highest
                };
                thinned(during, rate * highest, share, random)
            }
            Self::TrickleToZero { rate, during } => {
                let share = |at: f64| (during.to - at) / (during.to - during.from);
                thinned(during, rate, share, random)
            }
            Self::SelfExciting { rate, branching, decay, during } => {
                let mut instants = thinned(during, rate, |_| 1.0, random);
                let mut next = 0;
                while let Some(&parent) = instants.get(next) {
                    next += 1;
                    for _ in 0..poisson(branching, random) {
                        let delay: f64 = Exp1.sample(random);
                        instants.push(parent + delay * decay);
                    }
                }
                instants
            }
        }
    }
}

impl Times {
    /// Instants in seconds after the start of a load, before its end but for their jitter.
    pub(super) fn draw(&self, length: f64, random: &mut Pcg64Mcg) -> Vec<f64> {
        let late = |at: f64| at + self.jitter * random.random::<f64>();
        let times = (0_u32..).map(|turn| self.at + f64::from(turn) * self.every.unwrap_or(0.0));
        let turns = if self.every.is_some() { usize::MAX } else { 1 };
        times.take(turns).take_while(|at| *at < length).map(late).collect()
    }
}

/// A Poisson process of which each instant is kept with the probability that `share` has for it.
fn thinned(during: Span, rate: f64, share: impl Fn(f64) -> f64, random: &mut Pcg64Mcg) -> Vec<f64> {
    let mut instants = Vec::new();
    let mut now = during.from;
    loop {
        let gap: f64 = Exp1.sample(random);
        now += gap / rate;
        if now >= during.to {
            return instants;
        }
        if random.random::<f64>() < share(now) {
            instants.push(now);
        }
    }
}

/// A number by the Poisson law: how many exponential gaps fit into the mean.
fn poisson(mean: f64, random: &mut Pcg64Mcg) -> u32 {
    let mut left = mean;
    let mut count = 0;
    loop {
        let gap: f64 = Exp1.sample(random);
        left -= gap;
        if left < 0.0 {
            return count;
        }
        count += 1;
    }
}

/// Saturday or Sunday, UTC. Unix time began on a Thursday.
fn is_weekend(time: f64) -> bool {
    (2.0..4.0).contains(&(time / DAY).rem_euclid(7.0))
}
