//! Workers beyond those that the work of now can use: idle ones that are kept, and such as are started ahead of work.

use super::{Objective, Policy};
use crate::forecast::{
    Forecast,
    lead::{LeadTimes, Start},
};

/// Outcomes of forecasts that must be known before anything is spent on them.
const ENOUGH: f64 = 30.0;

/// Skill against "nothing arrives" from which on something is spent on forecasts, and how much more it takes until
/// all of it is.
const SKILL: (f64, f64) = (0.05, 0.20);

/// Spare workers that a forecast pays for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spare {
    /// So many are started where there are fewer.
    pub(super) start: u32,
    /// So many are kept where there are more.
    pub(super) keep: u32,
    /// Arrivals expected within the horizon.
    pub(super) expected: f64,
    /// Skill of such forecasts against "nothing arrives".
    pub(super) skill: f64,
}

impl Spare {
    /// What a forecast pays for, with a lead time of so many seconds and workers of so many slots.
    ///
    /// Cost objective: the k-th spare worker is used within a lead time `L` with chance `p = P(N >= k)`. That saves
    /// `worth L` of waiting and a start, which costs `L`; keeping it costs `L`. So it is kept while
    /// `p (worth + 1) > 1`, and started where also its own start is paid, `p (worth + 1) > 2`: the newsvendor's rule,
    /// whose two levels keep the number from following every sample.
    ///
    /// Wait objective: jobs that come when it is too late to start a worker for them need one that is there, so as
    /// many as come, at the quantile, in the part of the lead time by which it is longer than the wait; they are kept
    /// at half the risk.
    pub(super) fn of(forecast: &Forecast, objective: Objective, lead: f64, slots: u32) -> Self {
        let (horizon, levels) = match objective {
            Objective::Cost { worth } => (lead, [1.0 - 2.0 / (worth + 1.0), 1.0 - 1.0 / (worth + 1.0)]),
            Objective::Wait { wait, quantile } => (lead - wait, [quantile, 1.0 - (1.0 - quantile) / 2.0]),
        };
        let (believed, skill) = belief(forecast, lead);
        if believed <= 0.0 || horizon <= 0.0 {
            return Self { skill, ..Self::default() };
        }
        let law = forecast.at(horizon);
        let [start, keep] = law.quantiles(levels.map(|level| level.max(0.0)));
        Self {
            start: workers(start, slots, believed),
            keep: workers(keep, slots, believed),
            expected: law.mean(),
            skill,
        }
    }

    /// Room for pods that are expected within the time that a worker takes on a node that is yet to come: for as many
    /// as are worth keeping, since room costs no more than an idle worker does. 0 where nothing was learned.
    pub(super) fn pods(forecast: &Forecast, policy: &Policy, lead: &LeadTimes) -> u32 {
        if belief(forecast, lead.mean()).0 <= 0.0 {
            return 0;
        }
        Self::of(forecast, policy.objective, lead.of(Start::Cold).mean(), policy.slots).keep
    }

    /// Spare workers wanted where there are so many.
    pub(super) fn wanted(&self, there: u32) -> u32 {
        there.clamp(self.start, self.keep.max(self.start))
    }
}

/// How far forecasts over so many seconds are believed, from 0 to 1, and their skill against "nothing arrives".
fn belief(forecast: &Forecast, lead: f64) -> (f64, f64) {
    let skill = forecast.arrivals().nearest(lead).skill();
    let gained = skill.against_nothing();
    let believed = if skill.outcomes() < ENOUGH { 0.0 } else { (gained - SKILL.0) / SKILL.1 };
    (believed.clamp(0.0, 1.0), gained)
}

/// Workers for so many jobs, as far as the forecast is believed.
fn workers(jobs: u64, slots: u32, believed: f64) -> u32 {
    let workers = jobs.div_ceil(u64::from(slots.max(1))) as f64 * believed;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is not negative"
    )]
    let workers = workers.ceil() as u32;
    workers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_stay_as_are_kept_and_as_many_come_as_are_started() {
        let spare = Spare { start: 2, keep: 5, ..Spare::default() };
        assert_eq!([0, 1, 2, 3, 5, 6, 100].map(|there| spare.wanted(there)), [2, 2, 2, 3, 5, 5, 5]);
    }
}
