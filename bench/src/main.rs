//! The harness: what Foresail costs on this machine, and what its peers do.

mod load;
mod memory;
mod tick;

mod machine;
mod peer;
mod serve;
mod table;
mod world;

use std::alloc::System;

use clap::{Parser, Subcommand};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts allocations; both servers that are written in Rust carry it when they are measured.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What Foresail costs, as tables in Markdown.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Latency and throughput of GetMetrics, beside a bare tonic server and a grpc-go server.
    Load(load::Args),
    /// Time and allocations of a whole tick.
    Tick(tick::Args),
    /// Resident memory of the serving process.
    Memory(memory::Args),
    /// Serves Foresail on an embedded source until standard input ends.
    #[command(hide = true)]
    ServeForesail,
    /// Serves constants with tonic until standard input ends.
    #[command(hide = true)]
    ServeBare,
}

fn main() -> anyhow::Result<()> {
    let report = match Cli::parse().command {
        Command::Load(args) => load::run(&args)?.to_string(),
        Command::Tick(args) => tick::run(&args)?.to_string(),
        Command::Memory(args) => memory::run(&args)?.to_string(),
        Command::ServeForesail => return serve::foresail(),
        Command::ServeBare => return serve::bare(),
    };
    #[expect(clippy::print_stdout, reason = "the report is what the command is for")]
    {
        println!("{}\n\n{report}", machine::line());
    }
    Ok(())
}
