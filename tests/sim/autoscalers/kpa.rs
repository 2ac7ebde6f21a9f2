//! Knative's autoscaler.

use foresail::sim::autoscaler::Autoscaler;
use foresail::sim::autoscaler::kpa::{Kpa, KpaSpec};
use foresail::sim::closed_loop::ClosedLoop;

use super::{MAX, MONDAY, assert_same, days, jobs, mixed, pool, replay, steps};

#[test]
fn the_first_job_wakes_it_at_once_and_the_grace_period_keeps_the_last_worker() {
    let (seen, _) = steps(&jobs(&[(10.5, 20.0)]), 3.0, Kpa::new(KpaSpec::default(), 0.0), 300.0);
    // One second of six with a job wants ceil(1/6 / 0.7) = 1. Five, at 14, want ceil(5/6 / 0.7) = 2: twice
    // the ready worker, so that it panics, at 16 again, and no more once the second worker is ready at 17.
    // Panic ends at the first tick more than 60 s after 16, at 78, where 15 seconds of 60 have the job:
    // ceil(0.25 / 0.7) = 1. At 94 the last second with the job has left the window: nobody is wanted. 30 s
    // later the last worker goes.
    assert_eq!(seen, [(10.5, 1), (14.0, 2), (78.0, 1), (124.0, 0)]);
}

#[test]
fn utilisation_asks_for_more_workers_than_jobs() {
    let log = jobs(&[(0.5, 1000.0); 7]);
    for (utilisation, workers) in [(0.7, 10), (1.0, 7)] {
        let kpa = Kpa::new(KpaSpec { utilisation, ..KpaSpec::default() }, 0.0);
        let (seen, _) = steps(&log, 3.0, kpa, 900.0);
        assert_eq!(seen.iter().map(|&(_, replicas)| replicas).max(), Some(workers), "{seen:?}");
        assert_eq!(seen.last().map(|&(_, replicas)| replicas), Some(workers), "{seen:?}");
    }
}

#[test]
fn it_shrinks_by_half_at_most_and_never_in_panic() {
    let log = jobs(&[(0.5, 100.0); 20]);
    let autoscaler = Kpa::new(KpaSpec { utilisation: 1.0, ..KpaSpec::default() }, 0.0);
    let (seen, _) = steps(&log, 1.0, autoscaler, 400.0);
    let down: Vec<usize> =
        seen.iter().map(|&(_, replicas)| replicas).skip_while(|&replicas| replicas < 20).collect();
    for pair in down.windows(2) {
        assert!(pair[1] >= pair[0] / 2, "{seen:?}");
    }
    assert_eq!(down.last(), Some(&0));
}

#[test]
fn in_panic_no_worker_is_taken_away() {
    let log = days(1.0);
    let autoscaler = Kpa::new(KpaSpec { max: MAX, ..KpaSpec::default() }, MONDAY);
    let mut run = ClosedLoop { pool: pool(&log, mixed(), MONDAY), autoscaler };
    let mut panics = 0;
    while !run.is_over() {
        let before = (run.autoscaler.panics(), run.pool.replicas());
        run.step(f64::INFINITY);
        assert!(run.pool.replicas() <= MAX as usize);
        if before.0 && run.autoscaler.panics() {
            panics += 1;
            assert!(run.pool.replicas() >= before.1, "at {}", run.pool.now());
        }
    }
    assert!(panics > 500, "only {panics} turns in panic");
}

#[test]
fn ticks_that_change_nothing_can_be_skipped_without_any_difference() {
    let log = days(3.0);
    for spec in [
        KpaSpec { max: MAX, ..KpaSpec::default() },
        KpaSpec { max: MAX, utilisation: 1.0, min: 3, ..KpaSpec::default() },
    ] {
        let kpa = Kpa::new(spec, MONDAY);
        assert_same(&log, &replay(&log, kpa.clone()), &replay(&log, kpa.without_skipping()));
    }
}

#[test]
fn an_idle_service_rests() {
    let mut kpa = Kpa::new(KpaSpec::default(), 0.0);
    let mut empty = pool(&jobs(&[]), mixed(), 0.0);
    kpa.turn(0.0, &mut empty);
    assert!(kpa.next_due(&empty).is_infinite());
}
