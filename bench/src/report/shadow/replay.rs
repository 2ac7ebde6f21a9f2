//! The jobs of a watched ref once more, with the workers that there were and with those that Foresail wanted.

use std::num::NonZeroU32;

use foresail::{
    sim::{
        autoscaler::{
            Autoscaler, ByKeda, Scaler,
            foresail::{Limits, Sampling},
        },
        hpa::Behavior,
        job_log::{Job, JobLog},
        keda::{ScaledObject, ScaledObjectSpec},
        outcome::Steps,
        workers::{PoolSpec, WorkerPool},
        world::World,
    },
    sizing::Policy,
};

use super::history::History;

/// The most that the beginning may be long that is not counted, seconds: the workers of the simulation have to come
/// first.
const LONGEST_WARM_UP: f64 = 3600.0;

/// Seconds in which jobs are done that are left at the end of the recording.
const PATIENCE: f64 = 7.0 * 86_400.0;

/// From when on waits and hours count, Unix seconds. Of less than an hour all counts.
pub(crate) fn counted_from(history: &History) -> f64 {
    let seconds = history.until - history.from;
    let warm_up = if seconds < LONGEST_WARM_UP { 0.0 } else { (0.1 * seconds).min(LONGEST_WARM_UP) };
    history.from + warm_up
}

/// The jobs that were started, with their run times: what can be played again. A job that still ran at the end, or of
/// which nothing is known, takes the mean, and no less than it had run. `None` where no run time is known.
pub(crate) fn jobs(history: &History) -> Option<JobLog> {
    let known: Vec<f64> = history.jobs.iter().filter_map(|job| job.run).collect();
    if known.is_empty() {
        return None;
    }
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    let jobs = history.jobs.iter().filter_map(|job| {
        let so_far = history.until - job.started?;
        Some(Job::new(job.came, job.run.unwrap_or_else(|| mean.max(so_far))))
    });
    Some(JobLog::new(jobs.collect()))
}

/// The world of a recording, with workers as the policy has them.
pub(crate) fn world(history: &History, pool: PoolSpec, seed: u64) -> World {
    World {
        pool: PoolSpec { slots: NonZeroU32::new(history.slots).unwrap_or(NonZeroU32::MIN), ..pool },
        from: history.from,
        counted_from: counted_from(history),
        until: history.until,
        patience: PATIENCE,
        agreed_wait: 300.0,
        seed,
    }
}

/// As many workers as there were, when there were. After the end at least one stays until all is done.
pub(crate) fn as_it_was(history: &History) -> Option<AsItWas> {
    Some(AsItWas { replicas: history.replicas.clone()?, next: 0, until: history.until })
}

/// Foresail's answers as they were logged, through KEDA and the HPA.
pub(crate) fn as_answered(history: &History, max: u32) -> impl Autoscaler + use<> {
    let answers = Answers { wanted: history.wanted.clone(), until: history.until, active: false };
    ByKeda::new(object(history.from, max), answers)
}

/// Foresail itself, through KEDA and the HPA.
pub(crate) fn deciding(history: &History, policy: Policy, max: u32) -> impl Autoscaler + use<> {
    let sampling = Sampling { every: history.look.clamp(1.0, 60.0), ..Sampling::default() };
    let scaler =
        foresail::sim::autoscaler::Foresail::new(policy, Limits { min: 0, max }, sampling, history.from);
    ByKeda::new(object(history.from, max), scaler)
}

/// A ScaledObject as the docs recommend it.
fn object(now: f64, max: u32) -> ScaledObject {
    let spec = ScaledObjectSpec {
        max,
        cooldown_period: 15.0,
        behavior: Some(Behavior::foresail()),
        ..ScaledObjectSpec::default()
    };
    ScaledObject::new(spec, now, 0)
}

/// Sets replicas as they were recorded.
#[derive(Clone, Debug)]
pub(crate) struct AsItWas {
    replicas: Steps,
    /// The change that comes next.
    next: usize,
    until: f64,
}

impl Autoscaler for AsItWas {
    fn next_due(&self, _: &WorkerPool) -> f64 {
        self.replicas.changes().get(self.next).map_or(f64::INFINITY, |change| change.at)
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        let changes = self.replicas.changes();
        while let Some(change) = changes.get(self.next).filter(|change| change.at <= now) {
            self.next += 1;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a u32")]
            pool.scale_to(change.to as u32);
        }
        if now >= self.until && pool.replicas() == 0 && !pool.is_done() {
            pool.scale_to(1);
        }
    }

    fn least(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a u32")]
        self.replicas.changes().last().map_or(1, |change| change.to.max(1.0) as u32)
    }
}

/// Says what was answered then. After the end it wants a worker for each job that is left.
#[derive(Clone, Debug)]
struct Answers {
    wanted: Steps,
    until: f64,
    active: bool,
}

impl Answers {
    fn at(&self, now: f64, pool: &WorkerPool) -> f64 {
        if now < self.until { self.wanted.at(now) } else { (pool.waiting() + pool.in_flight()) as f64 }
    }
}

impl Scaler for Answers {
    fn target(&self) -> f64 {
        1.0
    }

    fn read(&mut self, now: f64, pool: &WorkerPool) -> Option<(f64, bool)> {
        let wanted = self.at(now, pool);
        Some((wanted, wanted >= 1.0))
    }

    fn next_look(&self, pool: &WorkerPool) -> f64 {
        let changes = self.wanted.changes();
        let next = changes.partition_point(|change| change.at <= pool.now());
        changes.get(next).map_or(f64::INFINITY, |change| change.at)
    }

    fn pushes(&mut self, now: f64, pool: &WorkerPool) -> bool {
        let active = self.at(now, pool) >= 1.0;
        let was_active = std::mem::replace(&mut self.active, active);
        active && !was_active
    }

    fn is_silent(&self, pool: &WorkerPool) -> bool {
        pool.now() >= self.until && pool.is_done()
    }
}
