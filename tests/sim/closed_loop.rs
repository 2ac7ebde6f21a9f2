//! Whole runs on virtual time.

use foresail::sim::closed_loop::{ClosedLoop, ListLength};
use foresail::sim::job_log::JobLog;
use foresail::sim::keda::{ScaledObject, ScaledObjectSpec};
use foresail::sim::workers::{Removal, Span, StartDelay, Summary, WorkerPool};

const MONDAY: f64 = 1_507_507_200.0;
const DAY: f64 = 86_400.0;

fn plain_keda(log: &JobLog, removal: Removal) -> Summary {
    let delay =
        StartDelay::Mixture(vec![(3.0, Span { from: 2.0, to: 5.0 }), (1.0, Span { from: 40.0, to: 90.0 })]);
    let pool = WorkerPool::new(log, removal, delay, 1, MONDAY);
    let keda = ScaledObject::new(ScaledObjectSpec { max: 300, ..ScaledObjectSpec::default() }, MONDAY, 0);
    ClosedLoop { pool, keda }.run(&mut ListLength { target: 1.0 }, MONDAY + 30.0 * DAY)
}

#[test]
fn two_runs_of_plain_keda_over_the_bundled_week_are_equal_bit_for_bit() {
    let log = JobLog::bundled().unwrap().with_run_times(300.0, 4.0 * 3600.0);
    let first = plain_keda(&log, Removal::Drain);
    assert_eq!(format!("{first:?}"), format!("{:?}", plain_keda(&log, Removal::Drain)));
    println!("{first:#?}");
    assert_eq!((first.completed, first.waiting, first.in_flight), (10_465, 0, 0));
    assert!((first.worker_seconds.busy - log.work()).abs() < 1e-3 * log.work());
}
