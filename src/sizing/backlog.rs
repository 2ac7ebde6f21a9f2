//! Workers for what waits now, from the renewal view of a worker that takes one job after the other.

use super::{Objective, whole};
use crate::forecast::service::Law;

/// Jobs that must have ended before their run times are believed; before, every waiting job is to have its worker.
pub(super) const ENOUGH: f64 = 10.0;

/// What there is to do, and how long things take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backlog<'a> {
    /// Jobs that wait.
    pub(super) waiting: f64,
    /// Workers that the running jobs keep busy.
    pub(super) busy: f64,
    /// Jobs that a worker takes at a time.
    pub(super) slots: f64,
    /// Run times of the jobs.
    pub(super) run: &'a Law,
    /// Jobs whose run times are known, decayed.
    pub(super) known: f64,
    /// Seconds that a worker takes to start.
    pub(super) lead: f64,
    /// Seconds that a worker is kept when its work is gone.
    pub(super) keep_alive: f64,
}

/// Workers wanted for a backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needed {
    /// Busy ones included.
    pub(super) workers: u32,
    /// The objective cannot be kept: workers take longer to start than jobs may wait.
    pub(super) infeasible: bool,
}

impl Backlog<'_> {
    /// Workers for it, busy ones included, never more than a worker for each slot's worth of jobs.
    pub(super) fn needed(&self, objective: Objective) -> Needed {
        let (infeasible, workers) = match objective {
            _ if self.known < ENOUGH => (false, self.one_each()),
            Objective::Cost { worth } => (false, self.for_cost(worth)),
            Objective::Wait { wait, quantile } => {
                (wait < self.lead && self.waiting > 0.0, self.for_wait(wait, quantile))
            }
        };
        Needed { workers: ceil(workers.clamp(self.busy, self.one_each())), infeasible }
    }

    fn one_each(&self) -> f64 {
        self.waiting / self.slots + self.busy
    }

    /// With `n` workers, of them `a` new, `waiting - a` jobs are left when the new ones have their first, and these go
    /// at a rate of `n / run`: their waiting is worth `worth (waiting - a)^2 run / (2 n)`. Another worker, which costs
    /// its start and its keep-alive, pays for itself until `r + r^2 / 2 = cost / (worth run)`, `r` being the jobs left
    /// per worker. So `n = (waiting + busy) / (1 + r)`: a worker for each job where jobs are long, and few where they
    /// are short.
    fn for_cost(&self, worth: f64) -> f64 {
        let cost = self.lead + self.keep_alive;
        let left = (1.0 + 2.0 * cost / (worth * self.run.mean() * self.slots)).sqrt() - 1.0;
        self.one_each() / (1.0 + left)
    }

    /// A new worker takes its first job after the lead time and then as many as its renewal function says, so
    /// `1 + M(wait - lead)` of those that are to start within `wait`; busy ones are left to the jobs that are yet to
    /// come.
    fn for_wait(&self, wait: f64, quantile: f64) -> f64 {
        let each = 1.0 + self.run.renewals(wait - self.lead);
        self.busy + quantile * self.waiting / (self.slots * each)
    }
}

/// Whole workers, so that what is left is less than a hundredth of one.
fn ceil(workers: f64) -> u32 {
    whole((workers - 0.01).ceil())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::forecast::service::Prior;

    fn law(mean: f64) -> Law {
        Prior::from_survival(|x| (-x / mean).exp()).law()
    }

    fn needed(waiting: f64, busy: f64, run: f64, objective: Objective) -> u32 {
        let run = &law(run);
        Backlog { waiting, busy, slots: 1.0, run, known: 100.0, lead: 60.0, keep_alive: 60.0 }
            .needed(objective)
            .workers
    }

    /// Seconds of waiting and of workers' lives when `n` workers that come after 60 s work off a batch at once, by a
    /// plain simulation with run times all alike.
    fn cost(jobs: u32, n: u32, run: f64, worth: f64) -> f64 {
        let rounds = |job: u32| f64::from(job / n);
        let waited: f64 = (0..jobs).map(|job| 60.0 + run * rounds(job)).sum();
        let last = run * f64::from(jobs.div_ceil(n));
        worth * waited + f64::from(n) * 120.0 + f64::from(jobs) * run + f64::from(n) * last * 0.0
    }

    #[test]
    fn the_cost_is_within_a_tenth_of_the_best_number_of_workers() {
        for (jobs, run, worth) in
            [(100, 10.0, 3.0), (100, 60.0, 3.0), (40, 600.0, 1.0), (500, 5.0, 0.3), (10, 30.0, 10.0)]
        {
            let ours = needed(f64::from(jobs), 0.0, run, Objective::Cost { worth });
            let best = (1..=jobs).map(|n| cost(jobs, n, run, worth)).fold(f64::INFINITY, f64::min);
            let made = cost(jobs, ours, run, worth);
            assert!(
                made <= 1.1 * best,
                "{jobs} jobs of {run} s at {worth}: {ours} workers cost {made:.0}, {best:.0} is best"
            );
        }
    }

    #[test]
    fn long_jobs_have_a_worker_each_and_short_ones_share() {
        let cost = Objective::Cost { worth: 3.0 };
        assert_eq!(needed(10.0, 5.0, 36_000.0, cost), 15);
        assert!(needed(100.0, 0.0, 5.0, cost) < 30);
        let wait = |wait| Objective::Wait { wait, quantile: 0.95 };
        assert_eq!(needed(100.0, 0.0, 36_000.0, wait(120.0)), 95);
        assert!(needed(100.0, 0.0, 5.0, wait(120.0)) < 12);
        assert_eq!(
            needed(100.0, 0.0, 5.0, wait(30.0)),
            95,
            "no worker comes in time: the rest is as quick as can be"
        );
    }

    #[test]
    fn run_times_of_a_few_jobs_are_not_believed() {
        let run = &law(5.0);
        let backlog =
            Backlog { waiting: 50.0, busy: 2.0, slots: 1.0, run, known: 3.0, lead: 60.0, keep_alive: 60.0 };
        assert_eq!(backlog.needed(Objective::Cost { worth: 3.0 }).workers, 52);
    }

    proptest! {
        #[test]
        fn more_work_and_more_worth_never_want_fewer_workers(
            waiting in 0.0..1e4_f64, busy in 0.0..1e3_f64, run in 1.0..1e5_f64, worth in 0.01..100.0_f64,
        ) {
            let at = |waiting, busy, worth| needed(waiting, busy, run, Objective::Cost { worth });
            let n = at(waiting, busy, worth);
            prop_assert!(n <= at(waiting + 10.0, busy, worth) && n <= at(waiting, busy + 1.0, worth));
            prop_assert!(n <= at(waiting, busy, worth * 2.0));
            prop_assert!(f64::from(n) + 0.02 >= busy && f64::from(n) <= waiting + busy + 1.0);
        }
    }
}
