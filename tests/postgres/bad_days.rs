//! Servers that stall, die, come back, are not the primary, or are another one.

use std::time::{Duration, Instant};

use foresail::{
    config::{
        secret::Secret,
        source::{PostgresConfig, PostgresTarget},
    },
    source::{Source as _, SourceError, postgres::PostgresSource},
};

use crate::{
    fixture::{config, query, read_batch, sample, source, table, wanted},
    support::{
        postgres::{PgBouncer, PoolMode, PostgresServer},
        process::wait_until,
    },
};

const JOBS: &str = "CREATE TABLE jobs (queue text, status text); INSERT INTO jobs VALUES ('md', 'queued')";

fn with_timeout(url: &str, timeout: f64) -> PostgresSource {
    let config = PostgresConfig { timeout, ..config(url) };
    PostgresSource::new(config, vec![table(&[])]).expect("the layout is right")
}

#[tokio::test]
async fn a_server_that_stalls_is_a_time_out_and_is_read_again_afterwards() {
    let server = PostgresServer::start().await;
    server.execute(JOBS).await;
    let url = server.url("postgres", "postgres");
    let (held, new) = (with_timeout(&url, 0.5), with_timeout(&url, 0.5));
    assert_eq!(sample(&held, "md").await.waiting, Some(1));
    server.pause();
    let unconnected = SourceError::Connect("no answer within 0.5 s".to_owned());
    for (source, expected) in [(&held, SourceError::Timeout(0.5)), (&new, unconnected)] {
        let started = Instant::now();
        let error = source.read(&[wanted(0, "md")]).await.expect_err("it does not answer");
        assert_eq!(error, expected);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
    server.resume();
    for source in [&held, &new] {
        wait_until("the server is read again", Duration::from_secs(20), async || {
            source.read(&[wanted(0, "md")]).await.is_ok()
        })
        .await;
        assert_eq!(sample(source, "md").await.waiting, Some(1));
    }
}

#[tokio::test]
async fn a_read_that_is_given_up_takes_its_connection_with_it() {
    let server = PostgresServer::start().await;
    let slow = query("SELECT 'md' AS queue, 1 AS waiting FROM pg_sleep(2)");
    let source =
        source(&server.url("postgres", "postgres"), vec![slow, query("SELECT 'md' AS queue, 2 AS waiting")]);
    let given_up = tokio::time::timeout(Duration::from_millis(500), source.read(&[wanted(0, "md")])).await;
    assert!(given_up.is_err());
    let batch = source.read(&[wanted(1, "md")]).await.expect("a new connection answers");
    assert_eq!(batch.samples[0].as_ref().expect("it is quick").waiting, Some(2));
}

#[tokio::test]
async fn a_killed_server_is_an_error_until_it_is_back() {
    let mut server = PostgresServer::start().await;
    server.execute(JOBS).await;
    let source = source(&server.url("postgres", "postgres"), vec![table(&[])]);
    let before = read_batch(&source, &["md"]).await.identity;
    server.kill();
    let error = source.read(&[wanted(0, "md")]).await.expect_err("nobody is there");
    assert!(matches!(error, SourceError::Connect(_)), "{error}");
    server.start_again().await;
    let after = read_batch(&source, &["md"]).await;
    assert_eq!(after.samples[0].as_ref().expect("it is there").waiting, Some(1));
    assert_eq!((after.identity.is_some(), after.identity), (true, before));
}

#[tokio::test]
async fn a_restart_between_two_reads_costs_no_sample() {
    let mut server = PostgresServer::start().await;
    server.execute(JOBS).await;
    let pooler = PgBouncer::start(&server, PoolMode::Transaction).await;
    let urls = [server.url("postgres", "postgres"), pooler.url("postgres", "postgres")];
    let both = urls.map(|url| source(&url, vec![table(&[])]));
    for source in &both {
        assert_eq!(sample(source, "md").await.waiting, Some(1));
    }
    server.restart().await;
    for source in &both {
        assert_eq!(sample(source, "md").await.waiting, Some(1));
    }
}

#[tokio::test]
async fn another_cluster_at_the_same_address_has_another_identity() {
    let mut server = PostgresServer::start().await;
    server.execute(JOBS).await;
    let source = source(&server.url("postgres", "postgres"), vec![table(&[])]);
    let before = read_batch(&source, &["md"]).await.identity;
    server.restart_as_another_cluster().await;
    let gone = read_batch(&source, &["md"]).await;
    assert!(gone.samples[0].is_err(), "the table went with the cluster");
    server.execute("CREATE TABLE jobs (queue text, status text)").await;
    let after = read_batch(&source, &["md"]).await;
    assert_eq!(after.samples[0].as_ref().expect("it is there").waiting, Some(0));
    assert!(after.identity.is_some() && after.identity != before, "{before:?} {:?}", after.identity);
}

#[tokio::test]
async fn a_standby_is_not_trusted_unless_the_configuration_says_so() {
    let server = PostgresServer::builder().standby().start().await;
    let standby = |replica| {
        let config = PostgresConfig { replica, ..config(&server.url("postgres", "postgres")) };
        PostgresSource::new(config, vec![query("SELECT 'md' AS queue, 1 AS waiting")]).expect("it is right")
    };
    let error = standby(false).read(&[wanted(0, "md")]).await.expect_err("it may lag");
    assert!(matches!(&error, SourceError::NotTrusted(text) if text.contains("replica: true")), "{error}");
    let batch = read_batch(&standby(true), &["md"]).await;
    assert_eq!(batch.samples[0].as_ref().expect("it may be read").waiting, Some(1));
    assert!(batch.identity.is_some_and(|identity| identity.0.ends_with("/00000001")));
}

#[tokio::test]
async fn a_promoted_standby_has_another_identity_on_the_same_connection() {
    let server = PostgresServer::builder().standby().start().await;
    let config = PostgresConfig { replica: true, ..config(&server.url("postgres", "postgres")) };
    let source =
        PostgresSource::new(config, vec![query("SELECT 'md' AS queue, 1 AS waiting")]).expect("it is right");
    let before = read_batch(&source, &["md"]).await.identity.expect("it has one");
    server.execute("SELECT pg_promote()").await;
    let after = read_batch(&source, &["md"]).await.identity.expect("it has one");
    let (cluster, timeline) = after.0.split_once('/').expect("cluster and timeline");
    assert!(before.0.starts_with(cluster), "{before:?} {after:?}");
    assert_eq!(timeline, "00000002");
}

#[tokio::test]
async fn a_locked_table_is_an_error_of_its_layout_and_soon() {
    let server = PostgresServer::start().await;
    server.execute(JOBS).await;
    let source = source(
        &server.url("postgres", "postgres"),
        vec![table(&[]), query("SELECT 'md' AS queue, 1 AS waiting")],
    );
    assert_eq!(sample(&source, "md").await.waiting, Some(1));
    let mut migration = server.connection("postgres").await;
    sqlx::raw_sql("BEGIN; LOCK TABLE jobs").execute(&mut migration).await.expect("it locks");
    let batch = source.read(&[wanted(0, "md"), wanted(1, "md")]).await.expect("the server answers");
    let said = batch.samples[0].as_ref().expect_err("it is locked").to_string();
    assert!(said.contains("locked the table"), "{said}");
    assert!(batch.samples[1].is_ok());
}

#[tokio::test]
async fn nobody_at_the_address_is_said_without_the_password() {
    let target = PostgresTarget::Url(Secret::Inline("postgres://reader:hidden-secret@127.0.0.1:1/db".into()));
    let source =
        PostgresSource::new(PostgresConfig { target, ..config("") }, vec![]).expect("no layout is wrong");
    let error = source.read(&[]).await.expect_err("nobody listens there").to_string();
    assert!(error.starts_with("cannot connect: ") && !error.contains("secret"), "{error}");
}
