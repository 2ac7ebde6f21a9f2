//! A run once more, with what a plot needs of it.

use std::ops::Range;

use foresail::sim::{
    autoscaler::Autoscaler,
    outcome::{Change, Steps},
    workers::WorkerPool,
    world::{Outcome, Stage},
};

/// What a run looked like.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// What each counted job waited, seconds, the shortest first.
    pub(crate) waits: Vec<f64>,
    /// By span of time that was asked for.
    pub(crate) spans: Vec<Lines>,
}

/// A span of time, by what was there at each instant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    pub(crate) waiting: Steps,
    /// Workers that were asked for.
    pub(crate) wanted: Steps,
    pub(crate) ready: Steps,
    pub(crate) nodes: Steps,
}

impl Trace {
    /// Plays an autoscaler, and looks closely at these spans of time.
    pub(crate) fn of(
        stage: &Stage<'_>,
        autoscaler: impl Autoscaler,
        spans: &[Range<f64>],
    ) -> (Outcome, Self) {
        let mut lines = vec![Lines::default(); spans.len()];
        let last = spans.iter().map(|span| span.end).fold(0.0, f64::max);
        let mut before = Seen::default();
        let (outcome, pool) = stage.watch_to_the_end(autoscaler, |pool, _| {
            let now = pool.now();
            if now >= last {
                return;
            }
            let seen = Seen::of(pool);
            for (span, lines) in spans.iter().zip(&mut lines).filter(|(span, _)| span.contains(&now)) {
                if lines.waiting.changes().is_empty() {
                    lines.note(span.start, before);
                }
                lines.note(now, seen);
            }
            before = seen;
        });
        let mut waits: Vec<f64> = stage.waits(&pool).map(|(_, wait)| wait).collect();
        waits.sort_unstable_by(f64::total_cmp);
        (outcome, Self { waits, spans: lines })
    }
}

/// What is there at an instant.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    waiting: usize,
    wanted: usize,
    ready: usize,
    nodes: usize,
}

impl Seen {
    fn of(pool: &WorkerPool) -> Self {
        let (waiting, wanted, ready) = (pool.waiting(), pool.replicas(), pool.ready());
        Self { waiting, wanted, ready, nodes: pool.nodes().count() }
    }
}

impl Lines {
    fn note(&mut self, at: f64, seen: Seen) {
        self.waiting.note(at, seen.waiting as f64);
        self.wanted.note(at, seen.wanted as f64);
        self.ready.note(at, seen.ready as f64);
        self.nodes.note(at, seen.nodes as f64);
    }
}

/// The most that a number was within each of so many equal parts of a span, hours since its beginning.
pub(crate) fn crests(steps: &Steps, span: &Range<f64>, parts: u32) -> Vec<Change> {
    let length = (span.end - span.start) / f64::from(parts);
    let changes = steps.changes();
    let mut crests = Steps::default();
    for part in 0..parts {
        let from = span.start + f64::from(part) * length;
        let within = changes.partition_point(|change| change.at <= from)
            ..changes.partition_point(|change| change.at < from + length);
        let most = changes[within].iter().map(|change| change.to).fold(steps.at(from), f64::max);
        crests.note((from - span.start) / 3600.0, most);
    }
    crests.changes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crests_miss_no_peak_and_carry_what_was_there() {
        let mut steps = Steps::default();
        for (at, to) in [(0.0, 2.0), (3700.0, 9.0), (3710.0, 1.0), (9000.0, 4.0)] {
            steps.note(at, to);
        }
        let crests = crests(&steps, &(3600.0..10_800.0), 4);
        let found: Vec<(f64, f64)> = crests.iter().map(|change| (change.at, change.to)).collect();
        assert_eq!(found, [(0.0, 9.0), (0.5, 1.0), (1.5, 4.0)]);
    }
}
