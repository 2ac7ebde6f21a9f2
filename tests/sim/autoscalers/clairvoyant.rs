//! The bounds of someone who knows the log.

use foresail::sim::autoscaler::Clairvoyant;
use foresail::sim::autoscaler::clairvoyant::ClairvoyantSpec;
use foresail::sim::closed_loop::ClosedLoop;
use foresail::sim::workers::StartDelay;

use super::{DAY, MAX, MONDAY, days, jobs, pool, steps};

const SPEC: ClairvoyantSpec = ClairvoyantSpec { lead: 30.0, worth: 3.0, max: 100 };

#[test]
fn workers_are_ready_when_their_jobs_come() {
    // The second job comes 20 s after the first is done: keeping costs less than a start of 30 s. The third
    // comes 40 s after that.
    let log = jobs(&[(100.0, 10.0), (130.0, 10.0), (180.0, 10.0)]);
    let (seen, pool) = steps(&log, 30.0, Clairvoyant::new(&log, SPEC, 0.0), 400.0);
    // At 140 the worker leaves; the next one is asked for at 150.
    assert_eq!(seen, [(70.0, 1), (140.0, 0), (150.0, 1), (190.0, 0)]);
    let summary = pool.summary();
    assert_eq!(format!("{} {}", summary.wait_max, summary.worker_seconds.total), "0 110");
}

#[test]
fn a_job_waits_where_that_costs_less_than_a_start() {
    // 9 s of waiting cost 27, a start 30; 11 s cost 33.
    for (second, starts) in [(101.0, 1), (99.0, 2)] {
        let log = jobs(&[(100.0 - 10.0, 20.0), (second, 20.0)]);
        let (seen, _) = steps(&log, 30.0, Clairvoyant::new(&log, SPEC, 0.0), 400.0);
        assert_eq!(seen.iter().map(|&(_, replicas)| replicas).max(), Some(starts), "{second}: {seen:?}");
    }
}

#[test]
fn nobody_can_be_ready_before_a_lead_time_has_passed() {
    let log = jobs(&[(5.0, 10.0); 3]);
    let (seen, pool) =
        steps(&log, 30.0, Clairvoyant::new(&log, ClairvoyantSpec { max: 2, ..SPEC }, 0.0), 400.0);
    // The third would wait for 10 s: cheaper than a third worker, which the limit forbids anyway.
    assert_eq!(seen, [(0.0, 2), (40.0, 1), (50.0, 0)]);
    assert_eq!(pool.completed(), 3);
}

#[test]
fn without_lag_nobody_waits_and_nobody_idles() {
    let log = days(3.0);
    let autoscaler = Clairvoyant::without_lag(&log, MAX, MONDAY);
    let summary =
        ClosedLoop { pool: pool(&log, StartDelay::Fixed(0.0), MONDAY), autoscaler }.run(MONDAY + 30.0 * DAY);
    assert_eq!(summary.completed, log.jobs().len());
    assert!(summary.wait_max <= 0.0, "{summary:#?}");
    assert!((summary.worker_seconds.total - log.work()).abs() < 1e-6 * log.work(), "{summary:#?}");
}

#[test]
fn a_shorter_lead_time_costs_less() {
    let log = days(3.0);
    let cost = |lead: f64| {
        let autoscaler = Clairvoyant::new(&log, ClairvoyantSpec { lead, max: MAX, ..SPEC }, MONDAY);
        let pool = pool(&log, StartDelay::Fixed(lead), MONDAY);
        let summary = ClosedLoop { pool, autoscaler }.run(MONDAY + 30.0 * DAY);
        assert_eq!(summary.completed, log.jobs().len());
        super::all::cost(&summary)
    };
    let costs = [0.0, 10.0, 60.0, 300.0].map(cost);
    assert!(costs.is_sorted(), "{costs:?}");
}
