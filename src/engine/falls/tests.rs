use serde_json::json;

use super::*;
use crate::{
    answers::Table,
    engine::bench::{Bench, held},
    sizing::Decision,
    workloads::{Change, DeletionCost, PodRecord, Sight},
};

/// Two pods on each of two nodes, all Ready, with a queue that wants few of them from now on.
fn falling(busy: &[&str]) -> Bench {
    let mut bench =
        Bench::with("policies: { default: { keep_alive: 0s } }\nhints: { victims: deletion-cost }");
    bench.object(&json!({ "queue": "md" }));
    for pod in ["md-1", "md-2", "md-3", "md-4"] {
        stands(&mut bench, pod, Some(0.0), None);
    }
    let mut all = held(busy);
    all.waiting = Some(4);
    bench.see(Sight::Clear).sample(&all);
    bench.engine.tick(bench.now);
    for _ in 0..4 {
        bench.after(1.0).sample(&held(busy));
    }
    bench
}

/// A pod: odd ones are on node 1, even ones on node 2.
fn stands(bench: &mut Bench, pod: &str, ready: Option<f64>, cost: Option<DeletionCost>) {
    let node = if pod.ends_with(['1', '3']) { "node-1" } else { "node-2" };
    bench.pod_as(pod, Some(PodRecord { node: Some(node.into()), ready, cost, ..Bench::ready_pod() }));
}

/// What is to be written is written and seen.
fn written(bench: &mut Bench, table: &Table) {
    for change in &table.costs {
        let cost = change.cost.map(|value| DeletionCost { value, ours: true });
        stands(bench, &change.pod, Some(0.0), cost);
    }
    bench.see(Sight::Clear);
}

fn decision(table: &Table) -> Decision {
    *table.rows.iter().flatten().next().unwrap().answer.as_ref().unwrap()
}

fn costs(table: &Table) -> Vec<(&str, Option<i32>)> {
    table.costs.iter().map(|change| (&*change.pod, change.cost)).collect()
}

#[test]
fn a_fall_waits_until_those_that_go_bear_their_costs() {
    let mut bench = falling(&["md-1"]);
    let table = bench.table();
    assert_eq!((decision(&table).target, decision(&table).why.fall), (4, Some(Falling::Pending)));
    assert_eq!(costs(&table), [("md-2", Some(-2)), ("md-4", Some(-1))], "the node without a busy worker");
    written(&mut bench, &table);
    let table = bench.table();
    assert_eq!((decision(&table).target, decision(&table).why.fall), (2, Some(Falling::Kept(1))));
    assert!(table.costs.is_empty());
    assert!(decision(&table).why.to_string().contains(" fall=kept:1"), "{}", decision(&table).why);
}

#[test]
fn what_turns_busy_loses_its_cost_and_the_fall_waits_again() {
    let mut bench = falling(&["md-1"]);
    let table = bench.table();
    written(&mut bench, &table);
    bench.after(1.0).sample(&held(&["md-4"]));
    let table = bench.table();
    assert_eq!(decision(&table).why.fall, Some(Falling::Pending));
    assert!(costs(&table).contains(&("md-4", None)), "{table:?}");
    assert!(costs(&table).iter().all(|(pod, cost)| cost.is_none() || ["md-1", "md-3"].contains(pod)));
}

#[test]
fn costs_are_taken_back_when_the_fall_is_over_or_withdrawn() {
    let mut bench = falling(&["md-1"]);
    let table = bench.table();
    written(&mut bench, &table);
    let mut more = held(&["md-1"]);
    more.waiting = Some(9);
    bench.after(1.0).sample(&more);
    assert_eq!(costs(&bench.table()), [("md-2", None), ("md-4", None)]);
}

#[test]
fn after_ten_seconds_it_is_answered_and_said() {
    let mut bench = falling(&["md-1"]);
    bench.table();
    for _ in 0..9 {
        bench.after(1.0).sample(&held(&["md-1"]));
        assert_eq!(decision(&bench.table()).why.fall, Some(Falling::Pending));
    }
    bench.after(1.0).sample(&held(&["md-1"]));
    let decision = decision(&bench.table());
    assert_eq!((decision.target, decision.why.fall), (1, Some(Falling::Unranked("costs-unseen"))));
}

#[test]
fn all_stay_while_a_busy_worker_is_not_ready() {
    let mut bench = falling(&["md-1"]);
    stands(&mut bench, "md-1", None, None);
    let table = bench.see(Sight::Clear).table();
    assert_eq!((decision(&table).target, decision(&table).why.fall), (4, Some(Falling::BusyNotReady)));
    let told = |table: &Table| table.objects[0].traps().any(|(trap, _)| trap == "busy-not-ready");
    assert!(!told(&table), "it may have started just now");
    bench.after(61.0).sample(&held(&["md-1"]));
    assert!(told(&bench.table()), "whoever owns the object is told");
    stands(&mut bench, "md-1", Some(0.0), None);
    assert!(!told(&bench.see(Sight::Clear).table()));
}

#[test]
fn nobody_is_named_where_it_is_unknown_who_is_busy() {
    let unranked = |bench: &mut Bench| {
        let table = bench.table();
        assert!(table.costs.is_empty(), "{:?}", table.costs);
        let decision = decision(&table);
        let Some(Falling::Unranked(reason)) = decision.why.fall else { panic!("{}", decision.why) };
        (decision.target, reason)
    };
    assert_eq!(unranked(&mut falling(&["worker-of-some-vm"])), (1, "workers-are-no-pods"));

    let mut bench = falling(&["md-1"]);
    stands(&mut bench, "md-3", Some(0.0), Some(DeletionCost { value: 5, ours: false }));
    assert_eq!(unranked(bench.see(Sight::Clear)), (1, "costs-of-others"));

    let mut bench = falling(&["md-1"]);
    let mut unnamed = held(&["md-1"]);
    unnamed.holders = None;
    bench.after(1.0).sample(&unnamed);
    assert_eq!(unranked(&mut bench).1, "busy-unknown");
}

#[test]
fn pods_of_a_fall_that_is_under_way_ask_for_no_new_ones() {
    let mut bench = falling(&["md-1"]);
    let table = bench.table();
    written(&mut bench, &table);
    let deployment = crate::engine::bench::name("Deployment", "md");
    bench.fold.apply(bench.now, Change::Target(deployment, Some(2)), 1);
    bench.see(Sight::Clear);
    let target = decision(&bench.table()).target;
    assert_eq!(target, 2, "the pods that still are there do not raise it");
}

#[test]
fn a_reload_begins_nothing_that_nobody_writes() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" }));
    for pod in ["md-1", "md-2", "md-3", "md-4"] {
        stands(&mut bench, pod, Some(0.0), None);
    }
    let policies = "policies: { default: { keep_alive: 0s } }\nhints: { victims: deletion-cost }";
    bench.see(Sight::Clear).reload(policies);
    for _ in 0..4 {
        bench.after(1.0).sample(&held(&["md-1"]));
    }
    let table = bench.table();
    assert_eq!((decision(&table).target, decision(&table).why.fall), (1, None), "hints are read at a start");
}
