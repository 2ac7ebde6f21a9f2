//! The settings that a careful operator of KEDA would try: the honest opponent is the best of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ByKeda, ListLength};
use crate::sim::hpa::{Behavior, Policy, ScalingRules};
use crate::sim::keda::{ScaledObject, ScaledObjectSpec};

/// What an operator chooses for KEDA and a list scaler. [`Default`] is KEDA as people run it: one waiting job
/// a worker, and all else as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KedaSetting {
    /// Jobs for one worker, above 0.
    pub target: f64,
    /// Whether jobs in flight are counted too.
    pub counts_in_flight: bool,
    /// `minReplicaCount`.
    pub min: u32,
    /// `cooldownPeriod`, seconds; says something only where `min` is 0.
    pub cooldown: f64,
    /// How the HPA behaves.
    pub hpa: HpaSetting,
}

/// `behavior` of the HPA.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HpaSetting {
    /// None is given: 300 s of stabilisation, at most double at a time, 10 % of tolerance.
    Defaults,
    /// One is given.
    Behavior {
        /// `stabilizationWindowSeconds` for shrinking, seconds; for growing it is 0.
        window: f64,
        /// How fast it may grow.
        growth: Growth,
        /// Relative deviation that moves nothing, both ways. Kubernetes' default is 0.1.
        tolerance: f64,
    },
}

/// How fast an HPA may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Growth {
    /// As Kubernetes has it: by the larger of 4 pods and 100 % in 15 s.
    Default,
    /// To what is wanted, at once.
    Unlimited,
}

const WINDOWS: [f64; 3] = [0.0, 60.0, 300.0];
const COOLDOWNS: [f64; 3] = [15.0, 60.0, 300.0];
const MINIMUMS: [u32; 3] = [1, 5, 20];
const TOLERANCE: f64 = 0.1;

impl Default for KedaSetting {
    fn default() -> Self {
        Self { target: 1.0, counts_in_flight: false, min: 0, cooldown: 300.0, hpa: HpaSetting::Defaults }
    }
}

impl KedaSetting {
    /// All that are tried, in a fixed order, each once.
    ///
    /// Without a minimum: every target with every `behavior` and every cooldown. With one (it replaces the
    /// cooldown): targets of about one job a worker, with the slowest and the fastest `behavior`.
    pub fn grid() -> Vec<Self> {
        let waiting = [1.0, 2.0, 5.0, 10.0, 50.0].map(|target| (target, false));
        let all = [0.5, 0.8, 1.0, 2.0, 5.0, 10.0, 50.0].map(|target| (target, true));
        let hpas = HpaSetting::grid();
        let mut grid = Vec::new();
        for &(target, counts_in_flight) in waiting.iter().chain(&all) {
            for &hpa in &hpas {
                grid.extend(COOLDOWNS.map(|cooldown| Self {
                    target,
                    counts_in_flight,
                    min: 0,
                    cooldown,
                    hpa,
                }));
            }
        }
        for (target, counts_in_flight) in [(1.0, false), (0.8, true), (1.0, true)] {
            for hpa in [HpaSetting::Defaults, HpaSetting::FASTEST] {
                let with = |min| Self { target, counts_in_flight, min, hpa, ..Self::default() };
                grid.extend(MINIMUMS.map(with));
            }
        }
        grid
    }

    /// The ScaledObject and its scaler, created at `now` without replicas. `max`: `maxReplicaCount`; a larger
    /// minimum counts as this.
    pub fn autoscaler(&self, max: u32, now: f64) -> ByKeda<ListLength> {
        let spec = ScaledObjectSpec {
            min: self.min.min(max),
            max,
            cooldown_period: self.cooldown,
            behavior: self.hpa.behavior(),
            ..ScaledObjectSpec::default()
        };
        let scaler = ListLength { target: self.target, counts_in_flight: self.counts_in_flight };
        ByKeda::new(ScaledObject::new(spec, now, 0), scaler)
    }
}

impl HpaSetting {
    /// Shrinks and grows at once, by every single replica.
    pub const FASTEST: Self = Self::Behavior { window: 0.0, growth: Growth::Unlimited, tolerance: 0.0 };

    /// Each once: the defaults are among them as [`Defaults`](Self::Defaults).
    fn grid() -> Vec<Self> {
        let mut grid = vec![Self::Defaults];
        for window in WINDOWS {
            for growth in [Growth::Default, Growth::Unlimited] {
                if window < 300.0 || growth == Growth::Unlimited {
                    grid.push(Self::Behavior { window, growth, tolerance: TOLERANCE });
                }
            }
        }
        grid.push(Self::FASTEST);
        grid
    }

    /// What the object says; `None`: nothing.
    pub fn behavior(&self) -> Option<Behavior> {
        let Self::Behavior { window, growth, tolerance } = *self else { return None };
        let tolerance = Some(tolerance);
        let up = match growth {
            Growth::Default => ScalingRules::up(),
            Growth::Unlimited => ScalingRules {
                policies: vec![Policy::Pods { value: 1_000_000, period: 15.0 }],
                ..ScalingRules::up()
            },
        };
        Some(Behavior {
            scale_up: ScalingRules { tolerance, ..up },
            scale_down: ScalingRules { stabilization: window, tolerance, ..ScalingRules::down() },
        })
    }
}

impl fmt::Display for KedaSetting {
    /// Short, and another one for every other setting: `all/0.8 cool=15 down=60 grow=any tol=0.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, counts_in_flight, min, cooldown, hpa } = *self;
        let counted = if counts_in_flight { "all" } else { "waiting" };
        write!(f, "{counted}/{target}")?;
        if min > 0 {
            write!(f, " min={min}")?;
        }
        write!(f, " cool={cooldown} {hpa}")
    }
}

impl fmt::Display for HpaSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Defaults => f.write_str("hpa=default"),
            Self::Behavior { window, growth, tolerance } => {
                let growth = match growth {
                    Growth::Default => "double",
                    Growth::Unlimited => "any",
                };
                write!(f, "down={window} grow={growth} tol={tolerance}")
            }
        }
    }
}
