//! Node hints: room on nodes that decisions keep besides their workers, as a capacity buffer of the pool.

use super::{Foresail, looks::Looks};
use crate::nodes::{Limits, Lower, Spares, Wanted};
use crate::sim::workers::WorkerPool;
use crate::sizing::Workload;

/// Seconds between two looks at what is to spare, where nothing else happens: a step of [`Spares`].
const LOOK: f64 = crate::nodes::STEP_EVERY;

/// The room that is asked for, as the server finds it.
#[derive(Debug)]
pub(super) struct Hints {
    limits: Limits,
    lower: Lower,
    spares: Spares<()>,
}

impl Foresail {
    /// Sets the pool's capacity buffer by its decisions (`hints`).
    #[must_use]
    pub fn with_hints(self, limits: Limits, lower: Lower) -> Self {
        Self { hints: Some(Hints { limits, lower, spares: Spares::default() }), ..self }
    }

    pub(super) fn hint(&mut self, now: f64, pool: &mut WorkerPool) {
        let workload =
            if self.sees_pods(now) { Looks::of(pool).workload(self.limits) } else { Workload::default() };
        let Some(Hints { limits, lower, spares }) = &mut self.hints else { return };
        let wanted = |decision| Wanted::of(decision, self.policy.mode, false, workload, *lower);
        spares.step(now, limits, [((), self.decision.as_ref().map(wanted))]);
        pool.set_spare(spares.of(&()));
    }

    /// Seconds that it may sleep for its hints' sake: room is wanted as long before a recurring burst as a node takes
    /// to come, and what stands ready goes when time passes. `None` without hints.
    pub(super) fn hints_stand_for(&self, now: f64) -> Option<f64> {
        let hints = self.hints.as_ref()?;
        let wanted = self.decision.as_ref().is_some_and(|decision| decision.hint > 0 || decision.active());
        if wanted || hints.spares.of(&()) > 0 {
            return Some(LOOK);
        }
        Some(self.wakes_in(now).max(LOOK))
    }
}
