//! Refs that share a cap, through the engine.

use foresail::source::SourceError;

use super::harness::{CONFIG, Stack, object, queue};

const SHARED: &str = "keep_alive: 0s, group: gpu,";

fn config(limits: &str) -> String {
    let policies =
        CONFIG.replace("keep_alive: 0s,", SHARED).replace("slots: any,", "slots: any, weight: any,");
    format!("{policies}\ngroups: {{ gpu: {limits} }}\n")
}

async fn values(stack: &mut Stack, names: &[&str]) -> Vec<f64> {
    let mut values = Vec::new();
    for name in names {
        values.push(stack.value(&queue(name)).await.unwrap());
    }
    values
}

fn why(stack: &Stack, name: &str) -> String {
    let table = stack.answers.load();
    let mut rows = table.rows.iter().flatten();
    let row = rows.find(|row| row.entry.key.name == name).expect("the ref is in the table");
    row.answer.as_ref().unwrap().why.to_string()
}

#[tokio::test]
async fn a_shared_cap_goes_by_need_and_no_busy_worker_is_asked_to_go() {
    let mut stack = Stack::with(&config("{ max: 10 }"));
    stack.world.set("a", 30, Some(0));
    assert_eq!(values(&mut stack, &["a"]).await, [10.0]);
    assert!(why(&stack, "a").contains(" group=10"), "{}", why(&stack, "a"));
    stack.world.set("a", 20, Some(10));
    stack.world.set("b", 3, Some(0));
    values(&mut stack, &["b"]).await;
    stack.second().await;
    assert_eq!(values(&mut stack, &["a", "b"]).await, [10.0, 0.0], "all ten are busy");
    for (in_flight, wanted) in [(9, [9.0, 1.0]), (7, [7.0, 3.0]), (5, [7.0, 3.0])] {
        stack.world.set("a", 20, Some(in_flight));
        stack.second().await;
        assert_eq!(values(&mut stack, &["a", "b"]).await, wanted);
    }
    stack.world.set("b", 0, Some(1));
    stack.second().await;
    assert_eq!(values(&mut stack, &["a", "b"]).await, [9.0, 1.0], "nothing is left while somebody wants it");
}

#[tokio::test]
async fn what_cannot_be_seen_keeps_its_part_and_an_override_takes_its_own() {
    let mut stack = Stack::with(&config("{ max: 10 }"));
    stack.world.set("a", 6, Some(0));
    stack.world.set("b", 0, Some(0));
    assert_eq!(values(&mut stack, &["a", "b"]).await, [6.0, 0.0]);
    stack.world.fail(Some(SourceError::Read("gone".into())));
    stack.seconds(2).await;
    assert_eq!(values(&mut stack, &["a", "b"]).await, [6.0, 0.0]);
    stack.world.fail(None);
    stack.world.set("b", 20, Some(0));
    stack.second().await;
    assert_eq!(values(&mut stack, &["a", "b"]).await, [5.0, 5.0]);
    let pinned = format!("{}\noverride: [{{ match: chem/a, mode: 8 }}]", config("{ max: 10 }"));
    stack.reload(&pinned);
    stack.tick_only(1.0);
    assert_eq!(values(&mut stack, &["a", "b"]).await, [8.0, 2.0]);
}

#[tokio::test]
async fn weights_and_limits_are_taken_up_and_who_leaves_a_group_leaves_its_cap() {
    let mut stack = Stack::with(&config("{ max: 9 }"));
    let heavy = object("b", &[("queue", "b"), ("weight", "2")]);
    stack.world.set("a", 20, Some(0));
    stack.world.set("b", 20, Some(0));
    stack.value(&heavy).await.unwrap();
    stack.value(&queue("a")).await.unwrap();
    stack.second().await;
    assert_eq!((stack.value(&queue("a")).await.unwrap(), stack.value(&heavy).await.unwrap()), (3.0, 6.0));
    stack.reload(&config("{ max: 9, max_spend: 6.6/hour }"));
    stack.tick_only(1.0);
    let sum = stack.value(&queue("a")).await.unwrap() + stack.value(&heavy).await.unwrap();
    assert_eq!(sum, 6.0, "6.4 an hour can be paid for ever");
    let apart = CONFIG.replace("slots: any,", "slots: any, weight: any,");
    stack.reload(&apart);
    stack.tick_only(1.0);
    assert_eq!((stack.value(&queue("a")).await.unwrap(), stack.value(&heavy).await.unwrap()), (20.0, 20.0));
}
