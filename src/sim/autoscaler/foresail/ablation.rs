//! Foresail with a part of its forecast switched off, or replaced by what no server could have.

use crate::forecast::Forecast;
use crate::forecast::calibration::Calibration;
use crate::forecast::outlook::{Coming, Outlook, Worth};
use crate::forecast::predictive::DueBurst;
use crate::forecast::service::Service;
use crate::sim::workers::WorkerPool;

/// What is other than it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ablation {
    /// Recurring bursts are not forecast.
    NoCalendar,
    /// Quantiles are those of the law as it is.
    NoCalibration,
    /// Arrivals are known.
    Perfect,
    /// A forecast that is trusted fully and is always wrong: nothing comes where something does, and where nothing
    /// does ten jobs at least, and ten times as many as the real one holds possible.
    Inverted,
}

impl Ablation {
    /// Whether it says something else from second to second, whatever is seen.
    pub(super) fn knows_the_future(self) -> bool {
        matches!(self, Self::Perfect | Self::Inverted)
    }
}

/// A forecast so changed.
#[derive(Debug)]
pub(super) struct Ablated<'a> {
    pub(super) forecast: &'a Forecast,
    pub(super) ablation: Ablation,
    pub(super) pool: &'a WorkerPool,
}

impl Outlook for Ablated<'_> {
    fn service(&self) -> &Service {
        self.forecast.service()
    }

    fn worth(&self, seconds: f64) -> Worth {
        if self.ablation.knows_the_future() {
            Worth { skill: 1.0, outcomes: f64::INFINITY }
        } else {
            self.forecast.worth(seconds)
        }
    }

    fn coming(&self, seconds: f64, levels: [f64; 2], most: u64) -> Coming {
        let exactly = |jobs: u64| Coming { mean: jobs as f64, due: 0.0, quantiles: [jobs; 2] };
        match self.ablation {
            Ablation::NoCalendar => {
                Coming::of(&self.forecast.arrivals().ahead(seconds, DueBurst::default()), levels, most)
            }
            Ablation::NoCalibration => {
                Coming::of(&self.forecast.at(seconds).calibrated(Calibration::default()), levels, most)
            }
            Ablation::Perfect => exactly(self.pool.coming_within(seconds) as u64),
            Ablation::Inverted if self.pool.coming_within(seconds) > 0 => exactly(0),
            Ablation::Inverted => {
                let [_, possible] = self.forecast.coming(seconds, [0.5, 0.97], most).quantiles;
                exactly(possible.max(1).saturating_mul(10))
            }
        }
    }
}
