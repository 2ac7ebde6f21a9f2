//! Which queues fail, for the log.

use crate::series::QueueKey;

/// Queues that began or ceased to fail in one reading, for the log: a line each for the first few.
#[derive(Default)]
pub(super) struct Faults {
    begun: usize,
    /// Queues that can be read again.
    pub(super) ended: usize,
}

impl Faults {
    /// Lines for single queues in one reading.
    const LINES: usize = 5;

    /// A queue that could be read fails now.
    pub(super) fn begun(&mut self, key: &QueueKey, error: &str) {
        self.begun += 1;
        if self.begun <= Self::LINES {
            tracing::warn!(
                source = key.source,
                layout = key.layout,
                queue = key.queue(),
                error,
                "a queue cannot be read: its last good sample holds"
            );
        }
    }

    /// Says in one line each what is too much to say queue by queue.
    pub(super) fn log(&self, source: &str) {
        if self.begun > Self::LINES {
            tracing::warn!(source, queues = self.begun, "so many queues cannot be read");
        }
        if self.ended > 0 {
            tracing::info!(source, queues = self.ended, "queues can be read again");
        }
    }
}
