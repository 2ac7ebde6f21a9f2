//! The stores that are read: one trait, and one room for each kind of store.
//!
//! A source reads any number of queues in one batch. It keeps no history and decides nothing: it
//! says what it saw, with the store's own clock, or why it could not see.

pub mod postgres;
pub mod preset;
pub mod redis;
pub mod replay;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::series::Sample;

/// A store that can be read: a Redis, a Postgres, or the embedded replay of a job log.
#[async_trait]
pub trait Source: Send + Sync {
    /// Reads all of `wanted` in one batch; `samples` of the answer stands in the order of `wanted`.
    ///
    /// # Errors
    /// When nothing at all could be read: no connection, a time-out, a store that loads, recovers or
    /// is not the primary. One bad queue is an error of its own inside the batch.
    async fn read(&self, wanted: &[Wanted]) -> Result<Batch, SourceError>;

    /// Names of the queues that the store holds under a layout, at most `limit`; for `foresail check`.
    async fn discover(&self, layout: LayoutIndex, limit: usize) -> Result<Vec<String>, SourceError>;

    /// What is wrong or risky in the store: rights, row-level security, indexes, pooler, version.
    async fn inspect(&self) -> Vec<Finding>;
}

/// A layout's place in its source's list of layouts, as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayoutIndex(pub usize);

/// One queue to be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// How the queue lies in the store.
    pub layout: LayoutIndex,
    /// The queue's name, without separators of sums.
    pub queue: Arc<str>,
}

/// What one read brought back.
#[derive(Debug, Default)]
pub struct Batch {
    /// One result for each queue wanted, in that order.
    pub samples: Vec<Result<Sample, QueueError>>,
    /// Which store answered; a change of it makes zeros suspect.
    pub identity: Option<Identity>,
    /// Round trips that the read took (for metrics and the benchmark).
    pub round_trips: u32,
    /// Seconds that went into connecting before it: no reading, so the store need not rest for it.
    pub connecting: f64,
}

/// Which store answered: a Redis run or replication id, a Postgres system identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(pub String);

/// Why a whole source could not be read. Texts never hold a secret.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SourceError {
    /// No connection: the address, the network, TLS or the credentials, or a server that says nothing.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The store accepted the request and did not answer in so many seconds.
    #[error("no answer within {0} s")]
    Timeout(f64),
    /// The store answers, but not from data that may be trusted (loading, recovering, a replica).
    #[error("not trusted: {0}")]
    NotTrusted(String),
    /// The store refused or failed the whole read.
    #[error("read failed: {0}")]
    Read(String),
}

impl SourceError {
    /// The same, met while connecting: what was not answered was no read.
    fn while_connecting(self) -> Self {
        match self {
            Self::Timeout(_) => Self::Connect(self.to_string()),
            other => other,
        }
    }
}

/// Why one queue could not be read while others could.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The queue is not there and its layout says `missing_queue: error`.
    #[error("queue {0:?} does not exist (layout says missing_queue: error)")]
    Missing(String),
    /// The store's answer for this queue was an error or of a wrong shape.
    #[error("{0}")]
    Read(String),
}

/// One thing that `foresail check` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is about: a layout, a table, the server.
    pub subject: String,
    /// What was found.
    pub what: String,
    /// What to do about it, where there is something to do.
    pub todo: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Works, but will hurt.
    Warning,
    /// Does not work.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}
