//! `foresail-bench import`: job logs out of a Postgres, a Prometheus, a file or a load shape, as CSV.

mod file;
mod postgres;
mod prometheus;

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use foresail::{history::Past, sim::job_log::Transform};

/// Where jobs come from.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What was read is said in one line on standard error. Formats and transforms: docs/bench/logs.md"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// The history of a job table, with a query of your own.
    ///
    /// Columns are found by their names: `submit`; `run` (seconds), or `start` and `end`; and `cpus`, `gpus`,
    /// `memory`, `owner`, `queue`, `estimate` where there are such. A job that has not ended has run time 0.
    Postgres(postgres::Args),
    /// A depth series or an arrivals counter, turned into jobs.
    ///
    /// A counter of submitted jobs gives each job. A depth (waiting jobs) gives only what the queue grew by,
    /// unless --busy and --run say what left it meanwhile. Jobs within a step are spread evenly over it, and all
    /// run equally long.
    Prometheus(prometheus::Args),
    /// A log in any format that is read: SWF, CSV, workflows.
    File(file::FileArgs),
    /// A load shape (YAML), drawn by a seed.
    Load(file::LoadArgs),
}

/// What is done to a log, and where it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Output {
    /// Change the log before it is written; may be given several times, applied in their order:
    /// window=FROM..TO, dense=SHARE, median=TIME, cap=TIME, thin=owners/N, thin=jobs/N, time=FACTOR,
    /// tasks=cpus, tasks=gpus, queue=NAME, owner=NAME, with-run, start=TIME, released.
    #[arg(long = "cut", value_name = "TRANSFORM")]
    cuts: Vec<Transform>,
    /// The file to write; without it, the CSV goes to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Reads, cuts and writes.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (Past { log, losses }, output) = match &args.from {
        From::Postgres(args) => (postgres::read(args)?, &args.output),
        From::Prometheus(args) => (prometheus::read(args)?, &args.output),
        From::File(args) => (file::read(args)?, &args.output),
        From::Load(args) => (file::draw(args)?, &args.output),
    };
    if log.jobs().is_empty() {
        bail!("no jobs were found: is the time span right, and the query?");
    }
    let log = Transform::apply_all(&output.cuts, log)?;
    let mut errors = io::stderr().lock();
    writeln!(errors, "{log}")?;
    for loss in losses {
        writeln!(errors, "note: {loss}")?;
    }
    match &output.out {
        None => Ok(log.write_csv(io::stdout().lock())?),
        Some(path) => {
            let written = File::create(path).and_then(|file| log.write_csv(BufWriter::new(file)));
            written.with_context(|| format!("cannot write {}", path.display()))
        }
    }
}
