//! `foresail-bench report`: what `compare` finds, as one page that whoever has never read a table of ours can read.
//!
//! The page is one HTML file: no script, nothing from a network, plots as inline SVG. Two runs write the same bytes.

mod actors;
mod chart;
mod days;
mod front;
mod labels;
mod log;
mod page;
mod say;
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
    /// Where the page is written.
    #[arg(long, value_name = "FILE", default_value = "foresail-report.html")]
    html: PathBuf,
}

/// Plays, writes the page, and returns its first sentences.
///
/// # Errors
/// Where a log or a policy cannot be read, or the page not be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<String> {
    let report = args.plays.play()?;
    let opening = words::opening(&report);
    let page = log::page(&report, &opening, &page::command_line());
    fs::write(&args.html, page).with_context(|| format!("cannot write {}", args.html.display()))?;
    Ok(format!("{}\n\nWritten: {}", opening.join("\n\n"), args.html.display()))
}
