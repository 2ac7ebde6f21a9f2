//! Metrics of the room that is asked for.

use prometheus::{IntCounterVec, IntGaugeVec};

use super::{counters, gauges};

/// What asking for room counts; on the replica that writes.
#[derive(Debug, Clone)]
pub struct ChunkMetrics {
    /// Chunks as written, by object.
    pub written: IntGaugeVec,
    /// Writes, by kind of what was written and result.
    pub writes: IntCounterVec,
    /// 1 for what keeps room from being asked for or from coming, by object.
    pub trouble: IntGaugeVec,
}

impl ChunkMetrics {
    pub(super) fn new() -> Self {
        Self {
            written: gauges(
                "foresail_hint_chunks",
                "Chunks that are asked for, each with room for one pod of the object.",
                &["namespace", "name"],
            ),
            writes: counters(
                "foresail_hint_writes_total",
                "Writes that ask for room: ok, absent (the API is not there), conflict, forbidden or error.",
                &["kind", "result"],
            ),
            trouble: gauges(
                "foresail_hint_trouble",
                "1 while something keeps room from being asked for, or from coming.",
                &["namespace", "name", "reason"],
            ),
        }
    }

    /// Another replica counts from now on.
    pub fn forget_all(&self) {
        self.written.reset();
        self.trouble.reset();
    }
}
