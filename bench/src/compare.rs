//! `foresail-bench compare`: what Foresail would have done on real job logs, beside what others would have.

pub(crate) mod contender;
pub(crate) mod field;
mod judge;
mod others;
pub(crate) mod play;
mod report;
mod stats;

use std::{fmt::Display, fs, path::PathBuf};

use anyhow::{Context as _, ensure};
use clap::Parser;
use foresail::sim::job_log::Transform;

use self::{
    field::Field,
    play::{Case, Played},
    report::Report,
};

/// What is to be compared.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// A job log: SWF, or CSV with the usual columns, gzipped or not; several may be given.
    #[arg(long = "log", required = true, value_name = "FILE")]
    logs: Vec<PathBuf>,
    /// Change the logs before they are played; may be given several times (docs/bench/logs.md).
    #[arg(long = "cut", value_name = "TRANSFORM")]
    cuts: Vec<Transform>,
    /// Days of each log that are played: those with the most jobs; 0 for all.
    #[arg(long, default_value_t = 40)]
    days: u32,
    /// Days at the beginning that are not counted.
    #[arg(long, default_value_t = 12)]
    warm_up: u32,
    /// Foresail's policies, each a file with the keys of one policy. Without, the defaults.
    #[arg(long = "policy", value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// Whom to compare with.
    #[arg(long, value_enum, default_value_t = Field::All)]
    field: Field,
    #[command(flatten)]
    worlds: play::Worlds,
    /// What a second of waiting is worth, in worker-seconds: for the choice of the best opponent, and for the
    /// column that adds up waits and costs.
    #[arg(long, default_value_t = 3.0)]
    worth: f64,
    /// Where every single result is written, as JSON Lines.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// No progress on standard error.
    #[arg(long)]
    no_progress: bool,
}

/// Plays all logs in all worlds by all contenders.
///
/// # Errors
/// Where a log or a policy cannot be read, or a file not be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<impl Display + use<>> {
    ensure!(args.worth.is_finite() && args.worth >= 0.0, "--worth is a number, 0 or more");
    let cases = Case::all(&args.logs, &args.cuts, args.days, args.warm_up, &args.worlds)?;
    let contenders = args.field.contenders(&args.policies, args.worlds.max)?;
    let played = Played::all(cases, contenders, !args.no_progress);
    if let Some(path) = &args.json {
        fs::write(path, played.json_lines()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Report::new(played, args.worth))
}
