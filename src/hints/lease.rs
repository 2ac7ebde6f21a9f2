//! One writer among replicas.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Whether this replica may write now. Cheap to ask, and shared.
#[derive(Debug, Clone, Default)]
pub struct Leadership(Arc<Hold>);

#[derive(Debug, Default)]
struct Hold {
    /// Unix seconds until which nobody else can hold it, as bits.
    until: AtomicU64,
    term: AtomicU64,
}

impl Leadership {
    /// Whether nobody else can be writing at `now`.
    pub fn is_held(&self, now: f64) -> bool {
        now < f64::from_bits(self.0.until.load(Ordering::Acquire))
    }

    /// Rises with each time that it comes to be held.
    pub fn term(&self) -> u64 {
        self.0.term.load(Ordering::Acquire)
    }
    /// Held until then, as of `now`.
    #[cfg(test)]
    pub(super) fn set(&self, until: f64, now: f64) {
        if now < until && !self.is_held(now) {
            // Before `until`: who finds it held finds the term of this hold.
            self.0.term.fetch_add(1, Ordering::AcqRel);
        }
        self.0.until.store(until.to_bits(), Ordering::Release);
    }
}
