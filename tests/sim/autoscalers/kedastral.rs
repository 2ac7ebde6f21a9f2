//! Kedastral's baseline model and planner.

use foresail::sim::autoscaler::kedastral::{Kedastral, KedastralSpec};
use foresail::sim::autoscaler::{ByKeda, Scaler};
use foresail::sim::hpa::Behavior;
use foresail::sim::keda::{ScaledObject, ScaledObjectSpec};

use super::{MAX, MONDAY, days, jobs, mixed, pool, replay};

fn told(scaler: &mut Kedastral, now: f64, pool: &mut foresail::sim::workers::WorkerPool) -> Option<f64> {
    pool.advance(now);
    scaler.look(now, pool);
    scaler.read(now, pool).map(|(replicas, _)| replicas)
}

#[test]
fn it_doubles_from_step_to_step_and_plans_the_lead_time_ahead() {
    let hundred = jobs(&[(10.0, 1e6); 100]);
    let mut pool = pool(&hundred, mixed(), 0.0);
    let mut kedastral = Kedastral::new(KedastralSpec { max: 1000, ..KedastralSpec::default() }, 0.0);
    // Nothing yet: the minimum. From then on a plan has six steps, of which the first is what counts as
    // current and the last is what KEDA is told. At 30 the jobs are there: 2 | 4, 8, 16, 32, 64, against 120
    // wanted.
    assert_eq!(told(&mut kedastral, 0.0, &mut pool), Some(1.0));
    assert_eq!(told(&mut kedastral, 30.0, &mut pool), Some(64.0));
    // 4 | 8, 16, 32, 64, and then 128 at most. Points 0 and 100 make the hour's mean 50: 1.2 (0.8 x 100 + 0.2
    // x 50).
    assert_eq!(told(&mut kedastral, 60.0, &mut pool), Some(108.0));
    assert_eq!(told(&mut kedastral, 75.0, &mut pool), Some(108.0), "no forecast between");
}

#[test]
fn the_moving_averages_lag_behind_a_fall() {
    let ten = jobs(&[(0.0, 1e6); 10]);
    let mut pool = pool(&ten, mixed(), 0.0);
    let spec =
        KedastralSpec { headroom: 1.0, lead_minutes: 0, counts_in_flight: false, ..KedastralSpec::default() };
    let mut kedastral = Kedastral::new(spec, 0.0);
    for tick in 0..20 {
        told(&mut kedastral, f64::from(tick) * 30.0, &mut pool);
    }
    assert_eq!(told(&mut kedastral, 600.0, &mut pool), Some(10.0));
    pool.scale_to(10);
    pool.advance(900.0);
    // Everything runs; eleven points of 10 and then one of 0. Of five: 10 (1 - 1/3) = 6.67. Of twelve:
    // 10 (1 - 2/13) = 8.46. 0.7 and 0.3 of these are 7.21; the mean of the hour, 110 / 12, has a fifth: 7.6.
    assert_eq!(told(&mut kedastral, 660.0, &mut pool), Some(8.0));
}

#[test]
fn it_never_goes_to_zero_and_finishes() {
    let log = days(3.0);
    let spec = ScaledObjectSpec {
        min: 1,
        max: MAX,
        behavior: Some(Behavior::foresail()),
        ..ScaledObjectSpec::default()
    };
    let kedastral = Kedastral::new(KedastralSpec { max: MAX, ..KedastralSpec::default() }, MONDAY);
    let summary = replay(&log, ByKeda::new(ScaledObject::new(spec, MONDAY, 0), kedastral));
    assert_eq!(summary.completed, log.jobs().len());
    assert!(summary.peak_replicas <= MAX as usize);
}
