//! Jobs out of series: an arrivals counter, or the depth of a queue. Values in, values out.

use crate::sim::job_log::Job;

/// One value of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Unix seconds.
    pub(super) at: f64,
    pub(super) value: f64,
}

/// So many jobs (with a fraction) within a span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Arrivals {
    /// Unix seconds.
    pub(super) from: f64,
    to: f64,
    /// Fewer than none where more was thought to have come before than had.
    jobs: f64,
}

/// Arrivals out of a counter: its increments. A fall is a reset, after which the value itself is what came.
pub(super) fn from_counter(counter: &[Point]) -> Vec<Arrivals> {
    let increment = |pair: &[Point]| {
        let jobs = if pair[1].value < pair[0].value { pair[1].value } else { pair[1].value - pair[0].value };
        Arrivals { from: pair[0].at, to: pair[1].at, jobs }
    };
    counter.windows(2).map(increment).collect()
}

/// Arrivals out of a depth. What came is what the depth rose by, and what left meanwhile: with the number of
/// busy workers and the run time of a job that is `rise of busy + busy seconds / run`; without, it is not known,
/// and only rises count.
pub(super) fn from_depth(depth: &[Point], busy: Option<(&[Point], f64)>) -> Vec<Arrivals> {
    let between = |pair: &[Point]| {
        let (from, to) = (pair[0].at, pair[1].at);
        let rise = pair[1].value - pair[0].value;
        let jobs = match busy {
            None => rise.max(0.0),
            Some((busy, run)) => {
                let started = value_at(busy, to) - value_at(busy, from);
                rise + started + area(busy, from, to) / run
            }
        };
        Arrivals { from, to, jobs }
    };
    depth.windows(2).map(between).collect()
}

/// How many jobs came, with a fraction.
pub(super) fn count<'a>(arrivals: impl Iterator<Item = &'a Arrivals>) -> f64 {
    arrivals.map(|one| one.jobs).sum()
}

/// From when on (Unix seconds) no more than `most` jobs came; `None` where there were no more in all.
pub(super) fn since_when<'a>(arrivals: impl Iterator<Item = &'a Arrivals>, most: f64) -> Option<f64> {
    let mut all: Vec<&Arrivals> = arrivals.collect();
    all.sort_unstable_by(|a, b| b.to.total_cmp(&a.to));
    let mut came = 0.0;
    let too_many = all.into_iter().find(|one| {
        came += one.jobs.max(0.0);
        came > most
    });
    too_many.map(|one| one.to)
}

/// Mean run time of `jobs` jobs that kept so many workers busy, seconds; `None` of no jobs.
pub(super) fn mean_run(busy: &[Point], jobs: f64) -> Option<f64> {
    let (first, last) = (busy.first()?, busy.last()?);
    (jobs > 0.0).then(|| area(busy, first.at, last.at) / jobs)
}

/// Jobs of these submissions that all run as long.
pub(super) fn jobs(submits: &[f64], run: f64) -> Vec<Job> {
    submits.iter().map(|&submit| Job::new(submit, run)).collect()
}

/// Submissions: whole jobs, evenly within their spans. What is over of a fraction, or was too little, is carried on.
pub(super) fn spread<'a>(arrivals: impl Iterator<Item = &'a Arrivals>) -> Vec<f64> {
    let mut submits = Vec::new();
    let mut carried = 0.0;
    for &Arrivals { from, to, jobs } in arrivals {
        carried += jobs;
        // Sums of fractions fall short of a whole by rounding.
        let whole = (carried + 1e-9).floor().max(0.0);
        carried -= whole;
        let gap = (to - from) / whole;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number, not negative"
        )]
        submits.extend((0..whole as u64).map(|nth| from + gap * (nth as f64 + 0.5)));
    }
    submits
}

/// The value that holds at a time: the last one at or before it, else the first.
fn value_at(series: &[Point], time: f64) -> f64 {
    let after = series.partition_point(|point| point.at <= time);
    series.get(after.saturating_sub(1)).map_or(0.0, |point| point.value)
}

/// Worker-seconds between two times; each value holds until the next.
fn area(series: &[Point], from: f64, to: f64) -> f64 {
    let held = |at: usize| {
        let end = series.get(at + 1).map_or(to, |next| next.at);
        series[at].value * (end.min(to) - series[at].at.max(from)).max(0.0)
    };
    let first = series.partition_point(|point| point.at <= from).saturating_sub(1);
    (first..series.len()).take_while(|&at| series[at].at < to).map(held).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(f64, f64)]) -> Vec<Point> {
        points.iter().map(|&(at, value)| Point { at, value }).collect()
    }

    fn shown(arrivals: &[Arrivals]) -> Vec<String> {
        spread(arrivals.iter()).iter().map(ToString::to_string).collect()
    }

    fn number(arrivals: &[Arrivals]) -> usize {
        spread(arrivals.iter()).len()
    }

    #[test]
    fn a_counter_gives_its_increments_spread_over_their_steps() {
        let counter = series(&[(0.0, 7.0), (60.0, 7.0), (120.0, 10.0), (180.0, 11.0)]);
        assert_eq!(shown(&from_counter(&counter)), ["70", "90", "110", "150"]);
    }

    #[test]
    fn a_reset_counts_what_came_after_it_and_a_gap_is_one_long_step() {
        let counter = series(&[(0.0, 100.0), (60.0, 2.0), (360.0, 5.0)]);
        assert_eq!(shown(&from_counter(&counter)), ["15", "45", "110", "210", "310"]);
    }

    #[test]
    fn fractions_are_carried_on() {
        let counter = series(&[(0.0, 0.0), (10.0, 0.4), (20.0, 0.8), (30.0, 1.2), (40.0, 2.0)]);
        assert_eq!(shown(&from_counter(&counter)), ["25", "35"]);
    }

    #[test]
    fn of_a_depth_alone_only_rises_count() {
        let depth = series(&[(0.0, 5.0), (60.0, 7.0), (120.0, 3.0), (180.0, 4.0)]);
        assert_eq!(shown(&from_depth(&depth, None)), ["15", "45", "150"]);
    }

    #[test]
    fn with_busy_workers_what_left_is_counted_too() {
        // Two workers, 30 s a job: 4 jobs leave a minute, and the queue keeps its depth.
        let depth = series(&[(0.0, 5.0), (60.0, 5.0), (120.0, 3.0)]);
        let busy = series(&[(0.0, 2.0), (60.0, 2.0), (120.0, 2.0)]);
        assert_eq!(number(&from_depth(&depth, Some((&busy, 30.0)))), 4 + 2);
        assert_eq!(mean_run(&busy, 8.0).unwrap().to_string(), "30");
        assert_eq!(mean_run(&busy, 0.0), None);
    }

    #[test]
    fn more_that_left_than_can_be_lowers_what_came_later() {
        let depth = series(&[(0.0, 5.0), (60.0, 0.0), (120.0, 6.0)]);
        let nobody = series(&[(0.0, 0.0)]);
        assert_eq!(number(&from_depth(&depth, Some((&nobody, 30.0)))), 1, "five left unseen, and six came");
    }

    #[test]
    fn of_too_many_jobs_the_latest_are_kept_of_all_series_alike() {
        let one = from_counter(&series(&[(0.0, 0.0), (60.0, 10.0), (120.0, 20.0), (180.0, 30.0)]));
        let other = from_counter(&series(&[(0.0, 0.0), (90.0, 5.0), (180.0, 6.0)]));
        let all = || one.iter().chain(&other);
        assert_eq!(count(all()).to_string(), "36");
        assert_eq!(since_when(all(), 36.0), None);
        let kept = |most: f64| {
            let since = since_when(all(), most).unwrap();
            let kept = |series: &[Arrivals]| series.iter().filter(|one| one.from >= since).count();
            (since.to_string(), kept(&one), kept(&other))
        };
        assert_eq!(kept(35.0), ("60".to_owned(), 2, 1));
        assert_eq!(kept(25.0), ("90".to_owned(), 1, 1));
        assert_eq!(kept(15.0), ("120".to_owned(), 1, 0));
        assert_eq!(kept(9.0), ("180".to_owned(), 0, 0));
        let flood = from_counter(&series(&[(0.0, 0.0), (60.0, 1e15), (120.0, 1e15 + 1.0)]));
        assert_eq!(since_when(flood.iter(), 1e6), Some(60.0));
    }
}
