//! What a ScaledObject may ask of KEDA besides scaling, and that Foresail is right before, meanwhile and after.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    Cluster, Scenario,
    fixture::{Lists, SOON, annotate, hpa, recommended, scale, until_condition, until_read},
    scenarios,
};
use crate::api::eventually;

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![Ci:
        keda_features::paused_ends_streams_and_polls_and_afterwards_all_is_right,
        keda_features::paused_replicas_beats_the_queue_and_afterwards_all_is_right,
        keda_features::idle_and_cooldown_are_kedas_own_below_the_minimum,
        keda_features::the_larger_of_two_external_triggers_wins,
        keda_features::a_formula_takes_the_larger_of_foresail_and_another_trigger,
        keda_features::cached_metrics_come_with_the_poll_and_cost_no_calls_between,
    ]
}

/// Seconds between two polls of these objects.
const POLLING: u32 = 2;

async fn paused_ends_streams_and_polls_and_afterwards_all_is_right(cluster: &Cluster) {
    let lists = Lists::start(cluster).await;
    let namespace = cluster.namespace("keda-paused").await;
    lists.set("work", 3).await;
    let spec = spec(&[lists.trigger("work")]);
    let replicas = scale(cluster, &namespace, "work", 3, spec.clone()).await;
    until_read(cluster, &namespace, "work", 1000).await;
    until_streams(&lists, 1.0).await;

    let paused = json!({ "autoscaling.keda.sh/paused": "true" });
    annotate(cluster, &namespace, "work", paused, spec.clone()).await;
    until_condition(cluster, &namespace, "work", "Paused", "True").await;
    until_no_hpa(cluster, &namespace, "work").await;
    until_streams(&lists, 0.0).await;
    let from = Instant::now();
    lists.set("work", 7).await;
    lists.until_told("work", 7.0).await;
    until_unasked_for(&lists, 3.0 * f64::from(POLLING)).await;
    assert_eq!(replicas.wanted_since(from), (3, 3), "a paused object is left alone");

    annotate(cluster, &namespace, "work", json!({}), spec).await;
    replicas.until_wanted(7, SOON).await;
    until_streams(&lists, 1.0).await;
}

async fn paused_replicas_beats_the_queue_and_afterwards_all_is_right(cluster: &Cluster) {
    let lists = Lists::start(cluster).await;
    let namespace = cluster.namespace("keda-paused-replicas").await;
    lists.set("work", 5).await;
    let spec = spec(&[lists.trigger("work")]);
    let replicas = scale(cluster, &namespace, "work", 5, spec.clone()).await;
    until_read(cluster, &namespace, "work", 1000).await;

    for (paused_at, waiting) in [(2, 9), (0, 4)] {
        let paused = json!({ "autoscaling.keda.sh/paused-replicas": paused_at.to_string() });
        annotate(cluster, &namespace, "work", paused, spec.clone()).await;
        replicas.until_wanted(paused_at, SOON).await;
        until_streams(&lists, 0.0).await;
        let from = Instant::now();
        lists.set("work", 0).await;
        lists.until_told("work", 0.0).await;
        lists.set("work", waiting).await;
        lists.until_told("work", waiting as f64).await;
        assert_eq!(replicas.wanted_since(from), (paused_at, paused_at), "it was paused");

        annotate(cluster, &namespace, "work", json!({}), spec.clone()).await;
        replicas.until_wanted(i32::try_from(waiting).unwrap(), SOON).await;
    }
}

/// Foresail's 0 goes through the HPA at once, to the HPA's minimum; from there to none KEDA waits.
async fn idle_and_cooldown_are_kedas_own_below_the_minimum(cluster: &Cluster) {
    const COOLDOWN: u32 = 10;
    let lists = Lists::start(cluster).await;
    let namespace = cluster.namespace("keda-cooldown").await;
    let plain = async {
        let mut spec = spec(&[lists.trigger("plain")]);
        spec["cooldownPeriod"] = json!(COOLDOWN);
        wake_and_sleep(cluster, &lists, &namespace, "plain", &spec, (2, 5, 1)).await
    };
    let idle = async {
        let mut spec = spec(&[lists.trigger("idle")]);
        spec["cooldownPeriod"] = json!(COOLDOWN);
        spec["idleReplicaCount"] = json!(0);
        spec["minReplicaCount"] = json!(3);
        wake_and_sleep(cluster, &lists, &namespace, "idle", &spec, (3, 5, 3)).await
    };
    let (plain, idle) = tokio::join!(plain, idle);
    for (kind, slept) in [("plain", plain), ("idle", idle)] {
        // The last poll that found work may have come a whole interval before the work was gone.
        let least = Duration::from_secs(u64::from(COOLDOWN - POLLING));
        assert!(slept > least, "{kind}: from no work to no worker in {slept:?}, cooldown {COOLDOWN} s");
    }
}

/// From none with two jobs to `few`, with five to `many`, with none to `least` and then to none: how long the
/// last took since the queue was empty.
async fn wake_and_sleep(
    cluster: &Cluster,
    lists: &Lists,
    namespace: &str,
    name: &str,
    spec: &Value,
    (few, many, least): (i32, i32, i32),
) -> Duration {
    let replicas = scale(cluster, namespace, name, 0, spec.clone()).await;
    until_condition(cluster, namespace, name, "Ready", "True").await;
    lists.set(name, 2).await;
    replicas.until_wanted(few, SOON).await;
    lists.set(name, 5).await;
    replicas.until_wanted(many, SOON).await;
    // A poll has found work since: KEDA's cooldown begins with the last of those.
    until_condition(cluster, namespace, name, "Active", "True").await;
    let from = Instant::now();
    lists.set(name, 0).await;
    replicas.until_wanted(least, SOON).await;
    replicas.until_wanted(0, SOON).await;
    let slept = from.elapsed();
    let mut steps: Vec<i32> = replicas.since(from).into_iter().map(|seen| seen.wanted).collect();
    steps.dedup();
    assert_eq!(steps, [many, least, 0], "{name} goes to sleep in two steps");
    slept
}

async fn the_larger_of_two_external_triggers_wins(cluster: &Cluster) {
    let lists = Lists::start(cluster).await;
    let namespace = cluster.namespace("keda-two-triggers").await;
    let spec = spec(&[lists.trigger("first"), lists.trigger("second")]);
    let replicas = scale(cluster, &namespace, "work", 0, spec).await;
    until_streams(&lists, 2.0).await;

    lists.set("second", 5).await;
    replicas.until_wanted(5, SOON).await;
    lists.set("first", 2).await;
    lists.set("second", 4).await;
    replicas.until_wanted(4, SOON).await;
    lists.set("first", 7).await;
    replicas.until_wanted(7, SOON).await;
    lists.set("first", 0).await;
    replicas.until_wanted(4, SOON).await;

    let hpa = hpa(cluster, &namespace, "work").await.expect("KEDA has written it");
    for (index, queue) in ["first", "second"].into_iter().enumerate() {
        let name = hpa["spec"]["metrics"][index]["external"]["metric"]["name"].as_str().unwrap_or_default();
        assert!(name.starts_with(&format!("s{index}-foresail-{queue}-")), "metric {index} is {name:?}");
    }
    lists.set("second", 0).await;
    replicas.until_wanted(0, SOON).await;
}

/// The other is KEDA's own `redis` trigger. Without Foresail the formula has no result, and nothing moves.
async fn a_formula_takes_the_larger_of_foresail_and_another_trigger(cluster: &Cluster) {
    let mut lists = Lists::start(cluster).await;
    let namespace = cluster.namespace("keda-formula").await;
    let mut ours = lists.trigger("ours");
    ours["name"] = json!("foresail");
    let address = format!("127.0.0.1:{}", lists.redis.port());
    let other = json!({
        "type": "redis",
        "name": "other",
        "metadata": { "address": address, "listName": "other", "listLength": "1" },
    });
    let mut spec = spec(&[ours, other]);
    spec["advanced"]["scalingModifiers"] = json!({ "formula": "max(foresail, other)", "target": "1" });
    let replicas = scale(cluster, &namespace, "work", 0, spec).await;
    until_streams(&lists, 1.0).await;

    lists.set("ours", 3).await;
    replicas.until_wanted(3, SOON).await;
    lists.set("other", 6).await;
    replicas.until_wanted(6, SOON).await;
    lists.set("ours", 8).await;
    replicas.until_wanted(8, SOON).await;
    lists.set("ours", 0).await;
    replicas.until_wanted(6, SOON).await;

    lists.foresail.kill();
    until_condition(cluster, &namespace, "work", "Ready", "False").await;
    until_condition(cluster, &namespace, "work", "HPAActive", "False").await;
    let from = Instant::now();
    lists.set("other", 2).await;
    lists.foresail.start_again().await;
    replicas.until_wanted(2, 2 * SOON).await;
    assert_eq!(replicas.wanted_since(from), (2, 6), "{}", replicas.history(from));
    lists.set("other", 0).await;
    replicas.until_wanted(0, SOON).await;
}

async fn cached_metrics_come_with_the_poll_and_cost_no_calls_between(cluster: &Cluster) {
    const SELDOM: u32 = 15;
    let (cached, live) =
        tokio::join!(Lists::start_as(cluster, "cached", ""), Lists::start_as(cluster, "live", ""));
    let namespace = cluster.namespace("keda-cached").await;
    let start = async |lists: &Lists, name: &str, is_cached: bool| {
        lists.set("work", 2).await;
        let mut trigger = lists.trigger("work");
        trigger["useCachedMetrics"] = json!(is_cached);
        let mut spec = spec(&[trigger]);
        spec["pollingInterval"] = json!(SELDOM);
        let replicas = scale(cluster, &namespace, name, 2, spec).await;
        until_read(cluster, &namespace, name, 1000).await;
        replicas
    };
    let (cached_replicas, live_replicas) =
        tokio::join!(start(&cached, "cached", true), start(&live, "live", false));

    // Right after a poll, so that the next one is far.
    let polled = cached.calls("GetMetrics");
    eventually("KEDA has polled", SOON, async || {
        if cached.calls("GetMetrics") > polled { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    let from = Instant::now();
    let (cached_calls, live_calls) = (cached.calls("GetMetrics"), live.calls("GetMetrics"));
    cached.set("work", 6).await;
    live.set("work", 6).await;
    let at_once = live_replicas.until_wanted(6, SOON).await;
    let seen_late = cached_replicas.wanted_since(from);
    let late = at_once + cached_replicas.until_wanted(6, SOON).await;

    assert_eq!(seen_late, (2, 2), "the cached value is the last poll's: {}", cached_replicas.history(from));
    assert!(late < Duration::from_secs(u64::from(SELDOM) + 10), "the next poll brings it: {late:?}");
    let calls = (cached.calls("GetMetrics") - cached_calls, live.calls("GetMetrics") - live_calls);
    assert!(
        calls.0 <= 2.0 && calls.1 >= 4.0,
        "{late:?}: {} calls with the cache, {} without",
        calls.0,
        calls.1
    );
}

fn spec(triggers: &[Value]) -> Value {
    json!({
        "minReplicaCount": 0,
        "maxReplicaCount": 20,
        "pollingInterval": POLLING,
        "cooldownPeriod": 1,
        "advanced": recommended(),
        "triggers": triggers,
    })
}

async fn until_streams(lists: &Lists, streams: f64) {
    eventually(&format!("KEDA has {streams} streams open"), SOON, async || match lists.streams() {
        open if open == streams => Ok(()),
        open => Err(format!("it has {open}")),
    })
    .await;
}

/// Waits until KEDA has asked for nothing for so many seconds.
async fn until_unasked_for(lists: &Lists, seconds: f64) {
    eventually(&format!("nobody has asked for {seconds} s"), SOON, async || {
        match lists.foresail.metric("foresail_ref_last_asked_seconds") {
            Some(since) if since >= seconds => Ok(()),
            since => Err(format!("last asked {since:?} s ago")),
        }
    })
    .await;
}

async fn until_no_hpa(cluster: &Cluster, namespace: &str, name: &str) {
    eventually(&format!("KEDA has removed the HPA of {name}"), SOON, async || {
        match hpa(cluster, namespace, name).await {
            Ok(_) => Err("it is there".to_owned()),
            Err(error) if error.contains("not found") => Ok(()),
            Err(error) => Err(error),
        }
    })
    .await;
}
