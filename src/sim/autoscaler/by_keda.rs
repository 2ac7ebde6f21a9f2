//! KEDA and the HPA it makes, for a scaler that is asked without calls.

use super::Autoscaler;
use crate::sim::{keda::ScaledObject, workers::WorkerPool};
use crate::sizing::Decision;

/// A scaler with one metric, whose target for one replica never changes.
pub trait Scaler {
    /// The metric's target for one replica, above 0.
    fn target(&self) -> f64;

    /// The metric and whether there is a reason to run, as KEDA reads them at `now`; `None` is an error.
    fn read(&mut self, now: f64, pool: &WorkerPool) -> Option<(f64, bool)>;

    /// When it looks at the queue by itself; infinite for one that looks only when it is asked.
    fn next_look(&self, _pool: &WorkerPool) -> f64 {
        f64::INFINITY
    }

    /// Looks at the queue, where it is time, before KEDA's visits of this instant.
    fn look(&mut self, _now: f64, _pool: &mut WorkerPool) {}

    /// Whether `StreamIsActive` says `true` at `now`; asked at every turn. A plain external scaler never does.
    fn pushes(&mut self, _now: f64, _pool: &WorkerPool) -> bool {
        false
    }

    /// Whether it would say 0 and inactive to every visit until something happens in the pool.
    fn is_silent(&self, pool: &WorkerPool) -> bool;

    /// What Foresail decided last; `None` of all others, and while it has decided nothing.
    fn decision(&self) -> Option<&Decision> {
        None
    }

    /// Worker-seconds so far that were idle on the word of a forecast.
    fn speculated(&self) -> f64 {
        0.0
    }
}

/// A ScaledObject, and the scaler that its trigger names.
#[derive(Clone, Debug)]
pub struct ByKeda<S> {
    /// KEDA's side.
    pub object: ScaledObject,
    /// The other one.
    pub scaler: S,
    /// Whether no visit can change anything before something happens in the pool.
    rests: bool,
}

impl<S: Scaler> ByKeda<S> {
    /// A ScaledObject whose trigger names a scaler.
    pub const fn new(object: ScaledObject, scaler: S) -> Self {
        Self { object, scaler, rests: false }
    }
}

impl<S: Scaler> Autoscaler for ByKeda<S> {
    fn next_due(&self, pool: &WorkerPool) -> f64 {
        let due = if self.rests { f64::INFINITY } else { self.object.next_due() };
        due.min(self.scaler.next_look(pool))
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        if self.rests {
            self.object.skip_polls(now);
        }
        self.scaler.look(now, pool);
        if self.scaler.pushes(now, pool)
            && let Some(replicas) = self.object.push(now, true)
        {
            pool.scale_to(replicas);
        }
        self.observe(pool);
        while let Some(kind) = self.object.take_due(now) {
            let answer = self.scaler.read(now, pool);
            if let Some(replicas) = self.object.hear(now, kind, self.scaler.target(), answer) {
                pool.scale_to(replicas);
                self.observe(pool);
            }
        }
        self.rests = self.may_rest(pool);
    }

    fn least(&self) -> u32 {
        let spec = self.object.spec();
        spec.idle.unwrap_or(spec.min)
    }

    fn decision(&self) -> Option<&Decision> {
        self.scaler.decision()
    }

    fn speculated(&self) -> f64 {
        self.scaler.speculated()
    }
}

impl<S: Scaler> ByKeda<S> {
    /// Nobody works, and nobody is asked to.
    fn may_rest(&self, pool: &WorkerPool) -> bool {
        let object = &self.object;
        object.replicas() == 0
            && object.hpa().is_some()
            && object.failures() == 0
            && object.spec().min == 0
            && self.scaler.is_silent(pool)
    }

    fn observe(&mut self, pool: &WorkerPool) {
        self.object.set_ready(u32::try_from(pool.ready()).unwrap_or(u32::MAX));
    }
}
