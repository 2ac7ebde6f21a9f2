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

/// Seconds before a recording at which its simulation begins.
const HEAD_START: f64 = 1800.0;

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

/// The world of a recording, with workers as the policy has them. It begins early enough for the workers to be there
/// that were when the recording began.
pub(crate) fn world(history: &History, pool: PoolSpec, seed: u64) -> World {
    World {
        pool: PoolSpec { slots: NonZeroU32::new(history.slots).unwrap_or(NonZeroU32::MIN), ..pool },
        from: begin(history),
        counted_from: counted_from(history),
        until: history.until,
        patience: PATIENCE,
        agreed_wait: 300.0,
        seed,
    }
}

/// As many workers as there were, when there were. A fall comes later where more jobs wait than did: whoever scaled
/// would have seen them. After the end at least one stays until all is done.
pub(crate) fn as_it_was(history: &History) -> Option<AsItWas> {
    let replicas = history.replicas.clone()?;
    Some(AsItWas { replicas, waiting: history.waiting.clone(), until: history.until })
}

/// When the simulation of a recording begins, Unix seconds.
fn begin(history: &History) -> f64 {
    history.from - HEAD_START
}

/// Foresail's answers as they were logged, through KEDA and the HPA.
pub(crate) fn as_answered(history: &History, max: u32) -> impl Autoscaler + use<> {
    let answers = Answers { wanted: history.wanted.clone(), until: history.until, active: false };
    ByKeda::new(object(begin(history), max), answers)
}

/// Foresail itself, through KEDA and the HPA.
pub(crate) fn deciding(history: &History, policy: Policy, max: u32) -> impl Autoscaler + use<> {
    let sampling = Sampling { every: history.look.clamp(1.0, 60.0), ..Sampling::default() };
    let scaler =
        foresail::sim::autoscaler::Foresail::new(policy, Limits { min: 0, max }, sampling, begin(history));
    ByKeda::new(object(begin(history), max), scaler)
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
    waiting: Steps,
    until: f64,
}

impl AsItWas {
    /// Those of an instant; before the first one, those of the first.
    fn replicas_at(&self, now: f64) -> u32 {
        let first = self.replicas.changes().first().map_or(0.0, |change| change.at);
        whole(self.replicas.at(now.max(first)))
    }
}

impl Autoscaler for AsItWas {
    fn next_due(&self, pool: &WorkerPool) -> f64 {
        if pool.replicas() == 0 && pool.now() < self.until && self.replicas_at(pool.now()) > 0 {
            return pool.now();
        }
        next_change(&self.replicas, pool.now()).min(next_change(&self.waiting, pool.now()))
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        let there = u32::try_from(pool.replicas()).unwrap_or(u32::MAX);
        let wanted = self.replicas_at(now).max(u32::from(now >= self.until && !pool.is_done()));
        let more_wait = pool.waiting() as f64 > self.waiting.at(now);
        if wanted > there || (wanted < there && !more_wait) {
            pool.scale_to(wanted);
        }
    }

    fn least(&self) -> u32 {
        self.replicas_at(self.until).max(1)
    }
}

/// When a number changes next; infinite after its last change.
fn next_change(steps: &Steps, now: f64) -> f64 {
    let changes = steps.changes();
    changes.get(changes.partition_point(|change| change.at <= now)).map_or(f64::INFINITY, |change| change.at)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a u32")]
const fn whole(number: f64) -> u32 {
    number as u32
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
        next_change(&self.wanted, pool.now())
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
