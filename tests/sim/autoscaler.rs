//! Autoscalers beside each other on the bundled log.

use foresail::sim::autoscaler::Foresail;
use foresail::sim::autoscaler::foresail::{Ablation, Fault, Limits, Sampling, Sees, Wrong};
use foresail::sim::closed_loop::ClosedLoop;
use foresail::sim::job_log::JobLog;
use foresail::sim::workers::{PoolSpec, Span, StartDelay, Summary, WorkerPool};
use foresail::sizing::Policy;

const MONDAY: f64 = 1_507_507_200.0;
const DAY: f64 = 86_400.0;
const MAX: u32 = 300;

fn run(log: &JobLog, adjust: impl FnOnce(Foresail) -> Foresail, sampling: Sampling) -> Summary {
    let warm = Span { from: 2.0, to: 5.0 };
    let cold = Span { from: 40.0, to: 90.0 };
    let start = StartDelay::Mixture(vec![(3.0, warm), (1.0, cold)]);
    let limits = Limits { min: 0, max: MAX };
    let scaler = adjust(Foresail::new(Policy::default(), limits, sampling, MONDAY));
    let autoscaler = scaler.in_object(MONDAY);
    let pool = WorkerPool::new(log, &PoolSpec { start, ..PoolSpec::default() }, 1, MONDAY);
    ClosedLoop { pool, autoscaler }.run(MONDAY + 30.0 * DAY)
}

fn days(days: f64) -> JobLog {
    let log = JobLog::bundled().expect("the bundled log is well formed");
    log.window(MONDAY, MONDAY + days * DAY).with_run_times(300.0, 4.0 * 3600.0)
}

#[test]
fn samples_that_say_nothing_new_can_be_taken_together_with_hardly_a_difference() {
    let log = days(3.0);
    for sees in [
        Sees { in_flight: true, totals: true, pods: true },
        Sees { in_flight: true, totals: false, pods: false },
        Sees { in_flight: false, totals: false, pods: true },
    ] {
        let sampling = Sampling { sees, ..Sampling::default() };
        let skipping = run(&log, |foresail| foresail, sampling.clone());
        let looking = run(&log, Foresail::without_skipping, sampling);
        let close = |within: f64, of: fn(&Summary) -> f64| {
            (of(&skipping) - of(&looking)).abs() <= within * of(&looking)
        };
        assert!(
            close(0.05, |run| run.wait_mean) && close(0.01, |run| run.worker_seconds.total),
            "{sees:?} {skipping:#?} {looking:#?}"
        );
        assert_eq!(skipping.completed, log.jobs().len());
    }
}

#[test]
fn what_cannot_be_seen_costs_but_loses_nothing() {
    let log = days(3.0);
    let all = run(&log, |foresail| foresail, Sampling::default());
    let blind = Sees { in_flight: false, totals: false, pods: true };
    let depth_only = run(&log, |foresail| foresail, Sampling { sees: blind, ..Sampling::default() });
    let faults = vec![Fault::always(Wrong::Dropped(0.5))];
    let shaky = Sampling { faults, jitter: 0.9, ..Sampling::default() };
    let shaky = run(&log, |foresail| foresail, shaky);
    for summary in [&all, &depth_only, &shaky] {
        assert_eq!(summary.completed, log.jobs().len());
    }
    assert!(shaky.wait_mean < 1.5 * all.wait_mean, "{shaky:#?} {all:#?}");
}

#[test]
fn a_perfect_forecast_waits_less_and_an_inverted_one_spends_its_budget_and_little_more() {
    let log = days(5.0);
    let whole = run(&log, |foresail| foresail, Sampling::default());
    let with = |ablation| run(&log, |foresail| foresail.ablated(ablation), Sampling::default());
    let (perfect, inverted) = (with(Ablation::Perfect), with(Ablation::Inverted));
    assert!(perfect.wait_mean < 0.8 * whole.wait_mean, "{perfect:#?} {whole:#?}");
    let spent = inverted.worker_seconds.idle - whole.worker_seconds.idle;
    // The budget is a quarter of the work; whoever goes stays until the HPA looks again.
    assert!(spent > 0.0 && spent <= 0.4 * inverted.worker_seconds.busy, "{inverted:#?} {whole:#?}");
    assert_eq!((perfect.completed, inverted.completed), (log.jobs().len(), log.jobs().len()));
}
