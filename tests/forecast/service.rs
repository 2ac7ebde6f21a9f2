//! Service times and lead times: what is learned, and what is said where little is known.

use foresail::forecast::{
    lead::{Asked, LeadTimes, Start},
    service::{Law, Prior, Service},
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

fn exponential(rng: &mut Pcg64Mcg, mean: f64) -> f64 {
    -mean * (1.0 - rng.random::<f64>()).ln()
}

fn near(found: f64, exact: f64, relative: f64) -> bool {
    (found - exact).abs() <= relative * exact
}

#[test]
fn a_law_says_what_the_exponential_law_says() {
    let law = Prior::from_survival(|x| (-x / 500.0).exp()).law();
    assert!(near(law.mean(), 500.0, 1e-3), "{}", law.mean());
    assert!(near(law.quantile(0.5), 500.0 * 2.0_f64.ln(), 1e-3));
    for x in [3.0, 70.0, 500.0, 2_000.0] {
        assert!(near(law.survival(x), (-x / 500.0).exp(), 1e-3));
        assert!(near(law.mean_residual(x), 500.0, 5e-3), "{x}: {}", law.mean_residual(x));
        assert!(near(law.still_busy(x), (-x / 500.0).exp(), 5e-3));
        assert!(near(law.still_busy_at(123.0, x), (-x / 500.0).exp(), 5e-3));
        assert!(near(law.renewals_mid_job(x), x / 500.0, 2e-3));
    }
}

/// Jobs of two kinds, the long ones still running: counting only those that ended says 10 s.
#[test]
fn jobs_that_still_run_are_counted() {
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let mut service = Service::default();
    for _ in 0..300 {
        service.ended(exponential(&mut rng, 10.0));
    }
    service.running((0..300).map(|_| 3_000.0));
    service.renew(&Prior::default());
    assert!((0.4..0.6).contains(&service.law().survival(1_000.0)), "{}", service.law().survival(1_000.0));
    service.running([]);
    service.renew(&Prior::default());
    assert!(service.law().survival(1_000.0) < 0.01);
}

#[test]
fn run_times_that_change_are_followed() {
    let mut rng = Pcg64Mcg::seed_from_u64(2);
    let mut service = Service::default();
    for mean in [20.0, 2_000.0] {
        for _ in 0..3_000 {
            service.ended(exponential(&mut rng, mean));
        }
    }
    service.renew(&Prior::default());
    assert!(near(service.law().mean(), 2_000.0, 0.15), "{}", service.law().mean());
}

#[test]
fn without_single_run_times_busy_time_over_completions_sets_the_scale() {
    let prior = Prior::default();
    let mut service = Service::default();
    service.busy(60.0 * 1_000.0, 1_000);
    service.renew(&prior);
    assert!(near(service.law().mean(), 60.0, 0.1), "{}", service.law().mean());
    let shape = |law: &Law| law.quantile(0.9) / law.quantile(0.5);
    assert!(near(shape(service.law()), shape(&prior.law()), 0.1));
}

#[test]
fn a_new_queue_starts_from_what_its_kind_has_learned() {
    let mut rng = Pcg64Mcg::seed_from_u64(3);
    let mut known = Service::default();
    for _ in 0..1_000 {
        known.ended(exponential(&mut rng, 5_000.0));
    }
    let prior = Prior::pooled([&known, &Service::default()]);
    let mut new = Service::default();
    assert_eq!(new.law(), &Prior::default().law());
    new.renew(&prior);
    assert!(near(new.law().mean(), 5_000.0, 0.2), "{}", new.law().mean());
    new.ended(5.0);
    new.renew(&prior);
    assert!(new.law().quantile(0.25) < 100.0, "its own first job counts as much as the prior");
}

#[test]
fn lead_times_leave_the_prior_for_what_is_seen() {
    let mut lead = LeadTimes::default();
    let (warm, cold) = (lead.of(Start::Warm).quantile(0.5), lead.of(Start::Cold).quantile(0.5));
    assert!((5.0..15.0).contains(&warm) && (60.0..100.0).contains(&cold), "{warm} {cold}");
    assert_eq!(lead.of(Start::Cold).seen(), 0.0);
    for _ in 0..200 {
        lead.started(Start::Cold, 300.0, Asked::Beside);
    }
    lead.started(Start::Cold, f64::NAN, Asked::Beside);
    lead.started(Start::Cold, -1.0, Asked::Beside);
    for level in [0.1, 0.5, 0.9] {
        assert!(near(lead.of(Start::Cold).quantile(level), 300.0, 0.3));
    }
    assert!(near(lead.of(Start::Cold).mean(), 300.0, 0.3));
    assert!(near(lead.of(Start::Warm).quantile(0.5), warm, 1e-9), "cold starts say nothing of warm ones");
}

#[test]
fn run_times_of_the_past_fade_where_the_source_tells_none() {
    let mut service = Service::default();
    (0..500).for_each(|_| service.ended(60.0));
    let mean = |service: &mut Service| {
        service.renew(&Prior::default());
        service.law().mean()
    };
    let learned = mean(&mut service);
    assert!((55.0..75.0).contains(&learned), "{learned}");
    for _ in 0..40 {
        service.busy(600.0, 1);
    }
    assert_eq!(mean(&mut service), learned, "a few say nothing yet");
    for _ in 0..8_000 {
        service.busy(600.0, 1);
    }
    let now = mean(&mut service);
    assert!((550.0..650.0).contains(&now), "{now}");
}
