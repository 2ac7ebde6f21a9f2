//! Which queues fail while their source can be read, for the log: a line at the begin and at the end.

use crate::engine::queues::Queue;

/// What began and ceased to fail in one reading.
#[derive(Default)]
pub(super) struct Faults {
    begun: usize,
    /// Queues that can be read again.
    pub(super) ended: usize,
}

impl Faults {
    /// Lines for single queues in one reading.
    const LINES: usize = 5;

    /// Notes a queue's error; one that failed before is no news.
    pub(super) fn of(&mut self, queue: &mut Queue, error: &str) {
        if std::mem::replace(&mut queue.own_fault, true) {
            return;
        }
        self.begun += 1;
        if self.begun <= Self::LINES {
            let key = &queue.known.key;
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
