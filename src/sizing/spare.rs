//! Workers beyond those that the work of now can use: idle ones that are kept, and such as are started ahead of work.

use super::{Given, Objective, whole};
use crate::forecast::lead::{LeadTimes, Start};
use crate::forecast::outlook::{Coming, Outlook, Worth};

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
    /// What a forecast pays for, with a lead time of so many seconds and workers of so many slots. No more than `most`
    /// workers can be had, so more are not sought.
    ///
    /// Cost objective: the k-th spare worker is used within a lead time `L` with chance `p = P(N >= k)`. That saves
    /// `worth L` of waiting and a start, which costs `L`; keeping it costs `L`. So it is kept while
    /// `p (worth + 1) > 1`, and started where also its own start is paid, `p (worth + 1) > 2`: the newsvendor's rule,
    /// whose two levels keep the number from following every sample. Where a recurring burst is due with that chance
    /// the start is paid in any case, when it comes: what is worth keeping is worth starting.
    ///
    /// Wait objective: jobs that come when it is too late to start a worker for them need one that is there, so as
    /// many as come, at the quantile, in the part of the lead time by which it is longer than the wait; they are kept
    /// at half the risk.
    pub(super) fn of(forecast: &dyn Outlook, objective: Objective, lead: f64, slots: u32, most: u32) -> Self {
        let (horizon, levels) = match objective {
            Objective::Cost { worth } => (lead, [1.0 - 2.0 / (worth + 1.0), 1.0 - 1.0 / (worth + 1.0)]),
            Objective::Wait { wait, quantile } => (lead - wait, [quantile, 1.0 - (1.0 - quantile) / 2.0]),
        };
        let (believed, skill) = belief(forecast, lead);
        if believed <= 0.0 || horizon <= 0.0 {
            return Self { skill, ..Self::default() };
        }
        let levels = levels.map(|level| level.max(0.0));
        let Coming { mean, due, quantiles: [start, keep] } =
            forecast.coming(horizon, levels, jobs(most, slots, believed));
        let foretold = matches!(objective, Objective::Cost { .. }) && due > 1.0 - levels[1];
        let start = if foretold { keep } else { start };
        Self {
            start: workers(start, slots, believed),
            keep: workers(keep, slots, believed),
            expected: mean,
            skill,
        }
    }

    /// Spare workers wanted where there are so many.
    pub(super) fn wanted(&self, there: u32) -> u32 {
        there.clamp(self.start, self.keep.max(self.start))
    }
}

/// Room for pods that are expected within the time that a worker takes on a node that is yet to come: for as many as
/// are worth keeping, since room costs no more than an idle worker does. 0 where nothing was learned.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct NodeRoom {
    pods: u32,
    /// The least that the work of then or of any time since could use, in workers: what came beyond it was expected.
    work: u32,
    /// When it was found, and for how many seconds it stands; `None` before the first time.
    found: Option<(f64, f64)>,
    /// The part of that time by which the first one is shorter.
    apart: f64,
}

/// Seconds for which such room stands: nodes take far longer to come, and it takes microseconds to find.
const NODE_ROOM_STANDS: f64 = 15.0;

impl NodeRoom {
    /// Is found at other seconds than that of other refs, by `part` (0 to 1) of the time for which it stands.
    pub(super) fn apart(&mut self, part: f64) {
        self.apart = part;
    }

    /// The room that is wanted now, where the work of now can use so many workers.
    pub(super) fn pods(&mut self, given: &Given<'_>, lead: &LeadTimes, work: u32) -> u32 {
        let Given { now, forecast, policy, .. } = *given;
        if !self.found.is_some_and(|(at, stands)| (at..at + stands).contains(&now)) {
            let shorter = if self.found.is_none() { self.apart } else { 0.0 };
            self.found = Some((now, NODE_ROOM_STANDS * (1.0 - shorter)));
            self.work = work;
            self.pods = if belief(forecast, lead.mean()).0 > 0.0 {
                let cold = lead.of(Start::Cold).mean();
                Spare::of(forecast, policy.objective, cold, policy.slots, u32::MAX).keep
            } else {
                0
            };
        }
        self.work = self.work.min(work);
        self.pods.saturating_sub(work - self.work)
    }
}

/// How far forecasts over so many seconds are believed, from 0 to 1, and their skill against "nothing arrives".
fn belief(forecast: &dyn Outlook, seconds: f64) -> (f64, f64) {
    let Worth { skill, outcomes } = forecast.worth(seconds);
    let believed = if outcomes < ENOUGH { 0.0 } else { (skill - SKILL.0) / SKILL.1 };
    (believed.clamp(0.0, 1.0), skill)
}

/// Workers for so many jobs, as far as the forecast is believed.
fn workers(jobs: u64, slots: u32, believed: f64) -> u32 {
    let workers = jobs.div_ceil(u64::from(slots.max(1))) as f64 * believed;
    whole(workers.ceil())
}

/// The jobs for which so many workers are wanted, or more: what [`workers`] turns round.
fn jobs(workers: u32, slots: u32, believed: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is not negative"
    )]
    let alone = (f64::from(workers) / believed).ceil() as u64;
    alone.saturating_mul(u64::from(slots.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::service::Service;

    #[test]
    fn the_jobs_that_are_sought_are_enough_for_the_workers() {
        for (most, slots, believed) in [(0, 1, 1.0), (7, 1, 0.3), (10, 4, 0.99), (u32::MAX, 10_000, 0.01)] {
            assert!(
                workers(jobs(most, slots, believed), slots, believed) >= most,
                "{most} {slots} {believed}"
            );
        }
    }

    /// Believed in full: ten jobs or none, ten of them worth keeping a worker for; and a burst that may be due.
    #[derive(Debug)]
    struct Foretold {
        service: Service,
        due: f64,
    }

    impl Outlook for Foretold {
        fn service(&self) -> &Service {
            &self.service
        }

        fn worth(&self, _: f64) -> Worth {
            Worth { skill: 1.0, outcomes: 1e3 }
        }

        fn coming(&self, _: f64, _: [f64; 2], _: u64) -> Coming {
            Coming { mean: 4.0, due: self.due, quantiles: [0, 10] }
        }
    }

    #[test]
    fn for_a_burst_that_is_due_what_is_worth_keeping_is_started() {
        let started = |due, objective| {
            let forecast = Foretold { service: Service::default(), due };
            Spare::of(&forecast, objective, 60.0, 1, u32::MAX).start
        };
        let cost = Objective::Cost { worth: 3.0 };
        assert_eq!([0.0, 0.24, 0.26, 1.0].map(|due| started(due, cost)), [0, 0, 10, 10]);
        let wait = Objective::Wait { wait: 5.0, quantile: 0.9 };
        assert_eq!(started(1.0, wait), 0, "the promise alone says who is started");
    }

    #[test]
    fn as_many_stay_as_are_kept_and_as_many_come_as_are_started() {
        let spare = Spare { start: 2, keep: 5, ..Spare::default() };
        assert_eq!([0, 1, 2, 3, 5, 6, 100].map(|there| spare.wanted(there)), [2, 2, 2, 3, 5, 5, 5]);
    }
}
