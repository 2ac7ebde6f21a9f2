//! The settings of KEDA that are tried.

use std::collections::BTreeSet;

use foresail::sim::autoscaler::keda_setting::{Growth, HpaSetting, KedaSetting};
use foresail::sim::hpa::{Behavior, Select};

use super::{MAX, MONDAY, days, replay};

#[test]
fn the_grid_has_every_setting_once_with_a_name_of_its_own() {
    let grid = KedaSetting::grid();
    assert_eq!(grid.len(), 12 * 7 * 3 + 3 * 2 * 3);
    let names: BTreeSet<String> = grid.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), grid.len());
    assert!(grid.contains(&KedaSetting::default()), "KEDA as people run it is among them");
    for name in ["waiting/1 cool=300 hpa=default", "all/0.8 min=5 cool=300 down=0 grow=any tol=0"] {
        assert!(names.contains(name), "{name} is not in {names:#?}");
    }
}

#[test]
fn a_setting_survives_being_written_and_read() {
    for setting in KedaSetting::grid() {
        let text = serde_json::to_string(&setting).unwrap();
        assert_eq!(serde_json::from_str::<KedaSetting>(&text).unwrap(), setting);
    }
}

#[test]
fn only_what_a_setting_changes_differs_from_the_default_behavior() {
    assert_eq!(HpaSetting::Defaults.behavior(), None);
    let behavior =
        |window, growth| HpaSetting::Behavior { window, growth, tolerance: 0.1 }.behavior().unwrap();
    let mut default = Behavior::default();
    default.scale_up.tolerance = Some(0.1);
    default.scale_down.tolerance = Some(0.1);
    assert_eq!(behavior(300.0, Growth::Default), default);
    let fast = behavior(0.0, Growth::Unlimited);
    assert!(fast.scale_down.stabilization <= 0.0 && fast.scale_up.select == Select::Max);
    assert_eq!(fast.scale_down.policies, default.scale_down.policies);
}

#[test]
fn a_minimum_is_kept_and_a_faster_setting_waits_less() {
    let log = days(1.0);
    let kept = KedaSetting { min: 20, ..KedaSetting::default() }.autoscaler(MAX, MONDAY);
    let plain = replay(&log, KedaSetting::default().autoscaler(MAX, MONDAY));
    let kept = replay(&log, kept);
    let fast = KedaSetting { counts_in_flight: true, hpa: HpaSetting::FASTEST, ..KedaSetting::default() };
    let fast = replay(&log, fast.autoscaler(MAX, MONDAY));
    for summary in [&plain, &kept, &fast] {
        assert_eq!(summary.completed, log.jobs().len());
    }
    assert!(kept.wait_mean < plain.wait_mean, "{kept:#?} {plain:#?}");
    assert!(fast.wait_mean < plain.wait_mean, "{fast:#?} {plain:#?}");
}
