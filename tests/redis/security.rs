//! TLS, users and secrets.

use std::fs;

use foresail::{
    config::{
        secret::Secret,
        source::{Address, RedisConfig, RedisTopology, TlsConfig},
    },
    source::{SourceError, redis::RedisSource},
};

use crate::{
    batch, config, layout, read, sample, source,
    support::{certificates::Certificates, process::temp_dir, redis::RedisServer},
};

fn standalone(redis: &RedisServer, host: &str) -> RedisConfig {
    let address = Address { host: host.to_owned(), port: redis.port() };
    RedisConfig { topology: RedisTopology::Standalone(address), ..config("") }
}

fn inline(text: &str) -> Secret {
    Secret::Inline(text.to_owned().into())
}

fn only(config: RedisConfig) -> RedisSource {
    RedisSource::new(config, vec![layout("redis-list", &[])]).expect("the layout is right")
}

#[tokio::test]
async fn tls_an_acl_user_and_a_database_by_url_and_by_parts() {
    let redis = RedisServer::builder()
        .password("admin")
        .user("reader on >secret %R~* -@all +@read +info +time +select +client")
        .tls()
        .start()
        .await;
    let files = redis.certificate_files();
    let mut admin = redis.connection().await;
    redis::cmd("SELECT").arg(3).exec_async(&mut admin).await.unwrap();
    redis::cmd("RPUSH").arg("md").arg("a").exec_async(&mut admin).await.unwrap();

    let tls = Some(TlsConfig { ca_file: Some(files.ca.clone()), ..TlsConfig::default() });
    let parts = RedisConfig {
        username: Some("reader".to_owned()),
        password: Some(inline("secret")),
        database: 3,
        tls: tls.clone(),
        ..standalone(&redis, "localhost")
    };
    let url = RedisConfig { tls, ..config(format!("{}3", redis.url_for("reader", "secret"))) };
    for config in [parts, url] {
        assert_eq!(sample(&only(config), "md").await.waiting, Some(1));
    }
}

#[tokio::test]
async fn a_server_that_wants_client_certificates_gets_one() {
    let redis = RedisServer::builder().mutual_tls().start().await;
    let files = redis.certificate_files();
    let with_ca = TlsConfig { ca_file: Some(files.ca.clone()), ..TlsConfig::default() };
    let with_all = TlsConfig {
        cert_file: Some(files.client.clone()),
        key_file: Some(files.client_key.clone()),
        ..with_ca.clone()
    };
    let with_half = TlsConfig { cert_file: Some(files.client.clone()), ..with_ca.clone() };
    let read = async |tls: TlsConfig| {
        batch(&only(RedisConfig { tls: Some(tls), ..standalone(&redis, "localhost") }), "md").await
    };
    assert!(read(with_all).await.is_ok());
    assert!(matches!(read(with_ca).await, Err(SourceError::Connect(_))));
    let error = read(with_half).await.unwrap_err().to_string();
    assert!(error.contains("cert_file and key_file belong together"), "{error}");
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let redis = RedisServer::builder().tls().start().await;
    let dir = temp_dir();
    let other = Certificates::generate().write(dir.path());
    let strangers = Some(TlsConfig { ca_file: Some(other.ca), ..TlsConfig::default() });
    for tls in [strangers, Some(TlsConfig::default())] {
        let error =
            batch(&only(RedisConfig { tls, ..standalone(&redis, "localhost") }), "md").await.unwrap_err();
        assert!(matches!(&error, SourceError::Connect(what) if what.contains("certificate")), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_said_without_saying_it() {
    let redis = RedisServer::builder().password("right").start().await;
    let by_url = config(format!("redis://:hunter2@127.0.0.1:{}/", redis.port()));
    let by_parts = RedisConfig { password: Some(inline("hunter2")), ..standalone(&redis, "127.0.0.1") };
    for config in [by_url, by_parts] {
        let source = only(config);
        let error = batch(&source, "md").await.unwrap_err();
        let texts = format!("{error} {error:?} {source:?}");
        assert!(texts.contains("refused the password of user \"default\""), "{texts}");
        assert!(!texts.contains("hunter2"), "{texts}");
    }
    let error = batch(&only(standalone(&redis, "127.0.0.1")), "md").await.unwrap_err().to_string();
    assert!(error.contains("wants a password, and none is configured"), "{error}");
}

#[tokio::test]
async fn a_wrong_url_is_said_without_saying_it() {
    let error =
        batch(&source("reddis://:hunter2@nowhere", layout("redis-list", &[])), "md").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("the URL is wrong") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_rotated_password_is_taken_up_and_the_old_connection_lives_until_it_is_accepted() {
    let redis = RedisServer::builder().user("reader on >first ~* +@all").start().await;
    let dir = temp_dir();
    let file = dir.path().join("password");
    fs::write(&file, "first\n").unwrap();
    let source = only(RedisConfig {
        username: Some("reader".to_owned()),
        password: Some(Secret::File(file.clone())),
        ..standalone(&redis, "127.0.0.1")
    });
    let reader = async || {
        let clients: String = redis.command(&["CLIENT", "LIST"]).await;
        let ours = clients.lines().filter(|line| line.contains("name=foresail")).map(str::to_owned);
        ours.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(batch(&source, "md").await.is_ok());
    let first = reader().await;

    // The file is ahead of the server: the connection that works is kept.
    fs::write(&file, "second\n").unwrap();
    assert!(batch(&source, "md").await.is_ok());
    assert_eq!(reader().await, first);

    // The server follows and closes the old connections: the new password is read from the file.
    redis.command::<()>(&["ACL", "SETUSER", "reader", "resetpass", ">second"]).await;
    redis.command::<()>(&["CLIENT", "KILL", "USER", "reader"]).await;
    assert!(batch(&source, "md").await.is_ok());
    let second = reader().await;
    assert_ne!(second, first);

    // Both know a third one: a changed file alone makes a new connection.
    redis.command::<()>(&["ACL", "SETUSER", "reader", ">third"]).await;
    fs::write(&file, "third\n").unwrap();
    assert!(batch(&source, "md").await.is_ok());
    assert_ne!(reader().await, second);

    fs::remove_file(&file).unwrap();
    assert!(batch(&source, "md").await.is_ok(), "a missing file is no reason to drop a working connection");
    redis.command::<()>(&["CLIENT", "KILL", "USER", "reader"]).await;
    let error = batch(&source, "md").await.unwrap_err().to_string();
    assert!(error.contains("password: ") && error.contains("cannot read"), "{error}");
}

#[tokio::test]
async fn what_the_acl_forbids_is_named_with_the_rule_that_allows_it() {
    let redis = RedisServer::builder()
        .user("reader on >secret resetkeys %R~jobs:* -@all +info +time +zcard")
        .user("keys on >secret resetkeys %R~jobs:* -@all +info +time +llen")
        .user("blind on >secret ~* -@all +llen +time")
        .start()
        .await;
    let list = || layout("redis-list", &[("key", "jobs:{queue}")]);
    let command = source(redis.url_for("reader", "secret"), list());
    let error = read(&command, "md").await.unwrap_err().to_string();
    assert!(error.contains("forbids LLEN of key \"jobs:md\""), "{error}");
    assert!(error.contains("ACL SETUSER reader +llen"), "{error}");

    let key = source(redis.url_for("keys", "secret"), layout("redis-list", &[]));
    let error = read(&key, "secrets").await.unwrap_err().to_string();
    assert!(error.contains("key \"secrets\"") && error.contains("ACL SETUSER keys %R~secrets"), "{error}");
    assert_eq!(sample(&key, "jobs:md").await.waiting, Some(0));

    let blind = source(redis.url_for("blind", "secret"), list());
    let error = batch(&blind, "md").await.unwrap_err();
    assert!(matches!(&error, SourceError::Read(what) if what.contains("ACL SETUSER blind +info")), "{error}");
}
