//! Servers that hang, die, come back empty, or load.

use std::time::{Duration, Instant};

use foresail::{
    config::source::{Address, RedisConfig, RedisTopology},
    source::{Source as _, SourceError, redis::RedisSource},
};
use tokio::net::TcpListener;

use crate::{
    batch, config, layout, sample, source,
    support::{
        process::{PATIENCE, free_port, wait_until},
        redis::RedisServer,
    },
    wanted,
};

fn hasty(redis: &RedisServer) -> RedisSource {
    let config = RedisConfig { timeout: 1.5, ..config(redis.url()) };
    RedisSource::new(config, vec![layout("redis-list", &[])]).expect("the layout is right")
}

#[tokio::test]
async fn a_backend_that_accepts_and_never_answers_times_out_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address { host: "127.0.0.1".to_owned(), port: silent.local_addr().unwrap().port() };
    let config = RedisConfig { topology: RedisTopology::Standalone(address), timeout: 0.3, ..config("") };
    let source = RedisSource::new(config, vec![layout("redis-list", &[])]).unwrap();
    let started = Instant::now();
    let error = batch(&source, "md").await.unwrap_err();
    assert_eq!(error, SourceError::Connect("no answer within 0.3 s".to_owned()), "no read was begun");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_stopped_server_times_out_and_its_late_answers_are_taken_for_nothing() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["RPUSH", "one", "a"]).await;
    redis.command::<()>(&["RPUSH", "two", "a", "b"]).await;
    let source = hasty(&redis);
    assert_eq!(sample(&source, "one").await.waiting, Some(1));

    redis.pause();
    let started = Instant::now();
    assert_eq!(batch(&source, "one").await.unwrap_err(), SourceError::Timeout(1.5));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    redis.resume();
    assert_eq!(sample(&source, "two").await.waiting, Some(2));
    assert_eq!(sample(&source, "one").await.waiting, Some(1));
}

#[tokio::test]
async fn a_read_that_is_given_up_leaves_nothing_behind() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["RPUSH", "two", "a", "b"]).await;
    let source = source(redis.url(), layout("redis-list", &[]));
    assert_eq!(sample(&source, "one").await.waiting, Some(0));
    redis.pause();
    let given_up = tokio::time::timeout(Duration::from_millis(50), batch(&source, "one")).await;
    assert!(given_up.is_err());
    redis.resume();
    assert_eq!(sample(&source, "two").await.waiting, Some(2));
}

#[tokio::test]
async fn a_server_that_was_killed_is_an_error_and_comes_back_as_another() {
    let mut redis = RedisServer::start().await;
    redis.command::<()>(&["RPUSH", "md", "a"]).await;
    let source = source(redis.url(), layout("redis-list", &[]));
    let before = batch(&source, "md").await.unwrap();
    redis.kill();
    let error = batch(&source, "md").await.unwrap_err();
    assert!(matches!(error, SourceError::Connect(_)), "{error}");
    redis.start_again().await;
    let after = batch(&source, "md").await.unwrap();
    assert_eq!(after.samples[0].as_ref().unwrap().waiting, Some(0));
    assert!(after.identity.is_some() && after.identity != before.identity);
}

#[tokio::test]
async fn a_restart_between_two_reads_costs_no_read() {
    let mut redis = RedisServer::start().await;
    redis.command::<()>(&["RPUSH", "md", "a"]).await;
    let source = source(redis.url(), layout("redis-list", &[]));
    let before = batch(&source, "md").await.unwrap();
    redis.restart_with_data().await;
    let after = batch(&source, "md").await.unwrap();
    assert_eq!(after.samples[0].as_ref().unwrap().waiting, Some(1));
    assert_ne!(after.identity, before.identity);
}

#[tokio::test]
async fn the_same_server_keeps_its_identity() {
    let redis = RedisServer::start().await;
    let source = source(redis.url(), layout("redis-list", &[]));
    let first = batch(&source, "md").await.unwrap().identity;
    redis.command::<()>(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert_eq!(batch(&source, "md").await.unwrap().identity, first);
}

#[tokio::test]
async fn a_server_that_loads_its_data_is_not_trusted() {
    // Each key takes 20 ms to load, so it loads for two seconds after the restart.
    let mut redis = RedisServer::builder()
        .line("key-load-delay 20000")
        .line("enable-debug-command yes")
        .line("loading-process-events-interval-bytes 1024")
        .start()
        .await;
    redis.command::<()>(&["DEBUG", "POPULATE", "100", "key", "1024"]).await;
    redis.command::<()>(&["SAVE"]).await;
    let source = source(redis.url(), layout("redis-list", &[]));
    let refused = wait_until(
        "it is refused while it loads",
        PATIENCE,
        async || matches!(batch(&source, "md").await, Err(SourceError::NotTrusted(what)) if what.contains("loading")),
    );
    tokio::join!(redis.start_again(), refused);
    assert!(batch(&source, "md").await.is_ok());
}

#[tokio::test]
async fn what_is_no_redis_is_an_error() {
    let port = free_port();
    let nobody = source(format!("redis://127.0.0.1:{port}/"), layout("redis-list", &[]));
    let error = nobody.read(&wanted(["md"])).await.unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let web = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let web_server = source(format!("redis://127.0.0.1:{port}/"), layout("redis-list", &[]));
    assert!(web_server.read(&wanted(["md"])).await.is_err());
    web.abort();
}
