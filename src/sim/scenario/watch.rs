//! What a scenario's run came to, measured while it is played.

use super::Measure;
use crate::sim::workers::WorkerPool;
use crate::sim::world::Outcome;
use crate::sizing::Decision;

/// Takes the measures that an [`Outcome`] does not have.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    now: f64,
    /// Idle workers that the target asks for beyond the reactive one; `None` while nobody says what that is.
    speculative: Option<usize>,
    /// Their seconds so far; NaN as long as nobody has ever said.
    speculation: f64,
    completed: usize,
    /// When the last job ended.
    done: f64,
    /// Since when there is no worker; infinite while there is one.
    gone: f64,
}

/// What a run came to, by [`Measure`].
#[derive(Clone, Debug, PartialEq)]
pub struct Measures([f64; Measure::ALL.len()]);

impl Watch {
    /// A run that begins at `now`.
    pub const fn new(now: f64) -> Self {
        Self { now, speculative: None, speculation: f64::NAN, completed: 0, done: now, gone: now }
    }

    /// Sees the pool after something has happened, and what Foresail decided last.
    pub fn see(&mut self, pool: &WorkerPool, decision: Option<&Decision>) {
        if let Some(idle) = self.speculative {
            let so_far = if self.speculation.is_nan() { 0.0 } else { self.speculation };
            self.speculation = so_far + idle as f64 * (pool.now() - self.now);
        }
        self.now = pool.now();
        self.speculative = decision.map(|decision| {
            let idle = pool.ready() - pool.busy();
            idle.min(decision.target.saturating_sub(decision.reactive) as usize)
        });
        if pool.completed() > self.completed {
            self.completed = pool.completed();
            self.done = self.now;
        }
        let nobody = pool.replicas() == 0 && pool.terminating() == 0;
        self.gone = if nobody { self.gone.min(self.now) } else { f64::INFINITY };
    }

    /// What it came to; `work` are the run times of all jobs, seconds.
    pub fn measures(self, outcome: &Outcome, work: f64) -> Measures {
        let Outcome { waits, workers, nodes, .. } = outcome;
        let jobs = waits.jobs as f64;
        Measures(Measure::ALL.map(|measure| match measure {
            Measure::WaitMean => waits.mean,
            Measure::WaitMedian => waits.p50,
            Measure::WaitP95 => waits.p95,
            Measure::WaitMax => waits.max,
            Measure::Completed => (jobs - outcome.unfinished as f64) / jobs,
            Measure::WorkersOverWork => (workers.total + workers.pending) / work,
            Measure::NodesOverWork => nodes.seconds.total / work,
            Measure::WorkersMax => outcome.peak as f64,
            Measure::Launches => outcome.launched as f64,
            Measure::Reversals => outcome.reversals as f64,
            Measure::BusyTold => outcome.told_to_go_busy as f64,
            Measure::BusyAsked => outcome.busy_asked as f64,
            Measure::LostWork => workers.lost / work,
            Measure::Speculation => self.speculation / work,
            Measure::ToZero => (self.gone - self.done).max(0.0),
        }))
    }
}

impl Measures {
    /// What a measure came to: seconds where it is a time; NaN where it has no meaning in this run.
    pub fn of(&self, measure: Measure) -> f64 {
        self.0[measure as usize]
    }
}
