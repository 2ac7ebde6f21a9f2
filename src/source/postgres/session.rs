//! One connection, and read-only transactions over it that a pooler in transaction mode may carry too.
//!
//! A transaction is one message of several statements (the simple protocol): one round trip, no prepared
//! statement, nothing that outlives it on the server.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Either, PgConnection, Row as _, postgres::PgRow};
use tokio::time::Instant;

use super::{
    connect::{self, Credentials},
    failure::{Failure, connect_error},
    statement::Statement,
};
use crate::{
    config::source::PostgresConfig,
    source::{Identity, LayoutIndex, SourceError},
};

/// A connection that is held between reads.
#[derive(Debug)]
pub(super) struct Session {
    /// The secret that it was opened with.
    pub(super) credentials: Credentials,
    connection: PgConnection,
    identity_sql: &'static str,
    /// The role that reads.
    pub(super) role: String,
    /// The port that was connected to.
    pub(super) port: u16,
    /// The server's version number, as in 150004.
    pub(super) version: u32,
    /// What was found out about each layout over this connection.
    pub(super) statements: BTreeMap<LayoutIndex, Arc<Statement>>,
    /// Round trips so far.
    pub(super) round_trips: u32,
}

/// What a transaction brought back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) rows: Vec<PgRow>,
    pub(super) identity: Identity,
    /// Whether the server is a standby, or recovers.
    pub(super) in_recovery: bool,
}

/// The cluster, and its timeline: a promoted standby is another store, since it may lack what came last.
const IDENTITY: &str = "(SELECT system_identifier FROM pg_control_system()) || '/' || CASE \
     WHEN pg_is_in_recovery() THEN lpad(upper(to_hex((SELECT timeline_id FROM pg_control_checkpoint()))), 8, '0') \
     ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END";

/// Where the role may not ask for those: the database, which a new cluster or a restored dump made anew.
const WEAK_IDENTITY: &str =
    "(SELECT oid || '/' || datname FROM pg_database WHERE datname = current_database())";

const MAY_IDENTIFY: &str = "SELECT current_user::text, current_setting('server_version_num'), \
     (has_function_privilege('pg_control_system()', 'EXECUTE') \
     AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE') \
     AND has_function_privilege('pg_walfile_name(pg_lsn)', 'EXECUTE') \
     AND has_function_privilege('pg_current_wal_lsn()', 'EXECUTE'))::text";

impl Session {
    /// Connects; the caller bounds the time.
    pub(super) async fn open(config: &PostgresConfig, credentials: Credentials) -> Result<Self, SourceError> {
        let options = connect::options(config, &credentials)?;
        let connection = options.connect().await.map_err(|error| connect_error(&error))?;
        let mut session = Self {
            credentials,
            connection,
            identity_sql: WEAK_IDENTITY,
            role: String::new(),
            port: options.get_port(),
            version: 0,
            statements: BTreeMap::new(),
            round_trips: 0,
        };
        let (_, rows) = session.message(MAY_IDENTIFY.to_owned()).await;
        let mut rows = rows.map_err(|error| connect_error(&error))?;
        let row = rows.pop().ok_or_else(|| SourceError::Read("the server tells no version".to_owned()))?;
        session.role = text(&row, 0).unwrap_or_default();
        session.version = text(&row, 1).and_then(|version| version.parse().ok()).unwrap_or_default();
        if text(&row, 2).as_deref() == Some("true") {
            session.identity_sql = IDENTITY;
        }
        Ok(session)
    }

    /// Runs one statement in a read-only transaction that the server itself ends before `deadline`.
    pub(super) async fn transaction(
        &mut self,
        statement: &str,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let sql = format!("{}; {statement}; COMMIT", self.opening(deadline));
        let (completed, rows) = self.message(sql).await;
        match rows {
            Ok(mut rows) if !rows.is_empty() => {
                let first = rows.remove(0);
                let identity = Identity(text(&first, 1).unwrap_or_default());
                Ok(Answer { rows, identity, in_recovery: text(&first, 0).as_deref() == Some("true") })
            }
            Ok(_) => {
                Err(Failure::Lost(SourceError::Read("the server left the transaction's start out".into())))
            }
            Err(error) => Err(self.recovered(completed, &error).await),
        }
    }

    /// Has the server parse and plan `statement` as exactly one, which the simple protocol does not ask for.
    /// Brings the plan.
    pub(super) async fn explain(&mut self, statement: &str, deadline: Instant) -> Result<String, Failure> {
        let (completed, opened) = self.message(self.opening(deadline)).await;
        if let Err(error) = opened {
            return Err(self.recovered(completed, &error).await);
        }
        self.round_trips += 2;
        let explain = format!("EXPLAIN (FORMAT JSON, COSTS ON) {statement}");
        // Unnamed: a pooler in transaction mode knows no named statements of another connection.
        let planned = sqlx::query(trusted(explain)).persistent(false).fetch_one(&mut self.connection).await;
        match planned {
            Ok(row) => {
                let (completed, closed) = self.message("COMMIT".to_owned()).await;
                match closed {
                    Ok(_) => Ok(text(&row, 0).unwrap_or_default()),
                    Err(error) => Err(self.recovered(completed, &error).await),
                }
            }
            Err(error) => Err(self.recovered(2, &error).await),
        }
    }

    /// Begins a transaction, and brings whether the server recovers and who it is.
    fn opening(&self, deadline: Instant) -> String {
        // Nine tenths, so that the server's own error comes while somebody still listens.
        let left = deadline.saturating_duration_since(Instant::now()).mul_f64(0.9);
        let milliseconds = left.max(Duration::from_millis(1)).as_millis();
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; \
             SELECT pg_is_in_recovery()::text, {identity}, \
             set_config('statement_timeout', '{milliseconds}', true), \
             set_config('lock_timeout', '{lock}', true), \
             set_config('idle_in_transaction_session_timeout', '{milliseconds}', true), \
             set_config('max_parallel_workers_per_gather', '0', true), \
             set_config('jit', 'off', true), \
             set_config('row_security', 'off', true)",
            identity = self.identity_sql,
            lock = milliseconds.min(100),
        )
    }

    /// What an error means; ends the failed transaction where the connection is still good.
    async fn recovered(&mut self, completed: usize, error: &sqlx::Error) -> Failure {
        let failure = match Failure::of(error, &self.role) {
            // A message is parsed whole before its first statement runs, so a layout can fail at 0; at 1 it is
            // the transaction's start that failed, which is no layout's fault.
            Failure::Layout(text) if completed == 1 => return Failure::Lost(SourceError::Read(text)),
            failure => failure,
        };
        if matches!(failure, Failure::Layout(_)) {
            let (_, ended) = self.message("ROLLBACK".to_owned()).await;
            if let Err(error) = ended {
                return Failure::Lost(connect_error(&error));
            }
        }
        failure
    }

    /// Sends one message; brings how many statements were completed, and all rows.
    async fn message(&mut self, sql: String) -> (usize, Result<Vec<PgRow>, sqlx::Error>) {
        self.round_trips += 1;
        let mut completed = 0;
        let mut rows = Vec::new();
        let mut answers = sqlx::raw_sql(trusted(sql)).fetch_many(&mut self.connection);
        loop {
            match answers.try_next().await {
                Ok(Some(Either::Left(_))) => completed += 1,
                Ok(Some(Either::Right(row))) => rows.push(row),
                Ok(None) => return (completed, Ok(rows)),
                Err(error) => return (completed, Err(error)),
            }
        }
    }
}

/// A column as text, as the simple protocol sends it.
pub(super) fn text(row: &PgRow, column: usize) -> Option<String> {
    row.try_get_unchecked::<Option<String>, _>(column).ok().flatten()
}

/// The one place that calls SQL safe which is not part of this program's text. It is: the templates of
/// bundled presets; names and values of the operator's configuration and queue names of refs, each quoted by
/// `quote`; and SQL that the operator wrote into the configuration, which nobody else can write.
pub(super) fn trusted(sql: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql)
}
