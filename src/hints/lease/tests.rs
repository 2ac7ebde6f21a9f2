use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};

use super::*;
use crate::hints::testing::{Asked, Played};

/// One who contends, before an API server that the test plays.
struct Scene {
    played: Played,
    task: JoinHandle<()>,
}

impl Scene {
    fn start() -> Self {
        let played = Played::new();
        let task = tokio::spawn(run(played.part.clone()));
        Self { played, task }
    }

    async fn asked(&mut self) -> Asked {
        let asked = self.played.asked().await;
        assert!(asked.path.starts_with("/apis/coordination.k8s.io/v1/namespaces/foresail/leases"));
        asked
    }

    /// The next request, which must be of this method.
    async fn asked_to(&mut self, method: &str) -> Asked {
        let asked = self.asked().await;
        assert_eq!(asked.method, method, "{}", asked.body);
        asked
    }

    /// Takes the write that comes next, as an API server does, and gives what was written.
    async fn take(&mut self, method: &str, version: &str) -> Value {
        let asked = self.asked_to(method).await;
        let written = asked.body.clone();
        let mut stored = written.clone();
        stored["metadata"]["resourceVersion"] = version.into();
        asked.answer(200, &stored);
        written
    }

    async fn becomes_holder(&mut self) {
        self.asked_to("GET").await.refuse(404, "NotFound");
        self.take("POST", "1").await;
        // The answer is taken in before the next request.
        self.asked_to("PUT").await.reset();
        assert!(self.held(), "{}", self.played.said());
    }

    fn held(&self) -> bool {
        self.played.part.leadership.is_held(self.played.part.clock.now())
    }

    fn me(&self) -> &str {
        self.played.part.leadership.me()
    }
}

fn lease(version: &str, holder: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "foresail", "namespace": "foresail", "resourceVersion": version, "labels": { "team": "hpc" } },
        "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 4 },
    })
}

#[tokio::test(start_paused = true)]
async fn what_others_wrote_into_the_lease_stays() {
    let mut scene = Scene::start();
    scene.asked_to("GET").await.answer(200, &lease("7", ""));
    let written = scene.take("PUT", "8").await;
    assert_eq!(written["metadata"]["resourceVersion"], "7");
    assert_eq!(written["metadata"]["labels"]["team"], "hpc");
    assert_eq!(written["spec"]["leaseTransitions"], 5);
    assert_eq!(written["spec"]["holderIdentity"], scene.me());
    let renewed = scene.take("PUT", "9").await;
    assert!(scene.held());
    assert_eq!(renewed["metadata"]["resourceVersion"], "8");
    assert_eq!(renewed["spec"]["leaseTransitions"], 5);
    assert_eq!(renewed["spec"]["acquireTime"], written["spec"]["acquireTime"]);
    assert_ne!(renewed["spec"]["renewTime"], written["spec"]["renewTime"]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_makes_first_is_the_others() {
    let mut scene = Scene::start();
    scene.asked_to("GET").await.refuse(404, "NotFound");
    scene.asked_to("POST").await.refuse(409, "AlreadyExists");
    let began = Instant::now();
    scene.asked_to("GET").await.answer(200, &lease("1", "another"));
    assert_eq!(began.elapsed(), Duration::ZERO, "a lost race is looked at at once");
    // It renews nothing, and its time runs from when it was seen.
    let write = loop {
        let asked = scene.asked().await;
        if asked.method != "GET" {
            break asked;
        }
        assert!(!scene.held());
        asked.answer(200, &lease("1", "another"));
    };
    assert_eq!((write.method.as_str(), &write.body["metadata"]["resourceVersion"]), ("PUT", &json!("1")));
    assert_eq!(began.elapsed(), Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_cannot_be_renewed_ends_before_another_can_take_it() {
    let mut scene = Scene::start();
    scene.asked_to("GET").await.refuse(404, "NotFound");
    let began = Instant::now();
    scene.take("POST", "1").await;
    // One hangs, one is refused, and so on.
    let mut hanging = Vec::new();
    while scene.held() || hanging.is_empty() {
        let asked = scene.asked().await;
        if hanging.len() % 2 == 0 {
            hanging.push(Some(asked));
        } else {
            asked.refuse(500, "InternalError");
            hanging.push(None);
        }
    }
    let ended = began.elapsed();
    assert!((Duration::from_secs(10)..Duration::from_secs(15)).contains(&ended), "{ended:?}");
    assert!(
        scene.played.said().contains("this replica writes to Kubernetes no more"),
        "{}",
        scene.played.said()
    );

    // The API server is well again: the Lease is still its own, and the term another.
    assert_eq!(scene.played.part.leadership.term(), 1);
    loop {
        let asked = scene.asked().await;
        if asked.method == "GET" {
            asked.answer(200, &lease("1", scene.me()));
        } else {
            let mut stored = asked.body.clone();
            stored["metadata"]["resourceVersion"] = "2".into();
            asked.answer(200, &stored);
            break;
        }
    }
    scene.take("PUT", "3").await;
    assert!(scene.held());
    assert_eq!(scene.played.part.leadership.term(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_is_said_once() {
    let mut scene = Scene::start();
    for _ in 0..5 {
        scene.asked_to("GET").await.refuse(403, "Forbidden");
    }
    scene.asked_to("GET").await.refuse(404, "NotFound");
    scene.take("POST", "1").await;
    scene.take("PUT", "2").await;
    let said = scene.played.said();
    let wanted = "it wants a Role in namespace foresail with get, create and update of leases";
    assert_eq!(said.matches(wanted).count(), 1, "{said}");
    assert_eq!(said.matches("the Lease can be had again").count(), 1, "{said}");
    assert!(scene.held());
}

#[tokio::test(start_paused = true)]
async fn it_is_given_up_within_a_second_whatever_was_on_its_way() {
    let mut scene = Scene::start();
    scene.becomes_holder().await;
    scene.played.part.stop.cancel();
    let began = Instant::now();
    // The renewal had gone through, and its answer was lost.
    scene.asked_to("GET").await.answer(200, &lease("2", scene.me()));
    assert!(!scene.held());
    let written = scene.take("PUT", "3").await;
    assert_eq!(written["spec"]["holderIdentity"], "");
    assert_eq!(written["metadata"]["resourceVersion"], "2");
    scene.task.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_hangs_keeps_no_process_from_ending() {
    let mut scene = Scene::start();
    scene.becomes_holder().await;
    scene.played.part.stop.cancel();
    let began = Instant::now();
    let _hanging = scene.asked().await;
    (&mut scene.task).await.unwrap();
    assert_eq!(began.elapsed(), FAREWELL);
    assert!(!scene.held());
    assert!(scene.played.said().contains("it ends by itself"), "{}", scene.played.said());
}

#[tokio::test(start_paused = true)]
async fn who_never_held_it_gives_nothing_up() {
    let mut scene = Scene::start();
    scene.asked_to("GET").await.answer(200, &lease("1", "another"));
    scene.played.part.stop.cancel();
    scene.task.await.unwrap();
}
