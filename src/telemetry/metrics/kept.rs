//! How the keeping of what was learned goes.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus::{
    Gauge, IntCounterVec,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{FIXED, counters};
use crate::clock::Clock;

/// What the thread that keeps what was learned counts.
#[derive(Clone)]
pub struct StateMetrics {
    /// Rounds of writing, by result: `ok` or `error`.
    pub writes: IntCounterVec,
    age: Gauge,
    clock: Arc<dyn Clock>,
    /// When the last good one ended, Unix seconds as bits; not a number before it.
    written: Arc<AtomicU64>,
}

impl StateMetrics {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            writes: counters(
                "foresail_state_writes_total",
                "Rounds of writing what was learned: ok or error.",
                &["result"],
            ),
            age: Gauge::new(
                "foresail_state_age_seconds",
                "Time since what was learned was last written; absent before the first time.",
            )
            .expect(FIXED),
            clock,
            written: Arc::new(AtomicU64::new(f64::NAN.to_bits())),
        }
    }

    /// Counts a round, and whether all of it is kept.
    pub fn wrote(&self, ok: bool) {
        self.writes.with_label_values(&[if ok { "ok" } else { "error" }]).inc();
        if ok {
            self.written.store(self.clock.now().to_bits(), Ordering::Release);
        }
    }

    /// Seconds since the last good round.
    fn age(&self) -> Option<f64> {
        let written = f64::from_bits(self.written.load(Ordering::Acquire));
        (!written.is_nan()).then(|| (self.clock.now() - written).max(0.0))
    }
}

impl Collector for StateMetrics {
    fn desc(&self) -> Vec<&Desc> {
        [self.writes.desc(), self.age.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.writes.collect();
        if let Some(age) = self.age() {
            self.age.set(age);
            families.extend(self.age.collect());
        }
        families
    }
}

impl fmt::Debug for StateMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateMetrics").field("age", &self.age()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{answers::Answers, clock::VirtualClock, telemetry::Metrics};

    #[test]
    fn the_age_counts_from_the_last_good_write_and_is_absent_before_it() {
        let clock = Arc::new(VirtualClock::new(1_000.0));
        let metrics = Metrics::new(Arc::new(Answers::default()), clock.clone());
        let text = || metrics.text();
        assert!(text().contains("foresail_state_writes_total{result=\"ok\"} 0\n"), "{}", text());
        metrics.state.wrote(false);
        assert!(!text().contains("foresail_state_age_seconds"), "{}", text());
        clock.set(1_010.0);
        metrics.state.wrote(true);
        clock.set(1_040.0);
        metrics.state.wrote(false);
        for line in [
            "foresail_state_writes_total{result=\"ok\"} 1\n",
            "foresail_state_writes_total{result=\"error\"} 2\n",
            "foresail_state_age_seconds 30\n",
        ] {
            assert!(text().contains(line), "{line}: {}", text());
        }
    }
}
