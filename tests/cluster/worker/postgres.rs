//! A table with a row a job, taken with SKIP LOCKED: `pg-table` with `worker: worker` and the other columns at
//! their defaults. The log is a second table.

use std::time::Duration;

use sqlx::{
    PgPool, Row as _,
    postgres::{PgPoolOptions, PgRow},
};

use super::store::{Event, Job, StoreError, What};

/// Between two looks at an empty queue.
const POLL: Duration = Duration::from_millis(200);

/// What [`super::store::Store::submit`] makes where it is not there.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS jobs (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id text NOT NULL, queue text NOT NULL, status text NOT NULL DEFAULT 'queued', payload text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(), started_at timestamptz,
        finished_at timestamptz, worker text,
        UNIQUE (queue, id)
    );
    CREATE INDEX IF NOT EXISTS jobs_open ON jobs (queue, status, number) WHERE status IN ('queued', 'running');
    CREATE TABLE IF NOT EXISTS job_log (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        queue text NOT NULL, id text NOT NULL, what text NOT NULL, pod text NOT NULL
    );";

pub(crate) struct PostgresStore {
    pool: PgPool,
    queue: String,
}

impl PostgresStore {
    pub(super) async fn connect(url: &str, queue: &str) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new().max_connections(1).connect(url).await?;
        let store = Self { pool, queue: queue.to_owned() };
        store.make_tables().await?;
        Ok(store)
    }

    pub(super) async fn submit(&self, jobs: &[Job]) -> Result<(), StoreError> {
        let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
        let payloads: Vec<String> = jobs.iter().map(Job::to_text).collect();
        sqlx::query(
            "WITH added AS (
                INSERT INTO jobs (queue, id, payload)
                SELECT $1, id, payload FROM unnest($2::text[], $3::text[]) AS job (id, payload)
                RETURNING id
            )
            INSERT INTO job_log (queue, id, what, pod) SELECT $1, id, $4, '' FROM added",
        )
        .bind(&self.queue)
        .bind(ids)
        .bind(payloads)
        .bind(What::Submitted.name())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(super) async fn take(&self, worker: &str, patient: bool) -> Result<Option<Job>, StoreError> {
        // The first branch finds what a former life of this worker held, or a call whose answer was lost.
        let taken = sqlx::query(
            "UPDATE jobs SET status = 'running', worker = $2, started_at = clock_timestamp()
            WHERE number = coalesce(
                (SELECT number FROM jobs WHERE queue = $1 AND status = 'running' AND worker = $2 LIMIT 1),
                (SELECT number FROM jobs WHERE queue = $1 AND status = 'queued'
                    ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED)
            ) RETURNING payload",
        )
        .bind(&self.queue)
        .bind(worker)
        .fetch_optional(&self.pool)
        .await?;
        match taken {
            Some(row) => job(&row).map(Some),
            None if patient => {
                tokio::time::sleep(POLL).await;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    pub(super) async fn start(&self, worker: &str, job: &Job) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO job_log (queue, id, what, pod) VALUES ($1, $2, $3, $4)")
            .bind(&self.queue)
            .bind(&job.id)
            .bind(What::Started.name())
            .bind(worker)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(super) async fn end(&self, worker: &str, job: &Job, what: What) -> Result<(), StoreError> {
        sqlx::query(
            "WITH ended AS (
                UPDATE jobs SET status = $4, finished_at = clock_timestamp()
                WHERE queue = $1 AND id = $2 AND worker = $3 AND status = 'running' RETURNING id
            )
            INSERT INTO job_log (queue, id, what, pod) SELECT $1, id, $4, $3 FROM ended",
        )
        .bind(&self.queue)
        .bind(&job.id)
        .bind(worker)
        .bind(what.name())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(super) async fn give_back(&self, worker: &str, job: &Job, log: bool) -> Result<(), StoreError> {
        sqlx::query(
            "WITH back AS (
                UPDATE jobs SET status = 'queued', worker = NULL, started_at = NULL
                WHERE queue = $1 AND id = $2 AND worker = $3 AND status = 'running' RETURNING id
            )
            INSERT INTO job_log (queue, id, what, pod) SELECT $1, id, $4, $3 FROM back WHERE $5",
        )
        .bind(&self.queue)
        .bind(&job.id)
        .bind(worker)
        .bind(What::Requeued.name())
        .bind(log)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(super) async fn held_by(&self, worker: &str) -> Result<Vec<Job>, StoreError> {
        let held = sqlx::query(
            "SELECT payload FROM jobs WHERE queue = $1 AND worker = $2 AND status = 'running' ORDER BY number",
        )
        .bind(&self.queue)
        .bind(worker)
        .fetch_all(&self.pool)
        .await?;
        held.iter().map(job).collect()
    }

    pub(super) async fn events(&self) -> Result<Vec<Event>, StoreError> {
        let lines = sqlx::query(
            "SELECT extract(epoch FROM at)::float8 AS at, id, what, pod FROM job_log
            WHERE queue = $1 ORDER BY number",
        )
        .bind(&self.queue)
        .fetch_all(&self.pool)
        .await?;
        let event = |line: &PgRow| {
            Ok(Event {
                at: line.try_get("at")?,
                id: line.try_get("id")?,
                what: What::parse(line.try_get("what")?)?,
                pod: line.try_get("pod")?,
            })
        };
        lines.iter().map(event).collect()
    }

    async fn make_tables(&self) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        // IF NOT EXISTS alone races with another worker that starts.
        sqlx::query("SELECT pg_advisory_xact_lock(hashtext('job tables'))")
            .execute(&mut *transaction)
            .await?;
        sqlx::raw_sql(TABLES).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }
}

fn job(row: &PgRow) -> Result<Job, StoreError> {
    Job::parse(row.try_get("payload")?)
}
