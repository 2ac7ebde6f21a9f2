//! One table: of every queue 36 jobs wait and 4 run, and finished ones stay in it as they do in practice.

use std::sync::Arc;

use foresail::{
    config::{Config, source::StoreConfig},
    source::{Source, postgres::PostgresSource},
};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};

use super::{Args, Seen, WARM_UP, config, reads, with_refs};
use crate::{store::Store, world};

const LAYOUT: &str =
    "{ preset: pg-table, table: jobs, run_at: run_at, created_at: created_at, worker: worker }";

const TABLE: &str = "CREATE TABLE jobs (id bigserial PRIMARY KEY, queue text NOT NULL, status text NOT NULL, \
    worker text, run_at timestamptz NOT NULL DEFAULT now(), created_at timestamptz NOT NULL DEFAULT now())";

const JOBS: &str = "INSERT INTO jobs (queue, status, worker) \
    SELECT 'frames-' || lpad(queue::text, 6, '0'), \
           CASE WHEN job < 4 THEN 'running' WHEN job < 40 THEN 'queued' ELSE 'done' END, \
           CASE WHEN job < 4 THEN 'workers-7c9d5b-' || job END \
    FROM generate_series(0, $1 - 1) queue, generate_series(0, 39 + $2) job";

const INDEX: &str = "CREATE INDEX ON jobs (queue, status) WHERE status IN ('queued', 'running')";

pub(super) async fn measure(args: &Args) -> anyhow::Result<Seen> {
    let queues = args.postgres_queues;
    let mut store = Store::postgres()?;
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(store.port)
        .username("postgres")
        .database("postgres")
        .disable_statement_logging();
    let mut own = store.until(async || options.connect().await).await?;
    sqlx::query(TABLE).execute(&mut own).await?;
    let (count, finished) = (i32::try_from(queues)?, i32::try_from(args.finished)?);
    sqlx::query(JOBS).bind(count).bind(finished).execute(&mut own).await?;
    sqlx::query(INDEX).execute(&mut own).await?;
    sqlx::query("VACUUM ANALYZE jobs").execute(&mut own).await?;

    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", store.port);
    let config = config(&format!("postgres: {{ url: \"{url}\" }}"), LAYOUT)?;
    let reader = source(&config)?;
    reads(reader.as_ref(), queues, u32::try_from(WARM_UP)?).await?;
    let read = reads(reader.as_ref(), queues, args.reads).await?;
    drop(reader);

    let mut connections = Vec::new();
    for &refs in &args.refs {
        let source = source(&config)?;
        let count = with_refs(config.clone(), source, refs, queues, async || others(&mut own).await);
        connections.push(count.await?);
    }
    own.close().await?;
    Ok(Seen { queues, read, commands: None, connections })
}

fn source(config: &Config) -> anyhow::Result<Arc<dyn Source>> {
    let source = &config.sources[world::SOURCE];
    let StoreConfig::Postgres(postgres) = &source.store else {
        anyhow::bail!("the bench's source is no Postgres")
    };
    Ok(Arc::new(PostgresSource::new(postgres.clone(), source.layouts.clone())?))
}

/// Connections beside the bench's own.
async fn others(own: &mut PgConnection) -> anyhow::Result<usize> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
    .fetch_one(own)
    .await?;
    Ok(usize::try_from(count)?)
}
