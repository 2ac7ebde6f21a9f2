//! ScaledJobs: one pod a job.

use foresail::sim::autoscaler::ScaledJobs;
use foresail::sim::scaled_job::Strategy;

use super::{MAX, MONDAY, assert_same, days, jobs, replay, steps};

const STRATEGIES: [Strategy; 3] = [Strategy::Default, Strategy::Accurate, Strategy::Eager];

/// Three jobs of 100 s at 10 s, two more at 50 s; pods start in 5 s; KEDA polls at 0, 30, 60, 90, ...
const BURSTS: [(f64, f64); 5] = [(10.0, 100.0), (10.0, 100.0), (10.0, 100.0), (50.0, 100.0), (50.0, 100.0)];

#[test]
fn accurate_starts_a_pod_for_every_waiting_job_at_the_next_poll() {
    let (seen, pool) = steps(&jobs(&BURSTS), 5.0, ScaledJobs::keda(Strategy::Accurate, 100, 0.0), 400.0);
    // Ready at 35 and 65, done at 135 and 165.
    assert_eq!(seen, [(30.0, 3), (60.0, 5), (135.0, 2), (165.0, 0)]);
    let seconds = pool.worker_seconds();
    assert_eq!(format!("{} {} {}", seconds.starting, seconds.busy, seconds.idle), "25 500 0");
}

#[test]
fn the_default_strategy_with_a_list_length_takes_running_pods_for_those_of_waiting_jobs() {
    // At 60, two wait and three run: nothing is created until the three are gone, at 135. The poll at 150
    // creates two.
    let (seen, _) = steps(&jobs(&BURSTS), 5.0, ScaledJobs::keda(Strategy::Default, 100, 0.0), 400.0);
    assert_eq!(seen, [(30.0, 3), (135.0, 0), (150.0, 2), (255.0, 0)]);
}

#[test]
fn the_default_strategy_is_right_with_a_length_that_counts_what_runs() {
    let (seen, _) = steps(&jobs(&BURSTS), 5.0, ScaledJobs::foresail(Strategy::Default, 100, 0.0), 400.0);
    // Polls come every 5 s: pods are asked for at 10 and 50.
    assert_eq!(seen, [(10.0, 3), (50.0, 5), (115.0, 2), (155.0, 0)]);
}

#[test]
fn eager_starts_pods_again_while_the_first_ones_start_and_those_that_find_no_job_leave_at_once() {
    let three = jobs(&BURSTS[..3]);
    let (seen, pool) = steps(&three, 40.0, ScaledJobs::keda(Strategy::Eager, 100, 0.0), 400.0);
    // Ready at 70, where three take the jobs, and at 100, where three find none.
    assert_eq!(seen, [(30.0, 3), (60.0, 6), (100.0, 3), (170.0, 0)]);
    assert_eq!(pool.completed(), 3);
    assert_eq!(pool.worker_seconds().idle.to_string(), "0");
}

#[test]
fn polls_that_would_create_nothing_can_be_skipped_without_any_difference() {
    let log = days(3.0);
    for strategy in STRATEGIES {
        for scaled_jobs in
            [ScaledJobs::keda(strategy, MAX, MONDAY), ScaledJobs::foresail(strategy, MAX, MONDAY)]
        {
            let looking = replay(&log, scaled_jobs.clone().without_skipping());
            let skipping = replay(&log, scaled_jobs);
            assert_same(&log, &skipping, &looking);
            assert!(skipping.peak_replicas <= MAX as usize, "{skipping:#?}");
        }
    }
}
