//! Dask's adaptive deployments.

use foresail::sim::autoscaler::dask::{Dask, DaskSpec};

use super::{MAX, MONDAY, assert_same, days, jobs, replay, steps};

#[test]
fn it_sizes_by_the_mean_run_time_once_it_knows_one() {
    // Before a job is done each counts 0.5 s: ceil(4 x 0.5 / 5) = 1. The first is done at 13: the mean is 10
    // s, and three jobs are left: ceil(3 x 10 / 5) = 6, capped at 3.
    let log = jobs(&[(0.5, 10.0); 4]);
    let (seen, _) = steps(&log, 2.0, Dask::new(DaskSpec::default(), 0.0), 100.0);
    // At 13 the first worker took the second job; two more are ready at 15 and take the last ones, done at
    // 25. The second is done at 23: all idle ones are to close, and two jobs are left; votes at 23, 24, 25;
    // two at 25.
    assert_eq!(seen, [(1.0, 1), (13.0, 3), (25.0, 2), (27.0, 0)]);
}

#[test]
fn a_longer_target_duration_takes_fewer_workers() {
    let log = jobs(&[[(0.5, 10.0); 1].as_slice(), &[(50.5, 10.0); 12]].concat());
    let most = |target_duration| {
        let spec = DaskSpec { target_duration, ..DaskSpec::default() };
        let (seen, pool) = steps(&log, 2.0, Dask::new(spec, 0.0), 1000.0);
        assert_eq!(pool.completed(), 13);
        seen.into_iter().filter(|&(at, _)| at < 52.0).map(|(_, replicas)| replicas).max()
    };
    // Twelve jobs of 10 s in 60 s: 2. In 20 s: 6. In 5 s: 24, capped at 12.
    assert_eq!([60.0, 20.0, 5.0].map(most), [Some(2), Some(6), Some(12)]);
}

#[test]
fn checks_that_change_nothing_can_be_skipped_without_any_difference() {
    let log = days(3.0);
    for target_duration in [5.0, 300.0] {
        let dask = Dask::new(DaskSpec { target_duration, max: MAX, ..DaskSpec::default() }, MONDAY);
        assert_same(&log, &replay(&log, dask.clone()), &replay(&log, dask.without_skipping()));
    }
}
