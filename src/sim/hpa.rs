//! The Horizontal Pod Autoscaler for one External metric, as Kubernetes' controller computes it.
//!
//! Facts from `pkg/controller/podautoscaler` of Kubernetes (`horizontal.go`, `replica_calculator.go`) and the
//! defaults of `autoscaling/v2`. An HPA without `behavior` takes an older path than one with the default
//! behaviour: it may grow to the larger of twice its replicas and 4, not to the larger of twice and plus 4.

mod behavior;
#[cfg(test)]
mod golden;

use std::cmp::Ordering;

pub use behavior::{Behavior, Policy, ScalingRules, Select};

use super::quantity::Milli;

/// One HPA: settings, and what it remembers between syncs.
#[derive(Clone, Debug)]
pub struct Hpa {
    spec: HpaSpec,
    next_sync: f64,
    recommendations: Vec<Recommendation>,
    ups: Vec<Change>,
    downs: Vec<Change>,
}

/// What an HPA object and its control plane say.
#[derive(Clone, Debug, PartialEq)]
pub struct HpaSpec {
    /// Fewest replicas, 1 or more.
    pub min: u32,
    /// Most replicas.
    pub max: u32,
    /// Target of its metric.
    pub target: Target,
    /// The object's `behavior`; `None` where the object has none.
    pub behavior: Option<Behavior>,
    /// Settings of the control plane.
    pub controller: Controller,
}

/// Target of an External metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The metric divided by the replicas should be this.
    AverageValue(Milli),
    /// The metric should be this; wanted replicas are the ready ones times the ratio.
    Value(Milli),
}

/// Settings of the control plane for all its HPAs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controller {
    /// Relative deviation that moves nothing, where `behavior` says nothing else.
    pub tolerance: f64,
    /// How the tolerance is applied.
    pub tolerance_rule: ToleranceRule,
    /// Seconds between syncs.
    pub sync_period: f64,
    /// Syncs happen at whole multiples of the period plus this, in seconds.
    pub phase: f64,
}

/// How a ratio is held against the tolerance. The two differ at the edge only because 0.1 has no exact binary
/// form: from 10 replicas, [`Self::Distance`] moves to 11 but not to 9, [`Self::Band`] to neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToleranceRule {
    /// `|1 - ratio| <= tolerance`, one tolerance for both directions (Kubernetes up to 1.32).
    Distance,
    /// `1 - down <= ratio <= 1 + up`; `behavior` may set either (Kubernetes 1.33 and later).
    Band,
}

impl Default for Controller {
    /// The defaults of kube-controller-manager: 15 s, 10 %.
    fn default() -> Self {
        Self { tolerance: 0.1, tolerance_rule: ToleranceRule::Band, sync_period: 15.0, phase: 0.0 }
    }
}

/// Window of an HPA without `behavior`, in which the highest recommendation holds (seconds; the default of
/// `--horizontal-pod-autoscaler-downscale-stabilization`).
const DOWNSCALE_STABILIZATION: f64 = 300.0;

#[derive(Clone, Copy, Debug)]
struct Recommendation {
    at: f64,
    replicas: u32,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    at: f64,
    by: u32,
}

impl Hpa {
    /// An HPA created at `now`; its first sync is the controller's next one.
    pub fn new(spec: HpaSpec, now: f64) -> Self {
        let next_sync = spec.controller.first_sync_after(now);
        Self { spec, next_sync, recommendations: Vec::new(), ups: Vec::new(), downs: Vec::new() }
    }

    /// What the object and the control plane say.
    pub const fn spec(&self) -> &HpaSpec {
        &self.spec
    }

    /// When the next sync is due.
    pub const fn next_sync(&self) -> f64 {
        self.next_sync
    }

    /// Starts the sync due at or before `now`, if one is: from here on the next one is awaited.
    pub fn take_sync(&mut self, now: f64) -> bool {
        let due = self.next_sync <= now;
        if due {
            self.next_sync = self.spec.controller.first_sync_after(now);
        }
        due
    }

    /// One sync at `now` for a workload of so many replicas, `ready` of them ready. `metric` is the sum of the
    /// metric's values, `None` where reading it failed, which moves nothing. Returns the replicas to set,
    /// where they differ.
    pub fn sync(&mut self, now: f64, replicas: u32, ready: u32, metric: Option<Milli>) -> Option<u32> {
        if self.recommendations.is_empty() {
            self.recommendations.push(Recommendation { at: now, replicas });
        }
        let desired = if replicas == 0 {
            return None;
        } else if replicas > self.spec.max {
            self.spec.max
        } else if replicas < self.spec.min {
            self.spec.min
        } else {
            let recommended = self.recommend(replicas, ready, metric?);
            self.normalise(now, replicas, recommended)
        };
        if desired == replicas {
            return None;
        }
        self.remember_change(now, replicas, desired);
        Some(desired)
    }

    /// Wanted replicas by the metric alone.
    fn recommend(&self, replicas: u32, ready: u32, metric: Milli) -> u32 {
        let usage = metric.thousandths() as f64;
        match self.spec.target {
            Target::AverageValue(target) => {
                let target = target.thousandths() as f64;
                let ratio = usage / (target * f64::from(replicas));
                if self.tolerates(ratio) { replicas } else { ceil(usage / target) }
            }
            Target::Value(target) => {
                let ratio = usage / target.thousandths() as f64;
                if self.tolerates(ratio) { replicas } else { ceil(ratio * f64::from(ready)) }
            }
        }
    }

    fn tolerates(&self, ratio: f64) -> bool {
        let Controller { tolerance, tolerance_rule, .. } = self.spec.controller;
        match tolerance_rule {
            ToleranceRule::Distance => (1.0 - ratio).abs() <= tolerance,
            ToleranceRule::Band => {
                let behavior = self.spec.behavior.as_ref();
                let down = behavior.and_then(|b| b.scale_down.tolerance).unwrap_or(tolerance);
                let up = behavior.and_then(|b| b.scale_up.tolerance).unwrap_or(tolerance);
                1.0 - down <= ratio && ratio <= 1.0 + up
            }
        }
    }

    /// Stabilisation, policies and limits.
    fn normalise(&mut self, now: f64, replicas: u32, recommended: u32) -> u32 {
        let HpaSpec { min, max, .. } = self.spec;
        let Some(behavior) = &self.spec.behavior else {
            let stable = self.stabilise(now, recommended);
            // At most the larger of twice the replicas and 4 in one sync.
            let ceiling = max.min(replicas.saturating_mul(2).max(4));
            return if stable < min { min } else { stable.min(ceiling) };
        };
        let (window_up, window_down) = (behavior.scale_up.stabilization, behavior.scale_down.stabilization);
        let lowest = self.within(now, window_up).fold(recommended, u32::min);
        let highest = self.within(now, window_down).fold(recommended, u32::max);
        let stable = replicas.max(lowest).min(highest);
        let limited = match stable.cmp(&replicas) {
            Ordering::Greater => {
                let limit = behavior.scale_up.highest(replicas, |period| self.net_growth(now, period));
                stable.min(max.min(limit.max(replicas)))
            }
            Ordering::Less => {
                let limit = behavior.scale_down.lowest(replicas, |period| self.net_growth(now, period));
                stable.max(min.max(limit.min(replicas)))
            }
            Ordering::Equal => stable,
        };
        let oldest = now - window_up.max(window_down);
        self.recommendations.retain(|r| r.at >= oldest);
        self.recommendations.push(Recommendation { at: now, replicas: recommended });
        limited
    }

    /// The highest recommendation of the last five minutes (an HPA without `behavior`).
    fn stabilise(&mut self, now: f64, recommended: u32) -> u32 {
        self.recommendations.retain(|r| r.at >= now - DOWNSCALE_STABILIZATION);
        let highest = self.recommendations.iter().map(|r| r.replicas).fold(recommended, u32::max);
        self.recommendations.push(Recommendation { at: now, replicas: recommended });
        highest
    }

    fn within(&self, now: f64, window: f64) -> impl Iterator<Item = u32> {
        self.recommendations.iter().filter(move |r| r.at > now - window).map(|r| r.replicas)
    }

    /// Replicas that this HPA added in the last `period` seconds, less those that it removed.
    fn net_growth(&self, now: f64, period: f64) -> i64 {
        let sum = |changes: &[Change]| -> i64 {
            changes.iter().filter(|c| c.at > now - period).map(|c| i64::from(c.by)).sum()
        };
        sum(&self.ups) - sum(&self.downs)
    }

    fn remember_change(&mut self, now: f64, from: u32, to: u32) {
        let Some(behavior) = &self.spec.behavior else { return };
        let oldest = now - behavior.scale_up.longest_period().max(behavior.scale_down.longest_period());
        self.ups.retain(|c| c.at >= oldest);
        self.downs.retain(|c| c.at >= oldest);
        let changes = if to > from { &mut self.ups } else { &mut self.downs };
        changes.push(Change { at: now, by: to.abs_diff(from) });
    }
}

impl Controller {
    fn first_sync_after(&self, now: f64) -> f64 {
        let Self { sync_period, phase, .. } = *self;
        let next = (((now - phase) / sync_period).floor() + 1.0) * sync_period + phase;
        if next > now { next } else { next + sync_period }
    }
}

/// Rounds up to a replica count; Kubernetes counts replicas in an `i32`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=i32::MAX first")]
fn ceil(replicas: f64) -> u32 {
    replicas.ceil().clamp(0.0, f64::from(i32::MAX)) as u32
}
