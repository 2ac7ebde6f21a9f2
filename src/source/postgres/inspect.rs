//! What `foresail check` says about a Postgres: the server, the role's rights, and each layout's statement.

use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::{
    PostgresSource,
    failure::Failure,
    layout::{described, query_columns},
    quote,
    recipe::{Kind, Recipe},
    row::COLUMNS,
    session::{Session, text},
    statement::{Statement, trimmed},
};
use crate::{
    config::source::{Layout, LayoutRead, Parameters, PgTlsMode},
    source::{Finding, LayoutIndex, Level},
};

/// Reading this many pages (8 kB each) from start to end, every second, will hurt.
const MANY_PAGES: i64 = 1000;

/// The oldest major version whose settings and functions are all used here.
const OLDEST: u32 = 120_000;

/// The server's and the role's properties, as one JSON text.
const SERVER: &str = "SELECT json_build_object(\
     'superuser', r.rolsuper, 'bypasses_row_security', r.rolbypassrls, \
     'read_only', coalesce((SELECT bool_or(option = 'default_transaction_read_only=on') \
       FROM pg_db_role_setting s, unnest(s.setconfig) AS option WHERE s.setrole IN (0, r.oid)), false), \
     'port', inet_server_port())::text \
     FROM pg_roles r WHERE r.rolname = current_user";

#[derive(Debug, Deserialize)]
struct Server {
    superuser: bool,
    bypasses_row_security: bool,
    read_only: bool,
    /// Where the server itself listens; nothing over a socket.
    port: Option<u16>,
}

/// Never fails: what cannot be found out is a finding too.
pub(super) async fn inspect(source: &PostgresSource) -> Vec<Finding> {
    let mut findings = Vec::new();
    let deadline = source.deadline();
    let inspected = async {
        let held = &mut *source.held.lock().await;
        let mut session = match source.new_session(held, deadline).await {
            Ok(session) => session,
            Err(error) => {
                let todo = "check the address, the network, TLS and the credentials";
                return findings.push(finding(Level::Error, "server", error.to_string(), Some(todo.into())));
            }
        };
        if let Err(failure) = server(source, &mut session, deadline, &mut findings).await {
            findings.push(finding(Level::Error, "server", failure.into_source().to_string(), None));
            return;
        }
        // Nobody asked for a preset's own table where the configuration does not name it.
        let configured = source.layouts.iter().enumerate().filter(|(_, layout)| !layout.implied);
        for (index, layout) in configured {
            let inspected = self::layout(source, &mut session, index, layout, deadline, &mut findings).await;
            match inspected {
                Ok(()) => {}
                Err(Failure::Layout(what)) => findings.push(finding(Level::Error, &layout.name, what, None)),
                Err(failure) => {
                    let what = failure.into_source().to_string();
                    return findings.push(finding(Level::Error, &layout.name, what, None));
                }
            }
        }
        held.session = Some(session);
    };
    if timeout_at(deadline, inspected).await.is_err() {
        let what = format!("no answer within {} s", source.config.timeout);
        findings.push(finding(
            Level::Error,
            "server",
            what,
            Some("raise `timeout`, or see what holds it up".into()),
        ));
    }
    findings
}

fn finding(level: Level, subject: &str, what: String, todo: Option<String>) -> Finding {
    Finding { level, subject: subject.to_owned(), what, todo }
}

async fn server(
    source: &PostgresSource,
    session: &mut Session,
    deadline: Instant,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let mut say = |level, what: String, todo: &str| {
        findings.push(finding(level, "server", what, (!todo.is_empty()).then(|| todo.to_owned())));
    };
    let version = session.version;
    say(Level::Note, format!("Postgres {}.{}", version / 10_000, version % 10_000), "");
    if version < OLDEST {
        say(Level::Error, "this version is too old".to_owned(), "use Postgres 12 or newer");
    }
    let answer = session.transaction(SERVER, deadline).await?;
    let json = answer.rows.first().and_then(|row| text(row, 0)).unwrap_or_default();
    let server: Server = serde_json::from_str(&json)
        .map_err(|error| Failure::Layout(format!("the server's properties are odd: {error}")))?;
    let role = quote::identifier(&session.role);
    match (answer.in_recovery, source.config.replica) {
        (true, false) => {
            say(Level::Error, super::not_the_primary().to_string(), "name the primary, or set replica: true");
        }
        (true, true) => say(Level::Note, "the server is a standby: what it says may lag".to_owned(), ""),
        (false, _) => {}
    }
    if server.superuser {
        say(
            Level::Warning,
            format!("role {role} is a superuser"),
            "give Foresail a role of its own: CREATE ROLE foresail LOGIN CONNECTION LIMIT 3, and GRANT SELECT on what it reads",
        );
    } else if server.bypasses_row_security {
        say(Level::Note, format!("role {role} bypasses row-level security"), "");
    }
    if !server.superuser && !server.read_only {
        let todo = format!("ALTER ROLE {role} SET default_transaction_read_only = on");
        say(Level::Note, format!("role {role} may begin transactions that write (Foresail does not)"), &todo);
    }
    if server.port.is_some_and(|port| port != session.port) {
        let what = "a proxy stands in between; should it be PgBouncer, transaction mode is fine";
        say(Level::Note, what.to_owned(), "");
    }
    if source.config.tls_mode == PgTlsMode::VerifyCa {
        say(
            Level::Warning,
            "verify-ca takes every host's certificate that a known authority signed".to_owned(),
            "use verify-full",
        );
    }
    Ok(())
}

async fn layout(
    source: &PostgresSource,
    session: &mut Session,
    index: usize,
    layout: &Layout,
    deadline: Instant,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let mut say = |level, what: String, todo: Option<String>| {
        findings.push(finding(level, &layout.name, what, todo));
    };
    match &layout.read {
        LayoutRead::Query(sql) => {
            for column in query_columns(session, &trimmed(sql), deadline).await? {
                if !COLUMNS.contains(&column.as_str()) {
                    let todo = format!("the columns are {}", COLUMNS.join(", "));
                    say(
                        Level::Warning,
                        format!("column {column:?} of the query means nothing here"),
                        Some(todo),
                    );
                }
            }
        }
        LayoutRead::Preset { preset, parameters } => {
            if let Some(recipe) = &preset.postgres {
                let (relation, table) = described(session, recipe, parameters, deadline).await?;
                if table.writable {
                    let role = quote::identifier(&session.role);
                    let todo = format!("REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {relation} FROM {role}");
                    say(Level::Warning, format!("role {role} may write to {relation}"), Some(todo));
                }
                if let Some(states) = foreign_states(session, recipe, parameters, &relation, deadline).await?
                {
                    let what = format!(
                        "none of the states that the layout names was in {relation} at its last ANALYZE, only {states}"
                    );
                    let todo = "check waiting and running, unless no job was there".to_owned();
                    say(Level::Warning, what, Some(todo));
                }
            }
        }
        // What asks for its statement below says that it cannot be read here.
        LayoutRead::Embedded => {}
    }
    let statement = source.statement(session, LayoutIndex(index), deadline).await?;
    // A name that stands for any: the plan does not depend on it.
    let plan = session.explain(&statement.read(&["queue"]), deadline).await?;
    let scanned = scanned(&serde_json::from_str(&plan).unwrap_or_default());
    if scanned.is_empty() {
        return Ok(());
    }
    let pages = session.transaction(&pages_of(&scanned), deadline).await?;
    for row in &pages.rows {
        let (Some(table), Some(pages)) = (text(row, 0), text(row, 1)) else { continue };
        let what = format!("every read goes through all {pages} pages of {table}");
        say(Level::Warning, what, Some(todo_index(&statement)));
    }
    Ok(())
}

/// The states that the planner's statistics hold, where none of them is one that the layout names.
async fn foreign_states(
    session: &mut Session,
    recipe: &Recipe,
    parameters: &Parameters,
    relation: &str,
    deadline: Instant,
) -> Result<Option<String>, Failure> {
    let Some((_, column, _)) = recipe.columns(parameters).find(|(_, _, kind)| *kind == Kind::Column) else {
        return Ok(None);
    };
    let named: Vec<&String> =
        recipe.of_kind(Kind::Values, parameters).flat_map(|(_, values)| values).collect();
    let sql = format!(
        "SELECT array_to_string(seen, ', ') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname, \
         LATERAL (SELECT s.most_common_vals::text::text[] AS seen) AS common \
         WHERE c.oid = to_regclass({}) AND s.attname = {} AND NOT seen && {}",
        quote::literal(relation),
        quote::literal(column),
        quote::text_array(named),
    );
    let answer = session.transaction(&sql, deadline).await?;
    Ok(answer.rows.first().and_then(|row| text(row, 0)))
}

fn todo_index(statement: &Statement) -> String {
    match statement.index() {
        Some(index) => index,
        None => {
            "an index on the columns that say which rows are live, partial where most rows are not".to_owned()
        }
    }
}

/// Schema and name of each table that a plan reads from start to end.
fn scanned(plan: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    match plan {
        Value::Array(parts) => parts.iter().flat_map(scanned).collect(),
        Value::Object(node) => {
            let mut found: Vec<String> = node.values().flat_map(scanned).collect();
            if node.get("Node Type").and_then(Value::as_str) == Some("Seq Scan") {
                found.extend(node.get("Relation Name").and_then(Value::as_str).map(str::to_owned));
            }
            found
        }
        _ => Vec::new(),
    }
}

/// Those of the tables that are large; a plan names them without their schema.
fn pages_of(tables: &[String]) -> String {
    format!(
        "SELECT c.oid::regclass::text, (pg_relation_size(c.oid) / current_setting('block_size')::int)::text \
         FROM pg_class c WHERE c.relname = ANY ({}) AND c.relkind IN ('r', 'm') \
         AND pg_relation_size(c.oid) / current_setting('block_size')::int > {MANY_PAGES} ORDER BY 1",
        quote::text_array(tables)
    )
}
