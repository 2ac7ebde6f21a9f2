//! What pods, and the nodes that come for them, teach of how long starts take.

use super::*;
use crate::workloads::{ClaimRecord, NewestNode, NodeOutcome, NodePhase};

/// A pod that found no node.
fn waiting(created: f64) -> PodRecord {
    PodRecord { scheduled: None, node: None, ..pod("md", created) }
}

/// A pod on a node.
fn on(node: &str, created: f64, scheduled: f64, ready: Option<f64>) -> PodRecord {
    PodRecord { scheduled: Some(scheduled), ready, node: Some(node.into()), ..pod("md", created) }
}

/// A claim for a node of its own name.
fn claim(node: &str, created: f64, initialized: Option<f64>) -> Change {
    let record = ClaimRecord {
        pool: "gpu".into(),
        instance_type: Some("g6".into()),
        node: Some(node.into()),
        created,
        launched: Some(created + 2.0),
        registered: initialized.map(|at| at - 1.0),
        initialized,
    };
    Change::Claim(format!("claim-{node}").into(), Some(record))
}

fn gone(node: &str) -> Change {
    Change::Claim(format!("claim-{node}").into(), None)
}

/// A pod that finds room within a second, and is Ready after nine.
fn warm(fold: &mut Fold, name: &str, node: &str, created: f64) -> Vec<Start> {
    for ready in [None, Some(created + 9.0)] {
        fold.apply(created + 9.0, change(name, Some(on(node, created, created + 1.0, ready))), 1);
    }
    fold.take_started()
}

#[test]
fn a_pod_that_goes_while_it_waits_for_a_node_gave_up_once() {
    let mut fold = started();
    for name in ["md-2", "md-3", "md-4", "md-5"] {
        fold.apply(101.0, change(name, Some(waiting(100.0))), 1);
    }
    // One is told to go and goes, one is gone at once, one gets its node and goes before it is Ready.
    let told = PodRecord { terminating: true, ..waiting(100.0) };
    fold.apply(160.0, change("md-2", Some(told.clone())), 1);
    fold.apply(161.0, change("md-2", Some(told)), 1);
    fold.apply(190.0, change("md-2", None), 1);
    fold.apply(170.0, change("md-3", None), 1);
    fold.apply(150.0, change("md-4", Some(on("n", 100.0, 150.0, None))), 1);
    fold.apply(400.0, change("md-4", None), 1);
    let wanted = [60.0, 70.0, 50.0].map(|seconds| start(StartKind::GivenUp, seconds));
    assert_eq!(fold.take_started(), wanted);
    // The last one is Ready after all.
    fold.apply(200.0, change("md-5", Some(on("n", 100.0, 150.0, Some(180.0)))), 1);
    fold.apply(300.0, change("md-5", None), 1);
    assert_eq!(fold.take_started(), [start(StartKind::Cold, 80.0)]);
    let starts = only(&fold.take_news()).starts;
    assert_eq!((starts.of(StartKind::GivenUp).count, starts.of(StartKind::Cold).count), (3, 1));
}

#[test]
fn who_did_not_wait_for_a_node_or_was_not_seen_to_go_gave_nothing_up() {
    let mut fold = started();
    // A node was there; its image was not.
    fold.apply(900.0, change("md-1", None), 1);
    // It had hardly looked for room.
    fold.apply(100.0, change("md-2", Some(waiting(100.0))), 1);
    fold.apply(103.0, change("md-2", None), 1);
    // It ran to its end faster than anybody looked.
    fold.apply(100.0, change("md-3", Some(waiting(100.0))), 1);
    fold.apply(200.0, change("md-3", Some(PodRecord { finished: true, ..on("n", 100.0, 150.0, None) })), 1);
    fold.apply(201.0, change("md-3", None), 1);
    // A list lacks it: when it went is not known.
    fold.apply(100.0, change("md-4", Some(waiting(100.0))), 1);
    fold.sweep(5_000.0, "Pod", None, 2);
    // Nobody scales it.
    fold.apply(100.0, change("other-1", Some(PodRecord { owner: "other".into(), ..waiting(100.0) })), 1);
    fold.apply(200.0, change("other-1", None), 1);
    assert_eq!(fold.take_started(), []);
}

#[test]
fn a_wait_for_a_node_that_was_under_way_is_counted_from_its_claim() {
    let mut fold = started();
    fold.apply(0.0, claim("n", 40.0, None), 1);
    fold.apply(100.0, change("md-2", Some(waiting(100.0))), 1);
    fold.apply(131.0, claim("n", 40.0, Some(130.0)), 1);
    fold.apply(140.0, change("md-2", Some(on("n", 100.0, 131.0, Some(139.0)))), 1);
    // A claim that was made for the pod, and a node that was long there and had no room, change nothing.
    fold.apply(0.0, claim("made", 102.0, Some(190.0)), 1);
    fold.apply(200.0, change("md-3", Some(on("made", 100.0, 191.0, Some(195.0)))), 1);
    assert_eq!(fold.take_started(), [start(StartKind::Cold, 99.0)], "seen Ready at first");
    fold.apply(100.0, change("md-4", Some(waiting(100.0))), 1);
    fold.apply(200.0, change("md-4", Some(on("made", 100.0, 191.0, Some(195.0)))), 1);
    fold.apply(0.0, claim("old", 10.0, Some(50.0)), 1);
    fold.apply(100.0, change("md-5", Some(waiting(100.0))), 1);
    fold.apply(200.0, change("md-5", Some(on("old", 100.0, 151.0, Some(160.0)))), 1);
    assert_eq!(fold.take_started(), [95.0, 60.0].map(|seconds| start(StartKind::Cold, seconds)));
}

#[test]
fn a_pod_may_have_got_the_node_of_one_that_waited_before_it_or_was_given_up_since() {
    let mut fold = started();
    for (name, created) in [("md-2", 100.0), ("md-3", 130.0)] {
        fold.apply(created, change(name, Some(waiting(created))), 1);
    }
    fold.apply(150.0, change("md-2", None), 1);
    fold.take_started();
    let start_of = |fold: &mut Fold, name: &str, created: f64| {
        let [scheduled, ready] = [created + 40.0, created + 44.0];
        fold.apply(scheduled, change(name, Some(on("n", created, scheduled, None))), 1);
        fold.apply(ready, change(name, Some(on("n", created, scheduled, Some(ready)))), 1);
        fold.take_started()
    };
    let behind = |behind| Start { behind, ..start(StartKind::Cold, 44.0) };
    assert_eq!(start_of(&mut fold, "md-3", 130.0), [behind(30.0)]);
    fold.apply(200.0, change("md-4", Some(waiting(200.0))), 1);
    assert_eq!(start_of(&mut fold, "md-4", 200.0), [behind(100.0)], "that of the first may yet come");
    fold.apply(2_000.0, change("md-5", Some(waiting(2_000.0))), 1);
    assert_eq!(start_of(&mut fold, "md-5", 2_000.0), [behind(0.0)], "it has come long since");
    // A claim says when its node was asked for.
    for (name, created) in [("md-6", 3_000.0), ("md-7", 3_030.0)] {
        fold.apply(created, change(name, Some(waiting(created))), 1);
    }
    fold.apply(3_031.0, claim("n", 3_031.0, Some(3_069.0)), 1);
    assert_eq!(start_of(&mut fold, "md-7", 3_030.0), [behind(0.0)]);
}

#[test]
fn a_node_that_came_for_nobody_who_waited_tells_each_workload_once_what_a_wait_would_have_been() {
    let mut fold = started();
    fold.apply(0.0, claim("n", 1_000.0, Some(1_090.0)), 1);
    let usual = start(StartKind::Warm, 9.0);
    let first = [start(StartKind::NewNode, 98.0), usual];
    assert_eq!(warm(&mut fold, "md-2", "n", 1_200.0), first);
    assert_eq!(warm(&mut fold, "md-3", "n", 1_300.0), [usual], "it has taught this workload");
    assert_eq!(warm(&mut fold, "md-4", "unclaimed", 1_400.0), [usual]);
    fold.apply(0.0, claim("old", 1_000.0, Some(1_090.0)), 1);
    assert_eq!(warm(&mut fold, "md-5", "old", 4_700.0), [usual], "that was more than an hour ago");
}

#[test]
fn a_node_that_one_pod_waited_for_teaches_the_next_ones_nothing_new() {
    let mut fold = started();
    fold.apply(0.0, claim("n", 101.0, None), 1);
    fold.apply(100.0, change("md-2", Some(waiting(100.0))), 1);
    fold.apply(190.0, change("md-2", Some(on("n", 100.0, 180.0, Some(188.0)))), 1);
    fold.apply(191.0, claim("n", 101.0, Some(189.0)), 1);
    fold.apply(300.0, change("md-3", Some(on("n", 300.0, 301.0, None))), 1);
    fold.apply(310.0, change("md-3", Some(on("n", 300.0, 301.0, Some(309.0)))), 1);
    assert_eq!(fold.take_started(), [start(StartKind::Cold, 88.0), start(StartKind::Warm, 9.0)]);
}

#[test]
fn how_far_nodes_have_come_is_told_once_and_those_that_never_did_have_failed() {
    let mut fold = started();
    // What had happened before it was first seen is not told again.
    fold.apply(0.0, claim("old", 10.0, Some(50.0)), 1);
    for initialized in [None, None, Some(190.0), Some(190.0)] {
        fold.apply(0.0, claim("n", 100.0, initialized), 1);
    }
    let told: Vec<_> = fold.take_nodes().into_iter().map(|start| (start.pool, start.outcome)).collect();
    let reached = |phase, seconds| ("gpu".into(), NodeOutcome::Reached(phase, seconds));
    assert_eq!(told, [reached(NodePhase::Registered, 89.0), reached(NodePhase::Initialized, 90.0)]);
    fold.apply(0.0, claim("failed", 200.0, None), 1);
    fold.apply(0.0, claim("unseen", 200.0, None), 1);
    for node in ["old", "n", "failed", "failed"] {
        fold.apply(300.0, gone(node), 1);
    }
    fold.sweep(300.0, "NodeClaim", None, 2);
    let told: Vec<_> = fold.take_nodes().into_iter().map(|start| start.outcome).collect();
    assert_eq!(told, [NodeOutcome::Failed], "of what a list lacks nobody knows what came of it");
}

#[test]
fn the_newest_node_of_a_workload_is_known_in_whatever_order_pods_and_claims_are_heard_of() {
    let newest = |fold: &mut Fold| only(&fold.take_news()).newest_node;
    let wanted = |created, seconds| {
        Some(NewestNode { pool: "gpu".into(), instance_type: Some("g6".into()), created, seconds })
    };
    let ready = |node| change("md-2", Some(on(node, 100.0, 190.0, Some(195.0))));
    // The claim is last to tell that the node has come.
    let mut fold = started();
    fold.apply(0.0, claim("n", 101.0, None), 1);
    fold.apply(195.0, ready("n"), 1);
    assert_eq!(newest(&mut fold), None);
    fold.apply(196.0, claim("n", 101.0, Some(191.0)), 1);
    assert_eq!(newest(&mut fold), wanted(101.0, 90.0));
    // At a start the pods are listed before the claims.
    let mut fold = started();
    fold.apply(195.0, ready("n"), 1);
    assert_eq!(newest(&mut fold), None);
    fold.apply(195.0, claim("n", 101.0, Some(191.0)), 3);
    fold.sweep(195.0, "NodeClaim", None, 3);
    assert_eq!(newest(&mut fold), wanted(101.0, 90.0));
    // An older one does not take its place, and it is remembered when all are gone.
    fold.apply(0.0, claim("old", 50.0, Some(60.0)), 3);
    fold.apply(200.0, change("md-3", Some(on("old", 190.0, 191.0, None))), 1);
    fold.apply(300.0, gone("n"), 3);
    fold.apply(300.0, change("md-2", None), 1);
    assert_eq!(newest(&mut fold), wanted(101.0, 90.0));
}
