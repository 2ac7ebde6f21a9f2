//! Foresail under the real thing: Kubernetes's control plane and KEDA as plain processes on loopback.
//!
//! `make test-cluster` runs the scenarios; tests/cluster/README.md says the rest.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]
#![allow(clippy::float_cmp, reason = "the values compared are whole numbers of workers")]

mod api;
mod cost;
mod crowd;
mod foresail;
mod helm;
mod jobs;
mod manifests;
mod metrics;
mod mirror;
mod proxy;
mod record;
mod run;
mod runner;
mod scenarios;
mod side_by_side;
mod stack;
mod tools;
mod up;
mod worker;

#[path = "../../bench/src/machine.rs"]
#[allow(dead_code, reason = "shared with the benchmark")]
mod machine;
#[path = "../serve/foresail.rs"]
#[allow(dead_code, reason = "shared with the tests of the server")]
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        // The process behind a worker pod.
        Some("worker") => worker::main(&arguments[1..]),
        Some("mirror") => mirror::main(&arguments[1..]),
        Some("up") => up::up(),
        Some("side-by-side") => side_by_side::side_by_side(&arguments[1..]),
        Some("record") => record::main(&arguments[1..]),
        _ => run::run(),
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() {
    let on = |kind| signal(kind).expect("signals can be caught");
    let (mut interrupt, mut terminate) = (on(SignalKind::interrupt()), on(SignalKind::terminate()));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
