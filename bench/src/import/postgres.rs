//! Jobs out of a table, with a query of the user's.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::ArgGroup;
use foresail::sim::job_log::JobLog;
use futures_util::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _,
    postgres::{PgConnectOptions, PgConnection},
};

use super::{Imported, Output, exposed, secret};

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

/// Before the query: dates as ISO 8601 in UTC, and nothing is written.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL TIME ZONE 'UTC'";

pub(super) fn read(args: &Args) -> anyhow::Result<Imported> {
    let query = match (&args.query, &args.query_file) {
        (Some(query), _) => query.clone(),
        (None, Some(path)) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        (None, None) => bail!("a query is needed: --query or --query-file"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let csv = runtime.block_on(result(&options(args)?, &query))?;
    let log = JobLog::read("result.csv", csv.as_slice())
        .context("the result of the query (line 1 names the columns, each line after it is a row)")?;
    let mut losses = Vec::new();
    let unended = log.jobs().iter().filter(|job| job.run <= 0.0).count();
    if unended > 0 {
        losses.push(format!(
            "{unended} jobs have no run time (not ended, or ended at once); `--cut with-run` leaves them out"
        ));
    }
    Ok(Imported { log, losses })
}

/// As the server connects: nothing that `PgBouncer` would reject, no statement in a log.
fn options(args: &Args) -> anyhow::Result<PgConnectOptions> {
    let Some(url) = secret(args.url_file.as_ref(), args.url_env.as_ref())? else {
        bail!("a URL is needed: --url-file or --url-env");
    };
    // The cause is left out, since it may repeat a part of the URL.
    let options: Result<PgConnectOptions, _> = exposed(&url).parse();
    let Ok(options) = options else {
        bail!(
            "the URL is wrong: write postgres://user:password@host:port/database, with %-codes for special characters"
        );
    };
    Ok(options
        .extra_float_digits(None)
        .application_name("foresail-bench")
        .statement_cache_capacity(0)
        .disable_statement_logging())
}

/// The rows as CSV, as Postgres itself writes it.
async fn result(options: &PgConnectOptions, query: &str) -> anyhow::Result<Vec<u8>> {
    let mut connection: PgConnection = options.connect().await.context("cannot connect to Postgres")?;
    sqlx::raw_sql(AssertSqlSafe(BEGIN)).execute(&mut connection).await?;
    let query = query.trim().trim_end_matches(';');
    let copy = format!("COPY (\n{query}\n) TO STDOUT WITH (FORMAT csv, HEADER)");
    let mut rows = connection.copy_out_raw(&copy).await.context("Postgres refuses the query")?;
    let mut csv = Vec::new();
    while let Some(row) = rows.try_next().await.context("the query failed")? {
        csv.extend_from_slice(&row);
    }
    drop(rows);
    connection.close().await?;
    Ok(csv)
}
