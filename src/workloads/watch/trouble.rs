//! What cannot be watched: kinds that fail again and again, and those that may not be read.

use std::collections::{BTreeSet, HashMap};

use kube::runtime::watcher;

use crate::workloads::LOST_AFTER;

/// Seconds between two errors of a watch, above which it worked in between: its back-off is at most 60.
const ERRORS_APART: f64 = 90.0;

/// Watches in trouble, by their place.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    failing: HashMap<usize, Failing>,
    refused: BTreeSet<usize>,
    /// Those that fail and without which all else is seen.
    missed: BTreeSet<usize>,
}

/// A watch that fails again and again.
#[derive(Debug, Clone, Copy)]
struct Failing {
    since: f64,
    last: f64,
}

impl Trouble {
    /// A watch failed. Returns whether it is the first time.
    pub(super) fn failed(&mut self, at: usize, now: f64) -> bool {
        let known = self.failing.get(&at).copied();
        let since = known.filter(|known| now - known.last <= ERRORS_APART).map_or(now, |known| known.since);
        self.failing.insert(at, Failing { since, last: now }).is_none()
    }

    /// A watch may not be read. Returns whether that is new.
    pub(super) fn refused(&mut self, at: usize) -> bool {
        self.failing.remove(&at);
        self.refused.insert(at)
    }

    /// A watch failed that may be missing: it never makes the cluster count as lost. Returns whether that is new.
    pub(super) fn missed(&mut self, at: usize) -> bool {
        self.missed.insert(at)
    }

    /// A watch was listed. Returns whether it was refused before.
    pub(super) fn listed(&mut self, at: usize) -> bool {
        self.failing.remove(&at);
        self.missed.remove(&at);
        self.refused.remove(&at)
    }

    /// Watches that may not be read.
    pub(super) fn all_refused(&self) -> impl Iterator<Item = usize> {
        self.refused.iter().copied()
    }

    /// A watch that has failed for so long that the cluster counts as lost, and for how many seconds.
    pub(super) fn lost(&self, now: f64) -> Option<(usize, f64)> {
        let lost = |(at, failing): (&usize, &Failing)| {
            let seconds = failing.last - failing.since;
            (seconds > LOST_AFTER && now - failing.last < ERRORS_APART).then_some((*at, seconds))
        };
        self.failing.iter().find_map(lost)
    }
}

/// Whether the API does not know the kind.
pub(super) fn is_absent(error: &watcher::Error) -> bool {
    code(error) == Some(404)
}

/// Whether the kind may not be read.
pub(super) fn is_refused(error: &watcher::Error) -> bool {
    code(error) == Some(403)
}

fn code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_missing_is_told_once_and_never_makes_the_cluster_count_as_lost() {
        let mut trouble = Trouble::default();
        assert!(trouble.missed(7) && !trouble.missed(7));
        for at in [0.0, 60.0, 120.0] {
            trouble.failed(3, at);
            trouble.missed(7);
        }
        assert_eq!(trouble.lost(121.0), Some((3, 120.0)), "the other one does");
        trouble.listed(3);
        assert_eq!(trouble.lost(121.0), None);
        trouble.listed(7);
        assert!(trouble.missed(7), "it had come and is missing again");
    }
}
