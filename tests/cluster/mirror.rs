//! A small web server that shows what its pod was started with, to hold the runner to the pod's spec.

use std::{fs, io, net::SocketAddr, process::ExitCode};

use axum::{Json, Router, extract::Path, http::StatusCode, routing::get};
use clap::Parser;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Arguments of `mirror`.
#[derive(Debug, Parser)]
#[command(name = "mirror")]
struct Options {
    #[arg(long)]
    listen: SocketAddr,
    /// Shown, and nothing else.
    rest: Vec<String>,
}

type Answer<T> = Result<T, (StatusCode, String)>;

/// Runs it with the arguments behind `mirror`.
pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let options = Options::parse_from(std::iter::once("mirror").chain(arguments.iter().map(String::as_str)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts");
    runtime.block_on(async {
        let listener = TcpListener::bind(options.listen).await.expect("the pod's address is free");
        axum::serve(listener, router(options.rest)).await.expect("it serves until it is killed");
    });
    ExitCode::SUCCESS
}

fn router(arguments: Vec<String>) -> Router {
    Router::new()
        .route("/", get(async move || Json(facts(&arguments))))
        .route("/file/{*path}", get(read).put(write))
}

fn facts(arguments: &[String]) -> Value {
    let environment: serde_json::Map<String, Value> =
        std::env::vars().map(|(name, value)| (name, value.into())).collect();
    // Uid, Gid, Groups, CapEff, CapBnd, NoNewPrivs and more.
    let process = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let process: serde_json::Map<String, Value> = process
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ").into()))
        .collect();
    let folder = std::env::current_dir().ok();
    json!({ "arguments": arguments, "environment": environment, "process": process, "folder": folder })
}

async fn read(Path(path): Path<String>) -> Answer<String> {
    refused(fs::read_to_string(format!("/{path}")))
}

async fn write(Path(path): Path<String>, text: String) -> Answer<()> {
    refused(fs::write(format!("/{path}"), text))
}

fn refused<T>(result: io::Result<T>) -> Answer<T> {
    result.map_err(|error| (StatusCode::FORBIDDEN, error.to_string()))
}
