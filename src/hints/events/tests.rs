use std::sync::Arc;

use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::{
    answers::Table,
    config::source::WorkloadName,
    hints::{lease::Leadership, testing::Played},
    workloads::{Change, Fold, SCALED_OBJECT, ScaledRecord},
};

/// A table with one object that is in two traps.
fn table() -> Arc<Table> {
    let metadata =
        ObjectMeta { namespace: Some("chem".into()), uid: Some("1-2-3".into()), ..ObjectMeta::default() };
    let behavior = json!({
        "scaleUp": { "policies": [{ "type": "Pods", "value": 1000, "periodSeconds": 15 }] },
        "scaleDown": { "stabilizationWindowSeconds": 0 },
    });
    let spec = json!({
        "scaleTargetRef": { "name": "md" },
        "advanced": { "horizontalPodAutoscalerConfig": { "behavior": behavior } },
        "triggers": [{ "type": "external-push", "metadata": { "scalerAddress": "f:6000" } }],
    });
    let record = ScaledRecord::read(SCALED_OBJECT, &metadata, &spec, &["f:6000".into()]).unwrap();
    let name = WorkloadName { kind: SCALED_OBJECT.into(), namespace: "chem".into(), name: "md".into() };
    let mut fold = Fold::default();
    fold.apply(0.0, Change::Scaled(name, Some(Arc::new(record))), 1);
    let sighting = fold.take_news().seen.remove(0);
    let objects = [ObjectRow { sighting, faults: Vec::new(), observed: Vec::new() }];
    Arc::new(Table { tick: 1, objects: objects.into(), ..Table::default() })
}

fn played() -> Played {
    let played = Played::new();
    played.part.answers.publish(table());
    played
}

fn hold(leadership: &Leadership, played: &Played) {
    let now = played.part.clock.now();
    leadership.set(now + 1e6, now);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_by_one_that_does_not_hold_the_lease() {
    let mut played = played();
    let part = played.part.clone();
    let task = tokio::spawn(async move { run(&part).await });
    let quiet = timeout(Duration::from_mins(10), played.asked()).await;
    assert!(quiet.is_err());
    hold(&played.part.leadership, &played);
    assert_eq!(played.asked().await.method, "POST");
    played.part.stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_trap_is_said_once_and_what_another_said_is_no_new_event() {
    let mut played = played();
    hold(&played.part.leadership, &played);
    let part = played.part.clone();
    let task = tokio::spawn(async move { run(&part).await });
    let first = played.asked().await;
    assert_eq!(first.path, "/apis/events.k8s.io/v1/namespaces/chem/events");
    assert_eq!(first.body["regarding"]["uid"], "1-2-3");
    assert_eq!(first.body["regarding"]["kind"], "ScaledObject");
    assert_eq!((&first.body["reason"], &first.body["type"]), (&json!("Tolerance"), &json!("Warning")));
    let body = first.body.clone();
    first.answer(201, &body);

    let began = Instant::now();
    let second = played.asked().await;
    assert_eq!(second.body["reason"], "Cooldown");
    assert!(began.elapsed() >= Duration::from_secs(1));
    let name = second.body["metadata"]["name"].as_str().unwrap().to_owned();
    second.refuse(409, "AlreadyExists");
    let again = played.asked().await;
    assert_eq!(again.method, "PATCH");
    assert!(again.path.ends_with(&name), "{}", again.path);
    assert_eq!(again.body["series"]["count"], 2);
    again.answer(200, &body);
    assert!(timeout(Duration::from_hours(24), played.asked()).await.is_err(), "all is said");
    let said = played.part.metrics.hints.events.with_label_values(&["ok"]).get();
    assert_eq!(said, 2);
    played.part.stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_is_said_once() {
    let mut played = played();
    hold(&played.part.leadership, &played);
    let part = played.part.clone();
    let task = tokio::spawn(async move { run(&part).await });
    for _ in 0..6 {
        played.asked().await.refuse(403, "Forbidden");
    }
    // The answer is taken in before the next request.
    let _next = played.asked().await;
    let said = played.said();
    let wanted = "it wants a Role in namespace chem with create and patch of events in events.k8s.io";
    assert_eq!(said.matches(wanted).count(), 1, "{said}");
    played.part.stop.cancel();
    task.await.unwrap();
}
