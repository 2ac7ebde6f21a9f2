//! How long a worker takes from being asked for to taking jobs: with a node there, and with a node to come.

use serde::{Deserialize, Serialize};

use super::buckets::{Buckets, log_logistic};

/// Buckets of lead times.
const BUCKETS: usize = 32;

/// Longest lead time told apart: an hour, seconds.
const LONGEST: f64 = 3_600.0;

/// Starts after which what was seen before counts half.
const HALF_LIFE: f64 = 50.0;

/// Starts that the prior counts for.
const PRIOR_STARTS: f64 = 3.0;

/// Priors: median (seconds) and shape of a log-logistic law. Pods whose image is there start in seconds; nodes join
/// after one to two minutes, some after many.
const WARM: (f64, f64) = (8.0, 2.5);
const COLD: (f64, f64) = (80.0, 4.0);

/// Weight of the newest start in the share of cold ones.
const LATEST: f32 = 0.02;

/// Share of starts that wait for a node, before any was seen.
const COLD_SHARE: f32 = 0.5;

/// Whether a node was there when the worker was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A node was there.
    Warm,
    /// A node had to come.
    Cold,
}

/// The lead times of one ref's workers. Belongs to the ref, as the workers do; many refs may share a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadTimes {
    warm: LeadTime,
    cold: LeadTime,
    /// Share of the latest starts that had to wait for a node.
    cold_share: f32,
    /// Made anew at each start: it is asked for in every tick, and takes a microsecond.
    mean: f64,
}

/// The law of one kind of lead time: counts in log-spaced buckets, 1 s to an hour, decayed by starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadTime {
    starts: [f32; BUCKETS],
    seen: f32,
}

impl Default for LeadTimes {
    fn default() -> Self {
        let (warm, cold) = (LeadTime::prior(WARM), LeadTime::prior(COLD));
        let mean = mixed(&warm, &cold, COLD_SHARE);
        Self { warm, cold, cold_share: COLD_SHARE, mean }
    }
}

impl LeadTimes {
    /// The lead time of one kind of start.
    pub fn of(&self, start: Start) -> &LeadTime {
        match start {
            Start::Warm => &self.warm,
            Start::Cold => &self.cold,
        }
    }

    /// Takes the lead time of a worker that started, seconds. What is no time (negative, not finite) is left out.
    pub fn started(&mut self, start: Start, seconds: f64) {
        let law = match start {
            Start::Warm => &mut self.warm,
            Start::Cold => &mut self.cold,
        };
        if seconds >= 0.0 && seconds.is_finite() {
            law.learn(seconds);
            let cold = f32::from(u8::from(start == Start::Cold));
            self.cold_share += (cold - self.cold_share) * LATEST;
            self.mean = mixed(&self.warm, &self.cold, self.cold_share);
        }
    }

    /// Whether all of it could have been learned: what is read back may be anything.
    pub fn is_sound(&self) -> bool {
        let starts = self.warm.starts.iter().chain(&self.cold.starts);
        let mut numbers = starts.chain([&self.warm.seen, &self.cold.seen]);
        numbers.all(|number| *number >= 0.0 && number.is_finite())
            && (0.0..=1.0).contains(&self.cold_share)
            && (0.0..=LONGEST).contains(&self.mean)
    }

    /// Share of the latest starts that had to wait for a node, 0 to 1.
    pub fn cold_share(&self) -> f64 {
        f64::from(self.cold_share)
    }

    /// Mean lead time of a worker that is asked for now, seconds, as often cold as the latest ones were.
    pub fn mean(&self) -> f64 {
        self.mean
    }
}

/// The mean of lead times of which so many are cold, seconds.
fn mixed(warm: &LeadTime, cold: &LeadTime, cold_share: f32) -> f64 {
    let share = f64::from(cold_share);
    share * cold.mean() + (1.0 - share) * warm.mean()
}

impl LeadTime {
    /// The lead time that a share `level` (0 to 1) of starts does not exceed, seconds; linear within a bucket.
    pub fn quantile(&self, level: f64) -> f64 {
        let wanted = level.clamp(0.0, 1.0) * f64::from(self.starts.iter().sum::<f32>());
        let (mut below, mut from) = (0.0, 0.0);
        for (bucket, &starts) in self.starts.iter().enumerate() {
            let (starts, to) = (f64::from(starts), buckets().edge(bucket));
            if starts > 0.0 && below + starts >= wanted {
                return from + (to - from) * ((wanted - below) / starts).clamp(0.0, 1.0);
            }
            (below, from) = (below + starts, to);
        }
        LONGEST
    }

    /// The mean lead time, seconds.
    pub fn mean(&self) -> f64 {
        let (mut sum, mut all, mut from) = (0.0, 0.0, 0.0);
        for (bucket, &starts) in self.starts.iter().enumerate() {
            let (starts, to) = (f64::from(starts), buckets().edge(bucket));
            sum += starts * f64::midpoint(from, to);
            all += starts;
            from = to;
        }
        if all > 0.0 { sum / all } else { 0.0 }
    }

    /// Starts that were seen, decayed; 0 while only the prior speaks.
    pub fn seen(&self) -> f64 {
        f64::from(self.seen)
    }

    #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
    fn prior((median, shape): (f64, f64)) -> Self {
        let mut before = 1.0;
        let starts = buckets().edges().map(|edge| {
            let lasting = if edge < LONGEST * 0.999 { log_logistic(edge, median, shape) } else { 0.0 };
            let ended = before - lasting;
            before = lasting;
            (PRIOR_STARTS * ended) as f32
        });
        Self { starts, seen: 0.0 }
    }

    fn learn(&mut self, seconds: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "a factor near 1")]
        let kept = (-1.0 / HALF_LIFE).exp2() as f32;
        for starts in &mut self.starts {
            *starts *= kept;
        }
        self.starts[buckets().of(seconds)] += 1.0;
        self.seen = self.seen * kept + 1.0;
    }
}

fn buckets() -> Buckets<BUCKETS> {
    Buckets::up_to(LONGEST)
}
