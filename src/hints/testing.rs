//! For the tests of this room: an API server that the test plays, in the runtime's paused time.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::http::{Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower_test::mock::{Handle, SendResponse, pair};

use crate::{
    answers::Answers,
    clock::Clock,
    config::hints::HintsConfig,
    hints::{Leadership, Part},
    telemetry::Metrics,
};

/// The paused time of the runtime, which goes on to the next timer when everybody waits.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> f64 {
        1e9 + self.0.elapsed().as_secs_f64()
    }
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

/// What a part needs, before an API server that the test plays, and the log.
pub(super) struct Stage {
    pub(super) part: Part,
    log: Log,
    _logging: tracing::subscriber::DefaultGuard,
}

/// The API server's side of a client.
pub(super) type Server = Handle<Request<Body>, Response<Body>>;

impl Stage {
    /// One on which nothing has happened yet.
    pub(super) fn new(config: HintsConfig) -> (Self, Server) {
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
            config,
            leadership: Leadership::default(),
            stop: CancellationToken::new(),
        };
        (Self { part, log, _logging: logging }, server)
    }

    /// What was logged.
    pub(super) fn said(&self) -> String {
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
    }
}

/// An API server that is asked one thing after the other.
pub(super) struct Played {
    server: Server,
    pub(super) part: Part,
    stage: Stage,
}

/// One request.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Value,
    answer: SendResponse<Response<Body>>,
}

impl Played {
    /// One that nothing was asked yet.
    pub(super) fn new() -> Self {
        let (stage, server) = Stage::new(HintsConfig::default());
        Self { server, part: stage.part.clone(), stage }
    }

    /// The next request.
    pub(super) async fn asked(&mut self) -> Asked {
        let (request, answer) = self.server.next_request().await.unwrap();
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        Asked {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            answer,
        }
    }

    /// What was logged.
    pub(super) fn said(&self) -> String {
        self.stage.said()
    }
}

impl Asked {
    /// Answers it.
    pub(super) fn answer(self, status: u16, body: &Value) {
        let body = Body::from(body.to_string().into_bytes());
        let response = Response::builder().status(status).header("content-type", "application/json");
        self.answer.send_response(response.body(body).unwrap());
    }

    /// Refuses it.
    pub(super) fn refuse(self, code: u16, reason: &str) {
        let message = format!("the server says {reason}");
        self.answer(
            code,
            &json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message }),
        );
    }

    /// Breaks the connection.
    pub(super) fn reset(self) {
        self.answer.send_error(io::Error::other("reset"));
    }
}
