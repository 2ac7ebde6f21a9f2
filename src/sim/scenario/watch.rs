//! What a scenario's run came to, measured while it is played.

use super::Measure;
use crate::sim::outcome::percentile;
use crate::sim::workers::WorkerPool;
use crate::sim::world::Outcome;
use crate::sizing::Decision;

/// Seconds after which bursts that come every day have been seen for a week.
const A_WEEK: f64 = 7.0 * 86_400.0;

/// Takes the measures that an [`Outcome`] does not have.
#[derive(Clone, Debug)]
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
    begun: f64,
    first_start: FirstStart,
    /// How long that was each time, from the eighth day on.
    first_starts: Vec<f64>,
}

/// What became of the first job that came when there was none.
#[derive(Clone, Copy, Debug)]
enum FirstStart {
    /// None has come.
    NoJob,
    /// None has started since then.
    Awaited(f64),
    /// One has.
    Done,
}

/// What a run came to, by [`Measure`].
#[derive(Clone, Debug, PartialEq)]
pub struct Measures([f64; Measure::ALL.len()]);

impl Watch {
    /// A run that begins at `now`.
    pub const fn new(now: f64) -> Self {
        Self {
            now,
            speculative: None,
            speculation: f64::NAN,
            completed: 0,
            done: now,
            gone: now,
            begun: now,
            first_start: FirstStart::NoJob,
            first_starts: Vec::new(),
        }
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
        self.see_first_start(pool);
        let nobody = pool.replicas() == 0 && pool.terminating() == 0;
        self.gone = if nobody { self.gone.min(self.now) } else { f64::INFINITY };
    }

    fn see_first_start(&mut self, pool: &WorkerPool) {
        let before = self.first_start;
        self.first_start = match (before, pool.busy() > 0, pool.waiting() > 0) {
            (_, true, _) => FirstStart::Done,
            (FirstStart::NoJob, false, true) => FirstStart::Awaited(self.now),
            (before, false, true) => before,
            (_, false, false) => FirstStart::NoJob,
        };
        let since = match (before, self.first_start) {
            (FirstStart::NoJob, FirstStart::Done) => self.now,
            (FirstStart::Awaited(since), FirstStart::Done) => since,
            _ => return,
        };
        if since - self.begun >= A_WEEK {
            self.first_starts.push(self.now - since);
        }
    }

    /// What it came to; `work` are the run times of all jobs, seconds.
    pub fn measures(mut self, outcome: &Outcome, work: f64) -> Measures {
        self.first_starts.sort_unstable_by(f64::total_cmp);
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
            Measure::FirstStartP90 if self.first_starts.is_empty() => f64::NAN,
            Measure::FirstStartP90 => percentile(&self.first_starts, 90),
        }))
    }
}

impl Measures {
    /// What a measure came to: seconds where it is a time; NaN where it has no meaning in this run.
    pub fn of(&self, measure: Measure) -> f64 {
        self.0[measure as usize]
    }
}
