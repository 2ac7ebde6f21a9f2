//! `behavior` of an HPA: stabilisation windows, tolerances and policies for each direction.

/// Rules for growing and for shrinking.
#[derive(Clone, Debug, PartialEq)]
pub struct Behavior {
    /// Rules for growing.
    pub scale_up: ScalingRules,
    /// Rules for shrinking.
    pub scale_down: ScalingRules,
}

/// Rules for one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingRules {
    /// Seconds for which the most cautious recommendation holds.
    pub stabilization: f64,
    /// Relative deviation that moves nothing in this direction; `None`: the control plane's. Needs
    /// Kubernetes 1.35 (or its gate); [`ToleranceRule::Distance`](super::ToleranceRule::Distance) ignores it.
    pub tolerance: Option<f64>,
    /// Limits of change; at least one.
    pub policies: Vec<Policy>,
    /// Which of the policies counts.
    pub select: Select,
}

/// A limit of change within a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Policy {
    /// At most so many pods.
    Pods {
        /// Pods that may come or go.
        value: u32,
        /// Length of the period in seconds.
        period: f64,
    },
    /// At most so many per cent of the replicas that there were when the period began.
    Percent {
        /// Per cent that may come or go.
        value: u32,
        /// Length of the period in seconds.
        period: f64,
    },
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// The one that allows most change.
    Max,
    /// The one that allows least change.
    Min,
    /// None: no change in this direction.
    Disabled,
}

impl Default for Behavior {
    /// What Kubernetes fills in where an object has a `behavior` that leaves everything open.
    fn default() -> Self {
        Self { scale_up: ScalingRules::up(), scale_down: ScalingRules::down() }
    }
}

impl Behavior {
    /// The `behavior` that Foresail asks for: it holds what is worth holding itself, so that the HPA must not
    /// stand in the way.
    pub fn foresail() -> Self {
        let mut behavior = Self::foresail_without_tolerance();
        behavior.scale_up.tolerance = Some(0.0);
        behavior.scale_down.tolerance = Some(0.0);
        behavior
    }

    /// The same for clusters that know no `tolerance` yet: changes of up to 10 % are lost.
    pub fn foresail_without_tolerance() -> Self {
        Self {
            scale_up: ScalingRules {
                policies: vec![Policy::Pods { value: 1000, period: 15.0 }],
                ..ScalingRules::up()
            },
            scale_down: ScalingRules { stabilization: 0.0, ..ScalingRules::down() },
        }
    }
}

impl ScalingRules {
    /// Kubernetes' defaults for growing: at once, the larger of 4 pods and 100 % in 15 s.
    pub fn up() -> Self {
        let policies =
            vec![Policy::Pods { value: 4, period: 15.0 }, Policy::Percent { value: 100, period: 15.0 }];
        Self { stabilization: 0.0, tolerance: None, policies, select: Select::Max }
    }

    /// Kubernetes' defaults for shrinking: after 300 s, 100 % in 15 s.
    pub fn down() -> Self {
        let policies = vec![Policy::Percent { value: 100, period: 15.0 }];
        Self { stabilization: 300.0, tolerance: None, policies, select: Select::Max }
    }

    /// The most replicas that these rules for growing allow. `net_growth` tells for a period in seconds by
    /// how many the replicas have grown in it.
    pub(super) fn highest(&self, replicas: u32, net_growth: impl Fn(f64) -> i64) -> u32 {
        let proposals = self.policies.iter().map(|policy| {
            let start = i64::from(replicas) - net_growth(policy.period());
            match *policy {
                Policy::Pods { value, .. } => start + i64::from(value),
                Policy::Percent { value, .. } => whole((start as f64 * (1.0 + percent(value))).ceil()),
            }
        });
        self.limit(replicas, proposals.collect(), Direction::Up)
    }

    /// The fewest replicas that these rules for shrinking allow.
    pub(super) fn lowest(&self, replicas: u32, net_growth: impl Fn(f64) -> i64) -> u32 {
        let proposals = self.policies.iter().map(|policy| {
            let start = i64::from(replicas) - net_growth(policy.period());
            match *policy {
                Policy::Pods { value, .. } => start - i64::from(value),
                Policy::Percent { value, .. } => whole(start as f64 * (1.0 - percent(value))),
            }
        });
        self.limit(replicas, proposals.collect(), Direction::Down)
    }

    /// The longest period of the policies, in seconds.
    pub(super) fn longest_period(&self) -> f64 {
        self.policies.iter().map(Policy::period).fold(0.0, f64::max)
    }

    fn limit(&self, replicas: u32, proposals: Vec<i64>, direction: Direction) -> u32 {
        let chosen = match (self.select, direction) {
            (Select::Disabled, _) => None,
            (Select::Max, Direction::Up) | (Select::Min, Direction::Down) => proposals.into_iter().max(),
            (Select::Min, Direction::Up) | (Select::Max, Direction::Down) => proposals.into_iter().min(),
        };
        chosen.map_or(replicas, |limit| u32::try_from(limit.max(0)).unwrap_or(u32::MAX))
    }
}

impl Policy {
    const fn period(&self) -> f64 {
        match *self {
            Self::Pods { period, .. } | Self::Percent { period, .. } => period,
        }
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

fn percent(value: u32) -> f64 {
    f64::from(value) / 100.0
}

/// Towards zero, as Kubernetes converts.
#[expect(clippy::cast_possible_truncation, reason = "truncation is what is modelled; `as` saturates")]
const fn whole(replicas: f64) -> i64 {
    replicas as i64
}
