//! What `max_spend` promises of decisions.

use proptest::prelude::{prop, prop_assert, proptest};

use super::*;
use crate::forecast::service::Prior;

#[test]
fn spending_is_bounded_from_the_first_decision_and_why_says_so() {
    let max_spend = Some(MaxSpend { amount: 240.0, period: 86_400.0 });
    let mut bench = Bench::new(Policy { price: 2.0, max_spend, ..no_keep_alive() });
    let decision = bench.sees(50, Some(0)).unwrap();
    assert_eq!(
        (decision.target, decision.reactive, decision.why.max_spend),
        (4, 4, Some(4)),
        "ten an hour, less 3 %"
    );
    assert!(decision.why.to_string().contains(" max_spend=4"), "{}", decision.why);
    bench.policy.max_spend = None;
    assert_eq!(target(bench.decide(None)), 50);

    let mut bench = Bench::new(bench.policy);
    bench.policy.max_spend = max_spend;
    bench.workload = Workload { replicas: Some(100), ..Workload::default() };
    let decision = bench.sees(0, Some(90)).unwrap();
    assert_eq!((decision.target, decision.why.floor), (90, Some(90)), "busy workers stand above it");
}

/// Five hundred jobs that took so many seconds each.
fn teach_run_time(forecast: &mut Forecast, seconds: f64) {
    let service = forecast.service_mut();
    (0..500).for_each(|_| service.ended(seconds));
    service.renew(&Prior::default());
}

#[test]
fn spending_is_counted_by_the_pods_that_are_there() {
    let max_spend = Some(MaxSpend { amount: 100.0, period: 36_000.0 });
    let saved = |workload: Workload| {
        let mut bench = Bench::new(Policy { max_spend, ..no_keep_alive() });
        teach_run_time(&mut bench.forecast, 60.0);
        bench.workload = workload;
        assert_eq!(target(bench.sees(5, Some(0))), 4);
        target(bench.after(3_600.0).sees(300, Some(0)))
    };
    let seen = |replicas, terminating| Workload {
        replicas: Some(replicas),
        terminating: Some(terminating),
        ..Workload::default()
    };
    assert_eq!(saved(seen(4, 0)), saved(Workload::default()), "the target counts where no pod is seen");
    assert!(saved(seen(0, 0)) > saved(seen(4, 0)), "pods that never came cost nothing");
    assert!(saved(seen(4, 6)) < saved(seen(4, 0)), "pods on their way out cost what others do");
}

proptest! {
    /// Whatever comes and however long jobs take: but for busy workers, no period costs more than `max_spend`.
    #[test]
    fn but_for_busy_workers_no_period_costs_more_than_max_spend(
        steps in prop::collection::vec((1.0..60.0f64, 0u64..300, 0u64..40, 1u32..60), 1..40),
        amount in 1.0..200.0f64, run in 1.0..10_000.0f64, min in 0u32..5,
    ) {
        let period = 3_600.0;
        let max_spend = Some(MaxSpend { amount, period });
        let mut bench = Bench::new(Policy { min, max_spend, ..Policy::default() });
        teach_run_time(&mut bench.forecast, run);
        let mut past: Vec<(f64, f64, f64)> = Vec::new();
        for (step, waiting, in_flight, times) in steps {
            for _ in 0..times {
                let Ok(decision) = bench.sees(waiting, Some(in_flight)) else { continue };
                let workers = if decision.why.floor.is_some() { 0.0 } else { f64::from(decision.target) };
                past.push((bench.now, bench.now + step, workers / 3_600.0));
                bench.after(step);
            }
            let since = bench.now - period;
            let spent: f64 = past.iter().map(|(from, to, rate)| (to - from.max(since)).max(0.0) * rate).sum();
            prop_assert!(spent <= amount * (1.0 + 1e-6), "{spent} of {amount}");
        }
    }
}
