//! The harness: what Foresail costs on this machine, and what its peers do.

mod compare;
mod forecast;
mod import;
mod load;
mod memory;
mod report;
mod sample;
mod simulate;
mod speed;
mod tick;
mod tune;

mod cores;
mod logs;
mod machine;
mod peer;
mod rooms;
mod serve;
mod store;
mod table;
mod world;

use std::process::ExitCode;

use cap::Cap;
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

/// The allocator that `foresail` ships with, with its bytes counted; both servers that are written in Rust
/// carry it when they are measured.
#[global_allocator]
static ALLOCATOR: Cap<MiMalloc> = Cap::new(MiMalloc, usize::MAX);

/// What Foresail costs, as tables in Markdown.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All of the following in a short form, as one report: some minutes.
    All,
    /// Latency and throughput of GetMetrics, beside a bare tonic server and a grpc-go server.
    Load(load::Args),
    /// Time and round trips to read real stores, and connections to them.
    Sample(sample::Args),
    /// Time and allocations of a whole tick.
    Tick(tick::Args),
    /// Resident memory of the serving process.
    Memory(memory::Args),
    /// Time and quality of forecasts, beside libraries that forecast series; each part of a decision alone.
    Forecast(forecast::Args),
    /// What Foresail would have done on real job logs, beside KEDA and others.
    Compare(compare::Args),
    /// The policy that would have served job logs best, as a file.
    Tune(tune::Args),
    /// Puts the states of the shards of `tune` together.
    Merge(tune::merge::Args),
    /// The same as a page for everybody, with plots: one HTML file.
    Report(report::Args),
    /// How fast the simulator is, beside a bare loop of events.
    Speed(speed::Args),
    /// One run of a scenario, a log or a load shape, step by step, and whether its bounds hold.
    Simulate(simulate::Args),
    /// Job logs out of a Postgres, a Prometheus, a file or a load shape, as CSV.
    Import(import::Args),
    /// Runs `foresail` itself, with these arguments.
    #[command(hide = true)]
    Foresail(foresail::commands::Cli),
    /// Serves Foresail on an embedded source until standard input ends.
    #[command(hide = true)]
    ServeForesail,
    /// Serves constants with tonic until standard input ends.
    #[command(hide = true)]
    ServeBare,
}

fn main() -> anyhow::Result<ExitCode> {
    let command = Cli::parse().command;
    let done = |()| ExitCode::SUCCESS;
    let report = match command {
        Command::All => all()?,
        Command::Load(args) => load::run(&args)?.to_string(),
        Command::Sample(args) => sample::run(&args)?.to_string(),
        Command::Tick(args) => tick::run(&args)?.to_string(),
        Command::Memory(args) => memory::run(&args)?.to_string(),
        Command::Forecast(args) => forecast::run(&args)?.to_string(),
        Command::Speed(args) => speed::run(&args)?.to_string(),
        // Simulated time is the same on every machine.
        Command::Compare(args) => return print(&compare::run(&args)?.to_string()).map(done),
        Command::Tune(args) => return print(&tune::run(&args)?).map(done),
        Command::Merge(args) => return tune::merge::run(&args).map(done),
        Command::Report(args) => return print(&report::run(&args)?).map(done),
        Command::Simulate(args) => {
            let simulated = simulate::run(&args)?;
            print(&simulated.to_string())?;
            return simulated.check().map(done);
        }
        Command::Import(args) => return import::run(&args).map(done),
        Command::Foresail(foresail) => return Ok(foresail.run()),
        Command::ServeForesail => return serve::foresail().map(done),
        Command::ServeBare => return serve::bare().map(done),
    };
    print(&format!("{}\n\n{report}", machine::line())).map(done)
}

#[expect(clippy::unnecessary_wraps, reason = "the last thing that main does")]
#[expect(clippy::print_stdout, reason = "the report is what the command is for")]
fn print(report: &str) -> anyhow::Result<()> {
    println!("{report}");
    Ok(())
}

/// Everything in its short form.
fn all() -> anyhow::Result<String> {
    let load = load::run(&load::Args::parse_from(["load", "--seconds", "1", "--rounds", "3"]))?;
    let sample = sample::run(&sample::Args::parse_from(["sample"]))?;
    let tick = tick::run(&tick::Args::parse_from(["tick", "--seconds", "2", "--arrivals", "0.1"]))?;
    let memory = memory::run(&memory::Args::parse_from(["memory"]))?;
    Ok(format!("{load}\n{sample}\n{tick}\n{memory}"))
}
