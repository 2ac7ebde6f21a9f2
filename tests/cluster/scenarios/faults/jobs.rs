//! Jobs in the stores, and workers that are busy with them: what real workers would have written.

use crate::support::{postgres::PostgresServer, redis::RedisServer};

/// Layouts of [`redis_source`] and [`postgres_source`], each with a queue of the same name in every test.
pub(super) const QUEUE: &str = "md";

/// A source with a plain list, whose workers pop their jobs, and a list whose workers keep theirs in another.
pub(super) fn redis_source(port: u16) -> String {
    format!(
        r#"
  jobs:
    redis: {{ host: 127.0.0.1, port: {port}, timeout: 400ms }}
    namespaces: {{ "*": ["*"] }}
    sample_every: 200ms
    stale_after: 3s
    distrust: 10s
    layouts:
      plain: {{ preset: redis-list, key: "plain:{{queue}}" }}
      reliable: {{ preset: redis-list, processing: "{{queue}}:busy" }}
"#
    )
}

/// A source with a table of jobs.
pub(super) fn postgres_source(port: u16) -> String {
    format!(
        r#"
  lab:
    postgres: {{ url: "postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable", timeout: 400ms }}
    namespaces: {{ "*": ["*"] }}
    sample_every: 200ms
    stale_after: 3s
    distrust: 10s
    layouts:
      table: {{ preset: pg-table }}
"#
    )
}

/// Jobs for the layout `reliable`.
pub(super) async fn push(redis: &RedisServer, jobs: usize) {
    push_to(redis, QUEUE, jobs).await;
}

/// Jobs for the layout `plain`.
pub(super) async fn push_plain(redis: &RedisServer, jobs: usize) {
    push_to(redis, &format!("plain:{QUEUE}"), jobs).await;
}

/// Workers of the layout `plain` pop so many jobs and work on them: nobody sees that.
pub(super) async fn pop_plain(redis: &RedisServer, jobs: usize) {
    redis.command::<Vec<String>>(&["RPOP", &format!("plain:{QUEUE}"), &jobs.to_string()]).await;
}

/// Workers of the layout `reliable` begin so many jobs.
pub(super) async fn begin(redis: &RedisServer, jobs: usize) {
    for _ in 0..jobs {
        redis.command::<String>(&["LMOVE", QUEUE, &format!("{QUEUE}:busy"), "RIGHT", "LEFT"]).await;
    }
}

/// ... and end so many of those begun.
pub(super) async fn end(redis: &RedisServer, jobs: usize) {
    redis.command::<Vec<String>>(&["RPOP", &format!("{QUEUE}:busy"), &jobs.to_string()]).await;
}

pub(super) async fn create_table(postgres: &PostgresServer) {
    postgres.execute("CREATE TABLE jobs (id bigserial PRIMARY KEY, queue text, status text)").await;
}

/// Jobs for the layout `table`.
pub(super) async fn insert(postgres: &PostgresServer, jobs: usize) {
    let rows = "INSERT INTO jobs (queue, status) SELECT";
    postgres.execute(&format!("{rows} '{QUEUE}', 'queued' FROM generate_series(1, {jobs})")).await;
}

/// So many jobs of the table go from one state to another.
pub(super) async fn change(postgres: &PostgresServer, from: &str, to: &str, jobs: usize) {
    let some = format!("SELECT id FROM jobs WHERE status = '{from}' ORDER BY id LIMIT {jobs}");
    postgres.execute(&format!("UPDATE jobs SET status = '{to}' WHERE id IN ({some})")).await;
}

async fn push_to(redis: &RedisServer, key: &str, jobs: usize) {
    let jobs: Vec<String> = (0..jobs).map(|job| format!("job-{job}")).collect();
    let words: Vec<&str> = ["LPUSH", key].into_iter().chain(jobs.iter().map(String::as_str)).collect();
    redis.command::<()>(&words).await;
}
