//! The operator's own queries.

use foresail::{
    config::source::{Layout, MissingQueue, PostgresConfig},
    series::Holder,
    source::{LayoutIndex, Source as _, postgres::PostgresSource},
};

use crate::fixture::{Database, assert_says, config, error, query, read, read_batch, sample, table, wanted};

#[tokio::test]
async fn a_query_tells_all_that_a_sample_holds_in_any_numeric_type() {
    let database = Database::new().await;
    let layout = query(
        "SELECT 'md' AS queue, 3::smallint AS waiting, 4::numeric AS scheduled, 1.5::real AS next_due,
             2::double precision AS in_flight, 1 AS stuck, 90.25::numeric AS oldest_age,
             9000000000000000001 AS arrivals_total, NULL::int AS completions_total,
             ARRAY['pod-a', 'pod-b', 'pod-a'] AS workers;  ",
    );
    let seen = sample(&database.source(vec![layout]), "md").await;
    assert_eq!(
        (seen.waiting, seen.scheduled, seen.in_flight, seen.stuck),
        (Some(3), Some(4), Some(2), Some(1))
    );
    assert_eq!((seen.next_due, seen.oldest_age), (Some(1.5), Some(90.25)));
    assert_eq!((seen.arrivals_total, seen.completions_total), (Some(9_000_000_000_000_000_001), None));
    let holder = |worker: &str, jobs| Holder { worker: worker.into(), jobs, stuck: 0 };
    assert_eq!(seen.holders, Some(vec![holder("pod-a", 2), holder("pod-b", 1)]));
    assert!(seen.seen);
}

#[tokio::test]
async fn a_query_may_begin_with_with_and_end_with_a_comment() {
    let database = Database::new().await;
    let layout = query(
        "WITH all_jobs (queue) AS (VALUES ('md'), ('md'))\nSELECT queue, count(*) AS waiting FROM all_jobs GROUP BY 1 -- all of them",
    );
    let source = database.source(vec![layout]);
    assert_eq!(sample(&source, "md").await.waiting, Some(2));
    assert_eq!(source.discover(LayoutIndex(0), 9).await.expect("it lists"), ["md"]);
}

#[tokio::test]
async fn a_queue_that_the_query_does_not_return_is_empty_or_missing_as_the_layout_says() {
    let database = Database::new().await;
    let sql = "SELECT 'md' AS queue, 1 AS waiting, 0 AS in_flight";
    let seen = sample(&database.source(vec![query(sql)]), "typo").await;
    assert_eq!((seen.waiting, seen.in_flight, seen.scheduled, seen.seen), (Some(0), Some(0), None, false));
    let strict = Layout { missing_queue: MissingQueue::Error, ..query(sql) };
    assert_says(&error(&database.source(vec![strict]), "typo").await, &["typo", "does not exist"]);
}

#[tokio::test]
async fn what_a_query_returns_wrongly_is_named() {
    let database = Database::new().await;
    for (sql, words) in [
        ("SELECT 1 AS waiting", vec!["column queue", "it returns waiting"]),
        ("SELECT 'md' AS queue, 1 AS ready", vec!["column waiting", "it returns queue, ready"]),
        ("SELECT 'md' AS queue, 1 AS waiting, 2 AS waiting", vec!["column waiting, once"]),
        ("SELECT 'md' AS queue, -1 AS waiting", vec!["waiting is -1", "negative"]),
        ("SELECT 'md' AS queue, NULL::int AS waiting", vec!["waiting is NULL"]),
        ("SELECT 'md' AS queue, true AS waiting", vec!["waiting is true"]),
        (
            "SELECT 'md' AS queue, 0 AS waiting, interval '1 h' AS oldest_age",
            vec!["oldest_age", "extract(epoch"],
        ),
        (
            "SELECT 'md' AS queue, 1 AS waiting UNION ALL SELECT 'md', 2",
            vec!["several rows", "GROUP BY queue"],
        ),
        ("SELECT 'md' AS queue, 1 AS waiting; SELECT 1", vec!["syntax error"]),
        (
            "SELECT 'md' AS queue, 1 AS waiting) AS query LIMIT 0) AS answer ON true; SELECT FROM (SELECT) AS one LEFT JOIN (SELECT * FROM (SELECT 2",
            vec!["cannot insert multiple commands"],
        ),
        ("SELECT 'md' AS queue, 1 AS waiting FROM no_such_table", vec!["no_such_table", "does not exist"]),
        ("SELECT 'md' AS queue, 1 AS waiting, 1 / 0 AS stuck", vec!["division by zero"]),
    ] {
        let said = error(&database.source(vec![query(sql)]), "md").await;
        assert_says(&said, &words);
    }
}

#[tokio::test]
async fn a_query_that_writes_is_refused() {
    let database = Database::new().await;
    database
        .execute("CREATE SEQUENCE tickets; CREATE TABLE jobs (queue text); INSERT INTO jobs VALUES ('md')")
        .await;
    database
        .execute("CREATE FUNCTION take() RETURNS text LANGUAGE sql AS 'DELETE FROM jobs RETURNING queue'")
        .await;
    for sql in [
        "SELECT 'md' AS queue, nextval('tickets') AS waiting",
        "SELECT take() AS queue, 1 AS waiting",
        "SELECT queue, 1 AS waiting FROM jobs FOR UPDATE SKIP LOCKED",
    ] {
        let said = error(&database.source(vec![query(sql)]), "md").await;
        assert_says(&said, &["read-only transaction", "Foresail only reads"]);
    }
    for sql in [
        "DELETE FROM jobs RETURNING queue, 1 AS waiting",
        "WITH gone AS (DELETE FROM jobs RETURNING queue) SELECT queue, 1 AS waiting FROM gone",
    ] {
        error(&database.source(vec![query(sql)]), "md").await;
    }
    let left = query("SELECT queue, count(*) AS waiting FROM jobs GROUP BY queue");
    assert_eq!(sample(&database.source(vec![left]), "md").await.waiting, Some(1));
}

#[tokio::test]
async fn a_slow_query_is_cut_off_and_costs_the_other_layouts_nothing() {
    let database = Database::new().await;
    database
        .execute("CREATE TABLE jobs (queue text, status text); INSERT INTO jobs VALUES ('md', 'queued')")
        .await;
    let slow = query("SELECT 'md' AS queue, 1 AS waiting FROM pg_sleep(60)");
    let config = PostgresConfig { timeout: 1.0, ..config(&database.url("postgres")) };
    let source = PostgresSource::new(config, vec![slow, table(&[])]).expect("the layouts are right");
    for _ in 0..3 {
        let batch = source.read(&[wanted(0, "md"), wanted(1, "md")]).await.expect("the server answers");
        assert_says(
            &batch.samples[0].as_ref().expect_err("it sleeps").to_string(),
            &["statement timeout", "too slow"],
        );
        assert_eq!(batch.samples[1].as_ref().expect("it does not").waiting, Some(1));
    }
}

#[tokio::test]
async fn an_error_of_one_layout_leaves_the_others_alone() {
    let database = Database::new().await;
    database
        .execute("CREATE TABLE jobs (queue text, status text); INSERT INTO jobs VALUES ('md', 'queued')")
        .await;
    let layouts = vec![
        query("SELECT 'md' AS queue, 1 / 0 AS waiting"),
        table(&[]),
        table(&[("table", "gone")]),
        query("SELECT 'md' AS queue, 7 AS waiting"),
    ];
    let source = database.source(layouts);
    let all: Vec<_> = (0..4).map(|layout| wanted(layout, "md")).collect();
    for _ in 0..2 {
        let batch = source.read(&all).await.expect("the server answers");
        let waiting: Vec<_> = batch.samples.iter().map(|s| s.as_ref().ok().and_then(|s| s.waiting)).collect();
        assert_eq!(waiting, [None, Some(1), None, Some(7)]);
    }
    database.execute("CREATE TABLE gone (queue text, status text)").await;
    let batch = source.read(&all).await.expect("the server answers");
    assert_eq!(batch.samples[2].as_ref().expect("it has come back").waiting, Some(0));
}

#[tokio::test]
async fn five_hundred_queues_are_one_statement_in_one_round_trip_over_one_connection() {
    let database = Database::new().await;
    database
        .execute(
            "CREATE TABLE jobs (queue text, status text);
             INSERT INTO jobs SELECT 'queue-' || n % 500, 'queued' FROM generate_series(0, 1999) AS n",
        )
        .await;
    let source = database.source(vec![table(&[])]);
    let names: Vec<String> = (0..500).map(|n| format!("queue-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    read(&source, &names).await;
    for _ in 0..5 {
        let batch = read_batch(&source, &names).await;
        assert_eq!(batch.round_trips, 1);
        assert!(batch.samples.iter().all(|sample| sample.as_ref().is_ok_and(|s| s.waiting == Some(4))));
        let mine = format!(
            "SELECT FROM pg_stat_activity WHERE application_name = 'foresail' AND datname = '{}' AND state = 'idle'",
            database.name
        );
        assert_eq!(database.rows(&mine).await.len(), 1);
    }
}
