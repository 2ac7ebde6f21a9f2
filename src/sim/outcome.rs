//! What a run came to, in the measures by which autoscalers are compared.
//!
//! - [`Waits`], [`Slowdown`]: what the submitters felt
//! - [`Elasticity`]: how closely the supply followed the demand

mod elasticity;
mod steps;

pub use elasticity::Elasticity;
pub use steps::{Change, Steps};

use serde::{Deserialize, Serialize};

/// How long jobs waited, in seconds from submission to start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waits {
    /// Jobs.
    pub jobs: usize,
    /// Sum of all waits.
    pub total: f64,
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// The wait that 95 % of the jobs did not exceed.
    pub p95: f64,
    /// The wait that 99 % of the jobs did not exceed.
    pub p99: f64,
    /// Longest.
    pub max: f64,
    /// Share of the jobs that waited longer than was agreed.
    pub missed: f64,
}

/// Bounded slowdown: (wait + run) / max(run, 10 s), at least 1 (Feitelson and Rudolph, "Metrics and
/// benchmarking for parallel job scheduling", 1998).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slowdown {
    /// Mean.
    pub mean: f64,
    /// The slowdown that 95 % of the jobs did not exceed.
    pub p95: f64,
}

/// Run times below this count as this in the bounded slowdown, seconds.
const SHORT: f64 = 10.0;

impl Waits {
    /// Of these waits, of which none should be longer than `agreed`.
    pub fn of(mut waits: Vec<f64>, agreed: f64) -> Self {
        waits.sort_unstable_by(f64::total_cmp);
        let total: f64 = waits.iter().sum();
        let jobs = waits.len();
        let missed = jobs - waits.partition_point(|&wait| wait <= agreed);
        let share = |n: f64| n / jobs.max(1) as f64;
        Self {
            jobs,
            total,
            mean: share(total),
            p50: percentile(&waits, 50),
            p95: percentile(&waits, 95),
            p99: percentile(&waits, 99),
            max: percentile(&waits, 100),
            missed: share(missed as f64),
        }
    }
}

impl Slowdown {
    /// Of jobs that waited and ran for so many seconds.
    pub fn of(jobs: impl Iterator<Item = (f64, f64)>) -> Self {
        let slowdown = |(wait, run): (f64, f64)| ((wait + run) / run.max(SHORT)).max(1.0);
        let mut all: Vec<f64> = jobs.map(slowdown).collect();
        all.sort_unstable_by(f64::total_cmp);
        Self { mean: all.iter().sum::<f64>() / all.len().max(1) as f64, p95: percentile(&all, 95) }
    }
}

/// The smallest value that at least so many per cent of the (sorted) values do not exceed; 0 of none.
pub(super) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let waits = Waits::of((1..=20).rev().map(f64::from).collect(), 18.0);
        let found = [waits.p50, waits.p95, waits.p99, waits.max, waits.mean, waits.missed];
        assert_eq!(found.map(|value| value.to_string()), ["10", "19", "20", "20", "10.5", "0.1"]);
        assert_eq!(Waits::of(Vec::new(), 1.0), Waits::default());
    }

    #[test]
    fn short_jobs_do_not_dominate_the_slowdown() {
        let slowdown = Slowdown::of([(0.0, 1.0), (9.0, 1.0), (10.0, 10.0), (300.0, 100.0)].into_iter());
        assert_eq!((slowdown.mean.to_string(), slowdown.p95.to_string()), ("2".into(), "4".into()));
    }
}
