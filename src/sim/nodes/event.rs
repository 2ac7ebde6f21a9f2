//! What happens to nodes.

/// What happens to a node; of one instant, the older node's comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
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
