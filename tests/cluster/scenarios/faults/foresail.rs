//! Foresail itself goes and comes back.

use std::time::{Duration, Instant};

use super::{
    Cluster, Foresail, LONG, Scenario,
    jobs::{push, redis_source},
    measured,
    scaled::Scaled,
    until_asked,
};
use crate::{api::eventually, scenarios::scenarios, support::redis::RedisServer};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut scenarios = scenarios![Ci:
        faults::killed_it_changes_no_replicas_and_back_it_is_right_with_kedas_next_questions,
        faults::told_to_stop_it_ends_streams_with_ok_and_they_come_back_to_wake_from_zero,
    ];
    scenarios.extend(scenarios![All: faults::gone_for_five_minutes_it_changes_no_replicas]);
    scenarios
}

/// From KEDA's first question to replicas that are right: a poll, an HPA sync, and what a busy machine adds.
const RIGHT_WITHIN: Duration = Duration::from_secs(15);

async fn killed_it_changes_no_replicas_and_back_it_is_right_with_kedas_next_questions(cluster: &Cluster) {
    away(cluster, "killed", async |worker| worker.until_keda_fails(3.0).await).await;
}

async fn gone_for_five_minutes_it_changes_no_replicas(cluster: &Cluster) {
    away(cluster, "gone-for-five-minutes", async |_| tokio::time::sleep(Duration::from_mins(5)).await).await;
}

/// SIGKILL, `meanwhile`, and a start on the same address: all the while the replicas stay what they were.
async fn away(cluster: &Cluster, name: &str, meanwhile: impl AsyncFn(&super::scaled::Worker<'_>)) {
    let redis = RedisServer::start().await;
    let mut foresail = Foresail::start(&cluster.logs, &config(&redis)).await;
    let namespace = cluster.namespace(name).await;
    let address = foresail.address();
    let scaled = Scaled { kind: "external-push", ..Scaled::of("reliable", &address) };
    let worker = scaled.apply(cluster, &namespace).await;
    let other = Scaled {
        name: "fallback",
        fallback: "{ failureThreshold: 2, replicas: 9 }",
        ..Scaled::of("reliable", &address)
    };
    let other = other.apply(cluster, &namespace).await;
    push(&redis, 4).await;
    worker.replicas.until_wanted(4, LONG).await;
    other.replicas.until_wanted(4, LONG).await;

    let killed = Instant::now();
    foresail.kill();
    push(&redis, 3).await;
    worker.until_keda_complains().await;
    meanwhile(&worker).await;
    assert_eq!(worker.replicas.wanted_since(killed), (4, 4), "{}", worker.replicas.history(killed));
    // KEDA falls back only where a metric fails; of a scaler that it cannot reach it does not even know the metric.
    assert_eq!(other.replicas.wanted_since(killed), (4, 4), "{}", other.replicas.history(killed));

    foresail.start_again().await;
    let back = Instant::now();
    let asked = until_asked(&foresail).await;
    worker.replicas.until_wanted(7, RIGHT_WITHIN).await;
    let right = asked.elapsed();
    assert_eq!(worker.replicas.wanted_since(killed).0, 4, "{}", worker.replicas.history(killed));
    until_streaming(&foresail).await;
    measured(
        name,
        &format!(
            "away for {:.0} s; KEDA asked {:.1} s after the start, replicas were right {:.1} s later, the stream \
             was back {:.1} s after the start",
            (back - killed).as_secs_f64(),
            (asked - back).as_secs_f64(),
            right.as_secs_f64(),
            back.elapsed().as_secs_f64(),
        ),
    );
}

async fn told_to_stop_it_ends_streams_with_ok_and_they_come_back_to_wake_from_zero(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let mut foresail = Foresail::start(&cluster.logs, &config(&redis)).await;
    let namespace = cluster.namespace("told-to-stop").await;
    let address = foresail.address();
    // A poll would come too late for what is measured here.
    let scaled = Scaled { kind: "external-push", polling: 300, ..Scaled::of("reliable", &address) };
    let worker = scaled.apply(cluster, &namespace).await;
    until_streaming(&foresail).await;

    foresail.stop();
    let stopped = Instant::now();
    foresail.start_again().await;
    until_streaming(&foresail).await;
    let streaming = stopped.elapsed();
    let log = cluster.stack.keda.lock().await.operator_log();
    // What KEDA says of a stream that ends with anything but OK, or does not open. It dials again after two seconds,
    // and a busy machine may not have started the new process by then.
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("error running internalRun") && line.contains(&namespace))
        .filter(|line| !line.contains("connection refused"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");

    push(&redis, 1).await;
    let woken = worker.replicas.until_wanted(1, LONG).await;
    measured(
        "told to stop",
        &format!(
            "the stream was back {:.1} s after the stop, a job then woke a worker from zero after {:.2} s",
            streaming.as_secs_f64(),
            woken.as_secs_f64()
        ),
    );
    assert!(woken < Duration::from_secs(1), "woken after {woken:?}");
}

/// Waits until KEDA listens.
async fn until_streaming(foresail: &Foresail) {
    let name = r#"foresail_grpc_streams{method="StreamIsActive"}"#;
    eventually("KEDA opens its stream", LONG * 3, async || match foresail.metric(name) {
        Some(1.0) => Ok(()),
        streams => Err(format!("{streams:?} streams")),
    })
    .await;
}

fn config(redis: &RedisServer) -> String {
    format!("sources:{}policies: {{ default: {{ keep_alive: 0s }} }}\n", redis_source(redis.port()))
}
