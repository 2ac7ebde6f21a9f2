//! What will happen to workers, in its order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// What happens to a worker at an instant; of one instant, the earlier worker's comes first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) at: f64,
    pub(super) worker: u32,
    pub(super) kind: Kind,
    /// Of the worker, when this was expected: it is void if the worker started again since.
    pub(super) restarts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The job of this slot ends.
    JobDone(u32),
    /// The scheduler tries again to find it a node.
    Retry,
    Ready,
    Crash,
    GraceOver,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Events(BinaryHeap<Reverse<Event>>);

impl Events {
    /// When the next one is due; infinite where there is none.
    pub(super) fn next(&self) -> f64 {
        self.0.peek().map_or(f64::INFINITY, |event| event.0.at)
    }

    pub(super) fn expect(&mut self, event: Event) {
        if event.at < f64::INFINITY {
            self.0.push(Reverse(event));
        }
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.0.pop().map(|event| event.0)
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at
            .total_cmp(&other.at)
            .then_with(|| self.worker.cmp(&other.worker))
            .then_with(|| self.kind.cmp(&other.kind))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}
