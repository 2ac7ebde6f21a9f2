//! What happens to workers.

/// What happens to a worker; of one instant, the earlier worker's comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
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
