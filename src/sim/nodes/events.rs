//! What will happen to nodes, in its order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// What happens to a node at an instant; of one instant, the older node's comes first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) at: f64,
    pub(super) node: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    LaunchFailed,
    Launched,
    Ready,
    /// It should have been ready long ago.
    Overdue,
    /// The notice that a spot instance is taken back.
    Reclaimed,
    ReclaimOver,
    Ended,
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

    /// The next one, if it is due.
    pub(super) fn due(&mut self, now: f64) -> Option<Event> {
        if self.next() <= now { self.0.pop().map(|event| event.0) } else { None }
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at
            .total_cmp(&other.at)
            .then_with(|| self.node.cmp(&other.node))
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
