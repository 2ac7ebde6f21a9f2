//! What holds whatever comes in.

use foresail::forecast::{
    Forecast,
    arrivals::Seen,
    calibration::LEVELS,
    crps::crps,
    horizons::{BadHorizon, Horizons},
    negative_binomial::NegativeBinomial,
    predictive::{Basis, DueBurst, Predictive},
    service::{Prior, Service},
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const WEEK: f64 = 604_800.0;

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        6 => (0_u64..40).prop_map(Seen::Arrivals),
        1 => Just(Seen::Arrivals(u64::MAX)),
        3 => (-50_i64..50).prop_map(Seen::NetChange),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(Seen::NetChange),
        1 => Just(Seen::Gap),
    ]
}

fn steps() -> impl Strategy<Value = Vec<(f64, Seen)>> {
    let dt = prop_oneof![
        8 => 0.0..30.0,
        2 => 30.0..4_000.0,
        1 => prop_oneof![Just(1e-7), Just(1e9), Just(1e300), Just(-100.0), Just(-1e12), Just(f64::NAN), Just(f64::INFINITY)],
    ];
    proptest::collection::vec((dt, seen()), 1..60)
}

/// The forecast after a history of seen steps.
fn after(start: f64, steps: &[(f64, u64)]) -> Forecast {
    let mut forecast = Forecast::new(Horizons::default());
    let mut t = start;
    forecast.observe(t, Seen::Gap, 0);
    for &(dt, n) in steps {
        t += dt;
        forecast.observe(t, Seen::Arrivals(n), 0);
    }
    forecast
}

fn history() -> impl Strategy<Value = Vec<(f64, u64)>> {
    proptest::collection::vec(
        ((1_u32..60).prop_map(f64::from), prop_oneof![4 => Just(0_u64), 1 => 0..50_u64]),
        1..200,
    )
}

fn hold_together(law: &Predictive) {
    assert!(law.mean().is_finite() && law.mean() >= 0.0, "{law:?}");
    assert!(law.variance().is_finite() && law.variance() >= law.mean() * (1.0 - 1e-9), "{law:?}");
    let quantiles = LEVELS.map(|level| law.quantile(level));
    assert!(quantiles.is_sorted(), "{quantiles:?} {law:?}");
    assert_eq!(law.quantiles(LEVELS), quantiles);
    let tails = [0, 1, 2, 5, 40, 300, 100_000].map(|k| law.at_least(k));
    assert!(tails.iter().all(|tail| (0.0..=1.0).contains(tail)), "{tails:?} {law:?}");
    assert!(tails.windows(2).all(|pair| pair[1] <= pair[0] + 1e-9), "{tails:?} {law:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_comes_in_breaks_it(steps in steps(), offset in any::<i32>(), start in -1e10..1e10_f64) {
        let mut forecast = Forecast::new(Horizons::default());
        let mut t: f64 = start;
        for (step, (dt, seen)) in steps.into_iter().enumerate() {
            let next = t + dt;
            forecast.observe(next, seen, offset);
            t = if next.is_finite() { next } else { start };
            hold_together(&forecast.at([1.0, 47.0, 300.0, 1e5][step % 4]));
            for horizon in forecast.arrivals().horizons() {
                prop_assert!(horizon.skill().against_nothing() <= 1.0);
                prop_assert!(horizon.skill().against_persistence() <= 1.0);
                let shares = horizon.coverage().shares().unwrap_or_default();
                prop_assert!(shares.iter().all(|share| (0.0..=1.000_001).contains(share)), "{shares:?}");
            }
            for burst in forecast.calendar().recurrences(t) {
                prop_assert!(burst.at.is_finite() && burst.jobs >= 0.0, "{burst:?}");
                prop_assert!((0.0..=1.0).contains(&burst.chance), "{burst:?}");
            }
        }
    }

    #[test]
    fn whole_weeks_of_shift_change_nothing(history in history(), weeks in 1_u32..2_000) {
        let shift = f64::from(weeks) * WEEK;
        let (early, late) = (after(1_000.0, &history), after(1_000.0 + shift, &history));
        for horizon in [30.0, 71.0, 300.0] {
            prop_assert_eq!(early.at(horizon), late.at(horizon));
        }
    }

    #[test]
    fn a_sample_seen_twice_counts_once(history in history(), which in any::<prop::sample::Index>()) {
        let twice = which.index(history.len());
        let mut forecast = Forecast::new(Horizons::default());
        forecast.observe(0.0, Seen::Gap, 0);
        let mut t = 0.0;
        for (at, &(dt, n)) in history.iter().enumerate() {
            t += dt;
            forecast.observe(t, Seen::Arrivals(n), 0);
            if at == twice {
                forecast.observe(t, Seen::Arrivals(n), 0);
            }
        }
        prop_assert_eq!(forecast, after(0.0, &history));
    }

    /// What came in evenly within a step may as well have been seen in many.
    #[test]
    fn a_long_step_equals_many_short_ones(history in history(), parts in 2_u32..6) {
        let whole = after(0.0, &history);
        let mut divided = Forecast::new(Horizons::default());
        divided.observe(0.0, Seen::Gap, 0);
        let mut t = 0.0;
        for &(dt, n) in &history {
            let mut left = n;
            for part in (1..=parts).rev() {
                let now = if part == 1 { left } else { n / u64::from(parts) };
                left -= now;
                divided.observe(t + dt * f64::from(parts + 1 - part) / f64::from(parts), Seen::Arrivals(now), 0);
            }
            t += dt;
        }
        // Whole jobs do not divide evenly, and a step that ends without one makes the last arrival older.
        for (a, b) in whole.arrivals().rates().per_second().iter().zip(divided.arrivals().rates().per_second()).skip(2) {
            prop_assert!((a - b).abs() <= 0.05 * a.max(0.02), "{a} {b}");
        }
    }

    #[test]
    fn what_is_not_seen_teaches_nothing(history in history(), gap in 1.0..1e6_f64) {
        let mut forecast = after(0.0, &history);
        let before: Vec<_> = forecast.arrivals().horizons().iter().map(|h| (*h.weights(), *h.skill(), h.calibration())).collect();
        let usual = forecast.arrivals().rates().per_second()[5];
        let t = forecast.arrivals().seen_until().unwrap() + gap;
        forecast.observe(t, Seen::Gap, 0);
        let now: Vec<_> = forecast.arrivals().horizons().iter().map(|h| (*h.weights(), *h.skill(), h.calibration())).collect();
        prop_assert_eq!(before, now);
        prop_assert!((forecast.arrivals().rates().per_second()[5] - usual).abs() <= 1e-12);
    }

    #[test]
    fn more_recent_arrivals_never_lower_a_forecast(history in history(), more in 1_u64..100) {
        let mut busier = history.clone();
        busier.last_mut().unwrap().1 += more + 1;
        let mut with_one = history;
        with_one.last_mut().unwrap().1 += 1;
        let (fewer, busier) = (after(0.0, &with_one), after(0.0, &busier));
        // A forecast is made from the same weights unless the step itself taught something.
        if fewer.arrivals().horizons()[2].weights() == busier.arrivals().horizons()[2].weights() {
            prop_assert!(busier.at(300.0).mean() >= fewer.at(300.0).mean() - 1e-9);
        }
    }

    #[test]
    fn a_law_of_counts_holds_together(mean in 0.0..2e6_f64, size in 1e-6..1e7_f64, chance in 0.0_f32..1.0, burst in 0.0_f32..1e5) {
        let usual = NegativeBinomial::new(mean, size);
        hold_together(&Predictive::new(usual, Some(DueBurst { chance, mean: burst, size: 3.0 })));
        let k = usual.quantile(0.9);
        prop_assert!(1.0 - usual.at_least(k + 1) >= 0.9 - 1e-9);
        prop_assert!(k == 0 || 1.0 - usual.at_least(k) < 0.9 + 1e-9);
    }

    /// Twice the quantile loss, averaged over levels that lie close together.
    #[test]
    fn the_score_of_a_whole_distribution_is_its_mean_quantile_loss(mean in 0.0..40.0_f64, size in 0.05..50.0_f64, chance in 0.0_f32..1.0, burst in 0.0_f32..60.0, outcome in 0_u64..120) {
        const LEVELS: u32 = 2_000;
        let due = DueBurst { chance, mean: burst, size: 3.0 };
        let law = Predictive::new(NegativeBinomial::new(mean, size), Some(due));
        let loss = |level: f64| {
            let over = law.quantile(level) as f64 - outcome as f64;
            2.0 * (over * (1.0 - level)).max(-over * level)
        };
        let levels = (0..LEVELS).map(|n| (f64::from(n) + 0.5) / f64::from(LEVELS));
        let exact = levels.map(loss).sum::<f64>() / f64::from(LEVELS);
        let found = crps(&law, outcome);
        prop_assert!((found - exact).abs() < 0.02 + 0.01 * exact, "{found} {exact}");
    }

    #[test]
    fn a_law_of_run_times_holds_together(
        ended in proptest::collection::vec(prop_oneof![0.0..1e7_f64, Just(f64::NAN), Just(-1.0), Just(f64::INFINITY)], 0..60),
        running in proptest::collection::vec(prop_oneof![0.0..1e8_f64, Just(f64::NAN), Just(f64::MAX)], 0..60),
        busy in prop_oneof![0.0..1e12_f64, Just(f64::NAN)],
        completions in any::<u64>(),
    ) {
        let mut service = Service::default();
        for seconds in ended {
            service.ended(seconds);
        }
        service.running(running);
        service.busy(busy, completions);
        service.renew(&Prior::default());
        let law = service.law();
        prop_assert!(law.mean().is_finite() && law.mean() > 0.0);
        let x = [0.0, 0.5, 1.0, 30.0, 1e3, 1e5, 8e5, 1e6, 1e8];
        let falling = |f: &dyn Fn(f64) -> f64| x.map(f).windows(2).all(|pair| pair[1] <= pair[0] + 1e-6);
        prop_assert!(falling(&|x| law.survival(x)) && falling(&|x| law.still_busy(x)));
        prop_assert!(falling(&|x| -law.renewals(x)) && falling(&|x| -law.quantile(x / 1e8)));
        for x in x {
            prop_assert!((0.0..=1.0).contains(&law.survival(x)) && (0.0..=1.0).contains(&law.still_busy_at(x, 60.0)));
            prop_assert!(law.mean_residual(x).is_finite() && law.mean_residual(x) >= 0.0);
            prop_assert!(law.renewals(x).is_finite());
        }
    }
}

#[test]
fn a_depth_alone_is_marked_and_gives_a_lower_bound() {
    let mut counted = Forecast::new(Horizons::default());
    let mut net = Forecast::new(Horizons::default());
    for second in 0..20_000_u32 {
        let (came, went) = (u64::from(second % 10 == 0) * 3, i64::from(second % 10 == 0));
        counted.observe(f64::from(second), Seen::Arrivals(came), 0);
        net.observe(f64::from(second), Seen::NetChange(i64::try_from(came).unwrap() - went), 0);
    }
    assert_eq!((counted.at(60.0).basis(), net.at(60.0).basis()), (Basis::Counted, Basis::NetIncrease));
    let share = net.at(60.0).mean() / counted.at(60.0).mean();
    assert!((0.6..0.73).contains(&share), "two of three arrivals show: {share}");
}

#[test]
fn horizons_rise_and_have_bounds() {
    assert_eq!(Horizons::new([30.0, 30.0, 60.0]), Err(BadHorizon(30.0)));
    assert_eq!(Horizons::new([0.5, 30.0, 60.0]), Err(BadHorizon(0.5)));
    assert_eq!(Horizons::new([1.0, 30.0, 1e6]), Err(BadHorizon(1e6)));
    assert!(Horizons::new([1.0, f64::NAN, 60.0]).is_err());
}

#[test]
fn other_horizons_take_over_what_was_learned() {
    let mut forecast = Forecast::new(Horizons::default());
    for second in 0..100_000_u32 {
        let n = if second % 3_000 < 30 { 2 } else { 0 };
        forecast.observe(f64::from(second), Seen::Arrivals(n), 0);
    }
    let (before, skill) = (forecast.at(100.0).mean(), *forecast.arrivals().horizons()[1].skill());
    forecast.set_horizons(Horizons::new([31.0, 95.0, 300.0]).unwrap());
    assert!((forecast.at(100.0).mean() / before - 1.0).abs() < 0.1);
    assert_eq!(*forecast.arrivals().horizons()[1].skill(), skill);
    forecast.observe(100_200.0, Seen::Arrivals(3), 0);
    assert!(forecast.at(31.0).mean().is_finite());
}

#[test]
fn the_coverage_of_a_queue_that_is_mostly_empty_is_near_its_levels() {
    let mut rng = Pcg64Mcg::seed_from_u64(3);
    let mut forecast = Forecast::new(Horizons::default());
    for second in 0..600_000_u32 {
        let n = u64::from(rng.random_bool(0.002));
        forecast.observe(f64::from(second), Seen::Arrivals(n), 0);
    }
    for horizon in forecast.arrivals().horizons() {
        let shares = horizon.coverage().shares().unwrap();
        for (share, level) in shares.into_iter().zip(LEVELS) {
            assert!((share - level).abs() < 0.03, "{} s: {shares:?}", horizon.seconds());
        }
    }
}

#[test]
fn a_forecast_says_what_it_is_made_of() {
    let mut forecast = Forecast::new(Horizons::default());
    forecast.observe(0.0, Seen::Gap, 0);
    forecast.observe(1.0, Seen::Arrivals(5), 0);
    let words: Vec<String> = forecast.arrivals().terms(90.0).map(|term| term.to_string()).collect();
    assert_eq!(words[0], "0.20 from the last half minute");
    assert_eq!(words[6], "1.44 an hour, the last one having come under 2 minutes ago");
    let sum: f64 = forecast.arrivals().terms(90.0).map(|term| term.expected()).sum();
    assert!((sum - forecast.at(90.0).mean()).abs() < 1e-9);
}
