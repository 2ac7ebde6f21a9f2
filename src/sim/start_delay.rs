//! How long something takes to start: a worker on its node, an instance, its node.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Law of a start delay.
#[derive(Clone, Debug, PartialEq)]
pub enum StartDelay {
    /// Always so many seconds.
    Fixed(f64),
    /// One of these spans, each with its weight (above 0), and evenly within it. Warm and cold starts, say.
    Mixture(Vec<(f64, Span)>),
    /// These seconds, in this order, and again from the first: what was recorded.
    Recorded(Vec<f64>),
}

/// From so many seconds to so many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Shortest, seconds.
    pub from: f64,
    /// Longest, seconds.
    pub to: f64,
}

/// The start delays of a run.
#[derive(Clone, Debug)]
pub(super) struct StartDelays {
    law: StartDelay,
    /// Sum of a mixture's weights.
    weights: f64,
    drawn: usize,
    rng: Pcg64Mcg,
}

impl Default for StartDelay {
    /// At once.
    fn default() -> Self {
        Self::Fixed(0.0)
    }
}

impl StartDelays {
    pub(super) fn new(law: StartDelay, seed: u64) -> Self {
        let weights = match &law {
            StartDelay::Mixture(parts) => parts.iter().map(|(weight, _)| weight).sum(),
            StartDelay::Fixed(_) | StartDelay::Recorded(_) => 0.0,
        };
        Self { law, weights, drawn: 0, rng: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// The next one, seconds.
    pub(super) fn next(&mut self) -> f64 {
        match &self.law {
            StartDelay::Fixed(seconds) => *seconds,
            StartDelay::Mixture(parts) => {
                let (part, within): (f64, f64) = self.rng.random();
                let mut left = part * self.weights;
                let chosen = parts.iter().find(|(weight, _)| {
                    left -= weight;
                    left < 0.0
                });
                let span = chosen.or(parts.last()).map_or(Span { from: 0.0, to: 0.0 }, |(_, span)| *span);
                span.from + within * (span.to - span.from)
            }
            StartDelay::Recorded(delays) => {
                let at = self.drawn % delays.len().max(1);
                self.drawn += 1;
                delays.get(at).copied().unwrap_or(0.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_keeps_to_its_spans_and_weights() {
        let warm = Span { from: 2.0, to: 5.0 };
        let cold = Span { from: 40.0, to: 90.0 };
        let mut delays = StartDelays::new(StartDelay::Mixture(vec![(3.0, warm), (1.0, cold)]), 7);
        let drawn: Vec<f64> = (0..4000).map(|_| delays.next()).collect();
        let is_in = |span: Span| move |delay: &&f64| span.from <= **delay && **delay <= span.to;
        let warm_ones = drawn.iter().filter(is_in(warm)).count();
        let cold_ones = drawn.iter().filter(is_in(cold)).count();
        assert_eq!(warm_ones + cold_ones, 4000);
        assert!((2900..3100).contains(&warm_ones), "{warm_ones}");
    }

    #[test]
    fn recorded_delays_come_in_their_order_and_then_again() {
        let mut delays = StartDelays::new(StartDelay::Recorded(vec![3.0, 8.0]), 7);
        let drawn: Vec<String> = (0..3).map(|_| delays.next().to_string()).collect();
        assert_eq!(drawn, ["3", "8", "3"]);
    }
}
