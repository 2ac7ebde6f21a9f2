//! What is written where the API server is well, absent, slow, or refuses.

mod scene;

use serde_json::{Value, json};

use self::scene::{Scene, Wants, buffer, status};
use crate::{
    answers::{RoomRow, Rooms},
    config::hints::HintMode,
};

const TEMPLATE: &str = "/api/v1/namespaces/chem/podtemplates/foresail-md";

const THREE: Wants = Wants { hint: 3, target: 0, replicas: 0, pods: 0, undecided: false };

const NOTHING: Wants = Wants { hint: 0, ..THREE };

const ASKED: Wants = Wants { hint: 0, target: 3, ..THREE };

/// A buffer that was written before.
fn old(name: &str, replicas: u32, lease: &str) -> Value {
    json!({
        "apiVersion": "autoscaling.x-k8s.io/v1beta1", "kind": "CapacityBuffer",
        "metadata": {
            "name": name, "namespace": "chem", "uid": name,
            "labels": { "foresail/lease": lease, "foresail/for": name },
            "managedFields": [{ "manager": "foresail-hints" }],
        },
        "spec": { "replicas": replicas, "podTemplateRef": { "name": name } },
    })
}

/// What node autoscalers say of the only buffer.
fn say(scene: &Scene, reason: &str) {
    let conditions = json!({ "conditions": [
        { "type": "ReadyForProvisioning", "status": "True", "reason": "Resolved" },
        { "type": "Provisioning", "status": "False", "reason": reason },
    ] });
    scene.server().objects.get_mut(&buffer("foresail-md")).unwrap()["status"] = conditions;
}

#[tokio::test(start_paused = true)]
async fn a_template_and_a_buffer_are_written_once_and_given_up_as_pods_are_seen() {
    let mut scene = Scene::start(HintMode::CapacityBuffer);
    scene.want("md", THREE);
    scene.play(5).await;
    let template = scene.server().objects[TEMPLATE].clone();
    let requests = &template["template"]["spec"]["containers"][0]["resources"]["requests"];
    assert_eq!(*requests, json!({ "cpu": "2", "memory": "4Gi" }));
    let written = scene.server().objects[&buffer("foresail-md")].clone();
    assert_eq!(written["spec"], json!({ "podTemplateRef": { "name": "foresail-md" }, "replicas": 3 }));
    assert_eq!(
        written["metadata"]["ownerReferences"],
        json!([{ "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "md", "uid": "uid-of-md",
            "controller": false, "blockOwnerDeletion": false }])
    );
    assert_eq!(written["metadata"]["labels"]["app.kubernetes.io/managed-by"], "foresail");
    assert!(scene.part.metrics.text().contains("foresail_hint_chunks{name=\"md\",namespace=\"chem\"} 3"));
    assert_eq!(scene.room("md"), Some(RoomRow { chunks: Some(3), due: 3, ..RoomRow::default() }));

    // Nobody knows how soon empty nodes go.
    scene.want("md", ASKED);
    scene.play(10).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(3));
    scene.want("md", Wants { replicas: 3, pods: 2, ..ASKED });
    scene.play(2).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(1));
    scene.want("md", Wants { replicas: 3, pods: 3, ..ASKED });
    scene.play(70).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(0));
    assert_eq!((scene.writes_to("capacitybuffers"), scene.writes_to("podtemplates")), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn where_empty_nodes_stay_it_falls_with_the_target() {
    let mut scene = Scene::start(HintMode::CapacityBuffer);
    let pool = |after: &str| json!({ "metadata": { "name": after }, "spec": { "disruption": { "consolidateAfter": after } } });
    for after in ["5m", "1h"] {
        scene.server().objects.insert(format!("/apis/karpenter.sh/v1/nodepools/{after}"), pool(after));
    }
    scene.want("md", THREE);
    scene.play(3).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(3));
    scene.want("md", ASKED);
    scene.play(1).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(0));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_write_writes_nothing_and_who_may_again_begins_with_what_is_there() {
    let mut scene = Scene::start(HintMode::CapacityBuffer);
    scene.part.leadership.set(0.0, scene.part.clock.now());
    let mine = "foresail.foresail";
    for (name, replicas, lease) in [
        ("foresail-md", 4, mine),
        ("foresail-idle", 2, mine),
        ("foresail-gone", 3, mine),
        ("x", 3, "other.x"),
    ] {
        scene.server().objects.insert(buffer(name), old(name, replicas, lease));
    }
    scene.want("md", THREE);
    scene.want("idle", NOTHING);
    scene.play(30).await;
    assert_eq!(scene.server().writes, []);
    assert_eq!(**scene.part.answers.rooms(), Rooms::Elsewhere);

    scene.part.leadership.set(f64::INFINITY, scene.part.clock.now());
    scene.play(4).await;
    let chunks =
        ["foresail-md", "foresail-idle", "foresail-gone", "x"].map(|name| scene.chunks(&buffer(name)));
    assert_eq!(chunks, [Some(4), Some(0), Some(0), Some(3)], "what is wanted is held, and others' stays");
    scene.play(140).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(3));

    // Whose object goes wants nothing.
    scene.wants.remove("md");
    scene.play(2).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(0));
    assert!(!scene.part.metrics.text().contains("foresail_hint_chunks{name=\"md\""));
}

#[tokio::test(start_paused = true)]
async fn one_who_decides_nothing_yet_keeps_what_is_there_for_five_minutes() {
    let mut scene = Scene::start(HintMode::CapacityBuffer);
    scene.server().objects.insert(buffer("foresail-md"), old("foresail-md", 3, "foresail.foresail"));
    scene.want("md", Wants { undecided: true, ..NOTHING });
    scene.play(290).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(3));
    scene.play(20).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_there_is_said_once_and_looked_for_every_minute() {
    let mut scene = Scene::start(HintMode::CapacityBuffer);
    let absent = Some((404, status(404, "the server could not find the requested resource")));
    scene.server().faults =
        vec![("GET", "capacitybuffers", absent.clone()), ("PATCH", "capacitybuffers", absent)];
    scene.want("md", THREE);
    scene.play(150).await;
    assert_eq!(scene.said("knows no CapacityBuffer"), 1);
    assert!(scene.is_in_trouble("", "crd-absent"));
    assert_eq!(scene.server().writes, []);
    scene.server().faults.clear();
    scene.play(62).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(3));
    assert!(!scene.is_in_trouble("", "crd-absent"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_named_once_and_tried_again() {
    let mut scene = Scene::start(HintMode::CapacityBuffer);
    let right = "cannot patch resource \"capacitybuffers\" in API group \"autoscaling.x-k8s.io\"";
    scene.server().faults = vec![("PATCH", "capacitybuffers", Some((403, status(403, right))))];
    scene.want("md", THREE);
    scene.play(130).await;
    assert_eq!(scene.said("cannot patch resource"), 1);
    assert!(scene.is_in_trouble("md", "forbidden"));
    assert_eq!(scene.writes_to("capacitybuffers"), 3, "once a minute");
    let room = scene.room("md").unwrap();
    assert_eq!((room.chunks, room.due), (None, 3));
    assert!(room.troubles[0].words.contains(right), "{room:?}");
    scene.server().faults.clear();
    scene.play(61).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(3));
    assert!(!scene.is_in_trouble("md", "forbidden"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_late_or_fails_for_one_object_holds_up_no_other() {
    let mut scene = Scene::start(HintMode::CapacityBuffer);
    scene.server().faults = vec![
        ("PATCH", "capacitybuffers/foresail-late", None),
        ("PATCH", "capacitybuffers/foresail-bad", Some((500, status(500, "etcd is gone")))),
    ];
    for name in ["late", "bad", "md"] {
        scene.want(name, THREE);
    }
    scene.play(3).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(3));
    scene.play(57).await;
    assert!(scene.is_in_trouble("late", "unanswered") && scene.is_in_trouble("bad", "unanswered"));
    let tried = scene.writes_to("foresail-bad");
    assert!((4..10).contains(&tried), "it rests longer each time: {tried}");
    scene.server().faults.clear();
    scene.play(31).await;
    let chunks = ["foresail-late", "foresail-bad"].map(|name| scene.chunks(&buffer(name)));
    assert_eq!(chunks, [Some(3), Some(3)]);
    assert!(!scene.is_in_trouble("late", "unanswered"));
}

#[tokio::test(start_paused = true)]
async fn of_an_adopted_buffer_only_the_replicas_are_written_and_taken_from_whoever_set_them() {
    let mut scene = Scene::start(HintMode::Adopt);
    let mut theirs = old("warm", 1, "theirs");
    theirs["metadata"]["labels"] = json!({ "foresail/for": "md" });
    theirs["metadata"]["managedFields"] = json!([{ "manager": "argocd-controller" }]);
    scene.server().objects.insert(buffer("warm"), theirs);
    scene.want("md", THREE);
    scene.want("bare", THREE);
    scene.play(70).await;
    assert!(!scene.is_in_trouble("md", "conflict") && scene.is_in_trouble("bare", "gone"));
    let last = scene.server().writes.last().cloned().unwrap();
    assert_eq!(last.1["spec"], json!({ "replicas": 3 }));
    assert_eq!(last.1["metadata"], json!({ "name": "warm", "namespace": "chem", "uid": "warm" }));
    assert_eq!(scene.writes_to("podtemplates"), 0);
}

#[tokio::test(start_paused = true)]
async fn without_nodes_half_is_asked_for_and_without_a_reader_it_is_said() {
    let mut scene = Scene::start(HintMode::CapacityBuffer);
    scene.want("md", Wants { hint: 4, ..THREE });
    scene.play(50).await;
    assert!(!scene.is_in_trouble("md", "nobody-reconciles"));
    scene.play(40).await;
    assert!(scene.is_in_trouble("md", "nobody-reconciles"));

    // Three times the 40 s of a cold start.
    say(&scene, "RequiresNewCapacity");
    scene.play(110).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(4));
    assert!(!scene.is_in_trouble("md", "nobody-reconciles"));
    scene.play(30).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(2));
    assert!(scene.is_in_trouble("md", "capacity-unavailable"));
    assert_eq!(scene.room("md").unwrap().at_most, Some(2));

    say(&scene, "FitsExistingCapacity");
    scene.play(150).await;
    assert_eq!(scene.chunks(&buffer("foresail-md")), Some(4));
    assert!(!scene.is_in_trouble("md", "capacity-unavailable"));
}

#[tokio::test(start_paused = true)]
async fn placeholders_are_pods_that_give_way_and_that_no_service_finds() {
    let path = "/apis/apps/v1/namespaces/chem/deployments/foresail-md";
    let mut scene = Scene::start(HintMode::Placeholder);
    scene.want("md", THREE);
    scene.play(3).await;
    let written = scene.server().objects[path].clone();
    let spec = &written["spec"];
    assert_eq!(spec["replicas"], 3);
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["priorityClassName"], "foresail-placeholder");
    assert_eq!(pod["terminationGracePeriodSeconds"], 0);
    let labels = &spec["template"]["metadata"]["labels"];
    assert_eq!(labels["foresail/for"], spec["selector"]["matchLabels"]["foresail/for"]);
    assert_eq!(labels.get("app"), None);

    // Another template makes other chunks.
    let target = "/apis/apps/v1/namespaces/chem/deployments/md";
    scene.server().objects.get_mut(target).unwrap()["spec"]["template"]["spec"]["nodeSelector"] =
        json!({ "pool": "gpu" });
    scene.play(62).await;
    let selector = scene.server().objects[path]["spec"]["template"]["spec"]["nodeSelector"].clone();
    assert_eq!(selector, json!({ "pool": "gpu" }));
    scene.want("md", Wants { replicas: 3, pods: 3, ..ASKED });
    scene.play(2).await;
    assert_eq!(scene.chunks(path), Some(0));
}
