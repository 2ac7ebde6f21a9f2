//! Jobs out of a Prometheus: what is asked stands in the command line.

use anyhow::Context as _;
use clap::ArgGroup;
use foresail::history::{
    Past,
    prometheus::{self, Questions},
};

use super::Output;

#[derive(Debug, clap::Args)]
#[command(
    group(ArgGroup::new("kind").required(true).args(["counter", "depth"])),
    group(ArgGroup::new("how_long").required(true).multiple(true).args(["run", "busy"])),
    group(ArgGroup::new("since").required(true).args(["start"])),
    after_help = "Example:\n  foresail-bench import prometheus http://prometheus:9090 --start 2024-01-01 --end 2024-02-01 \\\n    --counter 'jobs_submitted_total{queue=\"md\"}' --busy 'sum(workers_busy{queue=\"md\"})' --out md.csv"
)]
pub(crate) struct Args {
    /// Address of the server, or of what speaks its API (Thanos, Mimir, VictoriaMetrics).
    url: String,
    #[command(flatten)]
    questions: Questions,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) fn read(args: &Args) -> anyhow::Result<Past> {
    let start = args.questions.start.context("--start is needed")?;
    prometheus::read(&args.url, start, &args.questions)
}
