//! Jobs in a real store, and beside them a log of what became of each: written by whoever submits, takes or ends
//! a job, in the same transaction, on the store's own clock.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{postgres::PostgresStore, redis::RedisStore};

/// Before a failed call to the store is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// One job, as it stands in the store (JSON).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Unique in its queue.
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) work: Work,
}

/// What a worker does with a job.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Takes so many seconds.
    #[serde(rename = "run_seconds")]
    Run(f64),
    /// Fails at once: the worker goes on, or exits with 1 where it takes one job only.
    Fail,
    /// Never ends, SIGTERM or not.
    Hang,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Unix seconds, by the store's clock.
    pub(crate) at: f64,
    pub(crate) id: String,
    pub(crate) what: What,
    /// Worker that did it; empty for a submission.
    pub(crate) pod: String,
}

/// What happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    Submitted,
    Started,
    Done,
    Failed,
    Requeued,
}

/// Where the jobs are.
///
/// A worker's calls (take, start, end, give back) outlast a store that is away: they are tried again until they
/// succeed, and doing one twice is doing it once. A test's calls (submit, events) say what was wrong.
pub(crate) enum Store {
    Redis(RedisStore),
    Postgres(PostgresStore),
}

/// A call to the store that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("Redis: {0}")]
    Redis(#[from] ::redis::RedisError),
    #[error("Postgres: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("an entry that none of our programs wrote: {0}")]
    Strange(String),
}

impl Store {
    /// Connects to `redis://...` or `postgres://...`, for as long as that takes.
    pub(crate) async fn connect(url: &str, queue: &str) -> Self {
        persist("connect", async || Self::try_connect(url, queue).await).await
    }

    async fn try_connect(url: &str, queue: &str) -> Result<Self, StoreError> {
        if url.starts_with("postgres") {
            Ok(Self::Postgres(PostgresStore::connect(url, queue).await?))
        } else {
            Ok(Self::Redis(RedisStore::connect(url, queue).await?))
        }
    }

    /// Puts jobs at the end of the queue, all at once.
    pub(crate) async fn submit(&self, jobs: &[Job]) -> Result<(), StoreError> {
        match self {
            Self::Redis(store) => store.submit(jobs).await,
            Self::Postgres(store) => store.submit(jobs).await,
        }
    }

    /// Takes the oldest job. Where none waits: `None`, after a moment if `patient`.
    pub(super) async fn take(&self, worker: &str, patient: bool) -> Option<Job> {
        persist("take", async || match self {
            Self::Redis(store) => store.take(worker, patient).await,
            Self::Postgres(store) => store.take(worker, patient).await,
        })
        .await
    }

    /// Says that the job that was taken starts now.
    pub(super) async fn start(&self, worker: &str, job: &Job) {
        persist("start", async || match self {
            Self::Redis(store) => store.start(worker, job).await,
            Self::Postgres(store) => store.start(worker, job).await,
        })
        .await;
    }

    /// Takes the job out of the work in flight.
    pub(super) async fn end(&self, worker: &str, job: &Job, failed: bool) {
        let what = if failed { What::Failed } else { What::Done };
        persist("end", async || match self {
            Self::Redis(store) => store.end(worker, job, what).await,
            Self::Postgres(store) => store.end(worker, job, what).await,
        })
        .await;
    }

    /// Puts a job that was taken and not started back where it was.
    pub(super) async fn hand_back(&self, worker: &str, job: &Job) {
        persist("hand back", async || match self {
            Self::Redis(store) => store.give_back(worker, job, false).await,
            Self::Postgres(store) => store.give_back(worker, job, false).await,
        })
        .await;
    }

    /// Puts a job that was started back at the head of the queue.
    pub(super) async fn requeue(&self, worker: &str, job: &Job) {
        persist("requeue", async || self.try_requeue(worker, job).await).await;
    }

    /// As a reaper does for a worker that is known to be dead: puts what it held back. Returns those jobs.
    pub(crate) async fn requeue_all_of(&self, worker: &str) -> Result<Vec<Job>, StoreError> {
        let held = self.held_by(worker).await?;
        for job in &held {
            self.try_requeue(worker, job).await?;
        }
        Ok(held)
    }

    /// Jobs that stand in the store as in flight on `worker`.
    pub(crate) async fn held_by(&self, worker: &str) -> Result<Vec<Job>, StoreError> {
        match self {
            Self::Redis(store) => store.held_by(worker).await,
            Self::Postgres(store) => store.held_by(worker).await,
        }
    }

    /// The whole log, in the order of its time.
    pub(crate) async fn events(&self) -> Result<Vec<Event>, StoreError> {
        match self {
            Self::Redis(store) => store.events().await,
            Self::Postgres(store) => store.events().await,
        }
    }

    async fn try_requeue(&self, worker: &str, job: &Job) -> Result<(), StoreError> {
        match self {
            Self::Redis(store) => store.give_back(worker, job, true).await,
            Self::Postgres(store) => store.give_back(worker, job, true).await,
        }
    }
}

impl What {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Started => "started",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Requeued => "requeued",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self, StoreError> {
        [Self::Submitted, Self::Started, Self::Done, Self::Failed, Self::Requeued]
            .into_iter()
            .find(|what| what.name() == name)
            .ok_or_else(|| StoreError::Strange(format!("event {name:?}")))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Job {
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a job is plain JSON")
    }

    pub(super) fn parse(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|error| StoreError::Strange(format!("job {text:?}: {error}")))
    }
}

async fn persist<T>(what: &str, mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    loop {
        match call().await {
            Ok(result) => return result,
            Err(StoreError::Strange(error)) => panic!("{what}: {error}"),
            Err(error) => println!("{what}: {error}; trying again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
