//! One horizon: forecasts of the arrivals within so many seconds, and what their outcomes teach.

use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, LEVELS};
use super::coverage::{self, Coverage};
use super::dispersion::Dispersion;
use super::excitation::{Excitation, Recent};
use super::negative_binomial::NegativeBinomial;
use super::outcomes::Outcomes;
use super::predictive::{DueBurst, Predictive};
use super::rates::Rates;
use super::skill::Skill;

/// Half-life of what outcomes taught, seconds of seen time.
const HALF_LIFE: f64 = 3.0 * 86_400.0;

/// Forecasts that await their outcome at a time; one is made at every third of the horizon.
const PENDING: usize = 3;

/// Largest number of arrivals told apart in one outcome.
const MOST: f64 = 1e6;

/// What is learned about one horizon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Horizon {
    seconds: f64,
    /// When the next forecast is made and, once `PENDING` are, the oldest one's outcome known.
    next: f64,
    weights: Excitation,
    dispersion: Dispersion,
    calibration: Calibration,
    skill: Skill,
    coverage: Coverage,
    /// Outcomes that nobody has asked for yet; not kept over restarts.
    #[serde(skip)]
    fresh: Outcomes,
    pending: [Pending; PENDING],
    made: u8,
}

/// A forecast that awaits its outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Pending {
    rates: [f32; 6],
    age: f32,
    due: DueBurst,
    quantiles: [f32; 4],
    mean: f32,
    size: f32,
    /// Arrivals in as long a time before it; 0 where that was not seen.
    before: f32,
    /// All arrivals seen when it was made.
    total: f64,
}

impl Pending {
    fn is_sound(&self) -> bool {
        let Self { rates, age, due, quantiles, mean, size, before, total } = self;
        let DueBurst { chance, mean: jobs, size: scatter } = due;
        let single = [age, mean, size, before, chance, jobs, scatter];
        total.is_finite()
            && single
                .into_iter()
                .chain(rates)
                .chain(quantiles)
                .all(|number| *number >= 0.0 && number.is_finite())
    }
}

impl Horizon {
    /// A horizon of so many seconds of which nothing is known.
    pub fn new(seconds: f64) -> Self {
        Self {
            seconds,
            next: 0.0,
            weights: Excitation::default(),
            dispersion: Dispersion::default(),
            calibration: Calibration::default(),
            skill: Skill::default(),
            coverage: Coverage::default(),
            fresh: Outcomes::default(),
            pending: [Pending::default(); PENDING],
            made: 0,
        }
    }

    /// The same experience for another length, from `now` on.
    #[must_use]
    pub fn of_length(&self, seconds: f64, now: f64) -> Self {
        Self { seconds, made: 0, next: now, fresh: Outcomes::default(), ..self.clone() }
    }

    /// How far it looks ahead, seconds.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The weights of the self-exciting process.
    pub fn weights(&self) -> &Excitation {
        &self.weights
    }

    /// How the counts scatter.
    pub fn dispersion(&self) -> &Dispersion {
        &self.dispersion
    }

    /// The calibrated levels.
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }

    /// What its forecasts were worth.
    pub fn skill(&self) -> &Skill {
        &self.skill
    }

    /// Whether all of it could have been learned by `seen_until`.
    pub(super) fn is_sound(&self, seen_until: f64) -> bool {
        usize::from(self.made) <= PENDING
            && (0.0..=self.seconds).contains(&(self.next - seen_until))
            && self.weights.is_sound()
            && self.dispersion.is_sound()
            && self.calibration.is_sound()
            && self.skill.is_sound()
            && self.coverage.is_sound()
            && self.pending.iter().all(Pending::is_sound)
    }

    /// How often outcomes stayed within its quantiles.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// What came of its forecasts since this was last asked.
    pub(super) fn take_outcomes(&mut self) -> Outcomes {
        std::mem::take(&mut self.fresh)
    }

    /// When [`Self::turn`] is due.
    pub fn next(&self) -> f64 {
        self.next
    }

    /// Drops the forecasts whose outcome can no longer be known, and begins anew: at `now`, or later by so many of the
    /// times between two forecasts, 0 to 1.
    pub fn restart(&mut self, now: f64, later: f64) {
        self.made = 0;
        self.next = now + later * self.every();
    }

    /// Seconds between two forecasts.
    fn every(&self) -> f64 {
        self.seconds / PENDING as f64
    }

    /// Takes the outcome of the oldest forecast, if one is due, and makes the next. To be called at exactly
    /// [`Self::next`], with all arrivals until then in `total`.
    pub fn turn(&mut self, recent: &Recent, total: f64, due: DueBurst) {
        let every = self.every();
        let mut before = 0.0;
        if usize::from(self.made) == PENDING {
            let oldest = self.pending[0];
            self.pending.rotate_left(1);
            before = (total - oldest.total).clamp(0.0, MOST);
            self.learn(&oldest, before, every);
        } else {
            self.made += 1;
        }
        self.pending[usize::from(self.made) - 1] = self.forecast(recent, total, due, before);
        self.next += every;
    }

    #[expect(clippy::cast_possible_truncation, reason = "what awaits an outcome is kept in single precision")]
    fn forecast(&self, recent: &Recent, total: f64, due: DueBurst, before: f64) -> Pending {
        let mean = self.weights.expected(recent, self.seconds);
        let size = self.dispersion.size(mean);
        let law = Predictive::new(NegativeBinomial::new(mean, size), Some(due)).calibrated(self.calibration);
        Pending {
            rates: recent.rates.per_second().map(|rate| rate as f32),
            age: recent.age as f32,
            due,
            quantiles: law.quantiles(LEVELS).map(|quantile| quantile as f32),
            mean: mean as f32,
            size: size as f32,
            before: before as f32,
            total,
        }
    }

    fn learn(&mut self, made: &Pending, arrivals: f64, every: f64) {
        let quantiles = made.quantiles.map(f64::from);
        let kept = (-every * std::f64::consts::LN_2 / HALF_LIFE).exp();
        let usual = NegativeBinomial::new(f64::from(made.mean), f64::from(made.size));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^6")]
        let (below, at) = Predictive::new(usual, Some(made.due)).place(arrivals.round() as u64);
        let tied = self.calibration.learn(below, at);
        let covered = coverage::covered(quantiles, arrivals.round(), tied);
        let outcome = Outcomes::one(quantiles, f64::from(made.before), arrivals, covered);
        self.skill.learn(&outcome, kept);
        self.coverage.learn(covered, kept);
        self.fresh += outcome;

        // Scatter and weights are held against what they say today, as in EM.
        let recent =
            Recent { rates: Rates::from_per_second(made.rates.map(f64::from)), age: f64::from(made.age) };
        let expected = self.weights.expected(&recent, self.seconds);
        let others = made.due.expected();
        if others < expected {
            self.dispersion.learn(expected + others, arrivals);
        }
        self.weights.learn(&recent, self.seconds, expected + others, arrivals, kept);
    }
}
