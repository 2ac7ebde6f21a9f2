use std::{
    io,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tower_test::mock::{Handle, pair};

use super::*;
use crate::{answers::Answers, clock::Clock, config::hints::HintsConfig, telemetry::Metrics};

/// The paused time of the runtime, which goes on to the next timer when everybody waits.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> f64 {
        1e9 + self.0.elapsed().as_secs_f64()
    }
}

/// One who contends, before an API server that the test plays.
struct Scene {
    server: Handle<Request<Body>, Response<Body>>,
    part: Part,
    task: JoinHandle<()>,
    log: Log,
    _logging: tracing::subscriber::DefaultGuard,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Scene {
    fn start() -> Self {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let logging = tracing::subscriber::set_default(subscriber);
        let (service, server) = pair();
        let clock: Arc<dyn Clock> = Arc::new(Paused(Instant::now()));
        let answers = Arc::new(Answers::default());
        let part = Part {
            client: Client::new(service, "foresail"),
            metrics: Metrics::new(answers.clone(), clock.clone()),
            answers,
            clock,
            config: HintsConfig::default(),
            leadership: Leadership::default(),
            stop: CancellationToken::new(),
        };
        let task = tokio::spawn(run(part.clone()));
        Self { server, part, task, log, _logging: logging }
    }

    /// The next request, as METHOD and body, and what answers it.
    async fn asked(&mut self) -> (String, Value, tower_test::mock::SendResponse<Response<Body>>) {
        let (request, answer) = self.server.next_request().await.unwrap();
        let (parts, body) = request.into_parts();
        assert!(parts.uri.path().starts_with("/apis/coordination.k8s.io/v1/namespaces/foresail/leases"));
        let body = body.collect_bytes().await.unwrap();
        (parts.method.to_string(), serde_json::from_slice(&body).unwrap_or_default(), answer)
    }

    /// Answers the next request, which must be of this method, and gives its body.
    async fn answer(&mut self, method: &str, status: u16, answer: Value) -> Value {
        let (asked, body, send) = self.asked().await;
        assert_eq!(asked, method, "{body}");
        send.send_response(response(status, &answer));
        body
    }

    /// Takes the write that comes next, as an API server does.
    async fn take(&mut self, method: &str, version: &str) -> Value {
        let (asked, mut body, send) = self.asked().await;
        assert_eq!(asked, method, "{body}");
        let written = body.clone();
        body["metadata"]["resourceVersion"] = version.into();
        send.send_response(response(200, &body));
        written
    }

    async fn becomes_holder(&mut self) {
        self.answer("GET", 404, failure(404, "NotFound")).await;
        self.take("POST", "1").await;
        // The answer is taken in before the next request.
        let (method, _, send) = self.asked().await;
        assert_eq!(method, "PUT");
        send.send_error(io::Error::other("reset"));
        assert!(self.held(), "{}", self.said());
    }

    fn held(&self) -> bool {
        self.part.leadership.is_held(self.part.clock.now())
    }

    fn me(&self) -> &str {
        self.part.leadership.me()
    }

    fn said(&self) -> String {
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
    }
}

fn response(status: u16, body: &Value) -> Response<Body> {
    let body = Body::from(body.to_string().into_bytes());
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}

fn failure(code: u16, reason: &str) -> Value {
    let message = format!("the server says {reason}");
    json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message })
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
    scene.answer("GET", 200, lease("7", "")).await;
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
    scene.answer("GET", 404, failure(404, "NotFound")).await;
    scene.answer("POST", 409, failure(409, "AlreadyExists")).await;
    let began = Instant::now();
    scene.answer("GET", 200, lease("1", "another")).await;
    assert_eq!(began.elapsed(), Duration::ZERO, "a lost race is looked at at once");
    // It renews nothing, and its time runs from when it was seen.
    let (method, body) = loop {
        let (method, body, send) = scene.asked().await;
        if method != "GET" {
            break (method, body);
        }
        assert!(!scene.held());
        send.send_response(response(200, &lease("1", "another")));
    };
    assert_eq!((method.as_str(), &body["metadata"]["resourceVersion"]), ("PUT", &json!("1")));
    assert_eq!(began.elapsed(), Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_cannot_be_renewed_ends_before_another_can_take_it() {
    let mut scene = Scene::start();
    scene.answer("GET", 404, failure(404, "NotFound")).await;
    let began = Instant::now();
    scene.take("POST", "1").await;
    let mut term_ended = None;
    // One hangs, one is refused, and so on.
    for turn in 0.. {
        let (_, _, send) = scene.asked().await;
        if turn % 2 == 0 {
            std::mem::forget(send);
        } else {
            send.send_response(response(500, &failure(500, "InternalError")));
        }
        if !scene.held() {
            term_ended = Some(began.elapsed());
            break;
        }
    }
    let ended = term_ended.unwrap();
    assert!((Duration::from_secs(10)..Duration::from_secs(15)).contains(&ended), "{ended:?}");
    assert!(scene.said().contains("this replica writes to Kubernetes no more"), "{}", scene.said());

    // The API server is well again: the Lease is still its own, and the term another.
    assert_eq!(scene.part.leadership.term(), 1);
    loop {
        let (method, mut body, send) = scene.asked().await;
        if method == "GET" {
            send.send_response(response(200, &lease("1", &scene.me().to_owned())));
        } else {
            body["metadata"]["resourceVersion"] = "2".into();
            send.send_response(response(200, &body));
            break;
        }
    }
    scene.take("PUT", "3").await;
    assert!(scene.held());
    assert_eq!(scene.part.leadership.term(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_is_said_once() {
    let mut scene = Scene::start();
    for _ in 0..5 {
        scene.answer("GET", 403, failure(403, "Forbidden")).await;
    }
    scene.answer("GET", 404, failure(404, "NotFound")).await;
    scene.take("POST", "1").await;
    scene.take("PUT", "2").await;
    let said = scene.said();
    let wanted = "it wants a Role in namespace foresail with get, create and update of leases";
    assert_eq!(said.matches(wanted).count(), 1, "{said}");
    assert_eq!(said.matches("the Lease can be had again").count(), 1, "{said}");
    assert!(scene.held());
}

#[tokio::test(start_paused = true)]
async fn it_is_given_up_within_a_second_whatever_was_on_its_way() {
    let mut scene = Scene::start();
    scene.becomes_holder().await;
    scene.part.stop.cancel();
    let began = Instant::now();
    let me = scene.me().to_owned();
    // The renewal had gone through, and its answer was lost.
    scene.answer("GET", 200, lease("2", &me)).await;
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
    scene.part.stop.cancel();
    let began = Instant::now();
    let (_, _, _hanging) = scene.asked().await;
    (&mut scene.task).await.unwrap();
    assert_eq!(began.elapsed(), FAREWELL);
    assert!(!scene.held());
    assert!(scene.said().contains("it ends by itself"), "{}", scene.said());
}

#[tokio::test(start_paused = true)]
async fn who_never_held_it_gives_nothing_up() {
    let mut scene = Scene::start();
    scene.answer("GET", 200, lease("1", "another")).await;
    scene.part.stop.cancel();
    scene.task.await.unwrap();
}
