//! Whether any worker is ready, or was lately: one that is asked for long after the last finds no node that others left.

use crate::forecast::lead::Asked;

/// Seconds for which nodes may stay that the last workers left: Karpenter's mostly go within a minute, the Cluster
/// Autoscaler's after ten by default.
const NODES_STAY: f64 = 900.0;

/// What was seen of a ref's workers. All times in Unix seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Ready {
    /// Nobody knows.
    #[default]
    Unknown,
    /// None was at any look from `since` to `seen`.
    None { since: f64, seen: f64 },
    /// At every look from `since` on at least one was, and before that none from `none` on.
    Some { since: f64, none: f64 },
}

impl Ready {
    /// Takes how many are ready at `now`.
    pub(super) fn see(&mut self, now: f64, ready: Option<u32>) {
        const LONG_AGO: f64 = f64::NEG_INFINITY;
        *self = match (ready, *self) {
            (None, _) => Self::Unknown,
            (Some(0), Self::Unknown) => Self::None { since: LONG_AGO, seen: now },
            (Some(0), Self::None { since, .. }) => Self::None { since, seen: now },
            (Some(0), Self::Some { .. }) => Self::None { since: now, seen: now },
            (Some(_), Self::Unknown) => Self::Some { since: LONG_AGO, none: LONG_AGO },
            (Some(_), Self::None { since, .. }) => Self::Some { since: now, none: since },
            (Some(_), some @ Self::Some { .. }) => some,
        };
    }

    /// Beside whom a worker was asked for at that time.
    pub(super) fn asked(self, at: f64) -> Asked {
        let alone = match self {
            Self::Unknown => false,
            Self::None { since, .. } => at >= since + NODES_STAY,
            Self::Some { since, none } => at < since && at >= none + NODES_STAY,
        };
        if alone { Asked::Alone } else { Asked::Beside }
    }

    /// Beside whom a worker is asked for that is asked for now.
    pub(super) fn asked_now(self) -> Asked {
        match self {
            Self::None { seen, .. } => self.asked(seen),
            Self::Unknown | Self::Some { .. } => Asked::Beside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_was_asked_for_alone_where_that_was_before_the_first_one_was_ready() {
        let mut ready = Ready::default();
        assert_eq!(ready.asked(90.0), Asked::Beside, "nobody knows");
        ready.see(100.0, Some(3));
        assert_eq!(ready.asked(50.0), Asked::Beside, "they may have been there long");
        ready.see(200.0, Some(0));
        ready.see(1_200.0, Some(0));
        assert_eq!(ready.asked_now(), Asked::Alone);
        ready.see(1_260.0, Some(1));
        ready.see(1_270.0, Some(40));
        assert_eq!(
            [1_210.0, 1_259.0, 1_260.0].map(|at| ready.asked(at)),
            [Asked::Alone, Asked::Alone, Asked::Beside]
        );
        ready.see(1_280.0, None);
        assert_eq!(ready.asked(1_210.0), Asked::Beside, "out of sight");
    }

    #[test]
    fn whoever_comes_soon_after_the_last_may_find_its_node() {
        let mut ready = Ready::default();
        for (now, n) in [(0.0, 4), (100.0, 0), (160.0, 0)] {
            ready.see(now, Some(n));
        }
        assert_eq!([ready.asked_now(), ready.asked(130.0)], [Asked::Beside; 2]);
        ready.see(1_000.0, Some(0));
        assert_eq!(ready.asked_now(), Asked::Alone);
        ready.see(1_010.0, Some(1));
        assert_eq!([130.0, 1_005.0].map(|at| ready.asked(at)), [Asked::Beside, Asked::Alone]);
    }

    #[test]
    fn who_is_first_seen_without_workers_has_had_none_for_long() {
        let mut ready = Ready::default();
        ready.see(100.0, Some(0));
        assert_eq!(ready.asked_now(), Asked::Alone);
    }
}
