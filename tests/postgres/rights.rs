//! Rights, missing things, and row-level security: an error that says what to do, never a zero.

use crate::fixture::{Database, assert_says, error, query, read_batch, sample, table};

const JOBS: &str = "CREATE TABLE jobs (queue text, status text, payload text, run_at text);
    INSERT INTO jobs VALUES ('md', 'queued', 'secret', NULL)";

/// A role that is this database's alone.
async fn role(database: &Database, name: &str) -> String {
    let role = format!("{name}_{}", database.name);
    database.execute(&format!("CREATE ROLE {role} LOGIN")).await;
    role
}

#[tokio::test]
async fn a_missing_table_or_column_is_named() {
    let database = Database::new().await;
    let read = async |pairs: &[(&str, &str)]| error(&database.source(vec![table(pairs)]), "md").await;
    assert_says(&read(&[("table", "app.jobs")]).await, &[r#""app"."jobs" does not exist"#, "search_path"]);
    database.execute(JOBS).await;
    let said = read(&[("status", "state")]).await;
    assert_says(
        &said,
        &[r#""jobs" has no column "state""#, "layout key status", "it has payload, queue, run_at, status"],
    );
    assert_says(&read(&[("run_at", "run_at")]).await, &[r#""run_at""#, "is text", "timestamp"]);
    database.execute("CREATE SEQUENCE numbers").await;
    assert_says(&read(&[("table", "numbers")]).await, &["is no table"]);
    assert_says(&read(&[("queue", ""), ("sequence", "gone")]).await, &["gone", "does not exist"]);
}

#[tokio::test]
async fn a_missing_right_comes_with_the_line_that_grants_it() {
    let database = Database::new().await;
    database.execute(JOBS).await;
    database.execute("CREATE SCHEMA app; CREATE TABLE app.jobs (queue text, status text)").await;
    let reader = role(&database, "reader").await;
    let source = database.source_as(&reader, vec![table(&[])]);
    let grant = format!(r#"GRANT SELECT ("queue", "status") ON "jobs" TO "{reader}""#);
    assert_says(&error(&source, "md").await, &[&grant]);
    database.execute(&grant).await;
    assert_eq!(sample(&source, "md").await.waiting, Some(1));

    let in_schema = database.source_as(&reader, vec![table(&[("table", "app.jobs")])]);
    assert_says(&error(&in_schema, "md").await, &["app", "GRANT USAGE ON"]);
    let own = database
        .source_as(&reader, vec![query("SELECT queue, count(payload) AS waiting FROM jobs GROUP BY 1")]);
    assert_says(&error(&own, "md").await, &["permission denied for table jobs", "GRANT SELECT"]);
}

#[tokio::test]
async fn row_level_security_is_an_error_and_never_a_zero() {
    let database = Database::new().await;
    database.execute(JOBS).await;
    let (reader, tenant) = (role(&database, "reader").await, role(&database, "tenant").await);
    database
        .execute(&format!(
            "GRANT SELECT ON jobs TO {reader}, {tenant}; ALTER TABLE jobs ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON jobs TO {tenant} USING (status <> 'queued');
             CREATE VIEW through_owner AS SELECT * FROM jobs;
             CREATE VIEW through_asker WITH (security_invoker) AS SELECT * FROM jobs;
             GRANT SELECT ON through_owner, through_asker TO {reader}"
        ))
        .await;
    let counted =
        |table: &str| query(&format!("SELECT queue, count(*) AS waiting FROM {table} GROUP BY queue"));
    for role in [&reader, &tenant] {
        for layout in [table(&[]), counted("jobs")] {
            let said = error(&database.source_as(role, vec![layout]), "md").await;
            assert_says(&said, &["row-level security", role, "jobs", "BYPASSRLS"]);
        }
    }
    for layout in [table(&[("table", "through_asker")]), counted("through_asker")] {
        let said = error(&database.source_as(&reader, vec![layout]), "md").await;
        assert_says(&said, &["row-level security", "BYPASSRLS"]);
    }
    for layout in [table(&[("table", "through_owner")]), counted("through_owner")] {
        assert_eq!(sample(&database.source_as(&reader, vec![layout]), "md").await.waiting, Some(1));
    }
    database.execute(&format!("ALTER ROLE {reader} BYPASSRLS")).await;
    assert_eq!(sample(&database.source_as(&reader, vec![table(&[])]), "md").await.waiting, Some(1));
}

#[tokio::test]
async fn row_level_security_switched_on_between_two_reads_is_noticed() {
    let database = Database::new().await;
    database.execute(JOBS).await;
    let reader = role(&database, "reader").await;
    database.execute(&format!("GRANT SELECT ON jobs TO {reader}")).await;
    let source = database.source_as(&reader, vec![table(&[])]);
    assert_eq!(sample(&source, "md").await.waiting, Some(1));
    database.execute("ALTER TABLE jobs ENABLE ROW LEVEL SECURITY").await;
    assert_says(&error(&source, "md").await, &["row-level security", "BYPASSRLS"]);
}

#[tokio::test]
async fn a_read_only_role_without_public_rights_is_enough() {
    let database = Database::new().await;
    database.execute(JOBS).await;
    let reader = role(&database, "reader").await;
    database
        .execute(&format!(
            "ALTER ROLE {reader} SET default_transaction_read_only = on; GRANT SELECT (queue, status) ON jobs TO {reader};
             REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"
        ))
        .await;
    let source = database.source_as(&reader, vec![table(&[])]);
    let batch = read_batch(&source, &["md"]).await;
    assert_eq!(batch.samples[0].as_ref().expect("it can be read").waiting, Some(1));
    let identity = batch.identity.expect("something tells the database from another").0;
    assert_says(&identity, &[&database.name]);
}
