//! Jobs out of a table, with a query of the user's.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::ArgGroup;
use foresail::{
    config::{
        secret::Secret,
        source::{PgTlsMode, PostgresConfig, PostgresTarget, TlsConfig},
    },
    history::Past,
    source::postgres::{self, Question},
};

use super::Output;

/// Seconds for connecting.
const CONNECT: f64 = 30.0;

#[derive(Debug, clap::Args)]
#[command(
    group(ArgGroup::new("url").required(true).args(["url_file", "url_env"])),
    group(ArgGroup::new("sql").required(true).args(["query", "query_file"])),
    after_help = "Example:\n  foresail-bench import postgres --url-file lab.url --out lab.csv \\\n    --query \"SELECT created_at AS submit, started_at AS start, ended_at AS end, queue FROM jobs WHERE ended_at IS NOT NULL\""
)]
pub(crate) struct Args {
    /// File that holds the URL, as in `postgres://user:password@host:port/database?sslmode=verify-full`.
    #[arg(long, value_name = "FILE")]
    url_file: Option<PathBuf>,
    /// Variable of the environment that holds the URL.
    #[arg(long, value_name = "NAME")]
    url_env: Option<String>,
    /// The query; it runs in a read-only transaction, in UTC.
    #[arg(long, value_name = "SQL")]
    query: Option<String>,
    /// File that holds the query.
    #[arg(long, value_name = "FILE")]
    query_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) fn read(args: &Args) -> anyhow::Result<Past> {
    let query = match (&args.query, &args.query_file) {
        (Some(query), _) => query.clone(),
        (None, Some(path)) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        (None, None) => bail!("a query is needed: --query or --query-file"),
    };
    let url = match (&args.url_file, &args.url_env) {
        (Some(file), _) => Secret::File(file.clone()),
        (None, Some(variable)) => Secret::Env(variable.clone()),
        (None, None) => bail!("a URL is needed: --url-file or --url-env"),
    };
    let config = PostgresConfig {
        target: PostgresTarget::Url(url),
        tls_mode: PgTlsMode::FromUrl,
        tls: TlsConfig::default(),
        replica: true,
        timeout: CONNECT,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let log = runtime.block_on(postgres::history(&config, &Question::of_all(&query)))?;
    let mut losses = Vec::new();
    let unended = log.jobs().iter().filter(|job| job.run <= 0.0).count();
    if unended > 0 {
        losses.push(format!(
            "{unended} jobs have no run time (not ended, or ended at once); `--cut with-run` leaves them out"
        ));
    }
    Ok(Past { log, losses })
}
