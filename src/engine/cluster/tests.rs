use serde_json::json;

use super::*;
use crate::{
    answers::NoAnswer,
    engine::bench::{Bench, held, name, nothing},
    forecast::lead::{Asked, Start},
    series::Sample,
    sizing::Undecided,
    workloads::{Change, ClaimRecord, News, PodRecord, SCALED_OBJECT},
};

#[test]
fn a_trigger_seen_in_kubernetes_is_a_ref_that_starts_from_the_replicas_that_are_there() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).pods().see(Sight::Clear).sample(&nothing());
    let row = bench.row();
    assert_eq!(row.entry.caller(), Caller::Cluster);
    assert_eq!((row.answer.unwrap().target, row.entry.last_asked()), (4, None));
    assert_eq!(row.sighting.unwrap().workload.max, Some(9));
}

#[test]
fn before_the_first_list_a_ref_without_a_target_waits_for_half_a_minute_and_no_longer() {
    let mut bench = Bench::new();
    bench.call().sample(&nothing());
    for _ in 0..2 {
        assert_eq!(bench.row().answer, Err(NoAnswer::Undecided(Undecided::NotListed, None)));
        bench.after(29.0);
    }
    let decision = bench.sample(&nothing()).row().answer.unwrap();
    assert_eq!(decision.target, 0);
    assert!(decision.why.to_string().contains("workers=?"), "{}", decision.why);
}

#[test]
fn a_ref_that_is_called_for_before_its_object_was_seen_waits_a_moment_for_its_replicas() {
    let mut bench = Bench::new();
    bench.see(Sight::Clear).call().sample(&nothing());
    assert_eq!(bench.row().answer, Err(NoAnswer::WorkloadPending));
    bench.after(1.0).object(&json!({ "queue": "md" })).pods();
    assert!(bench.engine.see(&bench.fold.take_news(), Sight::Clear, bench.now), "a call waits for this tick");
    assert_eq!(bench.target(), 4);
    bench.after(1.0).pod("md-1", true, true);
    assert!(!bench.engine.see(&bench.fold.take_news(), Sight::Clear, bench.now), "and for no later one");
}

#[test]
fn a_ref_whose_workload_is_not_to_be_seen_is_answered_without_it_after_three_seconds() {
    let mut bench = Bench::new();
    bench.see(Sight::Clear).call().sample(&nothing());
    for _ in 0..3 {
        assert_eq!(bench.row().answer, Err(NoAnswer::WorkloadPending));
        bench.after(1.0);
    }
    let decision = bench.row().answer.unwrap();
    assert_eq!(decision.target, 0);
    assert!(decision.why.to_string().contains("workers=?"), "{}", decision.why);
}

#[test]
fn an_edited_trigger_keeps_the_target_and_the_old_one_expires() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).pods().see(Sight::Clear).sample(&nothing());
    assert_eq!(bench.target(), 4);
    bench.object(&json!({ "queue": "md", "policy": "default" })).see(Sight::Clear);
    bench.engine.tick(bench.now);
    let table = bench.answers.load_newest();
    let callers: Vec<_> = table.rows.iter().flatten().map(|row| row.entry.caller()).collect();
    assert_eq!(callers, [Caller::Keda, Caller::Cluster]);
    assert!(table.rows.iter().flatten().all(|row| row.answer.as_ref().unwrap().target == 4));
    bench.after(4000.0).sample(&nothing());
    assert_eq!(bench.row().entry.caller(), Caller::Cluster);
}

#[test]
fn a_trigger_that_is_wrong_or_that_may_not_is_told_and_no_ref() {
    let mut bench = Bench::new();
    for (metadata, wanted) in [
        (json!({ "queue": "secret" }), "does not let namespace chem"),
        (json!({ "queue": "md", "layout": "none" }), "nothing is called"),
    ] {
        let objects = bench.object(&metadata).see(Sight::Clear).objects();
        let traps: Vec<_> = objects.iter().flat_map(ObjectRow::traps).collect();
        let wrong: Vec<_> = traps.iter().filter(|(trap, _)| *trap == "wrong-metadata").collect();
        assert!(matches!(&wrong[..], [(_, what)] if what.contains(wanted)), "{wrong:?}");
    }
    assert!(bench.answers.load().rows.iter().flatten().next().is_none());
    let objects = bench.object(&json!({ "queueFromEnv": "QUEUE" })).see(Sight::Clear).objects();
    assert_eq!(objects[0].faults, [], "what KEDA takes from the environment is not known");
}

#[test]
fn a_cluster_out_of_sight_is_unknown_and_not_zero() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).see(Sight::Clear).sample(&nothing());
    assert!(bench.row().answer.unwrap().why.to_string().contains("workers=0+4"));
    let row = bench.see(Sight::Lost).row();
    assert!(row.answer.unwrap().why.to_string().contains("workers=?") && row.sighting.is_none());
}

#[test]
fn jobs_on_terminating_pods_ask_for_nobody_and_those_of_pods_that_went_are_stuck() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).pod("md-1", true, false).pod("md-2", true, false);
    bench.see(Sight::Clear).sample(&held(&["md-1", "md-2"]));
    bench.row();
    bench.after(100.0).sample(&held(&["md-1", "md-2"]));
    assert_eq!(bench.target(), 2);
    bench.pod("md-2", true, true).see(Sight::Clear).after(100.0).sample(&held(&["md-1", "md-2"]));
    let decision = bench.row().answer.unwrap();
    let depth = decision.why.depth.unwrap();
    assert_eq!(
        (decision.target, depth.draining, depth.busy_workers),
        (2, 1, Some(1)),
        "replaced, not given up"
    );
    bench.pod("md-2", false, true).see(Sight::Clear).after(100.0).sample(&held(&["md-1", "md-2"]));
    let depth = bench.row().answer.unwrap().why.depth.unwrap();
    assert_eq!((depth.stuck, depth.draining, depth.busy_workers), (1, 0, Some(1)));
}

#[test]
fn the_scaled_objects_maximum_binds_and_is_said() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).see(Sight::Clear);
    bench.sample(&Sample { waiting: Some(50), in_flight: Some(0), ..Sample::default() });
    let decision = bench.row().answer.unwrap();
    assert_eq!((decision.target, decision.why.object_max), (9, true));
    assert!(decision.why.to_string().contains("object_max=9"), "{}", decision.why);
}

#[test]
fn news_without_an_object_takes_its_refs_hold() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).see(Sight::Clear);
    let gone = News { seen: Vec::new(), gone: vec![name(SCALED_OBJECT, "so")] };
    bench.engine.see(&gone, Sight::Clear, bench.now);
    assert_eq!(bench.row().entry.caller(), Caller::Keda);
    assert!(bench.objects().is_empty());
}

#[test]
fn a_ref_learns_once_from_pods_that_give_up_and_from_nodes_that_came_before_them() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).pods().see(Sight::Clear).sample(&nothing());
    let lead = |bench: &Bench| bench.engine.active.iter().flatten().next().unwrap().state.lead.clone();
    let mut wanted = lead(&bench);
    let fresh = PodRecord { created: bench.now, ready: None, node: None, ..Bench::ready_pod() };
    bench.pod_as("md-5", Some(fresh.clone())).after(60.0).pod_as("md-5", None).see(Sight::Clear);
    wanted.given_up(60.0, Asked::Beside);
    assert_eq!(lead(&bench), wanted);

    let claim = ClaimRecord {
        pool: "gpu".into(),
        instance_type: None,
        node: Some("new".into()),
        created: 900.0,
        launched: None,
        registered: None,
        initialized: Some(990.0),
    };
    bench.fold.apply(bench.now, Change::Claim("gpu-1".into(), Some(claim)), 1);
    let on_it = PodRecord { scheduled: Some(1001.0), node: Some("new".into()), ..fresh };
    let ready = PodRecord { ready: Some(1009.0), ..on_it.clone() };
    bench.pod_as("md-6", Some(on_it)).pod_as("md-6", Some(ready)).see(Sight::Clear).see(Sight::Clear);
    wanted.started(Start::Warm, 9.0, Asked::Beside);
    wanted.node_came(98.0);
    assert_eq!(lead(&bench), wanted);
}
