//! What a decision asks of a forecast.

use std::fmt;

use super::Forecast;
use super::predictive::Predictive;
use super::service::Service;

/// A forecast as decisions see it: what was learned, or in the simulator one that knows better or worse.
pub trait Outlook: fmt::Debug {
    /// The service times.
    fn service(&self) -> &Service;

    /// What forecasts about so many seconds ahead were worth.
    fn worth(&self, seconds: f64) -> Worth;

    /// The arrivals within so many seconds, with their quantiles at two rising levels, of which nothing beyond `most`
    /// matters.
    fn coming(&self, seconds: f64, levels: [f64; 2], most: u64) -> Coming;
}

/// What forecasts were worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worth {
    /// Share of the loss of "nothing arrives" that they saved: 1 is perfect, 0 or less is worthless.
    pub skill: f64,
    /// Outcomes that this rests on, decayed.
    pub outcomes: f64,
}

/// Arrivals that are expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coming {
    /// Their mean.
    pub mean: f64,
    /// Chance that a recurring burst begins within that time, or goes on.
    pub due: f64,
    /// Their quantiles at the levels that were asked for, or as many as matter.
    pub quantiles: [u64; 2],
}

impl Coming {
    /// What a law says.
    pub fn of(law: &Predictive, levels: [f64; 2], most: u64) -> Self {
        Self { mean: law.mean(), due: law.due(), quantiles: law.quantiles_up_to(most, levels) }
    }
}

impl Outlook for Forecast {
    fn service(&self) -> &Service {
        self.service()
    }

    fn worth(&self, seconds: f64) -> Worth {
        let skill = self.arrivals().nearest(seconds).skill();
        Worth { skill: skill.against_nothing(), outcomes: skill.outcomes() }
    }

    fn coming(&self, seconds: f64, levels: [f64; 2], most: u64) -> Coming {
        Coming::of(&self.at(seconds), levels, most)
    }
}
