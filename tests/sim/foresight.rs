//! Forecasts of a log, judged.

use foresail::forecast::horizons::Horizons;
use foresail::forecast::{Forecast, arrivals::Seen};
use foresail::sim::autoscaler::foresail::{Limits, Sampling};
use foresail::sim::autoscaler::{Foresail, KedaSetting};
use foresail::sim::foresight::{COVERED_AT, judge};
use foresail::sim::job_log::JobLog;
use foresail::sim::workers::PoolSpec;
use foresail::sim::world::{Stage, World};
use foresail::sizing::Policy;

const DAY: f64 = 86_400.0;
const MONDAY: f64 = 1_507_507_200.0;

fn log(days: f64) -> JobLog {
    let log = JobLog::bundled().expect("the bundled log is well formed");
    log.window(MONDAY, MONDAY + days * DAY).with_run_times(300.0, 4.0 * 3600.0)
}

#[test]
fn forecasts_of_a_real_log_save_loss_and_their_quantiles_mean_what_they_say() {
    let found = judge(&log(7.0), Horizons::default(), MONDAY, MONDAY + 2.0 * DAY, MONDAY + 7.0 * DAY);
    assert_eq!(found.iter().map(|one| one.outcomes).collect::<Vec<_>>(), [14_400, 4_800, 1_440]);
    for one in found {
        let (quantile, crps) = (one.quantile_loss, one.crps);
        assert!(quantile.against_nothing() > 0.1 && quantile.against_persistence() > 0.0, "{one:?}");
        assert!(crps.against_nothing() > 0.05 && crps.against_persistence() > 0.0, "{one:?}");
        // Of "nothing comes" the score is what came.
        assert!((crps.nothing * f64::from(one.outcomes) - one.jobs as f64).abs() < 1e-6 * one.jobs as f64);
        assert!(one.covered.windows(2).all(|pair| pair[0] <= pair[1]), "{one:?}");
        let (level, share) = one.told();
        assert!((share - level).abs() < 0.03, "{one:?}");
    }
}

/// It looks at other forecasts (the learner's overlap), so they agree on the whole only.
#[test]
fn what_a_forecast_says_of_itself_is_what_is_found_from_outside() {
    let log = log(7.0);
    let found = judge(&log, Horizons::default(), MONDAY, MONDAY, MONDAY + 7.0 * DAY);
    let mut forecast = Forecast::new(Horizons::default());
    let mut jobs = log.jobs().iter().peekable();
    forecast.observe(MONDAY, Seen::Gap, 0);
    for second in 1..=7 * 86_400_u32 {
        let now = MONDAY + f64::from(second);
        let mut came = 0;
        while jobs.next_if(|job| job.submit <= now).is_some() {
            came += 1;
        }
        forecast.observe(now, Seen::Arrivals(came), 0);
    }
    for (inside, outside) in forecast.take_outcomes().into_iter().zip(&found) {
        let near = |inside: f64, outside: f64| (inside / outside - 1.0).abs() < 0.1;
        let losses = outside.quantile_loss;
        for (inside, outside) in [
            (inside.forecast, losses.forecast),
            (inside.nothing, losses.nothing),
            (inside.persistence, losses.persistence),
        ]
        .map(|(sum, mean)| (sum, mean * f64::from(outside.outcomes) * 3.0))
        {
            assert!(near(inside, outside), "{inside} {outside}");
        }
        for (level, place) in [(0.5, 0), (0.9, 2), (0.97, 3)] {
            let at = COVERED_AT.iter().position(|&at| f64::abs(at - level) < 1e-9).expect("it is there");
            let share = inside.covered[place] / inside.number;
            assert!((share - outside.covered[at]).abs() < 0.03, "{level}: {share} {}", outside.covered[at]);
        }
    }
    assert!(forecast.take_outcomes().iter().all(|left| left.number <= 0.0), "they are told once");
}

#[test]
fn what_was_idle_on_the_word_of_a_forecast_is_counted_and_within_the_budget() {
    let log = log(5.0);
    let world = World::around(&log, PoolSpec::default(), 0.0, 1);
    let stage = Stage::new(&world, &log);
    let play = |budget: f64| {
        let policy = Policy { budget, ..Policy::default() };
        let limits = Limits { min: 0, max: 300 };
        stage.play(Foresail::new(policy, limits, Sampling::default(), world.from).in_object(world.from))
    };
    let some = play(0.25);
    assert!(some.speculated > 0.0 && some.speculated <= 0.25 * some.workers.busy, "{some:?}");
    assert!(play(0.0).speculated <= 0.0);
    assert!(stage.play(KedaSetting::default().autoscaler(300, world.from)).speculated <= 0.0);
}
