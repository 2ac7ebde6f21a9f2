//! Kedastral's baseline model and capacity planner, asked by KEDA.
//!
//! Follows Kedastral v0.1 at commit `a93cde0` (`pkg/models/baseline.go`, `pkg/capacity/planner.go`,
//! `cmd/forecaster`, `cmd/scaler`) with the defaults of its flags: every 30 s it reads a history with a point
//! each minute, forecasts 30 minutes in steps of one, and plans replicas for each step, each at most twice
//! the one before and at least half. KEDA is told the one that lies the lead time ahead, and that it is
//! active. (The next commit, `098e8df`, replaces the moving averages by a parabola through the last points.)
//!
//! Simplified: the metric is read exactly and at once, and what is older than the run is 0 and counts for
//! nothing.

use super::Scaler;
use super::number::place;
use crate::sim::ticks::Ticks;
use crate::sim::workers::WorkerPool;

/// The flags of Kedastral's forecaster, and what its query counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KedastralSpec {
    /// Jobs for one worker, above 0 (`target-per-pod`).
    pub target: f64,
    /// Whether the query counts jobs in flight, too.
    pub counts_in_flight: bool,
    /// Factor on what is forecast, 1 or more (`headroom`).
    pub headroom: f64,
    /// Minutes ahead (`lead-time`). It is counted twice, by the planner and by the scaler.
    pub lead_minutes: u32,
    /// Minutes of history that the model sees, 1 or more (`window`).
    pub window_minutes: u32,
    /// A step plans at most so many times the one before, 1 or more (`up-max-factor`).
    pub up_factor: f64,
    /// A step plans at most so many per cent fewer than the one before, 0 to 100 (`down-max-percent`).
    pub down_percent: u32,
    /// Fewest replicas (`min`).
    pub min: u32,
    /// Most replicas (`max`).
    pub max: u32,
}

/// Kedastral as a scaler. It is always active, so its ScaledObject never goes to zero: give that the minimum
/// of 1.
#[derive(Clone, Debug)]
pub struct Kedastral {
    spec: KedastralSpec,
    ticks: Ticks,
    /// Ticks at whole minutes after the first, and those between: a range query has a point a minute.
    histories: [History; 2],
    turn: usize,
    /// Hour-of-day means as they were last learned.
    hours: [Option<f64>; 24],
    /// Minute-of-hour means as they were last learned.
    minutes: [Option<f64>; 60],
    /// Replicas planned for now at the last tick.
    current: f64,
    /// What KEDA is told; `None` before the first tick.
    told: Option<f64>,
}

/// Seconds between forecasts (`interval`) and between the points of a history and of a forecast (`step`).
const INTERVAL: f64 = 30.0;
const STEP: f64 = 60.0;
/// Steps of a forecast (`horizon` by `step`).
const STEPS: usize = 30;
/// Points of the two moving averages, and their shares.
const AVERAGES: [(usize, f64); 2] = [(5, 0.7), (30, 0.3)];
/// Share of the mean of a minute of the hour, and of an hour of the day.
const MINUTE_SHARE: f64 = 0.7;
const HOUR_SHARE: f64 = 0.2;

impl Default for KedastralSpec {
    /// The defaults of the flags, but for the target: one job that waits or runs a worker (the flag's 100 is
    /// meant for requests a second).
    fn default() -> Self {
        Self {
            target: 1.0,
            counts_in_flight: true,
            headroom: 1.2,
            lead_minutes: 5,
            window_minutes: 30,
            up_factor: 2.0,
            down_percent: 50,
            min: 1,
            max: 100,
        }
    }
}

impl Kedastral {
    /// Begins to look at `now`.
    pub fn new(spec: KedastralSpec, now: f64) -> Self {
        let points = spec.window_minutes.max(1) as usize + 1;
        Self {
            spec,
            ticks: Ticks::new(now, INTERVAL),
            histories: [History::new(points), History::new(points)],
            turn: 0,
            hours: [None; 24],
            minutes: [None; 60],
            current: f64::from(spec.min),
            told: None,
        }
    }

    fn learn(&mut self) {
        let history = &self.histories[self.turn];
        for (learned, bucket) in self.hours.iter_mut().zip(&history.hours) {
            *learned = bucket.mean().or(*learned);
        }
        for (learned, bucket) in self.minutes.iter_mut().zip(&history.minutes) {
            *learned = bucket.mean().or(*learned);
        }
    }

    /// The forecast so many steps after the first. `now` is in the first one.
    fn forecast(&self, base: f64, now: f64, step: usize) -> f64 {
        let ahead = now + step as f64 * STEP;
        // An hour ahead counts from the hour of now, not from its minute.
        let hours_ahead = step * 60 / 3600;
        if self.minutes.iter().any(Option::is_some) {
            let mean = self.minutes[minute_of_hour(ahead)];
            mean.map_or(base, |mean| (1.0 - MINUTE_SHARE) * base + MINUTE_SHARE * mean)
        } else {
            let mean = self.hours[(hour_of_day(now) + hours_ahead) % 24];
            mean.map_or(base, |mean| (1.0 - HOUR_SHARE) * base + HOUR_SHARE * mean)
        }
    }

    fn plan(&mut self, now: f64) {
        let base = self.histories[self.turn].base();
        let lead = self.spec.lead_minutes as usize;
        let mut before = self.within_bounds(self.current);
        for step in 0..=lead.min(STEPS - 1) {
            let expected = self.forecast(base, now, (step + lead).min(STEPS - 1)).max(0.0);
            let wanted = self.within_bounds((expected / self.spec.target * self.spec.headroom).ceil());
            before = self.within_bounds(self.clamp_change(before, wanted));
            if step == 0 {
                self.current = before;
            }
        }
        self.told = Some(before);
    }

    fn clamp_change(&self, before: f64, wanted: f64) -> f64 {
        let most = (before.max(1.0) * self.spec.up_factor).ceil();
        let least = (before * (1.0 - f64::from(self.spec.down_percent) / 100.0)).floor();
        wanted.min(most).max(least)
    }

    fn within_bounds(&self, replicas: f64) -> f64 {
        let max = f64::from(self.spec.max);
        replicas.min(max).max(f64::from(self.spec.min).min(max))
    }
}

impl Scaler for Kedastral {
    fn target(&self) -> f64 {
        1.0
    }

    fn read(&mut self, _now: f64, _pool: &WorkerPool) -> Option<(f64, bool)> {
        self.told.map(|replicas| (replicas, true))
    }

    fn next_look(&self, _pool: &WorkerPool) -> f64 {
        self.ticks.next()
    }

    fn look(&mut self, now: f64, pool: &mut WorkerPool) {
        if !self.ticks.take(now) {
            return;
        }
        let in_flight = if self.spec.counts_in_flight { pool.in_flight() } else { 0 };
        self.histories[self.turn].push(now, u32::try_from(pool.waiting() + in_flight).unwrap_or(u32::MAX));
        self.learn();
        self.plan(now);
        self.turn = 1 - self.turn;
    }

    fn is_silent(&self, _pool: &WorkerPool) -> bool {
        false
    }
}

/// The points of a window, the newest last in `order`, and their sums by hour and minute.
#[derive(Clone, Debug)]
struct History {
    /// A ring; the newest point is the one before `next`.
    points: Vec<Point>,
    next: usize,
    filled: usize,
    hours: [Bucket; 24],
    minutes: [Bucket; 60],
}

#[derive(Clone, Copy, Debug, Default)]
struct Point {
    at: f64,
    value: u32,
}

/// Sums of whole numbers, and so exact.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    points: u32,
    sum: u64,
}

impl Bucket {
    /// The mean of two points or more.
    fn mean(&self) -> Option<f64> {
        (self.points >= 2).then(|| self.sum as f64 / f64::from(self.points))
    }

    fn add(&mut self, value: u32) {
        self.points += 1;
        self.sum += u64::from(value);
    }

    fn remove(&mut self, value: u32) {
        self.points -= 1;
        self.sum -= u64::from(value);
    }
}

impl History {
    fn new(points: usize) -> Self {
        Self {
            points: vec![Point::default(); points],
            next: 0,
            filled: 0,
            hours: [Bucket::default(); 24],
            minutes: [Bucket::default(); 60],
        }
    }

    fn push(&mut self, at: f64, value: u32) {
        let old = std::mem::replace(&mut self.points[self.next], Point { at, value });
        if self.filled == self.points.len() {
            self.hours[hour_of_day(old.at)].remove(old.value);
            self.minutes[minute_of_hour(old.at)].remove(old.value);
        } else {
            self.filled += 1;
        }
        self.hours[hour_of_day(at)].add(value);
        self.minutes[minute_of_hour(at)].add(value);
        self.next = (self.next + 1) % self.points.len();
    }

    /// The two moving averages, or the newest point where that is higher.
    fn base(&self) -> f64 {
        let averages: f64 = AVERAGES.iter().map(|&(points, share)| share * self.moving_average(points)).sum();
        let newest = self.newest(1).next().map_or(0.0, |point| f64::from(point.value));
        if self.filled >= 2 { averages.max(newest) } else { averages }
    }

    /// Over the newest points, so many at most; it begins with the oldest of them as it is.
    fn moving_average(&self, points: usize) -> f64 {
        let points = points.min(self.filled);
        let weight = 2.0 / (points as f64 + 1.0);
        let mut values = self.newest(points).map(|point| f64::from(point.value));
        let first = values.next().unwrap_or(0.0);
        values.fold(first, |average, value| weight * value + (1.0 - weight) * average)
    }

    /// The newest points, so many of them, the oldest first.
    fn newest(&self, points: usize) -> impl Iterator<Item = Point> {
        let length = self.points.len();
        (0..points).map(move |at| self.points[(self.next + length - points + at) % length])
    }
}

/// 0 to 23, UTC.
fn hour_of_day(at: f64) -> usize {
    place(at.rem_euclid(86_400.0) / 3600.0, 24)
}

/// 0 to 59.
fn minute_of_hour(at: f64) -> usize {
    place(at.rem_euclid(3600.0) / 60.0, 60)
}
