//! Windows in which an expert keeps workers ready, beside a list scaler.
//!
//! Follows KEDA 2.20: one trigger for the list and a `cron` trigger for each window. The HPA takes the
//! largest of their proposals; since that grows with the metric, one metric that is the largest of them gives
//! the same.
//!
//! Simplified: windows recur weekly or daily by a fixed offset from UTC (no daylight saving), begin and end
//! at whole minutes, and do not pass midnight (two windows do).

use serde::{Deserialize, Serialize};

use super::number::{place, rounded};
use super::{Demand, ListLength, Scaler};
use crate::sim::workers::WorkerPool;

/// Minutes in which so many workers are kept, on some days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// By day, from Monday on: whether it is one of them.
    pub days: [bool; 7],
    /// First minute of the day, 0 to 1439.
    pub from: u32,
    /// The minute after the last one, up to 1440.
    pub to: u32,
    /// `desiredReplicas`, 1 or more.
    pub workers: u32,
}

/// A list scaler, and an expert's windows.
#[derive(Clone, Debug)]
pub struct Cron {
    list: ListLength,
    windows: Vec<Window>,
    /// Seconds that local time is ahead of UTC.
    utc_offset: f64,
    /// When it last looked at the clock, Unix seconds.
    seen_at: f64,
}

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;
const WEEK: f64 = 7.0 * DAY;
/// A Monday, 00:00 UTC.
const SOME_MONDAY: f64 = 4.0 * DAY;

impl Cron {
    /// A list scaler and windows in a time zone so many seconds ahead of UTC, from `now` on.
    pub const fn new(list: ListLength, windows: Vec<Window>, utc_offset: f64, now: f64) -> Self {
        Self { list, windows, utc_offset, seen_at: now }
    }

    /// Workers that windows keep at an instant.
    pub fn kept(&self, at: f64) -> u32 {
        let week = self.second_of_week(at);
        self.windows
            .iter()
            .filter(|window| window.holds(week))
            .map(|window| window.workers)
            .max()
            .unwrap_or(0)
    }

    /// When a window next begins after `at`; infinite of none.
    fn next_beginning(&self, at: f64) -> f64 {
        let week = self.second_of_week(at);
        let until = |begin: f64| if begin > week { begin - week } else { begin + WEEK - week };
        let first = self.windows.iter().flat_map(Window::beginnings).map(until).fold(f64::INFINITY, f64::min);
        at + first
    }

    fn second_of_week(&self, at: f64) -> f64 {
        (at + self.utc_offset - SOME_MONDAY).rem_euclid(WEEK)
    }
}

impl Scaler for Cron {
    fn target(&self) -> f64 {
        1.0
    }

    fn read(&mut self, now: f64, pool: &WorkerPool) -> Option<(f64, bool)> {
        let (length, active) = self.list.read(now, pool)?;
        let kept = self.kept(now);
        Some(((length / self.list.target).max(f64::from(kept)), active || kept > 0))
    }

    fn next_look(&self, _pool: &WorkerPool) -> f64 {
        self.next_beginning(self.seen_at)
    }

    fn look(&mut self, now: f64, _pool: &mut WorkerPool) {
        self.seen_at = now;
    }

    fn is_silent(&self, pool: &WorkerPool) -> bool {
        self.list.is_silent(pool) && self.kept(self.seen_at) == 0
    }
}

impl Window {
    /// The windows that an expert would write after having seen this demand: the hours in which it was as
    /// high as on average or higher, hours in a row as one window, each with its mean demand, rounded to
    /// whole workers.
    ///
    /// From two full weeks on every day of the week has its own windows, before that all days have the same.
    /// An hour counts with its mean over the full hours that were seen of it.
    pub fn of_expert(demand: &Demand, utc_offset: f64) -> Vec<Self> {
        let Some((from, to)) = demand.span() else { return Vec::new() };
        let hours = Hours::of(demand, from, to, utc_offset);
        let weekly = to - from >= 2.0 * WEEK;
        let overall = demand.mean();
        let days: Vec<(usize, [bool; 7])> = if weekly {
            (0..7).map(|day| (day, std::array::from_fn(|other| other == day))).collect()
        } else {
            vec![(0, [true; 7])]
        };
        let mut windows = Vec::new();
        for (day, days) in days {
            let mean = |hour: usize| if weekly { hours.of_day(day, hour) } else { hours.of_all(hour) };
            let high = |hour: usize| mean(hour).is_some_and(|mean| mean >= overall);
            let mut hour = 0;
            while hour < 24 {
                let end = (hour..24).find(|&hour| !high(hour)).unwrap_or(24);
                if end > hour {
                    let total: f64 = (hour..end).filter_map(mean).sum();
                    let workers = rounded(total / (end - hour) as f64);
                    if workers > 0 {
                        windows.push(Self { days, from: minutes(hour), to: minutes(end), workers });
                    }
                }
                hour = end + 1;
            }
        }
        windows
    }

    fn holds(&self, second_of_week: f64) -> bool {
        self.beginnings().any(|begin| begin <= second_of_week && second_of_week < begin + self.length())
    }

    fn length(&self) -> f64 {
        f64::from(self.to.saturating_sub(self.from)) * MINUTE
    }

    /// Seconds of the week at which it begins.
    fn beginnings(&self) -> impl Iterator<Item = f64> {
        let Self { days, from, .. } = *self;
        (0..7).filter(move |&day| days[day]).map(move |day| day as f64 * DAY + f64::from(from) * MINUTE)
    }
}

/// Worker-seconds and full hours seen, by day of the week and hour.
struct Hours {
    seen: [[(f64, f64); 24]; 7],
}

impl Hours {
    fn of(demand: &Demand, from: f64, to: f64, utc_offset: f64) -> Self {
        let mut seen = [[(0.0, 0.0); 24]; 7];
        let local = |at: f64| at + utc_offset - SOME_MONDAY;
        let first = (local(from) / HOUR).ceil();
        let full = ((local(to) / HOUR).floor() - first).max(0.0);
        let mut hour = 0.0;
        while hour < full {
            let begin = first + hour;
            let of_week = begin.rem_euclid(7.0 * 24.0);
            let (day, of_day) = (place(of_week / 24.0, 7), place(of_week.rem_euclid(24.0), 24));
            let at = begin * HOUR + SOME_MONDAY - utc_offset;
            let (seconds, hours) = &mut seen[day][of_day];
            *seconds += demand.worker_seconds(at, at + HOUR);
            *hours += 1.0;
            hour += 1.0;
        }
        Self { seen }
    }

    fn of_day(&self, day: usize, hour: usize) -> Option<f64> {
        let (seconds, hours) = self.seen[day][hour];
        (hours > 0.0).then(|| seconds / (hours * HOUR))
    }

    fn of_all(&self, hour: usize) -> Option<f64> {
        let sum = |sum: (f64, f64), day: &[(f64, f64); 24]| (sum.0 + day[hour].0, sum.1 + day[hour].1);
        let (seconds, hours) = self.seen.iter().fold((0.0, 0.0), sum);
        (hours > 0.0).then(|| seconds / (hours * HOUR))
    }
}

fn minutes(hour: usize) -> u32 {
    u32::try_from(hour * 60).unwrap_or(0)
}
