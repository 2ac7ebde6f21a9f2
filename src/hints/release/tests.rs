use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::{
    config::hints::HintMode,
    hints::testing::{Asked, Played},
};

fn begin(mode: HintMode) -> (Played, JoinHandle<Result<Released, String>>) {
    let played = Played::new();
    let (client, clock) = (played.part.client.clone(), played.part.clock.clone());
    let config = HintsConfig { mode, victims: true, ..HintsConfig::default() };
    let task = tokio::spawn(async move { release(client, &config, &[], clock.as_ref()).await });
    (played, task)
}

fn lease(holder: &str, version: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "foresail", "namespace": "foresail", "resourceVersion": version },
        "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 4 },
    })
}

fn list(items: &[Value]) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items })
}

fn buffer(name: &str, replicas: u32, manager: &str) -> Value {
    json!({
        "apiVersion": "autoscaling.x-k8s.io/v1beta1", "kind": "CapacityBuffer",
        "metadata": { "name": name, "namespace": "chem", "uid": name, "managedFields": [{ "manager": manager }] },
        "spec": { "podTemplateRef": { "name": name }, "replicas": replicas },
    })
}

/// The Lease goes over, and is renewed twice while whoever held it finds out.
async fn taken(played: &mut Played) {
    let read = played.asked().await;
    assert_eq!(read.method, "GET");
    read.answer(200, &lease("one-of-them", "7"));
    let began = played.part.clock.now();
    for version in ["8", "9", "10"] {
        let write = played.asked().await;
        assert_eq!((write.method.as_str(), &write.path), ("PUT", &read_path()));
        let me = write.body["spec"]["holderIdentity"].as_str().unwrap().to_owned();
        assert_ne!(me, "one-of-them");
        write.answer(200, &lease(&me, version));
    }
    let waited = played.part.clock.now() - began;
    assert!(waited >= 10.0, "{waited} s: whoever held it may still write");
}

fn read_path() -> String {
    "/apis/coordination.k8s.io/v1/namespaces/foresail/leases/foresail".to_owned()
}

async fn next(played: &mut Played, method: &str, path: &str) -> Asked {
    let asked = played.asked().await;
    assert_eq!((asked.method.as_str(), asked.path.as_str()), (method, path));
    asked
}

const BUFFERS: &str = "/apis/autoscaling.x-k8s.io/v1beta1/capacitybuffers";

#[tokio::test(start_paused = true)]
async fn the_lease_is_taken_and_then_all_room_and_all_costs_are_given_up() {
    let (mut played, task) = begin(HintMode::CapacityBuffer);
    taken(&mut played).await;
    let all = [buffer("a", 3, "foresail-hints"), buffer("b", 0, "foresail-hints"), buffer("c", 2, "kubectl")];
    next(&mut played, "GET", BUFFERS).await.answer(200, &list(&all));
    let zeroed =
        next(&mut played, "PATCH", "/apis/autoscaling.x-k8s.io/v1beta1/namespaces/chem/capacitybuffers/a")
            .await;
    assert_eq!(zeroed.body["spec"]["replicas"], 0);
    zeroed.answer(200, &buffer("a", 0, "foresail-hints"));
    next(&mut played, "GET", BUFFERS).await.answer(200, &list(&[]));
    next(&mut played, "GET", "/apis/apps/v1/deployments").await.refuse(403, "Forbidden");
    let pod = |name: &str, manager: &str| {
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": name, "namespace": "chem", "annotations": { DELETION_COST: "-1" }, "managedFields": [{ "manager": manager }],
        } })
    };
    let pods = list(&[pod("md-1", COST_MANAGER), pod("md-2", "kubectl")]);
    next(&mut played, "GET", "/api/v1/pods").await.answer(200, &pods);
    let patched = next(&mut played, "PATCH", "/api/v1/namespaces/chem/pods/md-1").await;
    assert_eq!(patched.body["metadata"]["annotations"][DELETION_COST], Value::Null);
    patched.answer(200, &pod("md-1", COST_MANAGER));
    let released = task.await.unwrap().unwrap();
    assert_eq!((released.done.len(), released.failed.as_slice()), (2, &[][..]), "{released:?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_lease_nothing_is_written() {
    let (mut played, task) = begin(HintMode::CapacityBuffer);
    played.asked().await.refuse(403, "Forbidden");
    let error = task.await.unwrap().unwrap_err();
    assert!(error.contains("get, create and update of leases"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_given_up_is_told_and_the_rest_is_done() {
    let (mut played, task) = begin(HintMode::CapacityBuffer);
    taken(&mut played).await;
    next(&mut played, "GET", BUFFERS).await.answer(200, &list(&[buffer("a", 3, "foresail-hints")]));
    let path = "/apis/autoscaling.x-k8s.io/v1beta1/namespaces/chem/capacitybuffers/a";
    next(&mut played, "PATCH", path).await.refuse(403, "Forbidden");
    next(&mut played, "GET", BUFFERS).await.refuse(403, "Forbidden");
    next(&mut played, "GET", "/apis/apps/v1/deployments").await.refuse(403, "Forbidden");
    next(&mut played, "GET", "/api/v1/pods").await.answer(200, &list(&[]));
    let released = task.await.unwrap().unwrap();
    assert_eq!(released.done, Vec::<String>::new());
    assert!(released.failed[0].contains("a right is missing"), "{released:?}");
}
