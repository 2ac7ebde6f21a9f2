//! The HPA: what is wanted, what is allowed, and when.

use std::cmp::Ordering;

use foresail::sim::hpa::{
    Behavior, Controller, Hpa, HpaSpec, Policy, ScalingRules, Select, Target, ToleranceRule,
};
use foresail::sim::quantity::Milli;
use proptest::prelude::*;

fn spec() -> HpaSpec {
    HpaSpec {
        min: 1,
        max: 100,
        target: Target::AverageValue(Milli::whole(1)),
        behavior: None,
        controller: Controller::default(),
    }
}

fn with_behavior(behavior: Behavior) -> HpaSpec {
    HpaSpec { behavior: Some(behavior), ..spec() }
}

/// Rules that stand in nobody's way.
fn free() -> ScalingRules {
    ScalingRules {
        stabilization: 0.0,
        tolerance: None,
        policies: vec![Policy::Pods { value: 100_000, period: 15.0 }],
        select: Select::Max,
    }
}

/// Replicas after each sync of an HPA that is read every 15 s.
fn follow(spec: HpaSpec, from: u32, metrics: &[i64]) -> Vec<u32> {
    let mut hpa = Hpa::new(spec, 0.0);
    let mut replicas = from;
    let mut follow_one = |(at, &metric): (usize, &i64)| {
        let now = 15.0 * (at + 1) as f64;
        replicas = hpa.sync(now, replicas, replicas, Some(Milli::whole(metric))).unwrap_or(replicas);
        replicas
    };
    metrics.iter().enumerate().map(&mut follow_one).collect()
}

#[test]
fn the_edge_of_the_tolerance_depends_on_the_kubernetes_version() {
    // 10 replicas; a metric of 11 is a ratio of 1.1, one of 9 a ratio of 0.9.
    for (rule, metric, wanted) in [
        (ToleranceRule::Distance, 11_000, 11),
        (ToleranceRule::Distance, 9_000, 10),
        (ToleranceRule::Band, 11_000, 10),
        (ToleranceRule::Band, 9_000, 10),
        (ToleranceRule::Distance, 10_999, 10),
        (ToleranceRule::Band, 11_001, 12),
        (ToleranceRule::Distance, 8_999, 9),
        (ToleranceRule::Band, 8_999, 9),
    ] {
        let controller = Controller { tolerance_rule: rule, ..Controller::default() };
        let behavior = Behavior { scale_up: free(), scale_down: free() };
        let mut hpa = Hpa::new(HpaSpec { controller, ..with_behavior(behavior) }, 0.0);
        hpa.sync(0.0, 0, 0, None);
        let found = hpa.sync(15.0, 10, 10, Some(Milli::new(metric))).unwrap_or(10);
        assert_eq!(found, wanted, "{rule:?}, {metric} thousandths");
    }
}

#[test]
fn a_tolerance_in_the_behavior_counts_for_its_direction_only_and_not_before_kubernetes_1_33() {
    let up = ScalingRules { tolerance: Some(0.0), ..free() };
    let behavior = Behavior { scale_up: up, scale_down: free() };
    assert_eq!(follow(with_behavior(behavior.clone()), 20, &[21, 20, 19]), [21, 21, 21]);
    let controller = Controller { tolerance_rule: ToleranceRule::Distance, ..Controller::default() };
    assert_eq!(follow(HpaSpec { controller, ..with_behavior(behavior) }, 20, &[21]), [20]);
}

#[test]
fn the_behavior_that_foresail_asks_for_follows_every_wish_at_once() {
    assert_eq!(follow(with_behavior(Behavior::foresail()), 20, &[21, 20, 97, 1]), [21, 20, 97, 1]);
    let without = with_behavior(Behavior::foresail_without_tolerance());
    assert_eq!(follow(without, 20, &[21, 19, 97, 1]), [20, 20, 97, 1]);
}

#[test]
fn thousandths_decide_how_many_are_wanted() {
    let behavior = Behavior { scale_up: free(), scale_down: free() };
    for (usage, target, wanted) in [
        (22_222, 6_111, 4),
        (3_000, 1_000, 3),
        (3_001, 1_000, 4),
        (1, 1_000, 1),
        (100_000, 33_333, 4),
        (99_999, 33_333, 3),
    ] {
        let target = Target::AverageValue(Milli::new(target));
        let mut hpa = Hpa::new(HpaSpec { target, ..with_behavior(behavior.clone()) }, 0.0);
        hpa.sync(0.0, 0, 0, None);
        let found = hpa.sync(15.0, 50, 50, Some(Milli::new(usage)));
        assert_eq!(found, Some(wanted), "{usage} of {target:?}");
    }
}

#[test]
fn a_value_target_multiplies_the_ready_replicas() {
    let behavior = Behavior { scale_up: free(), scale_down: free() };
    let target = Target::Value(Milli::whole(10));
    let mut hpa = Hpa::new(HpaSpec { target, ..with_behavior(behavior) }, 0.0);
    hpa.sync(0.0, 0, 0, None);
    assert_eq!(hpa.sync(15.0, 4, 3, Some(Milli::whole(25))), Some(8));
    assert_eq!(hpa.sync(30.0, 4, 3, Some(Milli::whole(11))), None);
    // Without a ready replica the ratio has nothing to multiply.
    assert_eq!(hpa.sync(45.0, 4, 0, Some(Milli::whole(25))), Some(1));
}

#[test]
fn without_a_behavior_replicas_grow_to_the_larger_of_twice_and_four() {
    assert_eq!(follow(spec(), 1, &[7, 7]), [4, 7]);
    assert_eq!(follow(spec(), 1, &[100; 6]), [4, 8, 16, 32, 64, 100]);
}

#[test]
fn with_the_default_behavior_replicas_grow_by_the_larger_of_four_and_their_number() {
    // Changes of exactly a period ago do not count any more.
    assert_eq!(follow(with_behavior(Behavior::default()), 1, &[100; 6]), [5, 10, 20, 40, 80, 100]);
}

#[test]
fn without_a_behavior_the_highest_wish_of_five_minutes_holds() {
    // Syncs are 15 s apart: the wish of the first holds for the 20 after it, the edge included.
    let mut metrics = vec![8];
    metrics.extend([2; 21]);
    let replicas = follow(spec(), 8, &metrics);
    assert_eq!(replicas[..21], [8; 21]);
    assert_eq!(replicas[21], 2);
}

#[test]
fn with_the_default_behavior_the_edge_of_the_five_minutes_does_not_hold() {
    let mut metrics = vec![8];
    metrics.extend([2; 21]);
    let replicas = follow(with_behavior(Behavior::default()), 8, &metrics);
    assert_eq!(replicas[..20], [8; 20]);
    assert_eq!(replicas[20..], [2, 2]);
}

#[test]
fn a_new_hpa_takes_the_replicas_it_finds_for_its_first_recommendation() {
    assert_eq!(follow(spec(), 8, &[2]), [8]);
    assert_eq!(follow(with_behavior(Behavior::foresail()), 8, &[2]), [2]);
}

#[test]
fn a_window_for_growing_takes_the_lowest_wish() {
    let behavior = Behavior { scale_up: ScalingRules { stabilization: 31.0, ..free() }, scale_down: free() };
    // The replicas found by the first sync count as a wish of that instant: they hold for two syncs more.
    assert_eq!(follow(with_behavior(behavior), 3, &[9, 9, 9, 9]), [3, 3, 3, 9]);
}

#[test]
fn policies_limit_growth_within_their_period() {
    let pods = |value, period| Policy::Pods { value, period };
    let percent = |value, period| Policy::Percent { value, period };
    let up = |policies, select| Behavior {
        scale_up: ScalingRules { policies, select, ..free() },
        scale_down: free(),
    };
    for (policies, select, from, replicas) in [
        (vec![pods(3, 60.0)], Select::Max, 5, [8, 8, 8, 8, 11]),
        (vec![pods(3, 15.0)], Select::Max, 5, [8, 11, 14, 17, 20]),
        (vec![percent(50, 15.0)], Select::Max, 5, [8, 12, 18, 27, 41]),
        (vec![pods(4, 15.0), percent(100, 15.0)], Select::Min, 10, [14, 18, 22, 26, 30]),
        (vec![pods(4, 15.0), percent(100, 15.0)], Select::Max, 10, [20, 40, 80, 100, 100]),
        (vec![pods(4, 15.0)], Select::Disabled, 10, [10; 5]),
    ] {
        let found = follow(with_behavior(up(policies.clone(), select)), from, &[100; 5]);
        assert_eq!(found, replicas, "{policies:?} {select:?}");
    }
}

#[test]
fn policies_limit_shrinking_within_their_period() {
    let down = |policies, select| Behavior {
        scale_up: free(),
        scale_down: ScalingRules { policies, select, ..free() },
    };
    let pods = |value, period| Policy::Pods { value, period };
    let percent = |value, period| Policy::Percent { value, period };
    for (policies, select, replicas) in [
        (vec![pods(3, 60.0)], Select::Max, [17, 17, 17, 17, 14]),
        // 20 * 0.9 is 18, 18 * 0.9 = 16.2 is cut to 16.
        (vec![percent(10, 15.0)], Select::Max, [18, 16, 14, 12, 10]),
        (vec![pods(4, 15.0), percent(10, 15.0)], Select::Max, [16, 12, 8, 4, 1]),
        (vec![pods(4, 15.0), percent(10, 15.0)], Select::Min, [18, 16, 14, 12, 10]),
        (vec![percent(100, 15.0)], Select::Disabled, [20; 5]),
    ] {
        let found = follow(with_behavior(down(policies.clone(), select)), 20, &[0; 5]);
        assert_eq!(found, replicas, "{policies:?} {select:?}");
    }
}

#[test]
fn what_was_removed_within_the_period_may_come_back() {
    let rules = ScalingRules { policies: vec![Policy::Pods { value: 2, period: 60.0 }], ..free() };
    let behavior = Behavior { scale_up: rules, scale_down: free() };
    // 10 -> 4, then 6 removed and 2 more may be added: up to 12 at once.
    assert_eq!(follow(with_behavior(behavior), 10, &[4, 30, 30]), [4, 12, 12]);
}

#[test]
fn replicas_outside_the_limits_are_brought_back_without_the_metric() {
    let spec = HpaSpec { min: 3, max: 10, ..spec() };
    let mut hpa = Hpa::new(spec, 0.0);
    assert_eq!(hpa.sync(15.0, 12, 12, None), Some(10));
    assert_eq!(hpa.sync(30.0, 1, 1, None), Some(3));
}

#[test]
fn a_failed_metric_and_a_workload_at_zero_move_nothing() {
    let mut hpa = Hpa::new(with_behavior(Behavior::foresail()), 0.0);
    assert_eq!(hpa.sync(15.0, 7, 7, None), None);
    assert_eq!(hpa.sync(30.0, 0, 0, Some(Milli::whole(9))), None);
}

#[test]
fn syncs_come_every_period_at_the_controllers_phase() {
    let controller = Controller { phase: 4.0, ..Controller::default() };
    let mut hpa = Hpa::new(HpaSpec { controller, ..spec() }, 1_507_507_200.0);
    let mut seen: Vec<f64> = Vec::new();
    for _ in 0..3 {
        let at = hpa.next_sync();
        assert!(!hpa.take_sync(at - 0.001));
        assert!(hpa.take_sync(at));
        seen.push(at - 1_507_507_200.0);
    }
    assert_eq!(seen.iter().map(ToString::to_string).collect::<Vec<_>>(), ["4", "19", "34"]);
}

proptest! {
    #[test]
    fn wanted_times_target_gives_exactly_wanted_outside_the_dead_band(
        replicas in 1_u32..2000, wanted in 1_u32..2000, target in 1_i64..100_000, old in any::<bool>(),
    ) {
        let tolerance_rule = if old { ToleranceRule::Distance } else { ToleranceRule::Band };
        let spec = HpaSpec {
            min: 1,
            max: 2000,
            target: Target::AverageValue(Milli::whole(target)),
            behavior: Some(Behavior { scale_up: free(), scale_down: free() }),
            controller: Controller { tolerance_rule, ..Controller::default() },
        };
        let mut hpa = Hpa::new(spec, 0.0);
        let metric = Milli::whole(i64::from(wanted) * target);
        let found = hpa.sync(15.0, replicas, replicas, Some(metric)).unwrap_or(replicas);
        match (replicas.abs_diff(wanted) * 10).cmp(&replicas) {
            Ordering::Greater => prop_assert_eq!(found, wanted),
            Ordering::Less => prop_assert_eq!(found, replicas),
            Ordering::Equal => prop_assert!(found == wanted || found == replicas),
        }
    }

    #[test]
    fn replicas_stay_within_the_limits_whatever_the_metric_says(
        metrics in prop::collection::vec(prop::option::of(0_i64..10_000), 1..60),
        min in 1_u32..20, more in 0_u32..50, behavior in 0_usize..3,
    ) {
        let behavior = [None, Some(Behavior::default()), Some(Behavior::foresail())][behavior].clone();
        let max = min + more;
        let mut hpa = Hpa::new(HpaSpec { min, max, behavior, ..spec() }, 0.0);
        let mut replicas = min;
        for (at, metric) in metrics.into_iter().enumerate() {
            let now = 15.0 * (at + 1) as f64;
            let before = replicas;
            replicas = hpa.sync(now, replicas, replicas, metric.map(Milli::whole)).unwrap_or(replicas);
            prop_assert!((min..=max).contains(&replicas));
            prop_assert!(metric.is_some() || replicas == before);
        }
    }
}
