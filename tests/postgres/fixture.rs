//! Sources and layouts for these tests.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use foresail::{
    config::{
        secret::Secret,
        source::{Layout, LayoutRead, MissingQueue, PgTlsMode, PostgresConfig, PostgresTarget, TlsConfig},
    },
    series::Sample,
    source::{
        Batch, LayoutIndex, QueueError, Source as _, Wanted, postgres::PostgresSource, preset::PRESETS,
    },
};

use sqlx::{AssertSqlSafe, PgConnection, postgres::PgRow};
use tokio::sync::Mutex;

use crate::support::postgres::PostgresServer;

/// Seconds that a test waits for one read, where it is not about time.
pub(crate) const TIMEOUT: f64 = 10.0;

/// A database of its own on a server that the tests which run at the same time share.
pub(crate) struct Database {
    server: Arc<PostgresServer>,
    pub(crate) name: String,
}

impl Database {
    pub(crate) async fn new() -> Self {
        /// Weak, so that the last test stops the server.
        static SHARED: Mutex<Weak<PostgresServer>> = Mutex::const_new(Weak::new());
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut shared = SHARED.lock().await;
        let server = match shared.upgrade() {
            Some(server) => server,
            None => Arc::new(PostgresServer::start().await),
        };
        *shared = Arc::downgrade(&server);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        server.execute(&format!("CREATE DATABASE {name}")).await;
        Self { server, name }
    }

    pub(crate) fn url(&self, role: &str) -> String {
        self.server.url(role, &self.name)
    }

    pub(crate) async fn connection(&self) -> PgConnection {
        self.server.connection(&self.name).await
    }

    /// Runs statements as the superuser, in one transaction.
    pub(crate) async fn execute(&self, sql: &str) {
        self.server.execute_in(&self.name, sql).await;
    }

    /// Runs one query as the superuser.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<PgRow> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.connection().await).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// A source that reads as the superuser.
    pub(crate) fn source(&self, layouts: Vec<Layout>) -> PostgresSource {
        self.source_as("postgres", layouts)
    }

    pub(crate) fn source_as(&self, role: &str, layouts: Vec<Layout>) -> PostgresSource {
        source(&self.url(role), layouts)
    }
}

pub(crate) fn config(url: &str) -> PostgresConfig {
    PostgresConfig {
        target: PostgresTarget::Url(Secret::Inline(url.into())),
        tls_mode: PgTlsMode::FromUrl,
        tls: TlsConfig::default(),
        replica: false,
        timeout: TIMEOUT,
    }
}

/// A layout of pg-table; a value with commas is a list.
pub(crate) fn table(pairs: &[(&str, &str)]) -> Layout {
    let given =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.split(',').map(str::to_owned).collect()));
    let preset = &PRESETS["pg-table"];
    let parameters =
        preset.complete(given.collect::<BTreeMap<_, _>>()).expect("they are parameters of pg-table");
    layout(LayoutRead::Preset { preset, parameters })
}

pub(crate) fn query(sql: &str) -> Layout {
    layout(LayoutRead::Query(sql.to_owned()))
}

fn layout(read: LayoutRead) -> Layout {
    Layout {
        name: "lab".to_owned(),
        implied: false,
        read,
        missing_queue: MissingQueue::Empty,
        max_run: 300.0,
        stuck_after: None,
        worker_pod: None,
        history: None,
    }
}

pub(crate) fn source(url: &str, layouts: Vec<Layout>) -> PostgresSource {
    PostgresSource::new(config(url), layouts).expect("the layouts are right")
}

pub(crate) fn wanted(layout: usize, queue: &str) -> Wanted {
    Wanted { layout: LayoutIndex(layout), queue: queue.into() }
}

/// Reads queues of the first layout.
pub(crate) async fn read(source: &PostgresSource, queues: &[&str]) -> Vec<Result<Sample, QueueError>> {
    read_batch(source, queues).await.samples
}

pub(crate) async fn read_batch(source: &PostgresSource, queues: &[&str]) -> Batch {
    let wanted: Vec<Wanted> = queues.iter().map(|queue| wanted(0, queue)).collect();
    source.read(&wanted).await.expect("the source can be read")
}

/// Reads one queue of the first layout.
pub(crate) async fn sample(source: &PostgresSource, queue: &str) -> Sample {
    read(source, &[queue]).await.remove(0).expect("the queue can be read")
}

/// Why one queue of the first layout cannot be read.
pub(crate) async fn error(source: &PostgresSource, queue: &str) -> String {
    read(source, &[queue]).await.remove(0).expect_err("the queue cannot be read").to_string()
}

/// Asserts that a text says all of these words.
#[track_caller]
pub(crate) fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}
