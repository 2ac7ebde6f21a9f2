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
