//! What a queue is called, and where it stands in the table.

use serde::{Deserialize, Serialize};

use super::QueueIndex;

/// What a queue is called: its source, its layout, and the names whose sum it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QueueKey {
    /// The source's name.
    pub source: String,
    /// The layout's name.
    pub layout: String,
    /// The queue's names, sorted, each once.
    pub names: Vec<String>,
}

impl QueueKey {
    /// The names as a ref writes them.
    pub fn queue(&self) -> String {
        self.names.join(",")
    }
}

/// A queue that some ref asks for, as the sampler is told of it and the answers show it.
#[derive(Debug)]
pub struct KnownQueue {
    /// What it is called.
    pub key: QueueKey,
    /// Its place in the series.
    pub index: QueueIndex,
}
