//! The jobs that a table remembers, by a query of the operator's: over a connection of its own, in one read-only
//! transaction that the server itself ends, whatever the sampler does meanwhile.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::timeout;

use super::{
    connect::{self, Credentials},
    failure::connect_error,
    quote,
    session::trusted,
    statement::trimmed,
};
use crate::{config::source::PostgresConfig, sim::job_log::JobLog, source::SourceError};

/// What is asked of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    sql: String,
    /// Seconds that the server may take; without a bound where absent.
    timeout: Option<f64>,
}

impl Question {
    /// All rows of a query, for as long as it takes.
    pub fn of_all(sql: &str) -> Self {
        Self { sql: trimmed(sql), timeout: None }
    }

    /// The latest `rows` rows of a query that belong to these queues, in `timeout` seconds. The query has columns
    /// `queue` and `submit`.
    pub fn of_queues(sql: &str, queues: &[String], rows: u32, timeout: f64) -> Self {
        let queues = quote::literals(queues);
        let sql = format!(
            "SELECT * FROM (\n{}\n) AS history WHERE history.\"queue\"::text IN ({queues}) \
             ORDER BY history.\"submit\" DESC NULLS LAST LIMIT {rows}",
            trimmed(sql)
        );
        Self { sql, timeout: Some(timeout) }
    }
}

/// Reads the jobs of the past.
///
/// # Errors
/// Where the server cannot be reached, refuses the query or takes too long, and where the rows are no jobs.
pub async fn history(config: &PostgresConfig, question: &Question) -> Result<JobLog, SourceError> {
    let asked = async {
        let csv = answer(config, question).await?;
        JobLog::read("result.csv", csv.as_slice()).map_err(|error| {
            SourceError::Read(format!(
                "the result of the query (line 1 names the columns, each line after it is a row): {error}"
            ))
        })
    };
    let Some(seconds) = question.timeout else { return asked.await };
    let patience = Duration::from_secs_f64(seconds + config.timeout);
    timeout(patience, asked).await.unwrap_or(Err(SourceError::Timeout(seconds)))
}

/// The rows as CSV, as Postgres itself writes it.
async fn answer(config: &PostgresConfig, question: &Question) -> Result<Vec<u8>, SourceError> {
    let options = connect::options(config, &Credentials::read(config)?)?;
    let connecting = timeout(Duration::from_secs_f64(config.timeout), options.connect());
    let connected = connecting.await.map_err(|_| SourceError::Timeout(config.timeout))?;
    let mut connection: PgConnection = connected.map_err(|error| connect_error(&error))?;
    let failed = |what: &str, error: &sqlx::Error| SourceError::Read(format!("{what}: {error}"));
    let opening = opening(question.timeout.unwrap_or(0.0));
    let opened = sqlx::raw_sql(trusted(opening)).execute(&mut connection).await;
    opened.map_err(|error| failed("a read-only transaction cannot be begun", &error))?;
    let copy = format!("COPY (\n{}\n) TO STDOUT WITH (FORMAT csv, HEADER)", question.sql);
    let rows = connection.copy_out_raw(&copy).await;
    let mut rows = rows.map_err(|error| failed("Postgres refuses the query", &error))?;
    let mut csv = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(|error| failed("the query failed", &error))? {
        csv.extend_from_slice(&row);
    }
    drop(rows);
    // All is read; how the connection ends no longer matters.
    let _ = connection.close().await;
    Ok(csv)
}

/// Dates as ISO 8601 in UTC, nothing is written, and rows that a policy would hide are an error. No bound for 0.
fn opening(timeout: f64) -> String {
    let milliseconds = Duration::from_secs_f64(timeout).as_millis();
    format!(
        "BEGIN READ ONLY; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL TIME ZONE 'UTC'; SET LOCAL row_security = off; \
         SET LOCAL statement_timeout = {milliseconds}; SET LOCAL max_parallel_workers_per_gather = 0"
    )
}
