//! Whole runs on virtual time.

use foresail::sim::autoscaler::{ByKeda, ListLength, Scaler};
use foresail::sim::closed_loop::ClosedLoop;
use foresail::sim::hpa::Behavior;
use foresail::sim::job_log::{Job, JobLog};
use foresail::sim::keda::{ScaledObject, ScaledObjectSpec};
use foresail::sim::workers::{Removal, Span, StartDelay, Summary, WorkerPool};

const MONDAY: f64 = 1_507_507_200.0;
const DAY: f64 = 86_400.0;

/// Wants a worker for every job there is, and pushes.
struct OnePerJob;

impl OnePerJob {
    fn jobs(pool: &WorkerPool) -> usize {
        pool.waiting() + pool.in_flight() - pool.in_flight_draining()
    }
}

impl Scaler for OnePerJob {
    fn target(&self) -> f64 {
        1.0
    }

    fn read(&mut self, _now: f64, pool: &WorkerPool) -> Option<(f64, bool)> {
        let jobs = Self::jobs(pool);
        Some((jobs as f64, jobs > 0))
    }

    fn pushes(&mut self, _now: f64, pool: &WorkerPool) -> bool {
        pool.waiting() > 0
    }

    fn is_silent(&self, pool: &WorkerPool) -> bool {
        Self::jobs(pool) == 0
    }
}

fn week() -> JobLog {
    JobLog::bundled().expect("the bundled log is well formed").with_run_times(300.0, 4.0 * 3600.0)
}

fn run(log: &JobLog, removal: Removal, spec: ScaledObjectSpec, scaler: impl Scaler) -> Summary {
    let warm = Span { from: 2.0, to: 5.0 };
    let cold = Span { from: 40.0, to: 90.0 };
    let delay = StartDelay::Mixture(vec![(3.0, warm), (1.0, cold)]);
    let pool = WorkerPool::new(log, removal, delay, 1, MONDAY);
    let object = ScaledObject::new(ScaledObjectSpec { max: 300, ..spec }, MONDAY, 0);
    ClosedLoop { pool, autoscaler: ByKeda::new(object, scaler) }.run(MONDAY + 30.0 * DAY)
}

fn plain_keda(log: &JobLog, removal: Removal) -> Summary {
    run(log, removal, ScaledObjectSpec::default(), ListLength::waiting(1.0))
}

#[test]
fn two_runs_of_plain_keda_over_the_bundled_week_are_equal_bit_for_bit() {
    let log = week();
    let first = plain_keda(&log, Removal::Drain);
    assert_eq!(format!("{first:?}"), format!("{:?}", plain_keda(&log, Removal::Drain)));
    assert_eq!((first.completed, first.waiting, first.in_flight), (10_465, 0, 0));
    let seconds = first.worker_seconds;
    assert!((seconds.busy - log.work()).abs() < 1e-9 * log.work(), "{seconds:?}");
    let parts = seconds.starting + seconds.idle + seconds.busy;
    assert!((seconds.total - parts).abs() < 1e-9 * seconds.total, "{seconds:?}");
}

#[test]
fn counting_jobs_in_flight_shortens_the_waits_of_plain_keda() {
    let log = week();
    let plain = plain_keda(&log, Removal::Drain);
    let spec = ScaledObjectSpec { behavior: Some(Behavior::foresail()), ..ScaledObjectSpec::default() };
    let counting = run(&log, Removal::Drain, spec, OnePerJob);
    assert_eq!(counting.completed, 10_465);
    assert!(counting.wait_mean < 0.5 * plain.wait_mean, "{counting:#?} {plain:#?}");
    assert!(counting.wait_max < 15.0 + 90.0, "one HPA sync and one cold start: {counting:#?}");
}

#[test]
fn plain_keda_kills_jobs_that_it_does_not_see() {
    let jobs = [(10.0, 3000.0)];
    let job = |(submit, run)| Job::new(MONDAY + submit, run);
    let log = JobLog::new(jobs.map(job).to_vec());
    let killed = plain_keda(&log, Removal::Kill);
    assert_eq!(killed.completed, 0, "the cooldown ends before the job does, again and again");
    assert!(killed.requeued > 1000, "{killed:#?}");
    assert_eq!(plain_keda(&log, Removal::Drain).completed, 1);
}

#[test]
fn seven_workers_come_in_three_steps_with_the_defaults_and_in_two_with_the_behavior() {
    let jobs = [Job::new(1.0, 600.0); 7];
    let log = JobLog::new(jobs.to_vec());
    for (behavior, steps) in [
        (None, vec![(1.0, 1), (15.0, 4), (30.0, 7)]),
        (Some(Behavior::foresail()), vec![(1.0, 1), (15.0, 7)]),
    ] {
        let mut run = ClosedLoop {
            pool: WorkerPool::new(&log, Removal::Drain, StartDelay::Fixed(3.0), 1, 0.0),
            autoscaler: ByKeda::new(
                ScaledObject::new(ScaledObjectSpec { behavior, ..ScaledObjectSpec::default() }, 0.0, 0),
                OnePerJob,
            ),
        };
        let mut seen = Vec::new();
        while run.pool.now() < 60.0 {
            let before = run.autoscaler.object.replicas();
            run.step(60.0);
            if run.autoscaler.object.replicas() != before {
                seen.push((run.pool.now(), run.autoscaler.object.replicas()));
            }
        }
        assert_eq!(seen, steps);
    }
}

#[test]
fn a_run_stops_where_it_is_told_to() {
    let log = week();
    let spec = ScaledObjectSpec::default();
    let mut run = ClosedLoop {
        pool: WorkerPool::new(&log, Removal::Drain, StartDelay::Fixed(30.0), 1, MONDAY),
        autoscaler: ByKeda::new(ScaledObject::new(spec, MONDAY, 0), ListLength::waiting(1.0)),
    };
    let summary = run.run(MONDAY + DAY);
    assert_eq!(run.pool.now().to_string(), (MONDAY + DAY).to_string());
    assert_eq!(summary.completed + summary.waiting + summary.in_flight, run.pool.arrived());
    assert_eq!(run.pool.arrived(), log.window(MONDAY, MONDAY + DAY).jobs().len());
}
