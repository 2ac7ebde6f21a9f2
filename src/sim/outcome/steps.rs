//! Numbers that change at instants.

/// A number over time: what it was from each instant on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps(Vec<Change>);

/// From `at` on it was `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Seconds.
    pub at: f64,
    /// The number from then on.
    pub to: f64,
}

impl Steps {
    /// It is `to` from `at` on, which is no earlier than what was noted before.
    pub fn note(&mut self, at: f64, to: f64) {
        match self.0.last_mut() {
            Some(last) if same(last.to, to) => {}
            Some(last) if last.at >= at => last.to = to,
            _ => self.0.push(Change { at, to }),
        }
    }

    /// The changes, in the order of time.
    pub fn changes(&self) -> &[Change] {
        &self.0
    }

    /// The number at `at`; 0 before the first instant.
    pub fn at(&self, at: f64) -> f64 {
        let after = self.0.partition_point(|change| change.at <= at);
        after.checked_sub(1).map_or(0.0, |last| self.0[last].to)
    }

    /// The number times the seconds for which it was that, over `[from, to)`.
    pub fn integral(&self, from: f64, to: f64) -> f64 {
        let begin = self.0.partition_point(|change| change.at <= from).saturating_sub(1);
        let ends = self.0[begin..].iter().skip(1).map(|change| change.at).chain([f64::INFINITY]);
        let spans = self.0[begin..].iter().zip(ends).take_while(|(change, _)| change.at < to);
        let parts = spans.map(|(change, end)| change.to * (end.min(to) - change.at.max(from)).max(0.0));
        parts.fold(0.0, |sum, part| sum + part)
    }

    /// How many jobs of these (submission, run time) would run at a time if each started at once, by `slots` to
    /// a worker and rounded up: the workers in demand.
    pub fn demand(jobs: impl Iterator<Item = (f64, f64)>, slots: u32) -> Self {
        let mut events: Vec<(f64, i64)> =
            jobs.filter(|&(_, run)| run > 0.0).flat_map(|(at, run)| [(at, 1), (at + run, -1)]).collect();
        events.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (mut steps, mut running) = (Self::default(), 0_i64);
        for (at, by) in events {
            running += by;
            steps.note(at, (running as f64 / f64::from(slots.max(1))).ceil());
        }
        steps
    }
}

pub(super) fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_kept_and_the_last_of_an_instant_counts() {
        let mut steps = Steps::default();
        for (at, to) in [(0.0, 1.0), (5.0, 1.0), (6.0, 2.0), (6.0, 3.0), (9.0, 0.0)] {
            steps.note(at, to);
        }
        assert_eq!(steps.changes().len(), 3);
        assert_eq!(
            [-1.0, 0.0, 5.9, 6.0, 8.0, 9.0].map(|at| steps.at(at).to_string()),
            ["0", "1", "1", "3", "3", "0"]
        );
    }

    #[test]
    fn the_integral_is_that_of_the_part_within() {
        let mut steps = Steps::default();
        for (at, to) in [(0.0, 1.0), (6.0, 3.0), (9.0, 0.0)] {
            steps.note(at, to);
        }
        let found =
            [(0.0, 9.0), (5.0, 7.0), (-3.0, 1.0), (9.0, 20.0)].map(|(from, to)| steps.integral(from, to));
        assert_eq!(found.map(|sum| sum.to_string()), ["15", "4", "1", "0"]);
        assert_eq!(Steps::default().integral(0.0, 9.0).to_string(), "0");
    }

    #[test]
    fn demand_is_the_jobs_that_would_run_at_once() {
        let demand = Steps::demand([(0.0, 10.0), (5.0, 10.0), (5.0, 1.0)].into_iter(), 2);
        assert_eq!(
            [0.0, 5.0, 6.0, 10.0, 15.0].map(|at| demand.at(at).to_string()),
            ["1", "2", "1", "1", "0"]
        );
    }
}
