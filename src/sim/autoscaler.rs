//! Whoever decides how many workers there are to be: KEDA with some scaler, or a rule of its own.
//!
//! - [`by_keda`]: KEDA and the HPA, for a [`Scaler`] with one metric
//! - [`foresail`]: Foresail's own core as such a scaler
//! - [`list_length`]: KEDA's own list scaler

pub mod by_keda;

pub mod foresail;

pub mod list_length;

pub use by_keda::{ByKeda, Scaler};
pub use foresail::Foresail;
pub use list_length::ListLength;

use super::workers::WorkerPool;

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
}

impl<A: Autoscaler + ?Sized> Autoscaler for Box<A> {
    fn next_due(&self, pool: &WorkerPool) -> f64 {
        (**self).next_due(pool)
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        (**self).turn(now, pool);
    }

    fn least(&self) -> u32 {
        (**self).least()
    }
}
