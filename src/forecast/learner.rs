//! What the samples of one queue teach its forecast.

use super::Forecast;
use super::arrivals::Seen;
use super::horizons::Horizons;
use super::service::{Prior, ServiceBasis};
use crate::series::{QueueIndex, Sample, Series};

/// Seconds between two laws of the service time: making one takes 20 microseconds.
const REFRESH_EVERY: f64 = 60.0;

/// Arrivals that may be counted beyond what is here and what has ended, and jobs that may have ended beyond those that
/// were expected to: some were taken back, and reads are not of one instant.
const SLACK: u64 = 10;

/// How many times the jobs that are expected to end may be thought to have ended where nobody counts them: enough to
/// learn within minutes that jobs have become short.
const SURPRISE: u64 = 10;

/// One good sample, as far as a forecast learns from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Jobs that a worker could take.
    pub waiting: u64,
    /// Jobs that workers hold; `None` where the layout cannot see them.
    pub in_flight: Option<u64>,
    /// Jobs that ever arrived and jobs that ever ended, safe against resets; `None` where nobody counts them.
    pub arrivals: Option<u64>,
    /// As for `arrivals`.
    pub completions: Option<u64>,
}

/// A queue's forecast, and the sample that it last learned from.
#[derive(Debug, Clone)]
pub struct Learner {
    forecast: Forecast,
    last: Option<(f64, Counts)>,
    /// When its own first sample was read.
    since: Option<f64>,
    /// Whether samples failed since the last one.
    missed: bool,
    /// When the law of the service time is looked at next; the first time so long after the first sample, seconds.
    refresh_at: Option<f64>,
    refresh_first: f64,
    /// As of the last refresh: at hand without a look at the law.
    run_time: Option<f32>,
}

/// What happened between two samples.
struct Between {
    seen: Seen,
    ended: Ended,
}

/// Jobs that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// By a counter of those that did; or none that is known of.
    Counted(u64),
    /// So many are no longer here: workers ended them, or somebody took them back.
    Left(u64),
}

impl Learner {
    /// A queue of which nothing was seen.
    pub fn new(horizons: Horizons) -> Self {
        Self::resume(Forecast::new(horizons))
    }

    /// A queue of which so much was learned before. The time since then was not seen.
    pub fn resume(forecast: Forecast) -> Self {
        Self {
            forecast,
            last: None,
            since: None,
            missed: false,
            refresh_at: None,
            refresh_first: 0.0,
            run_time: None,
        }
    }

    /// Has learned `past` before what it has seen itself.
    pub fn take_over(&mut self, mut past: Forecast) {
        if let Some(since) = self.since {
            past.go_on_with(&self.forecast, since);
        }
        self.forecast = past;
    }

    /// Makes forecasts and laws of the service time at other seconds than its neighbours, by `part` (0 to 1) of the
    /// time between two: many queues are seen first in one tick, and would all have theirs made in one.
    #[must_use]
    pub fn apart(mut self, part: f64) -> Self {
        self.forecast.apart(part);
        Self { refresh_first: REFRESH_EVERY * part, ..self }
    }

    /// What was learned.
    pub fn forecast(&self) -> &Forecast {
        &self.forecast
    }

    /// What was learned, to teach it by other ways than samples: run times, ages, horizons.
    pub fn forecast_mut(&mut self) -> &mut Forecast {
        &mut self.forecast
    }

    /// Mean run time of a job, seconds, as it was known a minute ago at most; `None` before any was seen to end.
    pub fn run_time(&self) -> Option<f64> {
        self.run_time.map(f64::from)
    }

    /// The middle one of its horizons, seconds.
    pub fn looks_ahead(&self) -> f64 {
        self.forecast.arrivals().lengths().seconds()[1]
    }

    /// Looks about as far ahead as a worker takes to start, `lead` seconds.
    pub fn look_ahead(&mut self, lead: f64) {
        if let Some(horizons) = self.forecast.arrivals().lengths().about(lead) {
            self.forecast.set_horizons(horizons);
        }
    }

    /// Takes what `series` has just taken in of this queue, where it is believed; else it is a sample that failed.
    pub fn follow(&mut self, t: f64, sample: &Sample, series: &Series, queue: QueueIndex, offset: i32) {
        let believed = series.view(queue, t).is_ok_and(|view| view.no_fall.is_none());
        let Some(waiting) = sample.waiting.filter(|_| believed) else { return self.miss() };
        let counts = Counts {
            waiting,
            in_flight: sample.in_flight,
            arrivals: series.arrivals(queue),
            completions: series.completions(queue),
        };
        self.learn(t, counts, offset);
    }

    /// Takes a good sample, read at `t` (Unix seconds). `offset` is how many seconds local time is ahead of UTC.
    ///
    /// Totals count over failed samples. Where only depths are seen, what happened across failed samples is not
    /// known, and is no time without arrivals.
    pub fn learn(&mut self, t: f64, counts: Counts, offset: i32) {
        let missed = std::mem::take(&mut self.missed);
        self.since.get_or_insert(t);
        let Some((before_at, before)) = self.last.replace((t, counts)) else {
            self.forecast.observe(t, Seen::Gap, offset);
            return;
        };
        if t <= before_at {
            self.forecast.observe(t, Seen::Gap, offset);
            return;
        }
        let Between { seen, ended } = Between::of(&before, &counts);
        let unseen = missed && matches!(seen, Seen::NetChange(_));
        self.forecast.observe(t, if unseen { Seen::Gap } else { seen }, offset);
        if let Some(busy) = before.in_flight
            && !unseen
        {
            let service = self.forecast.service_mut();
            let seconds = busy as f64 * (t - before_at);
            let ended = ended.plausible(seconds, service.law().mean());
            if busy > 0 || ended > 0 {
                service.busy(seconds, ended);
            }
        }
        if t >= *self.refresh_at.get_or_insert(t + self.refresh_first) {
            self.refresh_at = Some(t + REFRESH_EVERY);
            let service = self.forecast.service_mut();
            if service.is_stale() {
                service.renew(&Prior::default());
            }
            #[expect(clippy::cast_possible_truncation, reason = "shown, in single precision")]
            {
                let is_learned = service.basis() != ServiceBasis::Prior;
                self.run_time = is_learned.then(|| service.law().mean() as f32);
            }
        }
    }

    /// Notes that a sample failed.
    pub fn miss(&mut self) {
        self.missed = true;
    }
}

impl Between {
    fn of(before: &Counts, now: &Counts) -> Self {
        let added = |before: Option<u64>, now: Option<u64>| Some(now?.saturating_sub(before?));
        let arrived = added(before.arrivals, now.arrivals);
        let ended = added(before.completions, now.completions);
        let sees_running = before.in_flight.is_some() && now.in_flight.is_some();
        let grown = now.depth(sees_running) - before.depth(sees_running);
        let count = |n: i128| u64::try_from(n.max(0)).unwrap_or(u64::MAX);
        // What is neither here nor counted as ended can only be told where all that is here is seen.
        let left = |n: i128| Ended::Left(if sees_running { count(n) } else { 0 });
        let or_left = |n: i128| ended.map_or_else(|| left(n), Ended::Counted);
        match (arrived, ended) {
            (Some(arrived), Some(ended)) if sees_running => {
                // What came is here or has ended; a counter that says much more is wrong.
                let plausible = count(i128::from(ended) + grown).saturating_mul(2).saturating_add(SLACK);
                Self { seen: Seen::Arrivals(arrived.min(plausible)), ended: Ended::Counted(ended) }
            }
            (Some(arrived), _) => {
                Self { seen: Seen::Arrivals(arrived), ended: or_left(i128::from(arrived) - grown) }
            }
            (None, Some(ended)) if sees_running => {
                let arrived = count(i128::from(ended) + grown);
                Self { seen: Seen::Arrivals(arrived), ended: Ended::Counted(ended) }
            }
            (None, _) => {
                let change = i64::try_from(grown).unwrap_or(if grown > 0 { i64::MAX } else { i64::MIN });
                Self { seen: Seen::NetChange(change), ended: or_left(-grown) }
            }
        }
    }
}

impl Ended {
    /// Those that may have run in so many busy seconds, where a job takes `run` seconds as far as is known. A purge of
    /// thousands of jobs would else teach that jobs take no time. Jobs that none of the workers seen had in hand are
    /// left out: at worst short ones are thought as long as the time between two samples.
    fn plausible(self, busy: f64, run: f64) -> u64 {
        match self {
            Self::Counted(jobs) => jobs,
            Self::Left(_) if busy <= 0.0 => 0,
            Self::Left(jobs) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "saturates, and is not negative"
                )]
                let expected = (busy / run) as u64;
                jobs.min(expected.saturating_mul(SURPRISE).saturating_add(SLACK))
            }
        }
    }
}

impl Counts {
    fn depth(&self, with_running: bool) -> i128 {
        let running = if with_running { self.in_flight.unwrap_or(0) } else { 0 };
        i128::from(self.waiting) + i128::from(running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(
        waiting: u64,
        in_flight: Option<u64>,
        arrivals: Option<u64>,
        completions: Option<u64>,
    ) -> Counts {
        Counts { waiting, in_flight, arrivals, completions }
    }

    fn between(before: Counts, now: Counts) -> (Seen, Ended) {
        let Between { seen, ended } = Between::of(&before, &now);
        (seen, ended)
    }

    #[test]
    fn whatever_is_counted_tells_of_the_rest() {
        let both = between(counts(5, Some(2), Some(10), Some(3)), counts(4, Some(4), Some(12), Some(4)));
        assert_eq!(both, (Seen::Arrivals(2), Ended::Counted(1)));
        let arrivals = between(counts(5, Some(2), Some(10), None), counts(4, Some(4), Some(12), None));
        assert_eq!(arrivals, (Seen::Arrivals(2), Ended::Left(1)));
        let completions = between(counts(5, Some(2), None, Some(3)), counts(4, Some(4), None, Some(4)));
        assert_eq!(completions, (Seen::Arrivals(2), Ended::Counted(1)));
        let depth = between(counts(5, Some(2), None, None), counts(4, Some(1), None, None));
        assert_eq!(depth, (Seen::NetChange(-2), Ended::Left(2)));
        let waiting = between(counts(5, None, None, None), counts(9, None, None, None));
        assert_eq!(waiting, (Seen::NetChange(4), Ended::Left(0)));
        let lost_sight = between(counts(5, Some(9), None, None), counts(5, None, None, None));
        assert_eq!(lost_sight, (Seen::NetChange(0), Ended::Left(0)));
    }

    #[test]
    fn a_poisoned_counter_is_not_believed() {
        let before = counts(5, Some(2), Some(10), Some(3));
        let (seen, ended) = between(before, counts(4, Some(4), Some(1_000_000_000), Some(4)));
        assert_eq!((seen, ended), (Seen::Arrivals(14), Ended::Counted(1)));
    }

    #[test]
    fn totals_count_over_failed_samples_and_a_depth_does_not() {
        let after = |arrivals: bool| {
            let mut learner = Learner::new(Horizons::default());
            let total = |n| arrivals.then_some(n);
            learner.learn(0.0, counts(0, Some(0), total(0), total(0)), 0);
            learner.miss();
            learner.learn(60.0, counts(9, Some(0), total(9), total(0)), 0);
            learner.forecast().arrivals().age()
        };
        assert!(after(true) < 1.0);
        assert!(after(false) > 1e8);
    }

    /// What it thinks a job takes after an hour of jobs of 10 s, two of which run at any time, and then `event`.
    fn run_time_after(event: impl FnOnce(&mut Learner, f64)) -> f64 {
        let mut learner = Learner::new(Horizons::default());
        for second in 0..3600_u32 {
            let ended = second % 5 == 0;
            // One job ends each 5 s; without a counter only the depth falls, and the next one comes a second later.
            learner.learn(f64::from(second), counts(1, Some(if ended { 1 } else { 2 }), None, None), 0);
        }
        event(&mut learner, 3600.0);
        learner.learn(3670.0, counts(1, Some(2), None, None), 0);
        learner.forecast().service().law().mean()
    }

    #[test]
    fn a_purge_teaches_no_run_times() {
        let undisturbed = run_time_after(|_, _| ());
        assert!((5.0..20.0).contains(&undisturbed), "{undisturbed}");
        let purged = |in_flight| {
            run_time_after(move |learner, t| {
                learner.learn(t, counts(20_000, Some(in_flight), None, None), 0);
                learner.learn(t + 1.0, counts(0, Some(in_flight), None, None), 0);
            })
        };
        for (in_flight, at_least) in [(0, 0.95), (2, 0.9)] {
            let run = purged(in_flight);
            assert!(
                run > at_least * undisturbed,
                "with {in_flight} in flight: {run} s after {undisturbed} s"
            );
        }
    }

    #[test]
    fn short_jobs_are_learned_though_nobody_counts_them() {
        let mut learner = Learner::new(Horizons::default());
        // 100 workers do jobs of 2 s, looked at every 10 s: 500 go between two looks.
        for look in 0..360_u32 {
            let waiting = if look % 2 == 0 { 600 } else { 100 };
            learner.learn(f64::from(look) * 10.0, counts(waiting, Some(100), None, None), 0);
        }
        let run = learner.forecast().service().law().mean();
        assert!(run < 6.0, "one half of the looks sees 500 jobs go in 1000 busy seconds: {run}");
    }

    #[test]
    fn run_times_come_from_busy_time_over_completions() {
        let mut learner = Learner::new(Horizons::default());
        for second in 0..40_000_u32 {
            let ended = u64::from(second / 20);
            learner.learn(f64::from(second), counts(0, Some(2), Some(ended + 2), Some(ended)), 0);
        }
        let run = learner.forecast().service().law().mean();
        assert!((run - 40.0).abs() < 4.0, "two workers end a job every 20 s: {run}");
    }
}
