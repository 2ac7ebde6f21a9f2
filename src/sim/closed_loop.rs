//! KEDA, the HPA and workers on virtual time, for a scaler that answers synchronously.

use super::keda::ScaledObject;
use super::round::{Call, Reply, Round, Spec, Value};
use super::workers::{Summary, WorkerPool};

/// Whoever answers KEDA from the queue that it sees.
pub trait Scaler {
    /// Answers one call at `now`.
    fn answer(&mut self, now: f64, pool: &WorkerPool, call: Call<'_>) -> Reply;

    /// Whether `StreamIsActive` says `true` at `now`; asked after everything that happens in the pool. A plain
    /// external scaler never does.
    fn pushes(&mut self, _now: f64, _pool: &WorkerPool) -> bool {
        false
    }
}

/// A ScaledObject and its workers. The parts are open, so that a driver of its own kind can step them by hand:
/// advance the pool to [`next_event`](Self::next_event), hold the rounds that are due, scale.
#[derive(Clone, Debug)]
pub struct ClosedLoop {
    /// The queue and its workers.
    pub pool: WorkerPool,
    /// KEDA's side.
    pub keda: ScaledObject,
}

/// How KEDA's own list scaler answers: the metric is the number of waiting jobs, and jobs in flight are
/// invisible. This is plain `depth/target`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListLength {
    /// Waiting jobs for one worker, above 0.
    pub target: f64,
}

impl ClosedLoop {
    /// When anything happens next.
    pub fn next_event(&self) -> f64 {
        self.pool.next_event().min(self.keda.next_due())
    }

    /// Lets everything happen that is due at the next event, or at `until` if that comes first.
    pub fn step(&mut self, scaler: &mut impl Scaler, until: f64) {
        let at = self.next_event().max(self.pool.now()).min(until);
        self.pool.advance(at);
        if scaler.pushes(at, &self.pool)
            && let Some(replicas) = self.keda.push(at, true)
        {
            self.pool.scale_to(replicas);
        }
        self.observe();
        while let Some(mut round) = self.keda.due(at) {
            self.hold(at, &mut round, scaler);
            if let Some(replicas) = self.keda.finish(at, round) {
                self.pool.scale_to(replicas);
                self.observe();
            }
        }
    }

    /// Runs until all jobs are done and no worker is left beyond the minimum, or until `until`.
    pub fn run(&mut self, scaler: &mut impl Scaler, until: f64) -> Summary {
        while self.pool.now() < until && !self.is_over() {
            self.step(scaler, until);
        }
        self.pool.summary()
    }

    /// Whether all jobs are done and no worker is left beyond the minimum.
    pub fn is_over(&self) -> bool {
        let rest = self.keda.spec().idle.unwrap_or(self.keda.spec().min);
        self.pool.is_done() && self.pool.terminating() == 0 && self.keda.replicas() <= rest
    }

    fn hold(&self, now: f64, round: &mut Round, scaler: &mut impl Scaler) {
        while let Some(call) = round.call() {
            let reply = scaler.answer(now, &self.pool, call);
            round.reply(reply);
        }
    }

    fn observe(&mut self) {
        self.keda.set_ready(u32::try_from(self.pool.ready()).unwrap_or(u32::MAX));
    }
}

impl Scaler for ListLength {
    fn answer(&mut self, _now: f64, pool: &WorkerPool, call: Call<'_>) -> Reply {
        let depth = pool.waiting();
        match call {
            Call::MetricSpec => Reply::Specs(vec![Spec {
                name: "redis-list".into(),
                target_int: Value::of(self.target).int,
                target_float: self.target,
            }]),
            Call::Metrics { .. } => Reply::Values(vec![Value::of(depth as f64)]),
            Call::IsActive => Reply::Active(depth > 0),
        }
    }
}
