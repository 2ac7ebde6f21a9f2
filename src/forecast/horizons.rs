//! How far ahead is forecast.

/// Horizons of one queue.
pub const HORIZONS: usize = 3;

/// Shortest and longest horizon, seconds.
const BOUNDS: [f64; 2] = [1.0, 86_400.0];

/// Three lengths of time, seconds, rising: those that matter, such as a worker's lead times, warm and cold. What lies
/// between them is had by interpolation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Horizons([f64; HORIZONS]);

/// A length of time that is no horizon.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} s is no horizon here: horizons rise, from 1 s to a day")]
pub struct BadHorizon(pub f64);

impl Horizons {
    /// Horizons of these lengths, seconds: each above the one before, 1 s to a day.
    ///
    /// # Errors
    /// The first that is out of bounds or of order.
    pub fn new(seconds: [f64; HORIZONS]) -> Result<Self, BadHorizon> {
        let mut least = BOUNDS[0];
        for length in seconds {
            if !(least..=BOUNDS[1]).contains(&length) {
                return Err(BadHorizon(length));
            }
            least = length.next_up();
        }
        Ok(Self(seconds))
    }

    /// The lengths, seconds, rising.
    pub fn seconds(&self) -> [f64; HORIZONS] {
        self.0
    }
}

impl Default for Horizons {
    /// A warm lead time, a cold one, and one with a slow node.
    fn default() -> Self {
        Self([30.0, 90.0, 300.0])
    }
}
