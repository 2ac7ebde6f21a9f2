//! What was read of one queue at one instant.

use std::iter::Sum;

/// One reading of one queue. What a layout cannot tell is `None`, never 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Jobs that a worker could take now, those included that are due but not yet promoted by the
    /// framework's own workers.
    pub waiting: Option<u64>,
    /// Jobs that become ready strictly later.
    pub scheduled: Option<u64>,
    /// Seconds until the earliest scheduled job is due.
    pub next_due: Option<f64>,
    /// Jobs taken by a worker and not ended; includes the stuck ones.
    pub in_flight: Option<u64>,
    /// Jobs of `in_flight` whose worker is lost: past a lease of the layout, or past `stuck_after`.
    pub stuck: Option<u64>,
    /// Who holds the jobs in flight, one entry a worker, where the layout can tell.
    pub holders: Option<Vec<Holder>>,
    /// Seconds that the oldest waiting job has waited; a lower bound where the layout keeps no times.
    pub oldest_age: Option<f64>,
    /// Jobs that ever arrived; a fall is a reset.
    pub arrivals_total: Option<u64>,
    /// Jobs that ever ended; a fall is a reset.
    pub completions_total: Option<u64>,
    /// How far the counts can be trusted.
    pub quality: Quality,
    /// Whether the store knows this queue at all (a key, a row). A queue never seen is probably a typo.
    pub seen: bool,
}

/// A worker that holds jobs of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The worker's pod, as its name in the store tells it (`worker_pod`).
    pub worker: Box<str>,
    /// Jobs that it holds; includes the stuck ones.
    pub jobs: u32,
    /// Jobs of `jobs` that are stuck.
    pub stuck: u32,
}

/// How far the counts of a sample can be trusted; the worse wins in a sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// The store's own count.
    #[default]
    Exact,
    /// Counted up to a bound, or extrapolated.
    Sampled,
    /// At most this many (entries deleted since are counted too).
    UpperBound,
    /// At least this many.
    LowerBound,
}

impl Sample {
    /// Jobs that are not stuck and still need a worker, waiting or held; `None` where waiting is unknown.
    pub fn work(&self) -> Option<u64> {
        self.waiting.map(|waiting| waiting.saturating_add(self.in_flight.unwrap_or(0)))
    }

    /// Distinct workers that hold a job which is not stuck.
    pub fn busy_workers(&self) -> Option<u64> {
        self.holders.as_ref().map(|all| all.iter().filter(|holder| holder.jobs > holder.stuck).count() as u64)
    }
}

/// The sample of `queue: a,b`: counts add up, and what one part does not know the sum does not know.
impl Sum for Sample {
    fn sum<I: Iterator<Item = Self>>(samples: I) -> Self {
        samples.reduce(Self::plus).unwrap_or_default()
    }
}

impl Sample {
    fn plus(self, other: Self) -> Self {
        let add = |a: Option<u64>, b: Option<u64>| Some(a?.saturating_add(b?));
        Self {
            waiting: add(self.waiting, other.waiting),
            scheduled: add(self.scheduled, other.scheduled),
            next_due: least(self.next_due, other.next_due),
            in_flight: add(self.in_flight, other.in_flight),
            stuck: add(self.stuck, other.stuck),
            holders: merge(self.holders, other.holders),
            oldest_age: greatest(self.oldest_age, other.oldest_age),
            arrivals_total: add(self.arrivals_total, other.arrivals_total),
            completions_total: add(self.completions_total, other.completions_total),
            quality: self.quality.max(other.quality),
            seen: self.seen && other.seen,
        }
    }
}

fn least(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).min_by(f64::total_cmp)
}

fn greatest(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).max_by(f64::total_cmp)
}

/// A worker that takes from both queues is one worker.
fn merge(a: Option<Vec<Holder>>, b: Option<Vec<Holder>>) -> Option<Vec<Holder>> {
    let (mut all, b) = (a?, b?);
    all.extend(b);
    all.sort_unstable_by(|x, y| x.worker.cmp(&y.worker));
    all.dedup_by(|later, first| {
        let same = later.worker == first.worker;
        if same {
            first.jobs = first.jobs.saturating_add(later.jobs);
            first.stuck = first.stuck.saturating_add(later.stuck);
        }
        same
    });
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(workers: &[&str]) -> Sample {
        let holders = workers.iter().map(|w| Holder { worker: (*w).into(), jobs: 1, stuck: 0 }).collect();
        Sample {
            waiting: Some(1),
            in_flight: Some(workers.len() as u64),
            holders: Some(holders),
            ..Sample::default()
        }
    }

    #[test]
    fn a_sum_does_not_know_what_one_part_does_not_know() {
        let blind = Sample { waiting: Some(2), ..Sample::default() };
        let sum: Sample = [held_by(&["a"]), blind].into_iter().sum();
        assert_eq!((sum.waiting, sum.in_flight, sum.holders), (Some(3), None, None));
    }

    #[test]
    fn a_worker_of_two_queues_is_one_worker() {
        let sum: Sample = [held_by(&["a", "b"]), held_by(&["b", "c"])].into_iter().sum();
        assert_eq!((sum.in_flight, sum.busy_workers()), (Some(4), Some(3)));
    }
}
