//! The servers that the other tests rely on start, answer, and misbehave when told to.

mod support;

use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use support::{
    postgres::{PgBouncer, PoolMode, PostgresServer},
    process::{PATIENCE, binary, free_port, wait_until},
    redis::{PRIMARY_NAME, RedisCluster, RedisServer, SentinelSet},
};

/// Long enough for any answer from a healthy server on a busy machine.
const SOON: Duration = Duration::from_millis(500);

#[test]
fn a_free_port_is_handed_out_once() {
    let ports: Vec<u16> = (0..50).map(|_| free_port()).collect();
    let mut different = ports.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), ports.len());
}

#[test]
fn a_missing_server_names_the_command_that_installs_it() {
    let panic = std::panic::catch_unwind(|| binary("no-such-server", &[], "apt-get install redis-server"));
    let words = panic.expect_err("there is no such server").downcast::<String>().expect("a message");
    assert_eq!(*words, "no-such-server is missing: install it with `apt-get install redis-server`");
}

#[tokio::test]
async fn a_condition_that_never_holds_names_what_was_awaited() {
    let waiting = wait_until("the sun rises", Duration::from_millis(20), async || false);
    let panic = tokio::spawn(waiting).await.expect_err("it never does").into_panic();
    let words = panic.downcast::<String>().expect("a message");
    assert_eq!(*words, "waited 20ms in vain until the sun rises");
}

#[tokio::test]
async fn redis_keeps_or_loses_its_keys_over_a_restart() {
    let mut redis = RedisServer::start().await;
    redis.command::<()>(&["RPUSH", "md", "a", "b"]).await;
    let first_run = redis.info("run_id").await;

    redis.restart_with_data().await;
    assert_eq!(redis.command::<u64>(&["LLEN", "md"]).await, 2);
    assert_ne!(redis.info("run_id").await, first_run);

    redis.restart_empty().await;
    assert_eq!(redis.command::<u64>(&["LLEN", "md"]).await, 0);

    redis.kill();
    assert!(redis.try_connection().await.is_err());
}

#[tokio::test]
async fn a_paused_redis_accepts_and_never_answers() {
    let redis = RedisServer::start().await;
    let mut connection = redis.connection().await;
    let ping = async |connection: &mut _| {
        tokio::time::timeout(SOON, redis::cmd("PING").exec_async(connection)).await.is_ok_and(|r| r.is_ok())
    };
    redis.pause();
    assert!(tokio::net::TcpStream::connect(redis.address()).await.is_ok());
    assert!(!ping(&mut connection).await);
    redis.resume();
    wait_until("Redis answers again", PATIENCE, async || ping(&mut connection).await).await;
}

#[tokio::test]
async fn redis_speaks_tls_only_to_those_who_trust_its_authority() {
    let redis = RedisServer::builder().tls().start().await;
    assert_eq!(redis.command::<String>(&["PING"]).await, "PONG");
    let stranger = redis::Client::open(redis.url()).unwrap();
    assert!(stranger.get_multiplexed_async_connection().await.is_err());

    let mutual = RedisServer::builder().mutual_tls().start().await;
    assert_eq!(mutual.command::<String>(&["PING"]).await, "PONG");
}

#[tokio::test]
async fn an_acl_user_may_read_its_keys_and_nothing_else() {
    let redis =
        RedisServer::builder().password("admin").user("reader on >secret ~jobs:* +@read").start().await;
    redis.command::<()>(&["RPUSH", "jobs:md", "a"]).await;
    let client = redis::Client::open(redis.url_for("reader", "secret")).unwrap();
    let mut reader = client.get_multiplexed_async_connection().await.unwrap();
    let length: u64 = redis::cmd("LLEN").arg("jobs:md").query_async(&mut reader).await.unwrap();
    assert_eq!(length, 1);
    let refused = redis::cmd("LLEN").arg("other").exec_async(&mut reader).await.unwrap_err();
    assert_eq!(refused.code(), Some("NOPERM"), "{refused}");
}

#[tokio::test]
async fn sentinels_promote_the_replica_of_a_dead_primary() {
    let mut set = SentinelSet::start(3).await;
    assert_eq!(set.urls().len(), 3);
    assert_eq!(set.primary_port().await, set.primary.port());
    set.primary.command::<()>(&["RPUSH", "md", "a"]).await;
    set.primary.command::<u64>(&["WAIT", "1", "5000"]).await;
    set.kill_primary().await;
    assert_eq!(set.primary_port().await, set.replica.port());
    assert_eq!(set.replica.command::<u64>(&["LLEN", "md"]).await, 1, "{PRIMARY_NAME} lost its data");
}

#[tokio::test]
async fn a_cluster_takes_keys_on_every_node() {
    let cluster = RedisCluster::start().await;
    for queue in 0..30 {
        cluster.command::<()>(&["RPUSH", &format!("queue-{queue}"), "a"]).await;
    }
    for node in &cluster.nodes {
        assert_ne!(node.command::<u64>(&["DBSIZE"]).await, 0);
    }
}

#[tokio::test]
async fn postgres_keeps_its_rows_over_kill_and_restart() {
    let mut postgres = PostgresServer::start().await;
    postgres.execute("CREATE DATABASE lab").await;
    postgres.execute_in("lab", "CREATE TABLE jobs (id int); INSERT INTO jobs VALUES (1), (2)").await;
    postgres.execute("CHECKPOINT").await;
    let before = system_identifier(&postgres).await;

    postgres.kill();
    assert!(postgres.try_connection("lab").await.is_err());
    postgres.start_again().await;
    postgres.restart().await;
    assert_eq!(system_identifier(&postgres).await, before);
    postgres.execute_in("lab", "SELECT 1 / (count(*) = 2)::int FROM jobs").await;

    postgres.restart_as_another_cluster().await;
    assert_ne!(system_identifier(&postgres).await, before);
}

#[tokio::test]
async fn a_paused_postgres_accepts_and_never_answers() {
    let postgres = PostgresServer::start().await;
    let mut connection = postgres.connection("postgres").await;
    let asked = async |connection: &mut PgConnection| {
        let query = sqlx::raw_sql("SELECT 1").execute(connection);
        tokio::time::timeout(SOON, query).await.is_ok_and(|answer| answer.is_ok())
    };
    assert!(asked(&mut connection).await);
    postgres.pause();
    assert!(!asked(&mut connection).await);
    assert!(tokio::time::timeout(SOON, postgres.connection("postgres")).await.is_err());
    postgres.resume();
    wait_until("Postgres answers again", PATIENCE, async || {
        let mut connection = postgres.connection("postgres").await;
        asked(&mut connection).await
    })
    .await;
}

#[tokio::test]
async fn postgres_proves_its_name_over_tls() {
    let postgres = PostgresServer::builder().tls().access("hostssl all all all trust").start().await;
    let files = postgres.certificate_files();
    let connect = async |query: String| {
        let url = format!("postgres://postgres@localhost:{}/postgres?{query}", postgres.port());
        PgConnection::connect(&url).await
    };
    assert!(connect(format!("sslmode=verify-full&sslrootcert={}", files.ca.display())).await.is_ok());
    assert!(connect("sslmode=verify-full".to_owned()).await.is_err());
    assert!(connect("sslmode=disable".to_owned()).await.is_err());
}

#[tokio::test]
async fn a_standby_is_in_recovery() {
    let standby = PostgresServer::builder().standby().start().await;
    let rows = standby.rows("SELECT pg_is_in_recovery()::text").await;
    assert_eq!(rows[0].get::<String, _>(0), "true");
}

#[tokio::test]
async fn pgbouncer_passes_queries_on_and_rejects_unknown_parameters() {
    let postgres = PostgresServer::start().await;
    postgres.execute("CREATE ROLE reader LOGIN").await;
    let bouncer = PgBouncer::start(&postgres, PoolMode::Transaction).await;
    let refused = PgConnection::connect(&bouncer.url("reader", "postgres")).await.map(|_| ()).unwrap_err();
    // sqlx asks for `extra_float_digits` by itself, which PgBouncer does not know.
    assert!(refused.to_string().contains("extra_float_digits"), "{refused}");
    assert!(bouncer.output().contains("unsupported startup parameter"), "{}", bouncer.output());

    let options: PgConnectOptions = bouncer.url("reader", "postgres").parse().unwrap();
    let mut connection = options.extra_float_digits(None).connect().await.unwrap();
    let row = sqlx::raw_sql("SELECT current_user::text").fetch_one(&mut connection).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "reader");
}

async fn system_identifier(postgres: &PostgresServer) -> i64 {
    let sql = "SELECT system_identifier::text FROM pg_control_system()";
    let text: String = postgres.rows(sql).await[0].get(0);
    text.parse().expect("a number")
}
