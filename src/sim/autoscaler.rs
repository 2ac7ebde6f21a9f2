//! Whoever decides how many workers there are to be: KEDA with some scaler, or a rule of its own.
//!
//! - [`by_keda`]: KEDA and the HPA, for a [`Scaler`] with one metric
//! - [`foresail`]: Foresail's own core as such a scaler
//! - [`list_length`]: KEDA's own list scaler
//! - [`keda_setting`]: what an operator of KEDA would try with it
//! - [`cron`]: the same with an expert's windows
//! - [`kedastral`]: Kedastral's baseline, asked by KEDA
//! - [`scaled_jobs`]: a ScaledJob, one pod a job
//! - [`hinted_jobs`]: the same beside Foresail's node hints
//! - [`placeholders`]: anybody beside placeholder pods
//! - [`kpa`]: Knative's autoscaler
//! - [`dask`]: Dask's adaptive deployments
//! - [`idle_timeout`]: Parsl, `ParallelCluster`, DELAYEDOFF
//! - [`fixed`]: always so many workers
//! - [`clairvoyant`]: no policy but a bound, from a log known beforehand
//!
//! [`demand`] is what a log would keep busy with unlimited capacity. Each opponent's file says whom it follows and
//! what was simplified; `docs/bench/policies.md` has them in one table.

pub mod by_keda;

pub mod foresail;

pub mod list_length;

pub mod keda_setting;

pub mod cron;

pub mod kedastral;

pub mod scaled_jobs;

pub mod hinted_jobs;

pub mod placeholders;

pub mod kpa;

pub mod dask;

pub mod idle_timeout;

pub mod fixed;

pub mod clairvoyant;

pub mod demand;

mod number;

pub use by_keda::{ByKeda, Scaler};
pub use clairvoyant::Clairvoyant;
pub use cron::Cron;
pub use dask::Dask;
pub use demand::Demand;
pub use fixed::Fixed;
pub use foresail::Foresail;
pub use hinted_jobs::HintedJobs;
pub use idle_timeout::IdleTimeout;
pub use keda_setting::KedaSetting;
pub use kedastral::Kedastral;
pub use kpa::Kpa;
pub use list_length::ListLength;
pub use placeholders::Placeholders;
pub use scaled_jobs::ScaledJobs;

use super::workers::WorkerPool;
use crate::sizing::Decision;

/// Decides how many workers there are to be, whenever something happened or it asked to have a turn.
pub trait Autoscaler {
    /// When it wants a turn although nothing has happened in the pool since the last one; infinite where it
    /// would change nothing before something does.
    fn next_due(&self, pool: &WorkerPool) -> f64;

    /// Its turn at `now`. Comes after everything that happened in the pool at this instant.
    fn turn(&mut self, now: f64, pool: &mut WorkerPool);

    /// Workers that it keeps when there is nothing to do.
    fn least(&self) -> u32 {
        0
    }

    /// What Foresail decided last; `None` of all others, and while it has decided nothing.
    fn decision(&self) -> Option<&Decision> {
        None
    }

    /// Worker-seconds so far that were idle on the word of a forecast, by Foresail's own account; 0 of all others.
    fn speculated(&self) -> f64 {
        0.0
    }
}

impl<T: Autoscaler + ?Sized> Autoscaler for Box<T> {
    fn next_due(&self, pool: &WorkerPool) -> f64 {
        (**self).next_due(pool)
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        (**self).turn(now, pool);
    }

    fn least(&self) -> u32 {
        (**self).least()
    }

    fn decision(&self) -> Option<&Decision> {
        (**self).decision()
    }

    fn speculated(&self) -> f64 {
        (**self).speculated()
    }
}
