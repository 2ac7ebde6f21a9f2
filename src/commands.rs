//! What the binary can do; each command wires the rooms that it needs.

mod check;
mod connect;
mod decide;
mod demo;
mod explain;
mod learn;
mod past;
mod release;
mod serve;
mod state_store;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::telemetry::{self, LogFormat};

/// A predictive KEDA external scaler for scientific job queues in Redis and Postgres.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play a job log through the whole loop: no configuration, no servers, about half a minute.
    Demo(demo::Options),
    /// Answer KEDA: sample the queues, decide, serve gRPC and HTTP.
    Serve {
        /// The configuration (YAML).
        #[arg(long, value_name = "FILE", env = "FORESAIL_CONFIG")]
        config: PathBuf,
        /// An address of this machine that takes the place of those in `grpc.listen` and `http.listen`; their ports stay.
        #[arg(long, value_name = "ADDRESS", env = "FORESAIL_BIND")]
        bind: Option<IpAddr>,
        #[command(flatten)]
        log: Log,
    },
    /// Connect, read every queue once, and say what is wrong.
    Check {
        /// The configuration (YAML).
        #[arg(long, value_name = "FILE", env = "FORESAIL_CONFIG")]
        config: PathBuf,
    },
    /// Say what a running Foresail answers for a ScaledObject or ScaledJob, and why.
    Explain {
        /// The object, as NAMESPACE/NAME.
        #[arg(value_name = "NAMESPACE/NAME")]
        name: String,
        /// Where Foresail's `http.listen` is reached.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
        http: String,
    },
    /// Learn from a queue's past: its job table, a Prometheus or a log.
    Learn(Box<learn::Options>),
    /// Give up what was written to Kubernetes, before Foresail is taken out of the cluster.
    Release {
        /// The configuration (YAML).
        #[arg(long, value_name = "FILE", env = "FORESAIL_CONFIG")]
        config: PathBuf,
    },
    /// Decide as a filter: one queue and one ref, JSON lines in, JSON lines out.
    Decide {
        /// A file (YAML) that holds one policy: the keys that stand under a name in `policies:`.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Log {
    /// How a log line looks.
    #[arg(long, value_name = "FORMAT", default_value = "plain", env = "FORESAIL_LOG_FORMAT")]
    log_format: LogFormat,
    /// What is logged, such as info or foresail=debug,warn.
    #[arg(long, value_name = "FILTER", default_value = "info", env = "FORESAIL_LOG")]
    log_level: String,
}

impl Cli {
    /// Runs the command that was asked for.
    pub fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Demo(options) => demo::run(&options),
            Command::Serve { config, bind, log } => serve(&config, bind, &log),
            Command::Check { config } => check::run(&config),
            Command::Explain { name, http } => explain::run(&name, &http).map(|()| ExitCode::SUCCESS),
            Command::Learn(options) => learn::run(&options).map(|()| ExitCode::SUCCESS),
            Command::Release { config } => release::run(&config),
            Command::Decide { policy } => Ok(decide::run(policy.as_deref())),
        };
        result.unwrap_or_else(|error| {
            eprintln!("foresail: {error:#}");
            ExitCode::FAILURE
        })
    }
}

fn serve(config: &Path, bind: Option<IpAddr>, log: &Log) -> Result<ExitCode> {
    telemetry::start_logging(log.log_format, &log.log_level).map_err(anyhow::Error::msg)?;
    serve::run(config, bind)?;
    Ok(ExitCode::SUCCESS)
}
