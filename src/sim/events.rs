//! What will happen, in its order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Events by the instant at which they are due; of one instant, the least comes first.
#[derive(Clone, Debug)]
pub(super) struct Events<E>(BinaryHeap<Reverse<Due<E>>>);

#[derive(Clone, Copy, Debug)]
struct Due<E> {
    at: f64,
    event: E,
}

impl<E: Ord> Default for Events<E> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<E: Ord> Events<E> {
    /// When the next one is due; infinite where there is none.
    pub(super) fn next(&self) -> f64 {
        self.0.peek().map_or(f64::INFINITY, |due| due.0.at)
    }

    /// Expects one at this instant; never, where that is infinite.
    pub(super) fn expect(&mut self, at: f64, event: E) {
        if at < f64::INFINITY {
            self.0.push(Reverse(Due { at, event }));
        }
    }

    /// The next one, if it is due.
    pub(super) fn due(&mut self, now: f64) -> Option<E> {
        if self.next() <= now { self.0.pop().map(|due| due.0.event) } else { None }
    }
}

impl<E: Ord> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.total_cmp(&other.at).then_with(|| self.event.cmp(&other.event))
    }
}

impl<E: Ord> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E: Ord> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E: Ord> Eq for Due<E> {}
