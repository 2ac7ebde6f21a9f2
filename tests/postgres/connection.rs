//! Ways to the server: TLS, passwords, the pooler, the parts of an address.

use std::path::{Path, PathBuf};

use foresail::{
    config::{
        secret::Secret,
        source::{Address, PgTlsMode, PostgresConfig, PostgresTarget, TlsConfig},
    },
    source::{Source as _, SourceError, postgres::PostgresSource},
};

use crate::{
    fixture::{Database, assert_says, config, query, read, sample, source, table, wanted},
    support::{
        certificates::Certificates,
        postgres::{PgBouncer, PoolMode, PostgresServer},
        process::temp_dir,
    },
};

const ENCRYPTED: &str =
    "SELECT 'md' AS queue, ssl::int AS waiting FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

fn parts(server: &PostgresServer, host: &str) -> PostgresConfig {
    PostgresConfig {
        target: PostgresTarget::Parts {
            address: Address { host: host.to_owned(), port: server.port() },
            user: "postgres".to_owned(),
            password: None,
            database: "postgres".to_owned(),
        },
        ..config("")
    }
}

fn tls(server: &PostgresServer, mode: PgTlsMode, ca_file: Option<PathBuf>, host: &str) -> PostgresSource {
    let tls = TlsConfig { ca_file, ..TlsConfig::default() };
    let config = PostgresConfig { tls_mode: mode, tls, ..parts(server, host) };
    PostgresSource::new(config, vec![query(ENCRYPTED)]).expect("the layout is right")
}

async fn refused(source: &PostgresSource) -> String {
    match source.read(&[wanted(0, "md")]).await {
        Err(SourceError::Connect(text)) => text,
        other => panic!("it should not connect: {other:?}"),
    }
}

#[tokio::test]
async fn every_tls_mode_protects_as_far_as_it_says() {
    let server = PostgresServer::builder().tls().start().await;
    let ca = || Some(server.certificate_files().ca.clone());
    let stranger = Certificates::generate();
    let dir = temp_dir();
    let wrong_ca = Some(stranger.write(dir.path()).ca);

    for (mode, ca_file, encrypted) in [
        (PgTlsMode::Disable, None, 0),
        (PgTlsMode::FromUrl, None, 1),
        (PgTlsMode::Prefer, None, 1),
        (PgTlsMode::Require, None, 1),
        (PgTlsMode::Require, ca(), 1),
        (PgTlsMode::VerifyCa, ca(), 1),
        (PgTlsMode::VerifyFull, ca(), 1),
    ] {
        let seen = sample(&tls(&server, mode, ca_file, "localhost"), "md").await;
        assert_eq!(seen.waiting, Some(encrypted), "{mode:?}");
    }
    for mode in [PgTlsMode::Require, PgTlsMode::VerifyCa, PgTlsMode::VerifyFull] {
        assert_says(
            &refused(&tls(&server, mode, wrong_ca.clone(), "localhost")).await,
            &["invalid peer certificate"],
        );
    }
    let gone = Some(PathBuf::from("no/such/ca.pem"));
    assert_says(&refused(&tls(&server, PgTlsMode::VerifyFull, gone, "localhost")).await, &["No such file"]);
}

#[tokio::test]
async fn verify_full_refuses_a_certificate_of_another_host() {
    let elsewhere = Certificates::generate_for(&["db.example.org"]);
    let server = PostgresServer::builder().tls_with(elsewhere).start().await;
    let ca = Some(server.certificate_files().ca.clone());
    assert_says(
        &refused(&tls(&server, PgTlsMode::VerifyFull, ca.clone(), "localhost")).await,
        &["not valid for", "localhost"],
    );
    assert_eq!(sample(&tls(&server, PgTlsMode::VerifyCa, ca, "localhost"), "md").await.waiting, Some(1));
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_required() {
    let server = PostgresServer::start().await;
    let required = tls(&server, PgTlsMode::Require, None, "127.0.0.1");
    assert_says(&refused(&required).await, &["TLS"]);
    assert_eq!(sample(&tls(&server, PgTlsMode::Prefer, None, "127.0.0.1"), "md").await.waiting, Some(0));
    let by_url = config(&server.url("postgres", "postgres").replace("sslmode=disable", "sslmode=require"));
    let by_url = PostgresSource::new(by_url, vec![query(ENCRYPTED)]).expect("the layout is right");
    assert_says(&refused(&by_url).await, &["TLS"]);
}

#[tokio::test]
async fn a_client_certificate_stands_in_for_a_password() {
    let server = PostgresServer::builder().tls().access("hostssl all foresail all cert").start().await;
    server.execute("CREATE ROLE foresail LOGIN").await;
    let files = server.certificate_files();
    let with = |cert: bool| {
        let mut config = parts(&server, "localhost");
        if let PostgresTarget::Parts { user, .. } = &mut config.target {
            "foresail".clone_into(user);
        }
        let tls = TlsConfig {
            ca_file: Some(files.ca.clone()),
            cert_file: cert.then(|| files.client.clone()),
            key_file: cert.then(|| files.client_key.clone()),
        };
        let config = PostgresConfig { tls_mode: PgTlsMode::VerifyFull, tls, ..config };
        PostgresSource::new(config, vec![query("SELECT 'md' AS queue, 1 AS waiting")]).expect("it is right")
    };
    assert_eq!(sample(&with(true), "md").await.waiting, Some(1));
    assert_says(&refused(&with(false)).await, &["certificate"]);
}

/// A source whose password stands in a file.
fn with_password(server: &PostgresServer, file: &Path) -> PostgresSource {
    let mut config = parts(server, "127.0.0.1");
    if let PostgresTarget::Parts { user, password, .. } = &mut config.target {
        "reader".clone_into(user);
        *password = Some(Secret::File(file.to_owned()));
    }
    PostgresSource::new(config, vec![query("SELECT 'md' AS queue, 1 AS waiting")]).expect("it is right")
}

#[tokio::test]
async fn a_rotated_password_is_taken_up_and_a_wrong_one_is_never_shown() {
    let server = PostgresServer::builder().access("host all reader all scram-sha-256").start().await;
    server.execute("CREATE ROLE reader LOGIN PASSWORD 'first-secret'").await;
    let dir = temp_dir();
    let file = dir.path().join("password");
    std::fs::write(&file, "first-secret\n").expect("the file can be written");
    let source = with_password(&server, &file);
    assert_eq!(sample(&source, "md").await.waiting, Some(1));

    server.execute("ALTER ROLE reader PASSWORD 'second-secret'").await;
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'").await;
    let said = refused(&source).await;
    assert_says(&said, &["password authentication failed", "reader"]);
    assert!(!said.contains("secret"), "{said}");
    std::fs::write(&file, "second-secret\n").expect("the file can be written");
    assert_eq!(sample(&source, "md").await.waiting, Some(1));

    std::fs::remove_file(&file).expect("the file is there");
    let gone = with_password(&server, &file);
    assert_says(&refused(&gone).await, &["cannot read", "password"]);
}

#[tokio::test]
async fn a_changed_url_moves_the_reads_while_the_old_server_is_still_up() {
    let (old, new) = (Database::new().await, Database::new().await);
    let dir = temp_dir();
    let file = dir.path().join("url");
    let write = |text: &str| std::fs::write(&file, text).expect("the file can be written");
    write(&old.url("postgres"));
    let config = PostgresConfig { target: PostgresTarget::Url(Secret::File(file.clone())), ..config("") };
    let layout = query("SELECT current_database()::text AS queue, 1 AS waiting");
    let source = PostgresSource::new(config, vec![layout]).expect("it is right");
    let read_from = async |database: &Database| sample(&source, &database.name).await.waiting == Some(1);
    assert!(read_from(&old).await);

    // Neither a secret that the server refuses nor a missing one ends a connection that works.
    write(&new.url("nobody_here"));
    assert!(read_from(&old).await);
    std::fs::remove_file(&file).expect("the file is there");
    assert!(read_from(&old).await);

    write(&new.url("postgres"));
    assert!(read_from(&new).await);
}

#[tokio::test]
async fn a_url_that_is_wrong_is_not_shown_and_keys_that_mean_nothing_here_are_left_out() {
    let server = PostgresServer::start().await;
    let layouts = || vec![query("SELECT 'md' AS queue, 1 AS waiting")];
    let odd = format!("{}&channel_binding=prefer&connect_timeout=5", server.url("postgres", "postgres"));
    assert_eq!(sample(&source(&odd, layouts()), "md").await.waiting, Some(1));
    for url in [
        "postgres://me:hidden-secret@127.0.0.1:notaport/db",
        "mysql://me:hidden-secret@127.0.0.1/db",
        "postgres://me:hidden-secret@127.0.0.1:1/db?sslmode=bogus",
        "hidden-secret",
        "postgres://me:hidden-secret@127.0.0.1:1/db",
    ] {
        let source = source(url, layouts());
        let said = format!("{} {:?} {source:?}", refused(&source).await, source.inspect().await);
        assert!(!said.contains("secret"), "{said}");
    }
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_carries_many_reads() {
    let server = PostgresServer::start().await;
    server
        .execute(
            "CREATE TYPE kind AS ENUM ('md'); CREATE TABLE jobs (queue kind, status text, tenant text);
             INSERT INTO jobs VALUES ('md', 'queued', 'a'), ('md', 'running', 'a')",
        )
        .await;
    let pooler = PgBouncer::start(&server, PoolMode::Transaction).await;
    let own = "SELECT queue, count(*) AS waiting, min(queue) AS anything FROM jobs GROUP BY queue";
    let layouts = || vec![table(&[("filter", "tenant = 'a'")]), query(own)];
    let sources = [0, 1, 2].map(|_| source(&pooler.url("postgres", "postgres"), layouts()));
    for _ in 0..30 {
        for source in &sources {
            let batch = source.read(&[wanted(0, "md"), wanted(1, "md")]).await.expect("the pooler answers");
            let waiting: Vec<_> = batch.samples.iter().map(|s| s.as_ref().map(|s| s.waiting)).collect();
            assert_eq!(waiting, [Ok(Some(1)), Ok(Some(2))]);
        }
    }
    let named = "SELECT FROM pg_stat_activity WHERE application_name = 'foresail'";
    assert!(!server.rows(named).await.is_empty(), "the pooler passes the application's name on");
    assert!(!pooler.output().contains("unsupported startup parameter"), "{}", pooler.output());
}

#[tokio::test]
async fn what_a_read_sets_ends_with_its_transaction() {
    let server = PostgresServer::start().await;
    let pooler = PgBouncer::start(&server, PoolMode::Transaction).await;
    let source =
        source(&pooler.url("postgres", "postgres"), vec![query("SELECT 'md' AS queue, 1 AS waiting")]);
    read(&source, &["md"]).await;
    // The same server connection, now lent to somebody else.
    let options: sqlx::postgres::PgConnectOptions =
        pooler.url("postgres", "postgres").parse().expect("it is a URL");
    let mut other =
        sqlx::ConnectOptions::connect(&options.extra_float_digits(None)).await.expect("it connects");
    let shown = sqlx::raw_sql(
        "SELECT current_setting('statement_timeout') || ' ' || current_setting('row_security') || ' ' || current_setting('transaction_read_only')",
    );
    let row = sqlx::Executor::fetch_one(&mut other, shown).await.expect("it answers");
    assert_eq!(sqlx::Row::get::<String, _>(&row, 0), "0 on off");
}
