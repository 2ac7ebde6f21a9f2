//! Logs and load shapes from files.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use foresail::{history::Past, sim::load::Load};

use super::Output;
use crate::logs;

#[derive(Debug, clap::Args)]
pub(crate) struct FileArgs {
    /// The log: `.swf` or `.swf.gz`, or CSV with usual names of columns.
    log: PathBuf,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    /// The description.
    load: PathBuf,
    /// The same seed draws the same jobs.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) fn read(args: &FileArgs) -> anyhow::Result<Past> {
    Ok(Past { log: logs::read(&args.log)?, losses: Vec::new() })
}

pub(super) fn draw(args: &LoadArgs) -> anyhow::Result<Past> {
    let path = args.load.display();
    let text = fs::read_to_string(&args.load).with_context(|| format!("cannot read {path}"))?;
    let load: Load = serde_saphyr::from_str(&text).with_context(|| path.to_string())?;
    Ok(Past { log: load.jobs(args.seed), losses: Vec::new() })
}
