use tokio::{task::JoinHandle, time::sleep};

use super::*;
use crate::{
    answers::Table,
    hints::testing::{Asked, Played},
};

/// A replica that may write.
fn leading() -> (Played, JoinHandle<()>) {
    let played = Played::new();
    played.part.leadership.set(f64::INFINITY, played.part.clock.now());
    let part = played.part.clone();
    (played, tokio::spawn(async move { run(&part).await }))
}

fn publish(played: &Played, costs: &[(&str, Option<i32>)]) {
    let change =
        |&(pod, cost): &(&str, Option<i32>)| CostChange { namespace: "chem".into(), pod: pod.into(), cost };
    let table = Table { tick: 1, costs: costs.iter().map(change).collect(), ..Table::default() };
    played.part.answers.publish(Arc::new(table));
}

fn what(asked: &Asked) -> (String, serde_json::Value) {
    assert_eq!(asked.method, "PATCH");
    (asked.path.clone(), asked.body["metadata"]["annotations"][DELETION_COST].clone())
}

fn pod(name: &str) -> serde_json::Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": "chem", "name": name } })
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_comes_first_and_nothing_but_the_cost_is_written() {
    let (mut played, _task) = leading();
    publish(&played, &[("md-1", Some(-1)), ("md-2", Some(-2)), ("md-3", None)]);
    for (name, cost) in [("md-3", json!(null)), ("md-2", json!("-2")), ("md-1", json!("-1"))] {
        let asked = played.asked().await;
        assert_eq!(what(&asked), (format!("/api/v1/namespaces/chem/pods/{name}"), cost));
        assert_eq!(asked.body["metadata"].as_object().unwrap().len(), 1, "{}", asked.body);
        asked.answer(200, &pod(name));
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_is_not_written_again_until_the_watch_must_have_told_of_it() {
    let (mut played, _task) = leading();
    publish(&played, &[("md-1", Some(-1))]);
    played.asked().await.answer(200, &pod("md-1"));
    let began = played.part.clock.now();
    let again = played.asked().await;
    assert!(played.part.clock.now() - began >= AGAIN_AFTER - 0.1, "{}", played.part.clock.now() - began);
    again.answer(200, &pod("md-1"));

    let began = played.part.clock.now();
    publish(&played, &[("md-1", Some(-7))]);
    assert_eq!(what(&played.asked().await).1, json!("-7"));
    assert!(played.part.clock.now() - began < 1.0, "another cost is written at once");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_may_not_write_writes_nothing() {
    let (mut played, _task) = leading();
    played.part.leadership.set(0.0, played.part.clock.now());
    publish(&played, &[("md-1", Some(-1))]);
    tokio::select! {
        asked = played.asked() => panic!("{:?}", what(&asked)),
        () = sleep(Duration::from_secs(60)) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_said_once_and_by_its_name() {
    let (mut played, _task) = leading();
    publish(&played, &[("md-1", Some(-1))]);
    for _ in 0..3 {
        played.asked().await.refuse(403, "Forbidden");
    }
    played.asked().await.answer(200, &pod("md-1"));
    let said = played.said();
    assert_eq!(said.matches("it needs the verb patch on pods in namespace chem").count(), 1, "{said}");
    let written = played.part.metrics.text();
    assert!(written.contains("foresail_deletion_cost_writes_total{result=\"error\"} 3"), "{written}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_hangs_holds_no_other_up_for_longer_than_its_deadline() {
    let (mut played, _task) = leading();
    publish(&played, &[("md-1", Some(-2)), ("md-2", Some(-1))]);
    let _hangs = played.asked().await;
    played.asked().await.answer(200, &pod("md-2"));
    let began = played.part.clock.now();
    publish(&played, &[("md-3", Some(-1))]);
    let next = played.asked().await;
    assert_eq!(what(&next).0, "/api/v1/namespaces/chem/pods/md-3");
    assert!(played.part.clock.now() - began <= PATIENCE.as_secs_f64() + 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_has_gone_is_no_failure() {
    let (mut played, _task) = leading();
    publish(&played, &[("md-1", Some(-1))]);
    played.asked().await.refuse(404, "NotFound");
    played.asked().await.answer(200, &pod("md-1"));
    let text = played.part.metrics.text();
    assert!(text.contains("foresail_deletion_cost_writes_total{result=\"error\"} 0"), "{text}");
}
