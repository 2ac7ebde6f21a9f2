//! Each autoscaler on small cases that were computed by hand, and all of them on the bundled log.

#[path = "autoscalers/all.rs"]
mod all;
#[path = "autoscalers/clairvoyant.rs"]
mod clairvoyant;
#[path = "autoscalers/cron.rs"]
mod cron;
#[path = "autoscalers/dask.rs"]
mod dask;
#[path = "autoscalers/demand.rs"]
mod demand;
#[path = "autoscalers/idle_timeout.rs"]
mod idle_timeout;
#[path = "autoscalers/keda_setting.rs"]
mod keda_setting;
#[path = "autoscalers/kedastral.rs"]
mod kedastral;
#[path = "autoscalers/kpa.rs"]
mod kpa;
#[path = "autoscalers/properties.rs"]
mod properties;
#[path = "autoscalers/scaled_jobs.rs"]
mod scaled_jobs;

use foresail::sim::autoscaler::Autoscaler;
use foresail::sim::closed_loop::ClosedLoop;
use foresail::sim::job_log::{Job, JobLog};
use foresail::sim::workers::{PoolSpec, Span, StartDelay, Summary, WorkerPool};

const MONDAY: f64 = 1_507_507_200.0;
const DAY: f64 = 86_400.0;
const MAX: u32 = 300;

/// Jobs submitted and run so (seconds).
fn jobs(jobs: &[(f64, f64)]) -> JobLog {
    let job = |&(submit, run): &(f64, f64)| Job::new(submit, run);
    JobLog::new(jobs.iter().map(job).collect())
}

/// The first days of the bundled log.
fn days(days: f64) -> JobLog {
    let log = JobLog::bundled().expect("the bundled log is well formed");
    log.window(MONDAY, MONDAY + days * DAY).with_run_times(300.0, 4.0 * 3600.0)
}

fn pool(log: &JobLog, start: StartDelay, now: f64) -> WorkerPool {
    WorkerPool::new(log, &PoolSpec { start, ..PoolSpec::default() }, 1, now)
}

/// Three of four starts are warm.
fn mixed() -> StartDelay {
    let warm = Span { from: 2.0, to: 5.0 };
    let cold = Span { from: 40.0, to: 90.0 };
    StartDelay::Mixture(vec![(3.0, warm), (1.0, cold)])
}

/// A run over a log that begins on Monday.
fn replay(log: &JobLog, autoscaler: impl Autoscaler) -> Summary {
    ClosedLoop { pool: pool(log, mixed(), MONDAY), autoscaler }.run(MONDAY + 30.0 * DAY)
}

/// When the replicas changed and to how many, until `until`, from time 0.
fn steps(
    log: &JobLog,
    start: f64,
    autoscaler: impl Autoscaler,
    until: f64,
) -> (Vec<(f64, usize)>, WorkerPool) {
    let mut run = ClosedLoop { pool: pool(log, StartDelay::Fixed(start), 0.0), autoscaler };
    let mut seen = Vec::new();
    let mut replicas = 0;
    while run.pool.now() < until && !(run.is_over() && run.next_event().is_infinite()) {
        run.step(until);
        if run.pool.replicas() != replicas {
            replicas = run.pool.replicas();
            seen.push((run.pool.now(), replicas));
        }
    }
    (seen, run.pool)
}

/// The two runs are equal in everything, and all jobs are done.
fn assert_same(log: &JobLog, skipping: &Summary, looking: &Summary) {
    assert_eq!(format!("{skipping:?}"), format!("{looking:?}"));
    assert_eq!(skipping.completed, log.jobs().len());
}
