//! What a forecast was worth: its loss beside that of forecasts that need no model.

use serde::{Deserialize, Serialize};

use super::outcomes::Outcomes;

/// Decayed losses of a forecast, of "nothing arrives" and of "as many as in the same time before".
///
/// The loss is the mean [quantile loss](super::outcomes::loss), that of whoever holds so many workers ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Skill {
    forecast: f32,
    nothing: f32,
    persistence: f32,
    outcomes: f32,
}

impl Skill {
    /// Share of the loss of "nothing arrives" that the forecast saves; 1 is perfect, 0 or less is worthless, and 0
    /// while nothing is known.
    pub fn against_nothing(&self) -> f64 {
        saved(self.forecast.into(), self.nothing.into())
    }

    /// The same against "as many as in the same time before".
    pub fn against_persistence(&self) -> f64 {
        saved(self.forecast.into(), self.persistence.into())
    }

    /// Outcomes that this rests on, decayed.
    pub fn outcomes(&self) -> f64 {
        f64::from(self.outcomes)
    }

    /// Whether all of it could have been learned.
    pub(super) fn is_sound(&self) -> bool {
        let Self { forecast, nothing, persistence, outcomes } = *self;
        [forecast, nothing, persistence, outcomes].iter().all(|sum| *sum >= 0.0 && sum.is_finite())
    }

    /// Takes what one outcome came to; so much is `kept` of what was known before, 0 to 1.
    #[expect(clippy::cast_possible_truncation, reason = "sums are kept in single precision")]
    pub(super) fn learn(&mut self, one: &Outcomes, kept: f64) {
        let add = |sum: &mut f32, more: f64| *sum = (kept * f64::from(*sum) + more) as f32;
        add(&mut self.forecast, one.forecast);
        add(&mut self.nothing, one.nothing);
        add(&mut self.persistence, one.persistence);
        add(&mut self.outcomes, one.number);
    }
}

/// The part of the loss of others that a forecast saved; 0 where they lost nothing.
pub fn saved(mine: f64, theirs: f64) -> f64 {
    if theirs > 0.0 { 1.0 - mine / theirs } else { 0.0 }
}
