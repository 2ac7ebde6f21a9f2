//! `foresail-bench compare`: what Foresail would have done on real job logs, beside what others would have.

pub(crate) mod contender;
pub(crate) mod field;
mod hints;
pub(crate) mod judge;
mod others;
mod parts;
pub(crate) mod play;
mod report;
pub(crate) mod stats;
mod trade;

use std::{fmt::Display, fs, path::PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use foresail::{sim::job_log::Transform, sizing::Policy};

use self::{
    field::Field,
    play::{Case, Played, Worlds},
};

use self::report::Brief;
pub(crate) use self::{field::default_policy, report::Report};

/// What is to be compared, and where the single results go.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    plays: Plays,
    /// Where every single result is written, as JSON Lines.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only what follows over all logs and worlds.
    #[arg(long)]
    brief: bool,
}

/// What is played, and by whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Plays {
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
    pub(crate) policies: Vec<PathBuf>,
    /// Whom to compare with.
    #[arg(long, value_enum, default_value_t = Field::All)]
    field: Field,
    #[command(flatten)]
    pub(crate) worlds: Worlds,
    /// What a second of waiting is worth, in worker-seconds: for the choice of the best opponent, and for the
    /// column that adds up waits and costs.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) worth: f64,
    /// No progress on standard error.
    #[arg(long)]
    no_progress: bool,
}

impl Plays {
    /// The one policy of Foresail; the defaults where none is given.
    ///
    /// # Errors
    /// Where it cannot be read, or several are given.
    pub(crate) fn policy(&self) -> anyhow::Result<Policy> {
        match self.policies.as_slice() {
            [] => Ok(default_policy()),
            [one] => field::read_policy(one),
            _ => bail!("--policy may be given once here: a ref has one policy"),
        }
    }

    /// Plays all logs in all worlds by all contenders.
    ///
    /// # Errors
    /// Where a log or a policy cannot be read.
    pub(crate) fn play(&self) -> anyhow::Result<Report> {
        ensure!(self.worth.is_finite() && self.worth >= 0.0, "--worth is a number, 0 or more");
        let cases = Case::all(&self.logs, &self.cuts, self.days, self.warm_up, &self.worlds)?;
        let contenders = self.field.contenders(&self.policies, self.worlds.max)?;
        Ok(Report::new(Played::all(cases, contenders, !self.no_progress), self.worth))
    }
}

/// Plays all logs in all worlds by all contenders, and tells what came of it.
///
/// # Errors
/// Where a log or a policy cannot be read, or a file not be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<Box<dyn Display>> {
    let report = args.plays.play()?;
    if let Some(path) = &args.json {
        fs::write(path, report.played.json_lines())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if args.brief { Box::new(Brief(report)) } else { Box::new(report) })
}
