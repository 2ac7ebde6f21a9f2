//! Recurring bursts: nightly arrays, instrument runs, submitters that come every hour.

mod entry;
mod onset;

use serde::{Deserialize, Serialize};

use entry::{Entry, Period};
use onset::{Burst, SIZES, Tracker, class};

use super::predictive::DueBurst;
use super::rates::Rates;

/// Bursts remembered of each hour, and of each day.
const HOURLY: usize = 4;
const DAILY: usize = 12;

/// Recurrences after which the gate's own record counts half.
const HALF_LIFE: f64 = 40.0;

/// Seconds that local time is ahead of UTC at most, or behind it: a day and two hours, as jiff has it.
const LARGEST_OFFSET: i32 = 26 * 3_600;

/// Share of a candidate's jobs that a burst must bring to be its like.
const SAME: f64 = 1.0 / 3.0;

/// A candidate stands out of many, so it coincides with bursts more often than one picked blindly would.
const CHOSEN: f64 = 4.0;

/// What a recurrence that was forecast is worth before any was tried.
const DOUBT: f64 = 0.3;

/// A candidate less likely than this to come on its day says nothing: many such would only blur the forecast.
const LEAST: f64 = 0.3;

/// A chance that explains a burst well enough to look for no other reason.
const EXPLAINED: f64 = 0.5;

/// A recurring burst that is believed in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recurrence {
    /// When it is due next, Unix seconds.
    pub at: f64,
    /// How far it comes from that, mean deviation in seconds.
    pub spread: f64,
    /// Whether it comes every hour; else every day, on some weekdays perhaps.
    pub hourly: bool,
    /// The chance that it comes then, 0 to 1.
    pub chance: f64,
    /// Jobs that it brings within five minutes, mean.
    pub jobs: f64,
}

/// The bursts of one queue that may come again at the same minute of the hour or of the day.
///
/// A fixed number of candidates, the least likely one making room for the newest (after Space-Saving, Metwally et al.
/// 2005, with the chance to recur in place of a count). Each keeps when it comes, how exactly, how large it is, and
/// on which weekdays it came or stayed away. Its chance is that record with a prior, less the chance that a burst as
/// large comes at that time by coincidence, times how well candidates of its size kept what their chances promised on
/// this queue; below 0.3 it says nothing. So a queue without recurrence is forecast as if there were no calendar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calendar {
    hourly: [Entry; HOURLY],
    daily: [Entry; DAILY],
    tracker: Tracker,
    /// Forecast and real recurrences by size, decayed.
    forecast: [f32; SIZES.len()],
    recurred: [f32; SIZES.len()],
    /// No candidate changes before this time unless a burst begins.
    quiet_until: f64,
    /// No candidate is due before this time.
    none_before: f64,
    /// Seconds that local time is ahead of UTC.
    offset: i32,
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            hourly: [Entry::default(); HOURLY],
            daily: [Entry::default(); DAILY],
            tracker: Tracker::default(),
            forecast: [0.0; SIZES.len()],
            recurred: [0.0; SIZES.len()],
            quiet_until: f64::MAX,
            none_before: f64::MAX,
            offset: 0,
        }
    }
}

impl Calendar {
    /// Takes that `arrivals` came in from `last` to `t` (Unix seconds), `rates` being those before them and `offset`
    /// the seconds that local time is ahead of UTC. Nothing is learned of a step over five minutes.
    pub fn observe(&mut self, last: f64, t: f64, arrivals: f64, rates: &Rates, offset: i32) {
        if offset != self.offset {
            self.offset = offset;
            self.plan();
        }
        if t - last > onset::SIZED_AFTER {
            self.skip(t);
            return;
        }
        let middle = self.local(f64::midpoint(last, t));
        if let Some(burst) = self.tracker.count(last, t, middle, arrivals, rates) {
            self.settle(burst);
            self.plan();
        }
        if t >= self.quiet_until {
            self.miss(t);
            self.plan();
        }
    }

    /// Passes over a time of which nothing is known, to `t`: no candidate is held to have stayed away.
    pub fn skip(&mut self, t: f64) {
        self.tracker.lose();
        let local = self.local(t);
        for (period, entry) in self.entries_mut() {
            entry.pass(period, local);
        }
        self.plan();
    }

    /// Seconds from `t` on in which no burst is due; infinite where none is known.
    pub fn quiet_for(&self, t: f64) -> f64 {
        if self.none_before < f64::MAX { (self.none_before - t).max(0.0) } else { f64::INFINITY }
    }

    /// The burst that may begin within `horizon` seconds after `t`.
    pub fn due(&self, t: f64, horizon: f64) -> DueBurst {
        if t + horizon < self.none_before {
            return DueBurst::default();
        }
        let local = self.local(t);
        let running = self.tracker.counting();
        let (mut none, mut jobs, mut likeliest) = (1.0, 0.0, (0.0, 0.0_f32));
        for (period, entry) in self.entries() {
            let believed = |chance| self.believed(period, entry, chance);
            let begun = running
                .filter(|burst| burst.jobs >= entry.mean() * SAME && entry.expects(period, burst.local));
            let (chance, mean) = match begun {
                Some(burst) => self.rest(period, entry, &burst, local, horizon),
                None => (entry.chance_within(period, local, horizon, believed), entry.mean()),
            };
            none *= 1.0 - chance;
            let expected = chance * mean;
            jobs += expected;
            if expected > likeliest.0 {
                likeliest = (expected, entry.size());
            }
        }
        let chance = 1.0 - none;
        if chance <= 0.0 {
            return DueBurst::default();
        }
        #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
        DueBurst { chance: chance as f32, mean: (jobs / chance) as f32, size: likeliest.1 }
    }

    /// The chance that more of a burst comes within `horizon` seconds after `local`, and how many jobs: those that are
    /// wanting to the mean of its candidate, at the pace of those that came. That so many came in time says that it is
    /// the candidate's, and the longer none came, the likelier it is over: both by Bayes' rule, a silence as long being
    /// exponential while a burst goes on.
    fn rest(&self, period: Period, entry: &Entry, burst: &Burst, local: f64, horizon: f64) -> (f64, f64) {
        let chance = self.believed(period, entry, entry.chance(period, burst.local));
        let coincidence = self.tracker.coincidence(entry.mean() * SAME, entry.window_seconds(period));
        let pace = burst.pace();
        let silence = (-pace * (local - burst.latest).max(0.0)).exp();
        let given =
            |chance: f64, it: f64, other: f64| chance * it / (chance * it + (1.0 - chance) * other).max(1e-9);
        let goes_on = given(given(chance, 1.0, coincidence), silence, 1.0);
        (goes_on, (entry.mean() - burst.jobs).min(pace * horizon).max(0.0))
    }

    /// The recurring bursts that are due within a week of `t`, in no order.
    pub fn recurrences(&self, t: f64) -> impl Iterator<Item = Recurrence> {
        let local = self.local(t);
        self.entries().filter_map(move |(period, entry)| {
            let believed = |chance| self.believed(period, entry, chance);
            let (due, chance) = entry.next(period, local, LEAST, believed)?;
            Some(Recurrence {
                at: due - f64::from(self.offset),
                spread: entry.spread(),
                hourly: period == Period::Hour,
                chance,
                jobs: entry.mean(),
            })
        })
    }

    /// The chance that is believed of a candidate: that it comes for a reason, held against how well candidates of its
    /// size did on this queue.
    fn believed(&self, period: Period, entry: &Entry, chance: f64) -> f64 {
        let class = class(entry.mean());
        let kept = (f64::from(self.recurred[class]) + DOUBT) / (f64::from(self.forecast[class]) + 1.0);
        let believed = for_a_reason(&self.tracker, period, entry, chance) * kept.min(1.0);
        if believed < LEAST { 0.0 } else { believed }
    }

    /// A burst is over: the candidates that expected one like it have come again; where none of them was likely, it
    /// becomes a candidate itself.
    fn settle(&mut self, burst: Burst) {
        let mut explained = false;
        let Self { hourly, daily, forecast, recurred, tracker, .. } = self;
        for (period, entries) in [(Period::Hour, &mut hourly[..]), (Period::Day, &mut daily[..])] {
            let mut here = false;
            for entry in entries.iter_mut().filter(|entry| entry.expects(period, burst.local)) {
                if burst.jobs < entry.mean() * SAME {
                    continue;
                }
                let chance = entry.chance(period, burst.local);
                if for_a_reason(tracker, period, entry, chance) >= LEAST {
                    let class = class(entry.mean());
                    note(&mut forecast[class], &mut recurred[class], chance, 1.0);
                }
                // A nightly array at the hour of a job that comes every hour is not explained by that job.
                let alike = entry.mean() / SAME;
                explained |= chance > EXPLAINED && burst.jobs <= alike;
                entry.come_again(period, burst.local, burst.jobs.min(alike));
                here = true;
            }
            if !here && !explained {
                let weakest = entries.iter_mut().min_by(|a, b| a.strength().total_cmp(&b.strength()));
                if let Some(weakest) = weakest {
                    *weakest = Entry::new(period, burst.local, burst.jobs);
                }
            }
        }
    }

    /// Candidates whose time has passed stayed away.
    fn miss(&mut self, t: f64) {
        let local = self.local(t);
        let Self { hourly, daily, forecast, recurred, tracker, .. } = self;
        for (period, entries) in [(Period::Hour, &mut hourly[..]), (Period::Day, &mut daily[..])] {
            for entry in entries.iter_mut() {
                let known = *entry;
                if let Some(chance) = entry.stay_away(period, local)
                    && for_a_reason(tracker, period, &known, chance) >= LEAST
                {
                    let class = class(known.mean());
                    note(&mut forecast[class], &mut recurred[class], chance, 0.0);
                }
            }
        }
    }

    /// Whether all of it could have been learned.
    pub(super) fn is_sound(&self) -> bool {
        let kept = self.forecast.iter().chain(&self.recurred);
        kept.into_iter().all(|count| *count >= 0.0 && count.is_finite())
            && self.tracker.is_sound()
            && self.hourly.iter().all(|entry| entry.is_sound(Period::Hour))
            && self.daily.iter().all(|entry| entry.is_sound(Period::Day))
            && !self.quiet_until.is_nan()
            && !self.none_before.is_nan()
            && self.offset.abs() <= LARGEST_OFFSET
    }

    /// Finds out until when nothing needs to be looked at.
    fn plan(&mut self) {
        let (mut quiet, mut none) = (f64::INFINITY, f64::INFINITY);
        for (period, entry) in self.entries() {
            if let Some((from, until)) = entry.window(period) {
                quiet = quiet.min(until);
                none = none.min(from);
            }
        }
        let utc = |local: f64| if local.is_finite() { local - f64::from(self.offset) } else { f64::MAX };
        (self.quiet_until, self.none_before) = (utc(quiet + onset::SIZED_AFTER), utc(none));
    }

    fn local(&self, t: f64) -> f64 {
        t + f64::from(self.offset)
    }

    fn entries(&self) -> impl Iterator<Item = (Period, &Entry)> {
        let hourly = self.hourly.iter().map(|entry| (Period::Hour, entry));
        hourly.chain(self.daily.iter().map(|entry| (Period::Day, entry))).filter(|(_, entry)| entry.in_use())
    }

    fn entries_mut(&mut self) -> impl Iterator<Item = (Period, &mut Entry)> {
        let hourly = self.hourly.iter_mut().map(|entry| (Period::Hour, entry));
        hourly
            .chain(self.daily.iter_mut().map(|entry| (Period::Day, entry)))
            .filter(|(_, entry)| entry.in_use())
    }
}

/// The chance that a candidate comes for a reason: its own, less that of a burst as large by coincidence.
fn for_a_reason(tracker: &Tracker, period: Period, entry: &Entry, chance: f64) -> f64 {
    let once = tracker.coincidence(entry.mean() * SAME, entry.window_seconds(period));
    let by_coincidence = (CHOSEN * once).min(1.0);
    ((chance - by_coincidence) / (1.0 - by_coincidence).max(1e-9)).max(0.0)
}

/// Notes a forecast chance and what became of it.
fn note(forecast: &mut f32, recurred: &mut f32, chance: f64, came: f64) {
    let kept = (-1.0 / HALF_LIFE).exp2();
    #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
    {
        *forecast = (f64::from(*forecast) * kept + chance) as f32;
        *recurred = (f64::from(*recurred) * kept + came) as f32;
    }
}
