//! Idle timeouts.

use foresail::sim::autoscaler::idle_timeout::{IdleTimeout, IdleTimeoutSpec, Routing};

use super::{MAX, MONDAY, assert_same, days, jobs, replay, steps};

#[test]
fn a_worker_comes_for_every_waiting_job_and_goes_when_it_has_been_idle_for_the_timeout() {
    let log = jobs(&[(1.0, 50.0), (2.0, 100.0), (80.0, 10.0)]);
    let spec = IdleTimeoutSpec { timeout: 60.0, ..IdleTimeoutSpec::default() };
    let (seen, pool) = steps(&log, 10.0, IdleTimeout::new(spec, 0.0), 400.0);
    // Looks at 0, 5, 10, ... Ready at 15; idle from 65 to 80, and from 90; the other one from 115.
    assert_eq!(seen, [(5.0, 2), (150.0, 1), (175.0, 0)]);
    assert_eq!(pool.worker_seconds().idle.to_string(), (15.0 + 60.0 + 60.0).to_string());
}

#[test]
fn no_more_come_than_the_most_and_the_fewest_stay() {
    let log = jobs(&[(1.0, 50.0); 9]);
    let spec = IdleTimeoutSpec { timeout: 60.0, min: 1, max: 4, ..IdleTimeoutSpec::default() };
    let (seen, _) = steps(&log, 10.0, IdleTimeout::new(spec, 0.0), 1000.0);
    // One from the start. Four at a time: done at 55 (the first took its job at 10), 65, 105, ...
    assert_eq!(seen.first(), Some(&(0.0, 1)));
    assert_eq!(seen.iter().map(|&(_, replicas)| replicas).max(), Some(4));
    assert_eq!(seen.last().map(|&(_, replicas)| replicas), Some(1));
}

#[test]
fn delayed_off_acts_at_once_cancels_starts_and_lets_the_others_become_old() {
    // Two workers, ready at 30. One job a time from 40 on keeps one of them busy: the other goes 30 s after
    // it was last busy, at 40 + 30, although by turns both would be younger.
    let log = jobs(&[(0.0, 10.0), (0.0, 10.0), (45.0, 5.0), (55.0, 5.0), (65.0, 5.0), (75.0, 5.0)]);
    let delayed_off = IdleTimeoutSpec::delayed_off(30.0);
    let (seen, _) = steps(&log, 30.0, IdleTimeout::new(delayed_off, 0.0), 400.0);
    assert_eq!(seen, [(0.0, 2), (70.0, 1), (110.0, 0)]);
    let by_turns = IdleTimeoutSpec { routing: Routing::LongestIdle, ..delayed_off };
    let (seen, _) = steps(&log, 30.0, IdleTimeout::new(by_turns, 0.0), 400.0);
    assert_eq!(seen, [(0.0, 2), (100.0, 1), (110.0, 0)]);

    // The second job is taken at 31 by the first worker, and nobody waits for the second worker any more.
    let log = jobs(&[(0.0, 1.0), (5.0, 10.0)]);
    let (seen, _) = steps(&log, 30.0, IdleTimeout::new(delayed_off, 0.0), 400.0);
    assert_eq!(seen, [(0.0, 1), (5.0, 2), (31.0, 1), (71.0, 0)]);
}

#[test]
fn looks_that_change_nothing_can_be_skipped_without_any_difference() {
    let log = days(3.0);
    for spec in [IdleTimeoutSpec::default(), IdleTimeoutSpec { min: 2, ..IdleTimeoutSpec::parsl() }] {
        let idle_timeout = IdleTimeout::new(IdleTimeoutSpec { max: MAX, ..spec }, MONDAY);
        let looking = replay(&log, idle_timeout.clone().without_skipping());
        assert_same(&log, &replay(&log, idle_timeout), &looking);
    }
}
