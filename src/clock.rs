//! Time as a port: the server runs on the wall clock, the demo and the tests on one that they turn.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Says what time it is, in Unix seconds.
pub trait Clock: Send + Sync {
    /// Now; never less than the call before.
    fn now(&self) -> f64;
}

/// The wall clock at start and the monotonic clock from there: a host clock set back moves nothing.
#[derive(Debug)]
pub struct WallClock {
    started_at: f64,
    started: Instant,
}

impl WallClock {
    /// Starts at the host's time.
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place where the host's clock is read")]
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started_at: since_1970.as_secs_f64(), started: Instant::now() }
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for WallClock {
    fn now(&self) -> f64 {
        self.started_at + self.started.elapsed().as_secs_f64()
    }
}

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct VirtualClock(AtomicU64);

impl VirtualClock {
    /// A clock that stands at `now`.
    pub fn new(now: f64) -> Self {
        Self(AtomicU64::new(now.to_bits()))
    }

    /// Moves to `now`; a time before the clock's own is ignored.
    pub fn set(&self, now: f64) {
        if now > self.now() {
            self.0.store(now.to_bits(), Ordering::Release);
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Acquire))
    }
}

/// A time zone by its IANA name.
#[derive(Debug, Clone)]
pub struct Zone(Option<jiff::tz::TimeZone>);

impl Zone {
    /// The zone of this name; UTC without one, and where nobody knows the name (configuration refuses such names).
    pub fn named(name: Option<&str>) -> Self {
        Self(name.and_then(|name| jiff::tz::TimeZone::get(name).ok()))
    }

    /// An instant (Unix seconds) as its clocks show it, to the second: `2026-03-02T02:00:00+01:00`.
    pub fn rfc3339(&self, at: f64) -> String {
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds since 1970 are meant")]
        let at = jiff::Timestamp::from_second(at.round() as i64).unwrap_or_default();
        let zone = self.0.clone().unwrap_or(jiff::tz::TimeZone::UTC);
        at.display_with_offset(zone.to_offset(at)).to_string()
    }

    /// Seconds that its clocks are ahead of UTC at `now`.
    pub fn offset(&self, now: f64) -> i32 {
        let Some(zone) = &self.0 else { return 0 };
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds since 1970 are meant")]
        let at = jiff::Timestamp::from_second(now as i64).ok();
        at.map_or(0, |at| zone.to_offset(at).seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_keeps_its_summer_time() {
        let amsterdam = Zone::named(Some("Europe/Amsterdam"));
        assert_eq!([1_767_225_600.0, 1_782_864_000.0].map(|at| amsterdam.offset(at)), [3600, 7200]);
        assert_eq!(Zone::named(None).offset(1_782_864_000.0), 0);
        assert_eq!(amsterdam.rfc3339(1_782_864_000.4), "2026-07-01T02:00:00+02:00");
        assert_eq!(Zone::named(None).rfc3339(1_767_225_600.0), "2026-01-01T00:00:00+00:00");
    }
}
