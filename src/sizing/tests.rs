//! Invariants of the decision, as cases and as properties.

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::workers::busy_floor;
use super::*;
use crate::forecast::{Forecast, arrivals::Seen, horizons::Horizons};
use crate::series::{Holder, QueueIndex, QueueRules, Sample, Series};

mod spending;

const RULES: QueueRules = QueueRules { max_run: 300.0, stale_after: 120.0 };

/// One queue and one ref, driven sample by sample.
struct Bench {
    series: Series,
    queue: QueueIndex,
    forecast: Forecast,
    state: RefState,
    workload: Workload,
    policy: Policy,
    now: f64,
}

impl Bench {
    fn new(policy: Policy) -> Self {
        let mut series = Series::default();
        let queue = series.add(RULES);
        let (state, workload) = (RefState::default(), Workload::default());
        let forecast = Forecast::new(Horizons::default());
        Self { series, queue, forecast, state, workload, policy, now: 1000.0 }
    }

    fn after(&mut self, seconds: f64) -> &mut Self {
        self.now += seconds;
        self
    }

    fn sample(&mut self, sample: &Sample) -> Result<Decision, Undecided> {
        self.series.intake(self.queue, self.now, sample, 0);
        self.decide(None)
    }

    fn sees(&mut self, waiting: u64, in_flight: Option<u64>) -> Result<Decision, Undecided> {
        self.sample(&Sample { waiting: Some(waiting), in_flight, ..Sample::default() })
    }

    fn decide(&mut self, pin: Option<Pin>) -> Result<Decision, Undecided> {
        let Self { now, ref forecast, workload, ref policy, .. } = *self;
        let queue = self.series.view(self.queue, now);
        decide(&Given { now, queue, forecast, workload, policy, pin }, &mut self.state)
    }

    /// Sees an empty queue often enough to be believed.
    fn dry(&mut self, in_flight: Option<u64>) -> Result<Decision, Undecided> {
        (0..3).map(|_| self.after(1.0).sees(0, in_flight)).last().expect("three samples were seen")
    }
}

fn no_keep_alive() -> Policy {
    Policy { keep_alive: 0.0, ..Policy::default() }
}

#[expect(clippy::large_types_passed_by_value, reason = "it stands around the call that makes it")]
fn target(decision: Result<Decision, Undecided>) -> u32 {
    decision.unwrap().target
}

#[test]
fn waiting_and_running_jobs_want_workers_by_slots() {
    for (waiting, in_flight, slots, wanted) in
        [(0, 0, 1, 0), (3, 2, 1, 5), (1, 0, 4, 1), (9, 0, 4, 3), (8, 0, 4, 2)]
    {
        let mut bench = Bench::new(Policy { slots, ..no_keep_alive() });
        assert_eq!(target(bench.sees(waiting, Some(in_flight))), wanted, "{waiting}+{in_flight} by {slots}");
    }
}

#[test]
fn the_minimum_counts_only_while_there_is_a_reason_to_be_active() {
    let mut bench = Bench::new(Policy { min: 3, ..no_keep_alive() });
    assert_eq!(target(bench.sees(0, Some(0))), 0);
    assert_eq!(target(bench.after(1.0).sees(1, Some(0))), 3);
    assert_eq!(target(bench.dry(Some(0))), 0);
}

#[test]
fn busy_workers_stand_above_the_cap() {
    let mut bench = Bench::new(no_keep_alive());
    assert_eq!(target(bench.sees(0, Some(0))), 0);
    assert_eq!(target(bench.after(1.0).sees(9, Some(0))), 9);
    bench.policy.max = Some(4);
    let decision = bench.after(1.0).sees(0, Some(9)).unwrap();
    assert_eq!((decision.target, decision.why.floor, decision.why.max), (9, Some(9), Some(4)));
    assert_eq!(target(bench.after(1.0).sees(7, Some(2))), 4);
}

#[test]
fn named_workers_are_the_floor_however_many_slots_they_have() {
    let holders = ["a", "b", "c"].map(|worker| Holder { worker: worker.into(), jobs: 1, stuck: 0 }).to_vec();
    let sample = Sample { waiting: Some(0), in_flight: Some(3), holders: Some(holders), ..Sample::default() };
    let mut bench = Bench::new(Policy { slots: 8, ..no_keep_alive() });
    let decision = bench.sample(&sample).unwrap();
    assert_eq!((decision.target, decision.why.floor), (3, Some(3)));
}

#[test]
fn work_held_by_dead_workers_is_one_workers_work_and_no_floor() {
    let holders = vec![
        Holder { worker: "dead".into(), jobs: 5, stuck: 5 },
        Holder { worker: "alive".into(), jobs: 1, stuck: 0 },
    ];
    let sample = Sample {
        waiting: Some(0),
        in_flight: Some(6),
        stuck: Some(5),
        holders: Some(holders),
        ..Sample::default()
    };
    let mut bench = Bench::new(no_keep_alive());
    let decision = bench.sample(&sample).unwrap();
    assert_eq!(decision.target, 2);
    assert!(decision.why.to_string().contains("stuck=5"), "{}", decision.why);
}

#[test]
fn a_layout_that_cannot_see_in_flight_keeps_the_target_until_waiting_was_zero_for_max_run() {
    let mut bench = Bench::new(no_keep_alive());
    assert_eq!(target(bench.sees(8, None)), 8);
    assert_eq!(target(bench.after(1.0).sees(2, None)), 8, "six were popped and run unseen");
    let decision = bench.dry(None).unwrap();
    assert_eq!((decision.target, decision.why.no_fall), (8, Some("in-flight-unseen")));
    assert_eq!(target(bench.after(299.0).sees(0, None)), 8);
    assert_eq!(target(bench.after(2.0).sees(0, None)), 0);
}

#[test]
fn nothing_is_said_where_neither_replicas_nor_running_jobs_can_be_seen() {
    let mut bench = Bench::new(no_keep_alive());
    assert!(matches!(bench.sees(0, None), Err(Undecided::Blind { .. })));
    assert_eq!(target(bench.after(301.0).sees(0, None)), 0);

    let mut bench = Bench::new(no_keep_alive());
    bench.workload = Workload { ready: Some(4), starting: Some(1), ..Workload::default() };
    assert_eq!(target(bench.sees(0, None)), 5, "a restart changes nothing by itself");
}

#[test]
fn the_keep_alive_holds_and_then_lets_go() {
    let mut bench = Bench::new(Policy::default());
    assert_eq!(target(bench.sees(5, Some(0))), 5);
    let held = bench.dry(Some(0)).unwrap();
    assert_eq!(held.target, 5);
    assert!(held.why.hold.is_some_and(|left| left > 50.0 && left < 65.0), "{}", held.why);
    assert_eq!(target(bench.after(65.0).sees(0, Some(0))), 0);
}

#[test]
fn the_keep_alive_lets_go_of_workers_that_only_start_and_that_nobody_waits_for() {
    let mut bench = Bench::new(Policy::default());
    bench.workload = Workload { ready: Some(0), starting: Some(0), ..Workload::default() };
    assert_eq!(target(bench.sees(9, Some(0))), 9);
    bench.workload = Workload { ready: Some(3), starting: Some(6), ..Workload::default() };
    assert_eq!(target(bench.after(5.0).sees(1, Some(2))), 4);
}

#[test]
fn a_failed_sample_never_lowers_a_target() {
    let mut bench = Bench::new(Policy { keep_alive: 5.0, ..Policy::default() });
    assert_eq!(target(bench.sees(6, Some(0))), 6);
    bench.dry(Some(0)).unwrap();
    bench.series.fail(bench.queue);
    assert_eq!(target(bench.after(100.0).decide(None)), 6);
    assert!(matches!(bench.after(100.0).decide(None), Err(Undecided::Unseen(Unseen::Stale { .. }))));
}

#[test]
fn an_override_beats_the_policy_but_not_a_busy_worker() {
    let mut bench = Bench::new(no_keep_alive());
    assert_eq!(target(bench.sees(5, Some(0))), 5);
    assert_eq!(target(bench.decide(Some(Pin::Workers(12)))), 12);
    bench.after(1.0).sees(0, Some(3)).unwrap();
    assert_eq!(target(bench.decide(Some(Pin::Workers(1)))), 3);
    assert_eq!(target(bench.decide(Some(Pin::Hold))), 3);
}

#[test]
fn an_override_keeps_busy_workers_through_an_outage_too() {
    let mut bench = Bench::new(no_keep_alive());
    bench.sees(6, Some(0)).unwrap();
    bench.after(1.0).sees(0, Some(6)).unwrap();
    assert_eq!(target(bench.decide(Some(Pin::Workers(1)))), 6);
    bench.series.fail(bench.queue);
    assert_eq!(
        target(bench.after(200.0).decide(Some(Pin::Workers(1)))),
        6,
        "stale, and still the last that was known"
    );
    bench.series.intake(
        bench.queue,
        bench.now,
        &Sample { waiting: Some(0), in_flight: Some(6), ..Sample::default() },
        0,
    );
    assert_eq!(target(bench.decide(Some(Pin::Workers(1)))), 6);
}

#[test]
fn the_first_sample_makes_no_workers_of_jobs_that_may_share_few() {
    let mut bench = Bench::new(Policy { slots: 8, max: Some(20), ..no_keep_alive() });
    assert_eq!(target(bench.sees(0, Some(80))), 10);
    let mut bench = Bench::new(Policy { max: Some(5), ..no_keep_alive() });
    assert_eq!(target(bench.sees(0, Some(100))), 5);
}

#[test]
fn losing_sight_of_running_jobs_starts_max_run_anew() {
    let mut bench = Bench::new(no_keep_alive());
    bench.sees(10, Some(0)).unwrap();
    for _ in 0..3 {
        bench.after(200.0).sees(0, Some(10)).unwrap();
        bench.series.intake(
            bench.queue,
            bench.now,
            &Sample { waiting: Some(0), in_flight: Some(10), ..Sample::default() },
            0,
        );
    }
    assert_eq!(target(bench.dry(None)), 10);
    assert_eq!(target(bench.after(290.0).sees(0, None)), 10);
    assert_eq!(target(bench.after(15.0).sees(0, None)), 0);
}

#[test]
fn counts_at_the_end_of_the_scale_do_not_wrap_into_a_zero() {
    let mut bench = Bench::new(no_keep_alive());
    assert_eq!(target(bench.sees(u64::MAX, Some(1))), u32::MAX);
}

#[test]
fn an_override_answers_for_a_queue_that_cannot_be_seen() {
    let mut bench = Bench::new(no_keep_alive());
    assert_eq!(target(bench.decide(Some(Pin::Workers(4)))), 4);
}

#[test]
fn jobs_count_what_their_strategy_needs_and_hold_nothing() {
    for (strategy, wanted) in [(Strategy::Default, 7), (Strategy::Accurate, 4), (Strategy::Eager, 4)] {
        let mut bench = Bench::new(Policy { mode: Mode::Jobs(strategy), ..Policy::default() });
        assert_eq!(target(bench.sees(4, Some(3))), wanted, "{strategy:?}");
        assert!(matches!(
            bench.after(1.0).sees(0, Some(0)),
            Err(Undecided::Distrusted(NoFall::ZeroUnconfirmed))
        ));
        assert_eq!(target(bench.dry(Some(0))), 0);
    }
    let mut bench = Bench::new(Policy { mode: Mode::Jobs(Strategy::Default), ..Policy::default() });
    assert_eq!(bench.sees(4, None), Err(Undecided::StrategyNeedsInFlight));
}

#[test]
fn a_queue_never_seen_with_work_is_flagged() {
    let decision = Bench::new(Policy::default()).sees(0, Some(0)).unwrap();
    assert!(decision.why.to_string().ends_with("never_seen"), "{}", decision.why);
}

/// A forecast of a queue to which so many jobs came every ten seconds, again and again for so many hours.
fn taught(jobs: &[u64], hours: u32, until: f64) -> Forecast {
    let mut forecast = Forecast::new(Horizons::default());
    let from = until - f64::from(hours) * 3_600.0;
    forecast.observe(from, Seen::Gap, 0);
    for (step, &jobs) in (1..=hours * 360).zip(jobs.iter().cycle()) {
        forecast.observe(from + f64::from(step) * 10.0, Seen::Arrivals(jobs), 0);
    }
    forecast
}

#[test]
fn a_queue_that_always_brings_more_has_workers_ahead_of_it_as_far_as_the_budget_goes() {
    let mut bench = Bench::new(Policy { budget: 0.25, ..no_keep_alive() });
    bench.forecast = taught(&[1], 24, bench.now);
    assert_eq!(target(bench.sees(1, Some(9))), 10, "nothing was worked yet");
    for _ in 0..600 {
        bench.forecast.observe(bench.now, Seen::Arrivals(0), 0);
        bench.after(1.0).sees(1, Some(9)).unwrap();
    }
    bench.forecast = taught(&[1], 24, bench.now);
    let ahead = bench.after(1.0).sees(1, Some(9)).unwrap();
    assert_eq!(ahead.reactive, 10);
    assert!(ahead.target > 10 && ahead.why.reason == "forecast", "{}", ahead.why);
    let reactive = bench.decide(Some(Pin::Reactive)).unwrap();
    assert_eq!((reactive.target, reactive.why.reason), (10, "reactive"));
    bench.policy.budget = 0.0;
    assert_eq!(target(bench.decide(None)), 10);
}

#[test]
fn spare_pods_are_wanted_for_what_a_forecast_expects_and_no_budget_is_spent_on_them() {
    let mut bench = Bench::new(no_keep_alive());
    assert_eq!(bench.sees(1, Some(9)).unwrap().hint, 0, "nothing was learned");
    bench.after(15.0).forecast = taught(&[1], 24, 1015.0);
    let ahead = bench.decide(None).unwrap();
    assert_eq!(ahead.target, 10, "the budget has nothing yet");
    assert!(
        (5..20).contains(&ahead.hint),
        "a job each ten seconds, a cold start takes eighty: {}",
        ahead.hint
    );
    assert!(ahead.why.to_string().contains(&format!(" hint={}", ahead.hint)), "{}", ahead.why);
    bench.workload = Workload { max: Some(12), ..Workload::default() };
    assert_eq!(bench.decide(None).unwrap().hint, 2, "the object takes no more");
    assert_eq!(bench.decide(Some(Pin::Reactive)).unwrap().hint, 0);
    bench.policy.budget = 0.0;
    assert_eq!(bench.decide(None).unwrap().hint, 0);
}

#[test]
fn how_far_ahead_is_looked_depends_on_whether_any_worker_was_ready_lately() {
    let mut bench = Bench::new(no_keep_alive());
    bench.workload = Workload { ready: Some(0), ..Workload::default() };
    bench.sees(1, Some(0)).unwrap();
    // From zero each waits for a node; the others find room beside those.
    (0..200).for_each(|_| bench.state.started(bench.now + 90.0, Start::Cold, 90.0));
    let alone = bench.state.lead_time();
    bench.workload.ready = Some(3);
    bench.after(90.0).sees(1, Some(0)).unwrap();
    (0..200).for_each(|_| bench.state.started(bench.now + 10.0, Start::Warm, 5.0));
    let beside = bench.state.lead_time();
    assert!(alone > 80.0 && beside < 10.0, "{alone} {beside}");
    bench.workload.ready = Some(0);
    bench.after(30.0).sees(1, Some(0)).unwrap();
    assert!(bench.state.lead_time() < 10.0, "the nodes of those that have just gone may be there");
    bench.after(1_000.0).sees(1, Some(0)).unwrap();
    assert!(bench.state.lead_time() > 80.0, "starts beside others say nothing of it");
}

#[test]
fn the_budget_is_named_where_a_forecast_is_worth_more_and_keeps_for_longer_than_it_starts() {
    let mut bench = Bench::new(no_keep_alive());
    bench.state.begin_after(4_000.0, bench.policy.budget);
    bench.sees(0, Some(0)).unwrap();
    bench.after(1.0).forecast = taught(&[40], 24, 1001.0);
    let first = bench.sees(0, Some(0)).unwrap();
    let lead = bench.state.lead_time();
    let paid = whole(1_000.0 / lead);
    assert_eq!((first.target, first.why.budget), (paid, Some(paid)), "{}", first.why);
    assert!(first.why.to_string().contains(&format!(" budget={paid} ")), "{}", first.why);
    let held = |seconds: f64| seconds < (1_000.0 - 30.0 * f64::from(paid)) / f64::from(paid) - 1.0;
    for second in 1..20 {
        bench.workload = Workload { ready: Some(0), starting: Some(paid), ..Workload::default() };
        let next = bench.after(1.0).decide(None).unwrap();
        assert!(next.target == paid || !held(f64::from(second)), "after {second} s: {}", next.why);
    }
}

#[test]
fn what_has_come_of_the_expected_needs_no_spare_pod_more() {
    for mode in [Mode::Workers, Mode::Jobs(Strategy::Default)] {
        // Enough to forecast by, and nothing to keep a worker for.
        let mut bench = Bench::new(Policy { mode, budget: 1e-9, ..no_keep_alive() });
        bench.sees(1, Some(9)).unwrap();
        bench.after(15.0).forecast = taught(&[1], 24, 1015.0);
        let before = bench.decide(None).unwrap().hint;
        assert_eq!(bench.after(1.0).sees(4, Some(9)).unwrap().hint, before - 3, "three have come");
        assert_eq!(bench.after(1.0).sees(2, Some(9)).unwrap().hint, before - 1, "two of them have ended");
        assert_eq!(bench.after(1.0).sees(200, Some(9)).unwrap().hint, 0, "more than were expected");
    }
}

#[test]
fn for_jobs_a_forecast_goes_into_spare_pods_and_nowhere_else() {
    for strategy in [Strategy::Default, Strategy::Accurate, Strategy::Eager] {
        let mut bench = Bench::new(Policy { mode: Mode::Jobs(strategy), ..Policy::default() });
        let without = bench.sees(4, Some(3)).unwrap();
        bench.after(15.0).forecast = taught(&[1], 24, 1015.0);
        let with = bench.decide(None).unwrap();
        assert_eq!((with.target, without.hint), (without.target, 0));
        assert!((5..20).contains(&with.hint), "{}", with.why);
        bench.workload = Workload { replicas: Some(9), max: Some(11), ..Workload::default() };
        assert_eq!(bench.decide(None).unwrap().hint, 2, "nine Jobs have not ended, and eleven are the most");
    }
}

#[test]
fn jobs_on_terminating_workers_keep_a_target_from_falling_further() {
    let mut bench = Bench::new(no_keep_alive());
    bench.sees(10, Some(0)).unwrap();
    bench.after(1.0).sees(0, Some(10)).unwrap();
    let see = |bench: &mut Bench, in_flight, draining| {
        let sample = Sample { waiting: Some(0), in_flight: Some(in_flight), ..Sample::default() };
        bench.series.intake(bench.queue, bench.now, &sample, draining);
        target(bench.after(1.0).decide(None))
    };
    assert_eq!(see(&mut bench, 6, 0), 6);
    assert_eq!(
        see(&mut bench, 6, 3),
        6,
        "three of the six that ran were told to go: the other three are not too many"
    );
    assert_eq!(see(&mut bench, 4, 2), 4);
    assert_eq!(see(&mut bench, 5, 5), 4, "what is gone does not come back for them");
}

proptest! {
    /// However wrong a forecast is: no target below the reactive one, and no more spent than the budget of what was
    /// worked, here and before.
    #[test]
    fn a_wrong_forecast_costs_no_more_than_the_budget_and_lowers_nothing(
        lies in prop::collection::vec(prop_oneof![proptest::strategy::Just(0_u64), 0_u64..200], 1..40),
        steps in prop::collection::vec((1.0..30.0f64, 0u64..30, 0u64..40), 1..150),
        budget in 0.0..1.0f64, worth in 0.1..100.0f64, max in 0u32..100,
        before in prop_oneof![proptest::strategy::Just(0.0), 0.0..1e5f64],
    ) {
        let objective = Objective::Cost { worth };
        let mut bench = Bench::new(Policy { objective, budget, max: Some(max), ..no_keep_alive() });
        bench.forecast = taught(&lies, 2, bench.now);
        bench.state.begin_after(before, budget);
        bench.state.begin_after(before, budget);
        let (mut work, mut spent) = (before, 0.0);
        let (mut busy, mut idle) = (0.0, 0.0);
        for (step, waiting, in_flight) in steps {
            let lie = lies[usize::try_from(in_flight).unwrap() % lies.len()];
            bench.forecast.observe(bench.now, Seen::Arrivals(lie), 0);
            let Ok(decision) = bench.after(step).sees(waiting, Some(in_flight)) else { continue };
            work += busy * step;
            spent += idle * step;
            prop_assert!(decision.target >= decision.reactive);
            prop_assert!(decision.hint == 0 || decision.target + decision.hint <= max, "{}", decision.why);
            let Depth { waiting: _, in_flight, .. } = decision.why.depth.unwrap();
            let running = u32::try_from(in_flight.unwrap()).unwrap();
            let ahead = decision.target - decision.reactive;
            (busy, idle) = (f64::from(running), f64::from(ahead.min(decision.target.saturating_sub(running))));
        }
        prop_assert!(spent <= budget * work + 1e-6, "{spent} of {work}");
    }

    /// Whatever is seen: between 0 and the cap or at least the floor, 0 or at least the minimum, and
    /// never below the jobs that are waiting and running while the cap allows.
    #[test]
    fn a_target_keeps_floor_cap_minimum_and_demand(
        steps in prop::collection::vec((0.1..90.0f64, 0u64..60, prop::option::of(0u64..40), any::<bool>()), 1..60),
        slots in 1u32..5, min in 0u32..6, max in prop::option::of(6u32..30), keep_alive in 0.0..200.0f64,
    ) {
        let mut bench = Bench::new(Policy { slots, min, max, keep_alive, ..Policy::default() });
        let mut last: Option<u32> = None;
        for (step, waiting, in_flight, fails) in steps {
            bench.after(step);
            if fails { bench.series.fail(bench.queue); } else {
                let sample = Sample { waiting: Some(waiting), in_flight, ..Sample::default() };
                bench.series.intake(bench.queue, bench.now, &sample, 0);
            }
            let view = bench.series.view(bench.queue, bench.now);
            let floor = view.map_or(0, |view| busy_floor(&view.depth, last));
            let Ok(decision) = bench.decide(None) else { continue };
            let demand = demand(&view.unwrap().depth, slots);
            prop_assert!(decision.target >= floor);
            prop_assert!(decision.target <= max.unwrap_or(u32::MAX).max(floor));
            prop_assert!(decision.target == 0 || decision.target >= min.max(1));
            prop_assert!(decision.target >= demand.min(max.unwrap_or(u32::MAX)));
            if fails && let Some(last) = last {
                prop_assert!(decision.target >= last.min(max.unwrap_or(u32::MAX)), "a failed sample lowered the target");
            }
            prop_assert_eq!(decision.active(), decision.target >= 1);
            prop_assert_eq!(decision.hint, 0, "nothing was learned");
            last = Some(decision.target);
        }
    }
}
