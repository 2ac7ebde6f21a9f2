//! Workers for which a node has been asked and has not come: theirs may be the next one's.

use std::collections::{BTreeMap, btree_map::Entry};

/// Seconds after which no node is under way any more for a worker that has none.
const UNDER_WAY: f64 = 900.0;

/// The workers of one ref that have no node, by when they were asked for; those included that were given up since, as
/// their nodes come all the same.
#[derive(Debug, Clone, Default)]
pub struct Line(BTreeMap<u64, u32>);

impl Line {
    /// A worker was asked for at that time, Unix seconds, and waits for a node. Gives the seconds by which a node may
    /// have been asked for before it.
    pub fn join(&mut self, asked: f64) -> f64 {
        self.0 = self.0.split_off(&place(asked - UNDER_WAY));
        *self.0.entry(place(asked)).or_default() += 1;
        self.0.keys().next().map_or(0.0, |first| (asked - *first as f64 / 1_000.0).max(0.0))
    }

    /// A worker that was asked for at that time has a node.
    pub fn leave(&mut self, asked: f64) {
        if let Entry::Occupied(mut workers) = self.0.entry(place(asked)) {
            *workers.get_mut() -= 1;
            if *workers.get() == 0 {
                workers.remove();
            }
        }
    }
}

/// Milliseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and NaN is 0")]
fn place(asked: f64) -> u64 {
    (asked * 1_000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_behind_the_first_that_was_asked_for_and_has_no_node() {
        let mut line = Line::default();
        let join = |line: &mut Line, at, behind: f64| {
            let found = line.join(at);
            assert!((found - behind).abs() < 1e-9, "at {at}: {found}, and not {behind}");
        };
        join(&mut line, 100.0, 0.0);
        join(&mut line, 100.0, 0.0);
        join(&mut line, 130.0, 30.0);
        line.leave(100.0);
        // The other one of then waits, or was given up.
        join(&mut line, 140.0, 40.0);
        line.leave(100.0);
        join(&mut line, 150.0, 20.0);
        line.leave(77.0);
        // Whatever was under way has come.
        join(&mut line, 5_000.0, 0.0);
    }

    #[test]
    fn what_no_time_can_be_is_no_trouble() {
        let mut line = Line::default();
        for at in [f64::NAN, -1.0, f64::INFINITY, 0.0] {
            assert!(line.join(at) >= 0.0);
            line.leave(at);
        }
    }
}
