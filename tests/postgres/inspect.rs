//! What `foresail check` will say about a Postgres.

use foresail::{
    config::source::PostgresConfig,
    source::{Finding, Level, Source as _, postgres::PostgresSource},
};

use crate::{
    fixture::{Database, config, query, source, table},
    support::postgres::{PgBouncer, PoolMode, PostgresServer},
};

/// Asserts that some finding of this level says all of these words.
#[track_caller]
fn assert_found(findings: &[Finding], level: Level, words: &[&str]) {
    let says = |finding: &Finding| {
        let text =
            format!("{} {} {}", finding.subject, finding.what, finding.todo.as_deref().unwrap_or_default());
        finding.level == level && words.iter().all(|word| text.contains(word))
    };
    assert!(findings.iter().any(says), "no {level} says {words:?}: {findings:#?}");
}

#[tokio::test]
async fn a_role_that_may_write_is_warned_about() {
    let database = Database::new().await;
    let role = format!("writer_{}", database.name);
    database
        .execute(&format!(
            "CREATE TABLE jobs (queue text, status text); CREATE ROLE {role} LOGIN; GRANT SELECT, DELETE ON jobs TO {role}"
        ))
        .await;
    let findings = database.source(vec![]).inspect().await;
    assert_found(&findings, Level::Note, &["Postgres "]);
    assert_found(&findings, Level::Warning, &["superuser", "CREATE ROLE foresail"]);
    let findings = database.source_as(&role, vec![table(&[])]).inspect().await;
    assert_found(&findings, Level::Warning, &["lab", "may write", "REVOKE INSERT"]);
    assert_found(&findings, Level::Note, &["default_transaction_read_only = on"]);
    database
        .execute(&format!(
            "REVOKE DELETE ON jobs FROM {role}; ALTER ROLE {role} SET default_transaction_read_only = on"
        ))
        .await;
    let findings = database.source_as(&role, vec![table(&[])]).inspect().await;
    assert!(findings.iter().all(|finding| finding.level == Level::Note), "{findings:#?}");
    assert!(!findings.iter().any(|finding| finding.what.contains("write")), "{findings:#?}");
}

#[tokio::test]
async fn a_large_table_without_an_index_comes_with_the_index_that_serves() {
    let database = Database::new().await;
    database
        .execute(
            "CREATE TABLE jobs (queue text, status text, run_at timestamptz, payload text);
             INSERT INTO jobs SELECT 'md', 'done', now(), repeat('x', 500) FROM generate_series(1, 30000)",
        )
        .await;
    let layouts = || {
        vec![
            table(&[("run_at", "run_at")]),
            query(
                "SELECT queue, count(*) AS waiting, 1 AS extra FROM jobs WHERE status = 'queued' GROUP BY queue",
            ),
        ]
    };
    let findings = database.source(layouts()).inspect().await;
    let scans: Vec<&Finding> =
        findings.iter().filter(|finding| finding.what.contains("every read goes through")).collect();
    assert_eq!(scans.len(), 2, "{findings:#?}");
    assert_found(&findings, Level::Warning, &["\"extra\"", "means nothing"]);
    let index = scans[0].todo.clone().expect("an index is proposed");
    assert_eq!(
        index,
        r#"CREATE INDEX CONCURRENTLY ON "jobs" ("queue") INCLUDE ("run_at", "status") WHERE "status" IN ('queued', 'running')"#
    );
    database.execute(&index).await;
    database.execute("ANALYZE jobs").await;
    let findings = database.source(layouts()).inspect().await;
    assert!(!findings.iter().any(|finding| finding.what.contains("every read")), "{findings:#?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_layout_is_an_error_and_the_others_are_looked_at_too() {
    let database = Database::new().await;
    let layouts = vec![table(&[]), query("SELECT 1 AS waiting"), query("SELECT 'md' AS queue, 1 AS waiting")];
    let findings = database.source(layouts).inspect().await;
    assert_found(&findings, Level::Error, &["lab", "\"jobs\" does not exist"]);
    assert_found(&findings, Level::Error, &["lab", "column queue"]);
    assert_eq!(findings.iter().filter(|finding| finding.level == Level::Error).count(), 2, "{findings:#?}");
}

#[tokio::test]
async fn states_that_the_layout_does_not_name_are_found() {
    let database = Database::new().await;
    database
        .execute(
            "CREATE TYPE state AS ENUM ('queued', 'running', 'pending', 'done');
             CREATE TABLE jobs (queue text, status state);
             INSERT INTO jobs SELECT 'md', s::state FROM unnest(ARRAY['pending', 'pending', 'done', 'done']) AS s;
             ANALYZE jobs",
        )
        .await;
    let findings = database.source(vec![table(&[])]).inspect().await;
    assert_found(
        &findings,
        Level::Warning,
        &["none of the states", "pending", "done", "check waiting and running"],
    );
    let findings = database.source(vec![table(&[("waiting", "pending")])]).inspect().await;
    assert!(!findings.iter().any(|finding| finding.what.contains("states")), "{findings:#?}");
}

#[tokio::test]
async fn standbys_poolers_and_absent_servers_are_found() {
    let server = PostgresServer::builder().standby().start().await;
    let findings = source(&server.url("postgres", "postgres"), vec![]).inspect().await;
    assert_found(&findings, Level::Error, &["standby", "replica: true"]);
    let pooler = PgBouncer::start(&server, PoolMode::Transaction).await;
    let config = PostgresConfig { replica: true, ..config(&pooler.url("postgres", "postgres")) };
    let findings = PostgresSource::new(config, vec![]).expect("no layout is wrong").inspect().await;
    assert_found(&findings, Level::Note, &["standby", "may lag"]);
    assert_found(&findings, Level::Note, &["PgBouncer", "transaction mode is fine"]);
    let findings = source("postgres://nobody@127.0.0.1:1/none", vec![]).inspect().await;
    assert_found(&findings, Level::Error, &["cannot connect", "credentials"]);
}
