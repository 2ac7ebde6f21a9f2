//! What the HPA makes of a target: with its defaults, and with the `behavior` that Foresail's docs recommend.
//!
//! The queue's length is the target here, so what the HPA adds or swallows is seen by itself.

use std::time::{Duration, Instant};

use foresail::sim::{
    hpa::{Behavior, Controller, Hpa, HpaSpec, Target},
    quantity::Milli,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    Cluster, Scenario,
    fixture::{Lists, SOON, recommended, recommended_without_tolerance, scale, until_read},
    scenarios,
};
use crate::{api::Replicas, stack::Options};

pub(super) fn scenarios() -> Vec<Scenario> {
    let ci = scenarios![Ci:
        hpa::by_default_it_doubles_or_adds_four_and_with_our_behavior_it_jumps,
        hpa::by_default_it_ignores_a_tenth_and_with_our_behavior_nothing,
        hpa::with_our_behavior_every_value_from_1_to_60_is_the_replicas_exactly,
    ];
    let quick = Options { hpa_sync: Duration::from_millis(500), ..Options::default() };
    let all = scenarios![All, on quick; hpa::without_tolerance_replicas_lag_as_the_simulator_says];
    ci.into_iter().chain(all).collect()
}

/// The walk's highest value.
const TOP: usize = 60;

/// Without `behavior`, each sync at most doubles, to 4 at least; with one that says nothing about growing, 4 pods
/// or 100 % in 15 s; with ours, all at once.
async fn by_default_it_doubles_or_adds_four_and_with_our_behavior_it_jumps(cluster: &Cluster) {
    let lists = Lists::start(cluster).await;
    let namespace = cluster.namespace("hpa-growth").await;
    let only_down = json!({ "horizontalPodAutoscalerConfig": { "behavior": {
        "scaleDown": { "stabilizationWindowSeconds": 0 },
    } } });
    let grow = async |name: &str, advanced: Value, until: i32| {
        let replicas = steady(cluster, &lists, &namespace, name, 1, advanced).await;
        let from = Instant::now();
        lists.set(name, TOP).await;
        replicas.until_wanted(until, 2 * SOON).await;
        (steps(&replicas, from), replicas)
    };
    let ((none, _), (default, replicas), (ours, _)) = tokio::join!(
        grow("none", json!({}), 60),
        grow("default", only_down, 20),
        grow("ours", recommended(), 60),
    );
    assert_eq!(none, [1, 4, 8, 16, 32, 60], "an HPA without behavior: {none:?}");
    assert_eq!(default, [1, 5, 10, 20], "an HPA with the default policies: {default:?}");
    assert_eq!(ours, [1, 60], "an HPA with the recommended behavior: {ours:?}");

    let seen = replicas.since(Instant::now().checked_sub(2 * SOON).expect("the machine has run for minutes"));
    let at = |wanted| seen.iter().find(|one| one.wanted == wanted).expect("it was wanted").at;
    for (from, to) in [(5, 10), (10, 20)] {
        let apart = at(to).duration_since(at(from));
        // What the watch sees comes a little later than what it sees, and not always equally so.
        assert!(
            apart > Duration::from_secs(13),
            "from {from} to {to} in {apart:?}, within one period of 15 s"
        );
    }
}

/// At 20 and at 60 replicas: 10 % more or fewer move nothing, one more than that moves to the value.
async fn by_default_it_ignores_a_tenth_and_with_our_behavior_nothing(cluster: &Cluster) {
    let lists = Lists::start(cluster).await;
    let namespace = cluster.namespace("hpa-band").await;
    let advanced =
        [("none", json!({})), ("ours-without", recommended_without_tolerance()), ("ours", recommended())];
    let ignores = advanced.into_iter().flat_map(|(kind, advanced)| {
        [20, 60].map(|start| {
            let (lists, namespace, advanced) = (&lists, &namespace, advanced.clone());
            async move {
                let name = format!("{kind}-{start}");
                let replicas = steady(cluster, lists, namespace, &name, start, advanced).await;
                let tenth = start / 10;
                for value in [start + 1, start + tenth, start - 1, start - tenth] {
                    lists.set(&name, value).await;
                    if kind == "ours" {
                        replicas.until_wanted(count(value), SOON).await;
                        continue;
                    }
                    let per_replica = (value * 1000).div_ceil(start);
                    until_read(cluster, namespace, &name, per_replica as u64).await;
                    assert_eq!(replicas.now().wanted, count(start), "{name} at a value of {value}");
                }
                let beyond = start + tenth + 1;
                lists.set(&name, beyond).await;
                replicas.until_wanted(count(beyond), SOON).await;
                lists.set(&name, start - tenth - 1).await;
                replicas.until_wanted(count(start - tenth - 1), SOON).await;
            }
        })
    });
    join_all(ignores).await;
}

/// A dozen objects share the way, so that it takes seconds: each walks over its part of it, one worker at a
/// time, to the first value of the next one's part and back.
async fn with_our_behavior_every_value_from_1_to_60_is_the_replicas_exactly(cluster: &Cluster) {
    const PART: usize = 5;
    let lists = Lists::start(cluster).await;
    let namespace = cluster.namespace("hpa-exact").await;
    let walks = (1..=TOP).step_by(PART).map(async |first| {
        let name = format!("from-{first}");
        let last = TOP.min(first + PART);
        let replicas = steady(cluster, &lists, &namespace, &name, first, recommended()).await;
        let from = Instant::now();
        let walk: Vec<usize> = (first..=last).chain((first..last).rev()).collect();
        for &value in &walk {
            lists.set(&name, value).await;
            replicas.until_wanted(count(value), SOON).await;
        }
        let walk: Vec<i32> = walk.into_iter().map(count).collect();
        assert_eq!(steps(&replicas, from), walk, "{name} wanted more than its queue's lengths");
    });
    join_all(walks).await;
}

/// What the variant for older clusters costs, and that the simulator's HPA is the real one: both take the whole
/// way up and down, one worker at a time.
async fn without_tolerance_replicas_lag_as_the_simulator_says(cluster: &Cluster) {
    let lists = Lists::start(cluster).await;
    let namespace = cluster.namespace("hpa-lag").await;
    let replicas = steady(cluster, &lists, &namespace, "walk", 1, recommended_without_tolerance()).await;
    let mut simulated = Hpa::new(
        HpaSpec {
            min: 1,
            max: 100,
            target: Target::AverageValue(Milli::whole(1)),
            behavior: Some(Behavior::foresail_without_tolerance()),
            controller: Controller::default(),
        },
        0.0,
    );
    let top = u32::try_from(TOP).expect("it is small");
    let (mut expected, mut off) = (1, Vec::new());
    for (step, value) in (1..=top).chain((1..top).rev()).enumerate() {
        lists.set("walk", value as usize).await;
        let before = expected;
        let metric = Some(Milli::whole(value.into()));
        expected = simulated.sync(step as f64 * 15.0, before, 0, metric).unwrap_or(before);
        let wanted = i32::try_from(expected).expect("it is small");
        if expected == before {
            let per_replica = (u64::from(value) * 1000).div_ceil(before.into());
            until_read(cluster, &namespace, "walk", per_replica).await;
            assert_eq!(replicas.now().wanted, wanted, "at a value of {value}");
        } else {
            replicas.until_wanted(wanted, SOON).await;
        }
        off.push(expected.abs_diff(value));
    }
    let mean = f64::from(off.iter().sum::<u32>()) / off.len() as f64;
    let worst = off.iter().copied().max().unwrap_or(0);
    eprintln!(
        "without tolerance, from 1 to {TOP} and back: {mean:.1} workers too few or too many, {worst} at most"
    );
    assert_eq!(worst, 5, "a tenth of the replicas at most: {off:?}");
}

/// A Deployment and a ScaledObject called `name`, at rest at `replicas` with as many jobs in the list `name`.
async fn steady(
    cluster: &Cluster,
    lists: &Lists,
    namespace: &str,
    name: &str,
    replicas: usize,
    advanced: Value,
) -> Replicas {
    lists.set(name, replicas).await;
    let spec = json!({
        "minReplicaCount": 1,
        "maxReplicaCount": 100,
        "pollingInterval": 5,
        "advanced": advanced,
        "triggers": [lists.trigger(name)],
    });
    let watch = scale(cluster, namespace, name, replicas, spec).await;
    until_read(cluster, namespace, name, 1000).await;
    watch
}

/// The replicas that were asked for since `from`, each once for as long as they stayed.
fn steps(replicas: &Replicas, from: Instant) -> Vec<i32> {
    let mut steps: Vec<i32> = replicas.since(from).into_iter().map(|seen| seen.wanted).collect();
    steps.dedup();
    steps
}

fn count(replicas: usize) -> i32 {
    i32::try_from(replicas).expect("a handful")
}
