//! What the binary can do; each command wires the rooms that it needs.

mod decide;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// A predictive KEDA external scaler for scientific job queues in Redis and Postgres.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Decide as a filter: one queue and one ref, JSON lines in, JSON lines out.
    Decide {
        /// A file (YAML) that holds one policy: the keys that stand under a name in `policies:`.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
}

impl Cli {
    /// Runs the command that was asked for.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Decide { policy } => decide::run(policy.as_deref()),
        }
    }
}
