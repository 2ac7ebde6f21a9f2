//! `foresail-bench simulate`: one run, step by step.

mod report;
mod stage;
mod steps;

use std::{fmt, fs, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::Parser;
use foresail::sim::job_log::{Transform, duration};

use self::{
    report::Report,
    stage::{Run, Subject},
};
use crate::compare::play::Worlds;

/// What is played.
#[derive(Debug, Parser)]
#[command(group(clap::ArgGroup::new("jobs").required(true).args(["scenario", "log", "load"])))]
pub(crate) struct Args {
    /// A scenario: jobs, a world and the bounds that must hold (tests/scenarios/README.md).
    scenario: Option<PathBuf>,
    /// A job log, in the world that the options below describe.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// A load shape, drawn by --seed, in the same world (docs/bench/logs.md).
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
    /// Change the jobs of a log or a load before they are played; may be given several times.
    #[arg(long = "cut", value_name = "TRANSFORM")]
    cuts: Vec<Transform>,
    /// Who decides: a row of docs/bench/compare.md's tables, such as 'KEDA depth/1'.
    #[arg(long, value_name = "NAME", default_value = "Foresail, victims")]
    by: String,
    /// Foresail's policy: a file with the keys of one. Without, the scenario's own, or the defaults.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    worlds: Worlds,
    /// Every seed of the scenario, in place of --seed; the steps are those of the first.
    #[arg(long, requires = "scenario")]
    all_seeds: bool,
    /// From when on steps are shown, after the begin.
    #[arg(long, value_parser = time_span, value_name = "TIME", default_value = "0s")]
    from: f64,
    /// Until when steps are shown, after the begin; without it, to the end.
    #[arg(long, value_parser = time_span, value_name = "TIME")]
    to: Option<f64>,
    /// Shows a step at most so often; 0s shows each. Without it, some fifty steps are shown.
    #[arg(long, value_parser = time_span, value_name = "TIME")]
    every: Option<f64>,
    /// Where outcome, measures and every step are written, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A report, and whether all bounds were kept.
pub(crate) struct Simulated {
    report: Report,
    broken: usize,
}

/// Plays it.
///
/// # Errors
/// Where a file cannot be read or written, or is wrong, and where nobody has that name.
pub(crate) fn run(args: &Args) -> anyhow::Result<Simulated> {
    let subject = Subject::read(args)?;
    let runs: Vec<Run> =
        subject.seeds(args).map(|seed| subject.play(args, seed)).collect::<Result<_, _>>()?;
    let broken = runs.iter().map(|run| run.broken.len()).sum();
    if let Some(path) = &args.json {
        let runs: Vec<_> = runs.iter().map(Run::json).collect();
        let text = serde_json::json!({ "played": subject.name(), "by": args.by, "runs": runs }).to_string();
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let to = args.to.unwrap_or(f64::INFINITY);
    let report = Report {
        about: subject.about(args),
        bounds: subject.bounds(),
        runs,
        from: args.from,
        to,
        every: args.every,
    };
    Ok(Simulated { report, broken })
}

impl Simulated {
    /// That all bounds were kept.
    ///
    /// # Errors
    /// Where some were not.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        match self.broken {
            0 => Ok(()),
            1 => bail!("a bound is broken"),
            n => bail!("{n} bounds are broken"),
        }
    }
}

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

fn time_span(text: &str) -> Result<f64, String> {
    duration(text).ok_or_else(|| "write seconds (90) or units (90s, 2m, 1h 30m)".to_owned())
}
