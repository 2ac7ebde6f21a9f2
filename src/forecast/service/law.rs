//! The distribution of a run time, as a survival function on log-spaced edges.

use std::cell::OnceCell;

use super::renewal;
use super::{BUCKETS, LONGEST, Prior, buckets};

/// Mean of what is left after ten days, seconds: beyond them nothing is told apart.
const BEYOND: f64 = LONGEST;

/// The law of a job's run time.
///
/// The survival function is known at 64 edges and falls by a constant hazard between them; beyond 10 days
/// exponentially with a mean of 10 days more.
#[derive(Debug, Clone)]
pub struct Law {
    /// `P(run > edge)`.
    survival: [f32; BUCKETS],
    /// Integral of the survival function from 0 to the edge, seconds.
    integral: [f32; BUCKETS],
    /// Completions that one worker is expected to bring about in the time to the edge; found when first asked for,
    /// since it takes most of the time and only the objective `wait` asks.
    renewals: OnceCell<[f32; BUCKETS]>,
}

impl PartialEq for Law {
    fn eq(&self, other: &Self) -> bool {
        (self.survival, self.integral) == (other.survival, other.integral)
    }
}

impl Default for Law {
    fn default() -> Self {
        Prior::default().law()
    }
}

impl Prior {
    /// The law of a queue of which no more is known.
    pub fn law(&self) -> Law {
        Law::from_hazards(&self.hazards)
    }
}

impl Law {
    /// The law of which a job that came to bucket `b` ends in it with chance `hazards[b]`.
    #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
    pub(super) fn from_hazards(hazards: &[f64; BUCKETS]) -> Self {
        let edges = buckets().edges();
        let (mut survival, mut integral) = ([0.0; BUCKETS], [0.0; BUCKETS]);
        let (mut from, mut lasting, mut area) = (0.0, 1.0, 0.0);
        for (bucket, &edge) in edges.iter().enumerate() {
            let after = lasting * (1.0 - hazards[bucket]);
            area += area_between(lasting, after, edge - from);
            (from, lasting) = (edge, after);
            (survival[bucket], integral[bucket]) = (lasting, area);
        }
        Self {
            survival: survival.map(|x| x as f32),
            integral: integral.map(|x| x as f32),
            renewals: OnceCell::new(),
        }
    }

    /// Mean run time, seconds.
    pub fn mean(&self) -> f64 {
        let last = BUCKETS - 1;
        f64::from(self.integral[last]) + f64::from(self.survival[last]) * BEYOND
    }

    /// `P(run > x)`, x in seconds.
    pub fn survival(&self, x: f64) -> f64 {
        if x <= 0.0 {
            return 1.0;
        }
        if x >= LONGEST {
            return f64::from(self.survival[BUCKETS - 1]) * (-(x - LONGEST) / BEYOND).exp();
        }
        let step = self.step(x);
        fall(step.before, step.after, (x - step.from) / step.width)
    }

    /// The run time that a share `level` (0 to 1) of jobs does not exceed, seconds.
    pub fn quantile(&self, level: f64) -> f64 {
        let left = (1.0 - level).clamp(1e-12, 1.0);
        let bucket = self.survival.partition_point(|&lasting| f64::from(lasting) > left);
        if bucket == BUCKETS {
            return LONGEST + BEYOND * (f64::from(self.survival[BUCKETS - 1]) / left).ln();
        }
        let step = self.step_of(bucket);
        let part = if step.after > 0.0 && step.after < step.before {
            (step.before / left).ln() / (step.before / step.after).ln()
        } else {
            (step.before - left) / (step.before - step.after).max(f64::MIN_POSITIVE)
        };
        step.from + step.width * part.clamp(0.0, 1.0)
    }

    /// Seconds that a job of this age still runs, on average.
    pub fn mean_residual(&self, age: f64) -> f64 {
        let lasting = self.survival(age);
        if lasting > 0.0 { self.integral_beyond(age) / lasting } else { 0.0 }
    }

    /// The chance that a job of this age runs for `more` seconds still.
    pub fn still_busy_at(&self, age: f64, more: f64) -> f64 {
        let lasting = self.survival(age);
        if lasting > 0.0 { (self.survival(age + more.max(0.0)) / lasting).min(1.0) } else { 0.0 }
    }

    /// The chance that a job met at a random moment of its run, its age unknown, runs for `more` seconds still:
    /// the integral of the survival function beyond `more` over the whole of it.
    pub fn still_busy(&self, more: f64) -> f64 {
        (self.integral_beyond(more) / self.mean()).clamp(0.0, 1.0)
    }

    /// Completions to be expected of one worker within `x` seconds of when it takes its first job, one job
    /// following the other at once: the renewal function.
    pub fn renewals(&self, x: f64) -> f64 {
        if x <= 0.0 {
            return 0.0;
        }
        let renewals = self.renewals.get_or_init(|| self.find_renewals());
        if x >= LONGEST {
            return f64::from(renewals[BUCKETS - 1]) + (x - LONGEST) / self.mean();
        }
        let bucket = buckets().of(x);
        let (from, before) = match bucket {
            0 => (0.0, 0.0),
            _ => (buckets().edge(bucket - 1), f64::from(renewals[bucket - 1])),
        };
        let to = buckets().edge(bucket);
        before + (f64::from(renewals[bucket]) - before) * ((x - from) / (to - from)).clamp(0.0, 1.0)
    }

    #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
    fn find_renewals(&self) -> [f32; BUCKETS] {
        let (survival, integral) = (self.survival.map(f64::from), self.integral.map(f64::from));
        renewal::function(&buckets().edges(), &survival, &integral, self.mean()).map(|x| x as f32)
    }

    /// The same of a worker that is met at a random moment of a job: `x / mean`, exactly.
    pub fn renewals_mid_job(&self, x: f64) -> f64 {
        x.max(0.0) / self.mean()
    }

    fn integral_beyond(&self, x: f64) -> f64 {
        if x >= LONGEST {
            return self.survival(x) * BEYOND;
        }
        let x = x.max(0.0);
        let step = self.step(x);
        let here = self.survival(x);
        let rest_of_bucket = area_between(here, step.after, step.from + step.width - x);
        let beyond_bucket = self.mean() - f64::from(self.integral[step.bucket]);
        rest_of_bucket + beyond_bucket.max(0.0)
    }

    fn step(&self, x: f64) -> Step {
        self.step_of(buckets().of(x))
    }

    fn step_of(&self, bucket: usize) -> Step {
        let (from, before) = match bucket {
            0 => (0.0, 1.0),
            _ => (buckets().edge(bucket - 1), f64::from(self.survival[bucket - 1])),
        };
        let width = buckets().edge(bucket) - from;
        Step { bucket, from, width, before, after: f64::from(self.survival[bucket]) }
    }
}

/// One bucket: where it begins, how wide it is (seconds), and the survival at its ends.
struct Step {
    bucket: usize,
    from: f64,
    width: f64,
    before: f64,
    after: f64,
}

/// What lasts after a part (0 to 1) of a bucket.
fn fall(before: f64, after: f64, part: f64) -> f64 {
    if after > 0.0 { before * (after / before).powf(part) } else { before * (1.0 - part) }
}

/// The area under [`fall`] over a width.
fn area_between(before: f64, after: f64, width: f64) -> f64 {
    if after > 0.0 && after < before * (1.0 - 1e-9) {
        width * (before - after) / (before / after).ln()
    } else {
        width * f64::midpoint(before, after)
    }
}
