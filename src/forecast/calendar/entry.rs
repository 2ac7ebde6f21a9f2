//! One burst that may come again: when, how large, and on which days it came or stayed away.

use serde::{Deserialize, Serialize};

use super::onset::SIZED_AFTER;

/// What a burst may repeat after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Period {
    /// An hour.
    Hour,
    /// A day, some weekdays perhaps left out.
    Day,
}

/// Seconds.
const DAY: f64 = 86_400.0;

/// Days of a week, also as an index from a fixed day.
const WEEK: usize = 7;

/// The prior of a chance to come again: this many times in that many.
const PRIOR: (f64, f64) = (0.3, 2.0);

/// A weekday's own record counts for this many; half of it goes when it is full.
const REMEMBERED: u8 = 4;

/// How exactly a burst seen once comes again, mean deviation in seconds; and the least that is believed.
const SPREAD: (f32, f32) = (60.0, 5.0);

/// Number of the farthest period: those of all times that are told apart have lower ones.
const FARTHEST: f64 = 1e9;

/// Share that the newest sighting has in what is known of a burst, at least.
const NEWEST: f32 = 0.2;

/// A candidate for recurrence; in use once it has brought a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The newest period of which is known whether it came, numbered from 1970.
    cycle: f64,
    /// When it begins, seconds into the period, local time.
    phase: f32,
    /// Mean deviation from that, seconds.
    spread: f32,
    /// Jobs that it brings in five minutes: mean and variance.
    jobs: f32,
    variance: f32,
    /// Times that it came and that it stayed away, by weekday.
    came: [u8; WEEK],
    stayed: [u8; WEEK],
    /// Times that it came again, up to 255.
    times: u8,
}

impl Period {
    fn seconds(self) -> f64 {
        match self {
            Self::Hour => 3_600.0,
            Self::Day => DAY,
        }
    }

    /// The least and the most that a burst may come early or late, seconds.
    fn tolerance(self) -> (f64, f64) {
        match self {
            Self::Hour => (60.0, 120.0),
            Self::Day => (150.0, 400.0),
        }
    }
}

impl Entry {
    /// A burst seen once, beginning at `local` and bringing so many jobs.
    #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
    pub(super) fn new(period: Period, local: f64, jobs: f64) -> Self {
        let jobs = jobs.max(1.0) as f32;
        Self {
            cycle: (local / period.seconds()).floor(),
            phase: local.rem_euclid(period.seconds()) as f32,
            spread: SPREAD.0,
            jobs,
            // A burst of half or twice the size is no surprise yet.
            variance: jobs + jobs * jobs / 4.0,
            ..Self::default()
        }
    }

    pub(super) fn in_use(&self) -> bool {
        self.jobs > 0.0
    }

    /// Jobs that it brings, mean.
    pub(super) fn mean(&self) -> f64 {
        f64::from(self.jobs)
    }

    /// Their scatter as the size of a negative binomial law.
    pub(super) fn size(&self) -> f32 {
        let excess = (self.variance - self.jobs).max(self.jobs * self.jobs * 0.01).max(1e-3);
        self.jobs * self.jobs / excess
    }

    /// Whether all of it could have been learned.
    pub(super) fn is_sound(&self, period: Period) -> bool {
        let Self { cycle, phase, spread, jobs, variance, .. } = *self;
        cycle.abs() <= FARTHEST
            && (0.0..=period.seconds()).contains(&f64::from(phase))
            && [spread, jobs, variance].iter().all(|number| *number >= 0.0 && number.is_finite())
    }

    /// What it is worth to remember: its best weekday, and of equals the newest.
    pub(super) fn strength(&self) -> f64 {
        if !self.in_use() {
            return -1.0;
        }
        let best = (0..WEEK).map(|weekday| self.chance_on(weekday)).fold(0.0, f64::max);
        best + self.cycle * 1e-12
    }

    /// Whether it has not come yet in the period about `local`, and would be in time.
    pub(super) fn expects(&self, period: Period, local: f64) -> bool {
        let cycle = self.cycle_about(period, local);
        self.in_use()
            && cycle > self.cycle
            && self.deviation(period, cycle, local).abs() <= self.tolerance(period)
    }

    /// The chance that it comes in the period about `local`.
    pub(super) fn chance(&self, period: Period, local: f64) -> f64 {
        self.chance_on(weekday(self.due(period, self.cycle_about(period, local))))
    }

    /// It has come again, at `local`, with so many jobs.
    #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
    pub(super) fn come_again(&mut self, period: Period, local: f64, jobs: f64) {
        let cycle = self.cycle_about(period, local);
        let weekday = weekday(self.due(period, cycle));
        let off = self.deviation(period, cycle, local) as f32;
        self.times = self.times.saturating_add(1);
        let share = self.newest();
        let moved = self.phase + share * off;
        self.phase = moved.rem_euclid(period.seconds() as f32);
        self.spread = (self.spread + share * (off.abs() - self.spread)).max(SPREAD.1);
        let more = jobs as f32 - self.jobs;
        self.jobs = (self.jobs + share * more).max(1.0);
        self.variance = (1.0 - share) * (self.variance + share * more * more);
        self.note(weekday, true);
        // What moves over midnight is due in the period beside it from now on, and on the weekday beside.
        let over = f64::from(moved / period.seconds() as f32).floor();
        self.cycle = cycle + over;
        if period == Period::Day && over != 0.0 {
            for counts in [&mut self.came, &mut self.stayed] {
                counts.rotate_right(if over > 0.0 { 1 } else { WEEK - 1 });
            }
        }
    }

    /// If its time has passed without it: the chance that it had, and it is known to have stayed away.
    pub(super) fn stay_away(&mut self, period: Period, local: f64) -> Option<f64> {
        let due = self.due(period, self.cycle + 1.0);
        if !self.in_use() || due + self.tolerance(period) + SIZED_AFTER > local {
            return None;
        }
        let weekday = weekday(due);
        let chance = self.chance_on(weekday);
        self.cycle += 1.0;
        self.note(weekday, false);
        Some(chance)
    }

    /// Whatever it did until `local` was not seen: where it may well have come by then it is not awaited. It begins
    /// earlier than by its mean deviation one time in five.
    pub(super) fn pass(&mut self, period: Period, local: f64) {
        let until = local + self.spread() - f64::from(self.phase);
        self.cycle = (until / period.seconds()).floor();
    }

    /// How long its window is, seconds.
    pub(super) fn window_seconds(&self, period: Period) -> f64 {
        2.0 * self.tolerance(period)
    }

    /// From when to when it may come next, local seconds.
    pub(super) fn window(&self, period: Period) -> Option<(f64, f64)> {
        let due = self.due(period, self.cycle + 1.0);
        self.in_use().then(|| (due - self.tolerance(period), due + self.tolerance(period)))
    }

    /// The chance that it begins within `horizon` seconds after `local`; `gated` turns its own chance into one that
    /// is believed. When it begins is logistic about its time; what has not come yet grows less likely as its time
    /// passes.
    pub(super) fn chance_within(
        &self,
        period: Period,
        local: f64,
        horizon: f64,
        gated: impl Fn(f64) -> f64,
    ) -> f64 {
        let due = self.due(period, self.cycle + 1.0);
        let tolerance = self.tolerance(period);
        if local + horizon < due - tolerance || local > due + tolerance {
            return 0.0;
        }
        let chance = gated(self.chance_on(weekday(due)));
        // The mean deviation of a logistic law is 2 ln 2 times its scale.
        let scale = self.spread() / (2.0 * std::f64::consts::LN_2);
        let begun_by = |at: f64| 1.0 / (1.0 + (-(at - due) / scale).exp());
        let (now, then) = (begun_by(local), begun_by(local + horizon));
        (chance * (then - now) / (1.0 - chance * now).max(1e-9)).clamp(0.0, 1.0)
    }

    /// When it is due next with a chance of at least `least`, within a week: local seconds, and that chance. `gated`
    /// turns its own chance into one that is believed.
    pub(super) fn next(
        &self,
        period: Period,
        local: f64,
        least: f64,
        gated: impl Fn(f64) -> f64,
    ) -> Option<(f64, f64)> {
        let first = (self.cycle + 1.0).max(((local - f64::from(self.phase)) / period.seconds()).floor());
        let in_a_week = WEEK as f64 * DAY / period.seconds();
        let mut ahead = std::iter::successors(Some(0.0), |n| Some(n + 1.0)).take_while(|n| *n <= in_a_week);
        ahead.find_map(|n| {
            let due = self.due(period, first + n);
            let chance = gated(self.chance_on(weekday(due)));
            (chance >= least && due + self.tolerance(period) >= local).then_some((due, chance))
        })
    }

    /// How exactly it comes, mean deviation in seconds.
    pub(super) fn spread(&self) -> f64 {
        f64::from(self.spread.max(SPREAD.1))
    }

    fn due(&self, period: Period, cycle: f64) -> f64 {
        cycle * period.seconds() + f64::from(self.phase)
    }

    fn cycle_about(&self, period: Period, local: f64) -> f64 {
        ((local - f64::from(self.phase)) / period.seconds()).round()
    }

    fn deviation(&self, period: Period, cycle: f64, local: f64) -> f64 {
        local - self.due(period, cycle)
    }

    fn tolerance(&self, period: Period) -> f64 {
        let (least, most) = period.tolerance();
        (3.0 * f64::from(self.spread)).clamp(least, most)
    }

    fn newest(&self) -> f32 {
        (1.0 / (f32::from(self.times) + 1.0)).max(NEWEST)
    }

    /// The chance on a weekday: its own record, and that of all days as one more sighting.
    fn chance_on(&self, weekday: usize) -> f64 {
        let sum = |counts: &[u8; WEEK]| counts.iter().map(|&n| f64::from(n)).sum::<f64>();
        let (came, stayed) = (sum(&self.came), sum(&self.stayed));
        let on_any = (PRIOR.0 + came) / (PRIOR.1 + came + stayed);
        let (came, stayed) = (f64::from(self.came[weekday]), f64::from(self.stayed[weekday]));
        (came + on_any) / (came + stayed + 1.0)
    }

    fn note(&mut self, weekday: usize, came: bool) {
        let (came_here, stayed_here) = (&mut self.came[weekday], &mut self.stayed[weekday]);
        if came_here.saturating_add(*stayed_here) >= REMEMBERED {
            *came_here /= 2;
            *stayed_here /= 2;
        }
        if came {
            *came_here += 1;
        } else {
            *stayed_here += 1;
        }
    }
}

/// The weekday of a local time, 0 for that of 1970-01-01.
fn weekday(local: f64) -> usize {
    let day = (local / DAY).floor().rem_euclid(WEEK as f64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 6")]
    let weekday = (day as usize).min(WEEK - 1);
    weekday
}
