//! How far ahead is forecast.

/// Horizons of one queue.
pub const HORIZONS: usize = 3;

/// Shortest and longest horizon, seconds.
const BOUNDS: [f64; 2] = [1.0, 86_400.0];

/// Shortest and longest middle of horizons about a lead time, seconds. Shorter ones bring nothing on the public logs,
/// and would be turned over so often that a tick of many queues takes long.
const MIDDLE: [f64; 2] = [90.0, 7_200.0];

/// Ratio from one horizon about a lead time to the next.
const APART: f64 = 3.0;

/// Ratio by which a lead time has to differ for horizons to follow it: forecasts that await their outcome are lost.
const FOLLOWED: f64 = 1.5;

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

    /// Horizons about a lead time of so many seconds: a third of it, it, and three times as long. `None` where those
    /// that are there (`self`) are near enough.
    #[must_use]
    pub fn about(&self, lead: f64) -> Option<Self> {
        let middle = lead.clamp(MIDDLE[0], MIDDLE[1]);
        let now = self.0[1];
        let near = (now / FOLLOWED..=now * FOLLOWED).contains(&middle);
        (!near).then_some(Self([middle / APART, middle, middle * APART]))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_follow_a_lead_time_that_is_another_and_stay_for_one_that_is_near() {
        let horizons = Horizons::default();
        assert_eq!(horizons.about(100.0), None);
        assert_eq!(horizons.about(600.0), Horizons::new([200.0, 600.0, 1800.0]).ok());
        assert_eq!(horizons.about(4.0), None);
        assert_eq!(horizons.about(1e9), Horizons::new([2400.0, 7200.0, 21_600.0]).ok());
    }
}
