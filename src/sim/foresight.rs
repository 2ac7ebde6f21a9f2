//! How good the forecasts of a log's arrivals are, judged from outside: by what was forecast and what came then.

use serde::{Deserialize, Serialize};

use super::job_log::{JobLog, Transform};
use crate::forecast::{
    Forecast,
    arrivals::Seen,
    calibration::{LEVELS, covered},
    crps::crps,
    horizons::Horizons,
    outcomes::loss,
    predictive::Predictive,
    skill::saved,
};

/// Levels at which coverage is counted.
pub const COVERED_AT: [f64; 11] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97];

/// Place of the level in [`COVERED_AT`] by which calibration is told in one number.
const TOLD: usize = 9;

/// How good forecasts of one length were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Foresight {
    /// How far ahead, seconds. One forecast follows the other, so their outcomes do not overlap.
    pub seconds: f64,
    /// Forecasts that were judged.
    pub outcomes: u32,
    /// Jobs that came in them.
    pub jobs: u64,
    /// Mean quantile loss over [`LEVELS`], in jobs.
    pub quantile_loss: Losses,
    /// Mean continuous ranked probability score, in jobs.
    pub crps: Losses,
    /// By [`COVERED_AT`], the share of the outcomes that the calibrated quantile covered; one equal to it counts by the
    /// part of its chance that the level reaches.
    pub covered: [f64; COVERED_AT.len()],
}

/// What a forecast lost, beside what was lost by forecasts that need no model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// The forecast.
    pub forecast: f64,
    /// "Nothing comes".
    pub nothing: f64,
    /// "As many come as in the same time before".
    pub persistence: f64,
}

impl Losses {
    /// Part of the loss of "nothing comes" that the forecast saved; 0 where that lost nothing.
    pub fn against_nothing(&self) -> f64 {
        saved(self.forecast, self.nothing)
    }

    /// The same against "as many as before".
    pub fn against_persistence(&self) -> f64 {
        saved(self.forecast, self.persistence)
    }

    fn add(&mut self, forecast: f64, nothing: f64, persistence: f64) {
        self.forecast += forecast;
        self.nothing += nothing;
        self.persistence += persistence;
    }

    fn over(&mut self, n: f64) {
        for loss in [&mut self.forecast, &mut self.nothing, &mut self.persistence] {
            *loss /= n;
        }
    }
}

impl Foresight {
    /// The level by which calibration is told in one number, and the share that was covered at it.
    pub fn told(&self) -> (f64, f64) {
        (COVERED_AT[TOLD], self.covered[TOLD])
    }
}

/// Judges forecasts of a log over each of these lengths (whole seconds), of those made from `counted_from` to `until`
/// (Unix seconds); what came from `from` on was learned. The queue is looked at every second, and arrivals are counted.
pub fn judge(log: &JobLog, lengths: Horizons, from: f64, counted_from: f64, until: f64) -> Vec<Foresight> {
    let released = log.has_parents().then(|| Transform::Released.apply(log).ok()).flatten();
    let mut seconds: Vec<f64> =
        released.as_ref().unwrap_or(log).jobs().iter().map(|job| job.submit.max(from).ceil()).collect();
    seconds.sort_unstable_by(f64::total_cmp);

    let mut forecast = Forecast::new(lengths);
    let mut judges: Vec<Judge> =
        lengths.seconds().into_iter().map(|length| Judge::new(length, from)).collect();
    let (mut at, mut total, mut next_job) = (from.floor(), 0, 0);
    forecast.observe(at, Seen::Gap, 0);
    loop {
        let turn = judges.iter().map(|judge| judge.due).fold(f64::INFINITY, f64::min);
        let arrival = seconds.get(next_job).copied().unwrap_or(f64::INFINITY).max(at + 1.0);
        let next = turn.min(arrival);
        if next > until {
            break;
        }
        // Of the time without arrivals only its end is looked at, which says the same.
        if next - 1.0 > at {
            forecast.observe(next - 1.0, Seen::Arrivals(0), 0);
        }
        let came = seconds[next_job..].partition_point(|&second| second <= next);
        next_job += came;
        total += came as u64;
        forecast.observe(next, Seen::Arrivals(came as u64), 0);
        at = next;
        for judge in judges.iter_mut().filter(|judge| judge.due <= at) {
            judge.turn(&forecast, at, total, counted_from);
        }
    }
    judges.into_iter().map(Judge::found).collect()
}

/// Makes a forecast, waits for what comes, and makes the next.
struct Judge {
    due: f64,
    made: Option<Made>,
    /// Sums, until all is over.
    sums: Foresight,
}

/// A forecast that awaits its outcome.
struct Made {
    law: Predictive,
    at: f64,
    total: u64,
    /// Arrivals in as long a time before it.
    before: u64,
}

impl Judge {
    fn new(length: f64, from: f64) -> Self {
        Self {
            due: from.floor() + length.ceil(),
            made: None,
            sums: Foresight { seconds: length.ceil(), ..Foresight::default() },
        }
    }

    fn turn(&mut self, forecast: &Forecast, now: f64, total: u64, counted_from: f64) {
        let before = self.made.as_ref().map_or(total, |made| total - made.total);
        if let Some(made) = self.made.take().filter(|made| made.at >= counted_from) {
            self.note(&made, before);
        }
        self.made = Some(Made { law: forecast.at(self.sums.seconds), at: now, total, before });
        self.due += self.sums.seconds;
    }

    fn note(&mut self, made: &Made, outcome: u64) {
        let Made { law, before, .. } = made;
        let (came, before) = (outcome as f64, *before as f64);
        let sums = &mut self.sums;
        sums.outcomes += 1;
        sums.jobs += outcome;
        let quantiles = law.quantiles(LEVELS).map(|quantile| quantile as f64);
        let losses = [quantiles, [0.0; 4], [before; 4]].map(|quantiles| loss(quantiles, came));
        sums.quantile_loss.add(losses[0], losses[1], losses[2]);
        sums.crps.add(crps(law, outcome), came, (came - before).abs());
        let (below, to) = (1.0 - law.at_least(outcome), 1.0 - law.at_least(outcome + 1));
        for (sum, level) in sums.covered.iter_mut().zip(COVERED_AT) {
            *sum += covered(level, below, to - below);
        }
    }

    fn found(mut self) -> Foresight {
        let n = f64::from(self.sums.outcomes.max(1));
        self.sums.quantile_loss.over(n);
        self.sums.crps.over(n);
        self.sums.covered = self.sums.covered.map(|sum| sum / n);
        self.sums
    }
}
