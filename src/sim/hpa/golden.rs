//! The cases of Kubernetes' own tests (golden.yaml) that this model covers.

use serde::Deserialize;

use super::{
    Behavior, Change, Controller, Hpa, HpaSpec, Policy, Recommendation, ScalingRules, Select, Target,
};
use crate::sim::quantity::Milli;

/// Now, in seconds; pasts lie before it.
const NOW: f64 = 1e6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    metric: Vec<MetricCase>,
    sync: Vec<MetricCase>,
    limits: Vec<Case>,
    stabilized: Vec<Case>,
    windows: Vec<WindowCase>,
    policies: Vec<Case>,
    remembered: Vec<Remembered>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricCase {
    name: String,
    replicas: u32,
    ready: Option<u32>,
    metric: Option<i64>,
    value: Option<i64>,
    average: Option<i64>,
    wanted: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    min: u32,
    #[serde(default = "many")]
    max: u32,
    up: Option<Rules>,
    down: Option<Rules>,
    #[serde(default)]
    past: Vec<(u32, f64)>,
    #[serde(default)]
    grown: Vec<(u32, f64)>,
    #[serde(default)]
    shrunk: Vec<(u32, f64)>,
    #[serde(default = "many")]
    replicas: u32,
    asked: u32,
    wanted: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    pods: Option<(u32, f64)>,
    percent: Option<(u32, f64)>,
    #[serde(default)]
    select: Which,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Which {
    #[default]
    Max,
    Min,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowCase {
    name: String,
    past: Vec<(u32, f64)>,
    replicas: u32,
    asked: u32,
    #[serde(default)]
    up: f64,
    #[serde(default)]
    down: f64,
    wanted: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    name: String,
    grown: Vec<(u32, f64)>,
    within_60: i64,
}

const fn many() -> u32 {
    1000
}

fn golden() -> Golden {
    serde_saphyr::from_str(include_str!("golden.yaml")).expect("golden.yaml has these fields")
}

fn spec(min: u32, max: u32, behavior: Option<Behavior>) -> HpaSpec {
    let target = Target::AverageValue(Milli::whole(1));
    HpaSpec { min, max, target, behavior, controller: Controller::default() }
}

fn hpa(spec: HpaSpec, past: &[(u32, f64)], grown: &[(u32, f64)], shrunk: &[(u32, f64)]) -> Hpa {
    let changes = |all: &[(u32, f64)]| all.iter().map(|&(by, ago)| Change { at: NOW - ago, by }).collect();
    let recommended = |&(replicas, ago): &(u32, f64)| Recommendation { at: NOW - ago, replicas };
    Hpa {
        recommendations: past.iter().map(recommended).collect(),
        ups: changes(grown),
        downs: changes(shrunk),
        ..Hpa::new(spec, NOW)
    }
}

impl MetricCase {
    fn target(&self) -> Target {
        match (self.value, self.average) {
            (Some(value), None) => Target::Value(Milli::new(value)),
            (None, Some(average)) => Target::AverageValue(Milli::new(average)),
            _ => panic!("{}: one target", self.name),
        }
    }
}

impl Rules {
    fn over(this: Option<&Self>, defaults: ScalingRules) -> ScalingRules {
        let Some(Self { pods, percent, select }) = this else { return defaults };
        let pods = pods.map(|(value, period)| Policy::Pods { value, period });
        let percent = percent.map(|(value, period)| Policy::Percent { value, period });
        let select = match select {
            Which::Max => Select::Max,
            Which::Min => Select::Min,
        };
        ScalingRules { policies: pods.into_iter().chain(percent).collect(), select, ..defaults }
    }
}

#[test]
fn a_metric_asks_for_as_many_as_in_kubernetes() {
    for case in golden().metric {
        let hpa = Hpa::new(HpaSpec { target: case.target(), ..spec(1, 1000, None) }, NOW);
        let metric = Milli::new(case.metric.expect("a metric"));
        let found = hpa.recommend(case.replicas, case.ready.expect("ready ones"), metric);
        assert_eq!(found, case.wanted, "{}", case.name);
    }
}

#[test]
fn a_sync_sets_as_many_as_in_kubernetes() {
    for case in golden().sync {
        let mut hpa = Hpa::new(HpaSpec { target: case.target(), ..spec(2, 6, None) }, NOW);
        // Its controller's tests begin with an empty past; what a first sync finds is no wish yet.
        hpa.recommendations = vec![Recommendation { at: NOW - 1000.0, replicas: case.replicas }];
        let found = hpa.sync(NOW, case.replicas, case.replicas, case.metric.map(Milli::new));
        assert_eq!(found.unwrap_or(case.replicas), case.wanted, "{}", case.name);
    }
}

#[test]
fn limits_and_the_highest_of_five_minutes_are_those_of_kubernetes() {
    let Golden { limits, stabilized, .. } = golden();
    for case in limits.into_iter().chain(stabilized) {
        let mut hpa = hpa(spec(case.min, case.max, None), &case.past, &[], &[]);
        assert_eq!(hpa.normalise(NOW, case.replicas, case.asked), case.wanted, "{}", case.name);
    }
}

#[test]
fn windows_hold_as_in_kubernetes() {
    for case in golden().windows {
        let free = |stabilization| ScalingRules {
            stabilization,
            policies: vec![Policy::Pods { value: 1_000_000, period: 1.0 }],
            ..ScalingRules::up()
        };
        let behavior = Behavior { scale_up: free(case.up), scale_down: free(case.down) };
        let mut hpa = hpa(spec(1, 1000, Some(behavior)), &case.past, &[], &[]);
        assert_eq!(hpa.normalise(NOW, case.replicas, case.asked), case.wanted, "{}", case.name);
    }
}

#[test]
fn policies_limit_as_in_kubernetes() {
    for case in golden().policies {
        let behavior = Behavior {
            scale_up: Rules::over(case.up.as_ref(), ScalingRules::up()),
            scale_down: Rules::over(case.down.as_ref(), ScalingRules::down()),
        };
        let mut hpa = hpa(spec(case.min, case.max, Some(behavior)), &[], &case.grown, &case.shrunk);
        assert_eq!(hpa.normalise(NOW, case.replicas, case.asked), case.wanted, "{}", case.name);
    }
}

#[test]
fn changes_are_remembered_as_in_kubernetes() {
    for case in golden().remembered {
        let grown = hpa(spec(1, 1000, None), &[], &case.grown, &[]);
        let shrunk = hpa(spec(1, 1000, None), &[], &[], &case.grown);
        let found = [grown, shrunk].map(|hpa| hpa.net_growth(NOW, 60.0));
        assert_eq!(found, [case.within_60, -case.within_60], "{}", case.name);
    }
}
