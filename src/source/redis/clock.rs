//! The server's clock, carried from one read to the next.

use std::time::Instant;

use redis::Value;

use crate::source::redis::value::{int, items};

/// What the last `TIME` said, and how long ago that was by our own monotonic clock.
///
/// The server read its clock at some moment between sending and answer; the middle is taken, so the
/// error is at most half of that round plus the drift of both clocks since (they part by less than
/// 0.1 ms a second, and a `TIME` goes with every read).
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerClock {
    seconds: f64,
    at: Instant,
    error: f64,
}

impl ServerClock {
    /// Takes the answer to a `TIME` that was sent and answered at these instants.
    pub(super) fn measured(answer: &Value, sent: Instant, answered: Instant) -> Option<Self> {
        let parts = items(answer)?;
        let seconds = int(parts.first()?)? as f64 + int(parts.get(1)?)? as f64 * 1e-6;
        let error = answered.duration_since(sent).as_secs_f64() / 2.0;
        Some(Self { seconds: seconds + error, at: answered, error })
    }

    /// Of two measurements the one that is surer now: a large pipeline measures worse than a small one.
    /// Where they contradict each other the server's clock was set, and the newer counts.
    pub(super) fn surer(self, newer: Self) -> Self {
        let drifted = self.error + newer.at.duration_since(self.at).as_secs_f64() * DRIFT;
        let apart = (newer.seconds - self.at_instant(newer.at)).abs();
        if drifted < newer.error && apart <= drifted + newer.error { self } else { newer }
    }

    /// Unix seconds on the server's clock.
    pub(super) fn now(&self) -> f64 {
        self.at_instant(Instant::now())
    }

    fn at_instant(&self, instant: Instant) -> f64 {
        self.seconds + instant.saturating_duration_since(self.at).as_secs_f64()
    }
}

/// Seconds by which two undisciplined clocks part in a second, generously.
const DRIFT: f64 = 1e-4;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn measured(seconds: i64, sent: Instant, round: f64) -> ServerClock {
        let time = Value::Array(vec![Value::BulkString(seconds.to_string().into()), Value::Int(0)]);
        ServerClock::measured(&time, sent, sent + Duration::from_secs_f64(round)).unwrap()
    }

    #[test]
    fn a_slow_round_does_not_spoil_a_good_measurement_but_a_set_clock_is_followed() {
        let start = Instant::now();
        let good = measured(1000, start, 0.001);
        let later = start + Duration::from_secs(1);
        let slow = measured(1001, later, 0.4);
        assert!(good.surer(slow).error < 0.001);
        let set = measured(500, later, 0.4);
        assert!((good.surer(set).seconds - 500.2).abs() < 1e-9);
    }
}
