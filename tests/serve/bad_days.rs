//! Stores that go and come back. In none of them is a wrong 0 or a false inactive sent.

use std::time::{Duration, Instant};

use tonic::Code;

use super::foresail::{Foresail, LONG, object, redis_sections};
use crate::support::{postgres::PostgresServer, process::wait_until, redis::RedisServer};

#[tokio::test]
async fn redis_killed_and_back_lowers_nothing_and_is_logged_once_each_way() {
    let mut redis = RedisServer::start().await;
    let foresail = Foresail::serve(&redis_sections(redis.port())).await;
    let md = object("reliable", "md");
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b"]).await;
    foresail.until_value(&md, 2.0).await;

    redis.kill();
    foresail.until_logged("source is down").await;
    assert_eq!(foresail.value(&md).await.unwrap(), 2.0);
    // It comes back empty: without persistence everything is gone.
    redis.restart_empty().await;
    foresail.until_logged("source is back").await;
    foresail.until_logged("the store is not the one it was").await;
    wait_until("several reads of the empty store", LONG, async || reads(&foresail, "ok") >= 8).await;
    assert_eq!(foresail.value(&md).await.unwrap(), 2.0, "distrusted for two minutes");
    let log = foresail.log();
    assert_eq!(
        (log.matches("source is down").count(), log.matches("source is back").count()),
        (1, 1),
        "{log}"
    );
}

#[tokio::test]
async fn a_redis_that_accepts_and_never_answers_makes_no_call_wait() {
    let redis = RedisServer::start().await;
    let foresail = Foresail::serve(&redis_sections(redis.port())).await;
    let (known, new) = (object("reliable", "md"), object("reliable", "other"));
    let _: i64 = redis.command(&["LPUSH", "md", "a"]).await;
    foresail.until_value(&known, 1.0).await;
    redis.pause();
    foresail.until_logged("no answer within 0.5 s").await;
    let started = Instant::now();
    assert_eq!(foresail.value(&known).await.unwrap(), 1.0);
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    let started = Instant::now();
    let status = foresail.value(&new).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
    redis.resume();
    foresail.until_value(&new, 0.0).await;
}

#[tokio::test]
async fn postgres_killed_and_back_lowers_nothing() {
    let mut postgres = PostgresServer::start().await;
    let setup = "CREATE TABLE jobs (id bigserial PRIMARY KEY, queue text, status text);
                 INSERT INTO jobs (queue, status) VALUES ('md', 'queued'), ('md', 'queued'), ('md', 'running')";
    postgres.execute(setup).await;
    let sections = format!(
        r#"
sources:
  lab:
    postgres: {{ url: "{}", timeout: 500ms }}
    namespaces: {{ chem: ["*"] }}
    sample_every: 200ms
    layouts: {{ jobs: {{ preset: pg-table, table: jobs, queue: queue }} }}
policies:
  default: {{ keep_alive: 0s }}
"#,
        postgres.url("postgres", "postgres")
    );
    let foresail = Foresail::serve(&sections).await;
    let md = object("jobs", "md");
    foresail.until_value(&md, 3.0).await;
    postgres.kill();
    foresail.until_logged("source is down").await;
    assert_eq!(foresail.value(&md).await.unwrap(), 3.0);
    postgres.start_again().await;
    foresail.until_logged("source is back").await;
    postgres.execute("UPDATE jobs SET status = 'done' WHERE status = 'queued'").await;
    foresail.until_value(&md, 1.0).await;
}

/// Real workers pop a plain list: nothing in Redis says that they work, and still no target falls.
#[tokio::test]
async fn workers_that_pop_a_plain_list_are_kept_while_they_run_unseen() {
    let redis = RedisServer::start().await;
    let foresail = Foresail::serve(&redis_sections(redis.port())).await;
    let md = object("plain", "md");
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b", "c"]).await;
    foresail.until_value(&md, 3.0).await;
    let mut popped = Vec::new();
    for _ in 0..3 {
        let job: (String, String) = redis.command(&["BRPOP", "md", "1"]).await;
        popped.push(job.1);
    }
    assert_eq!(popped, ["a", "b", "c"]);
    let before = reads(&foresail, "ok");
    wait_until("several reads of the empty list", LONG, async || reads(&foresail, "ok") >= before + 6).await;
    assert_eq!(foresail.value(&md).await.unwrap(), 3.0);
    foresail.until_page("/api/refs/chem/md", "no_fall=in-flight-unseen").await;
    assert_eq!(foresail.value(&md).await.unwrap(), 3.0);
}

/// A worker takes two jobs of a stream and dies; another lives and works.
#[tokio::test]
async fn work_held_by_a_worker_that_died_is_one_workers_work() {
    let redis = RedisServer::start().await;
    let sections = redis_sections(redis.port()).replace(
        "      plain:",
        "      stream: { preset: redis-stream, group: workers, stuck_after: 1s }\n      plain:",
    );
    let foresail = Foresail::serve(&sections).await;
    let md = object("stream", "md");
    let _: String = redis.command(&["XGROUP", "CREATE", "md", "workers", "0", "MKSTREAM"]).await;
    for _ in 0..2 {
        let _: String = redis.command(&["XADD", "md", "*", "job", "x"]).await;
    }
    foresail.until_value(&md, 2.0).await;
    let take = ["XREADGROUP", "GROUP", "workers", "dead-pod", "COUNT", "2", "STREAMS", "md", ">"];
    let _: redis::Value = redis.command(&take).await;
    foresail.until_value(&md, 1.0).await;
    foresail.until_page("/api/refs/chem/md", "stuck=2").await;
}

#[tokio::test]
async fn a_queue_that_turns_unreadable_is_logged_once_and_keeps_its_last_value() {
    let redis = RedisServer::start().await;
    let foresail = Foresail::serve(&redis_sections(redis.port())).await;
    let (md, other) = (object("reliable", "md"), object("reliable", "other"));
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b"]).await;
    foresail.until_value(&md, 2.0).await;
    foresail.until_value(&other, 0.0).await;
    let _: i64 = redis.command(&["DEL", "md"]).await;
    let _: String = redis.command(&["SET", "md", "not a list"]).await;
    foresail.until_logged("a queue cannot be read").await;
    assert_eq!(foresail.value(&md).await.unwrap(), 2.0);
    let _: i64 = redis.command(&["LPUSH", "other", "a"]).await;
    foresail.until_value(&other, 1.0).await;
    foresail.until_page("/api/queues", "WRONGTYPE").await;
    let _: i64 = redis.command(&["DEL", "md"]).await;
    foresail.until_logged("queues can be read again").await;
    assert_eq!(foresail.log().matches("a queue cannot be read").count(), 1, "{}", foresail.log());
}

/// How many reads of the source ended so.
fn reads(foresail: &Foresail, result: &str) -> u64 {
    let metrics = foresail.page("/metrics");
    let line = metrics.lines().find(|line| {
        line.starts_with("foresail_source_reads_total") && line.contains(&format!("result=\"{result}\""))
    });
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}
