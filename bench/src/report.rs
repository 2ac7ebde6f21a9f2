//! `foresail-bench report`: what `compare` finds, as one page that whoever has never read a table of ours can read.
//!
//! The page is one HTML file: no script, nothing from a network, plots as inline SVG. Two runs write the same bytes.

mod actors;
mod calibration;
mod chart;
mod days;
mod front;
mod labels;
mod log;
mod page;
mod say;
mod shadow;
mod trace;
mod waits;
mod words;

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Parser;

use crate::compare::Plays;

/// What is to be told, and where.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    plays: Plays,
    /// Instead of job logs: what `foresail serve` logged as JSON of refs that it watches (docs/bench/report.md).
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["logs", "cuts"])]
    shadow: Vec<PathBuf>,
    /// Where the page is written.
    #[arg(long, value_name = "FILE", default_value = "foresail-report.html")]
    html: PathBuf,
}

/// Plays, writes the page, and returns what it begins with.
///
/// # Errors
/// Where a log or a policy cannot be read, or the page not be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<String> {
    let command = page::command_line();
    let (said, page) = if args.shadow.is_empty() {
        let report = args.plays.play()?;
        let opening = words::opening(&report);
        (opening.join("\n\n") + "\n", log::page(&report, &opening, &command))
    } else {
        let found = shadow::find(&args.shadow, &args.plays.policy()?, &args.plays.worlds)?;
        (found.to_string(), shadow::page(&found, &command))
    };
    fs::write(&args.html, page).with_context(|| format!("cannot write {}", args.html.display()))?;
    Ok(format!("{said}\nWritten: {}", args.html.display()))
}
