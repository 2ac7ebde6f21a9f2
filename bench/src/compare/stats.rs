//! Numbers about numbers: means of ratios, intervals, fronts.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// The geometric mean of positive numbers; `None` of none, or where one is not positive.
pub(crate) fn geometric_mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut n, mut sum) = (0_u32, 0.0);
    for value in values {
        if value.is_nan() || value <= 0.0 {
            return None;
        }
        n += 1;
        sum += value.ln();
    }
    (n > 0).then(|| (sum / f64::from(n)).exp())
}

/// An interval that holds the true value with a probability of 95 %, as far as resampling can tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Rounds of resampling.
const ROUNDS: usize = 1000;

/// The interval of a statistic of blocks (days of a log, say) by the percentile bootstrap (Efron 1979): blocks are
/// drawn with replacement, so what is correlated within a block stays together. `None` of fewer than two blocks,
/// or where the statistic is not a number in some round.
pub(crate) fn bootstrap<T>(blocks: &[T], statistic: impl Fn(&[&T]) -> f64) -> Option<Interval> {
    if blocks.len() < 2 {
        return None;
    }
    let mut rng = Pcg64Mcg::seed_from_u64(0x0f0e_5a11);
    let mut drawn: Vec<&T> = Vec::with_capacity(blocks.len());
    let mut found: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            drawn.clear();
            drawn.extend((0..blocks.len()).map(|_| &blocks[rng.random_range(0..blocks.len())]));
            statistic(&drawn)
        })
        .collect();
    if found.iter().any(|value| !value.is_finite()) {
        return None;
    }
    found.sort_unstable_by(f64::total_cmp);
    Some(Interval { low: found[ROUNDS * 25 / 1000], high: found[ROUNDS * 975 / 1000 - 1] })
}

/// The places of the points (cost, wait) that no other point beats in one without losing in the other, the
/// cheapest first.
pub(crate) fn front(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| {
        points[a].0.total_cmp(&points[b].0).then(points[a].1.total_cmp(&points[b].1)).then(a.cmp(&b))
    });
    let mut best = f64::INFINITY;
    order.retain(|&at| {
        let better = points[at].1 < best;
        best = best.min(points[at].1);
        better
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_geometric_mean_wants_positive_numbers() {
        assert!((geometric_mean([1.0, 4.0]).expect("of two") - 2.0).abs() < 1e-12);
        assert_eq!(geometric_mean([]), None);
        assert_eq!(geometric_mean([1.0, 0.0]), None);
    }

    #[test]
    fn a_front_leaves_out_whoever_is_beaten() {
        let points = [(3.0, 1.0), (1.0, 9.0), (2.0, 9.0), (2.0, 4.0), (4.0, 1.0), (1.0, 10.0)];
        assert_eq!(front(&points), [1, 3, 0]);
    }

    #[test]
    fn the_interval_of_a_mean_is_as_wide_as_theory_says() {
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        let blocks: Vec<f64> = (0..400).map(|_| rng.random::<f64>()).collect();
        let mean = |all: &[&f64]| all.iter().copied().sum::<f64>() / all.len() as f64;
        let Interval { low, high } = bootstrap(&blocks, mean).expect("of many");
        let expected = 2.0 * 1.96 * (1.0_f64 / 12.0 / 400.0).sqrt();
        assert!(((high - low) / expected - 1.0).abs() < 0.15, "{low} {high} {expected}");
        assert!(low < 0.5 && 0.5 < high);
        assert_eq!(bootstrap(&blocks[..1], mean), None);
    }
}
