//! Each recursion against an oracle; `fixtures/make.py` made the fixtures.

use std::{fs, path::Path};

use foresail::forecast::{
    arrivals::{Arrivals, Seen},
    calibration::Calibration,
    crps::crps,
    horizons::Horizons,
    negative_binomial::NegativeBinomial,
    outcomes::loss,
    predictive::{DueBurst, Predictive},
    rates::Rates,
    service::Prior,
};
use serde::{Deserialize, de::DeserializeOwned};

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forecast/fixtures").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn near(found: f64, exact: f64, relative: f64) -> bool {
    (found - exact).abs() <= relative * exact.abs().max(1e-9)
}

#[derive(Deserialize)]
struct RatesFixture {
    dt: Vec<f64>,
    n: Vec<f64>,
    rates: [f64; 6],
}

#[test]
fn decayed_rates_are_the_direct_sum_over_all_that_came_in() {
    let fixture: RatesFixture = fixture("rates.json");
    let mut rates = Rates::default();
    for (dt, n) in fixture.dt.iter().zip(&fixture.n) {
        rates.advance(*dt, *n);
    }
    for (found, exact) in rates.per_second().iter().zip(fixture.rates) {
        assert!(near(*found, exact, 1e-9), "{found} {exact}");
    }
}

#[derive(Deserialize)]
struct Counts {
    levels: [f64; 4],
    score_at: [f64; 4],
    cases: Vec<CountCase>,
}

#[derive(Deserialize)]
struct CountCase {
    mean: f64,
    size: f64,
    quantiles: [u64; 4],
    counts: Vec<u64>,
    at_least: Vec<f64>,
    mass: Vec<f64>,
    score: [f64; 4],
}

#[test]
fn the_negative_binomial_law_is_scipys() {
    let fixture: Counts = fixture("negative_binomial.json");
    for case in fixture.cases {
        let law = NegativeBinomial::new(case.mean, case.size);
        let say = format!("mean {} size {}", case.mean, case.size);
        assert_eq!(fixture.levels.map(|level| law.quantile(level)), case.quantiles, "{say}");
        for ((&k, at_least), mass) in case.counts.iter().zip(case.at_least).zip(case.mass) {
            assert!((law.at_least(k) - at_least).abs() < 1e-9, "{say} k {k}: {} {at_least}", law.at_least(k));
            assert!((law.mass(k) - mass).abs() < 1e-9, "{say} k {k}: {} {mass}", law.mass(k));
        }
        for (k, score) in fixture.score_at.into_iter().zip(case.score) {
            let found = law.score_of_ln_size(k);
            assert!((found - score).abs() < 1e-6 * (1.0 + score.abs()), "{say} k {k}: {found} {score}");
        }
    }
}

#[derive(Deserialize)]
struct LossCase {
    quantiles: [f64; 4],
    outcome: f64,
    loss: f64,
}

#[test]
fn the_quantile_loss_is_that_of_scoringrules() {
    for case in fixture::<Vec<LossCase>>("quantile_loss.json") {
        assert!(near(loss(case.quantiles, case.outcome), case.loss, 1e-12));
    }
}

#[derive(Deserialize)]
struct CrpsCase {
    mean: f64,
    size: f64,
    outcome: u64,
    crps: f64,
}

#[test]
fn the_continuous_ranked_probability_score_is_that_of_scoringrules() {
    for CrpsCase { mean, size, outcome, crps: exact } in fixture::<Vec<CrpsCase>>("crps.json") {
        let law = Predictive::new(NegativeBinomial::new(mean, size), None);
        let found = crps(&law, outcome);
        assert!((found - exact).abs() < 1e-4 + 2e-3 * exact, "{mean} {size} {outcome}: {found} {exact}");
    }
}

#[derive(Deserialize)]
struct CalibrationFixture {
    below: Vec<f64>,
    at: Vec<f64>,
    working: [f64; 4],
}

#[test]
fn calibration_takes_the_steps_of_adaptive_conformal_inference() {
    let fixture: CalibrationFixture = fixture("calibration.json");
    let mut calibration = Calibration::default();
    for (below, at) in fixture.below.iter().zip(&fixture.at) {
        calibration.learn(*below, *at);
    }
    for (level, working) in [0.5, 0.75, 0.9, 0.97].into_iter().zip(fixture.working) {
        let [ours] = calibration.working([level]);
        assert!(near(ours, working, 1e-4), "{ours} {working}");
        assert!(near(calibration.nominal(working), level, 1e-4));
    }
}

#[derive(Deserialize)]
struct ExcitationFixture {
    counts: Vec<u64>,
    expected: Vec<f64>,
}

#[test]
fn the_self_exciting_process_learns_as_numpy_does() {
    let fixture: ExcitationFixture = fixture("excitation.json");
    let none = |_, _| DueBurst::default();
    let mut arrivals = Arrivals::new(Horizons::new([45.0, 90.0, 600.0]).unwrap());
    arrivals.observe(0.0, Seen::Gap, none);
    let mut found = Vec::new();
    for (i, &n) in fixture.counts.iter().enumerate() {
        arrivals.observe((i + 1) as f64 * 30.0, Seen::Arrivals(n), none);
        if i % 100 == 99 {
            found.push(arrivals.ahead(90.0, DueBurst::default()).mean());
        }
    }
    assert_eq!(found.len(), fixture.expected.len());
    for (at, (found, exact)) in found.into_iter().zip(fixture.expected).enumerate() {
        assert!(near(found, exact, 2e-3), "forecast {at}: {found} {exact}");
    }
}

#[derive(Deserialize)]
struct Renewals {
    mean: f64,
    sigma: f64,
    x: Vec<f64>,
    exponential: Vec<f64>,
    erlang_2: Vec<f64>,
    lognormal: Vec<f64>,
}

/// Buckets are 24 % wide, and a completion more or less matters less than a tenth of one.
#[test]
fn the_renewal_function_is_that_of_closed_forms_and_of_simulated_workers() {
    let fixture: Renewals = fixture("renewals.json");
    let mean = fixture.mean;
    let location = mean.ln() - fixture.sigma * fixture.sigma / 2.0;
    let laws = [
        (Prior::from_survival(|x| (-x / mean).exp()), &fixture.exponential),
        (Prior::from_survival(|x| (1.0 + 2.0 * x / mean) * (-2.0 * x / mean).exp()), &fixture.erlang_2),
        (Prior::from_survival(|x| normal_tail((x.ln() - location) / fixture.sigma)), &fixture.lognormal),
    ];
    for (prior, exact) in laws {
        let law = prior.law();
        for (&x, exact) in fixture.x.iter().zip(exact) {
            let found = law.renewals(x);
            assert!((found - exact).abs() < 0.02 + 0.03 * exact, "x {x}: {found} {exact}");
        }
    }
}

/// `P(Z > z)` of a standard normal law, by the trapezoidal rule.
fn normal_tail(z: f64) -> f64 {
    let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let (from, to, steps) = (z.clamp(-12.0, 12.0), 12.0, 2_000_u32);
    let step = (to - from) / f64::from(steps);
    (0..=steps)
        .map(|i| density(from + f64::from(i) * step) * if i == 0 || i == steps { step / 2.0 } else { step })
        .sum::<f64>()
        .min(1.0)
}
