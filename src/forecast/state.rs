//! What is kept of a queue over restarts.

use serde::{Deserialize, Serialize};

use super::Forecast;
use super::service::Prior;

/// Rises with every change after which what was kept before can no longer be read, or means something else.
pub const STATE_VERSION: u32 = 1;

/// Bytes that the learned state of one queue may take.
const MOST_BYTES: usize = 5_000;

const _: () = assert!(size_of::<State>() <= MOST_BYTES, "one queue's state must fit 5 kB");

/// All that was learned of one queue, with the version of its meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    forecast: Forecast,
}

/// Why a kept state is of no use. A queue then begins with the priors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadState {
    /// It was kept by another version.
    #[error("the state is of version {0}, this is version {STATE_VERSION}: learning begins anew")]
    Version(u32),
    /// A number in it cannot have been learned.
    #[error("the state holds numbers that cannot have been learned: learning begins anew")]
    Unsound,
}

impl State {
    /// What is to be kept of a queue.
    pub fn of(forecast: &Forecast) -> Self {
        Self { version: STATE_VERSION, forecast: forecast.clone() }
    }

    /// What was learned, the service law made anew with this prior.
    ///
    /// # Errors
    /// Where another version kept it, or it holds what cannot have been learned.
    pub fn restore(self, prior: &Prior) -> Result<Forecast, BadState> {
        if self.version != STATE_VERSION {
            return Err(BadState::Version(self.version));
        }
        let mut forecast = self.forecast;
        let Forecast { arrivals, calendar, service } = &forecast;
        if !(arrivals.is_sound() && calendar.is_sound() && service.is_sound()) {
            return Err(BadState::Unsound);
        }
        forecast.service_mut().renew(prior);
        Ok(forecast)
    }
}
