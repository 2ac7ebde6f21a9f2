//! What a ScaledObject says, and which KEDA reads it.

use crate::sim::hpa::{Behavior, Controller};
use crate::sim::quantity::Milli;

/// What a ScaledObject says. [`Default`] has KEDA's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledObjectSpec {
    /// `minReplicaCount`.
    pub min: u32,
    /// `maxReplicaCount`.
    pub max: u32,
    /// `idleReplicaCount`.
    pub idle: Option<u32>,
    /// `pollingInterval`, seconds.
    pub polling_interval: f64,
    /// `cooldownPeriod`, seconds.
    pub cooldown_period: f64,
    /// `initialCooldownPeriod`, seconds.
    pub initial_cooldown_period: f64,
    /// `fallback`.
    pub fallback: Option<Fallback>,
    /// `metricType` of the trigger.
    pub metric_type: MetricType,
    /// `advanced.horizontalPodAutoscalerConfig.behavior`.
    pub behavior: Option<Behavior>,
    /// Which KEDA it is.
    pub generation: Generation,
    /// Settings of the control plane that runs the HPA.
    pub controller: Controller,
}

/// `fallback` of a ScaledObject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Failures in a row beyond which it takes over.
    pub failure_threshold: u32,
    /// Replicas wanted then.
    pub replicas: u32,
    /// How they are applied.
    pub behavior: FallbackBehavior,
}

/// `fallback.behavior`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FallbackBehavior {
    /// The fallback's replicas.
    #[default]
    Static,
    /// The replicas that there are.
    CurrentReplicas,
    /// The larger of both.
    CurrentReplicasIfHigher,
    /// The smaller of both.
    CurrentReplicasIfLower,
}

/// `metricType` of a trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricType {
    /// The metric is shared by the replicas.
    #[default]
    AverageValue,
    /// The metric is compared as it is.
    Value,
}

/// How KEDA reads numbers from an external scaler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// KEDA up to 2.16: integers only.
    Ints,
    /// KEDA 2.17 to 2.19: the float where it is above 0, cut to thousandths.
    TruncatedFloats,
    /// KEDA 2.20 and later: the float where it is above 0, rounded to thousandths.
    #[default]
    Floats,
}

impl Default for ScaledObjectSpec {
    fn default() -> Self {
        Self {
            min: 0,
            max: 100,
            idle: None,
            polling_interval: 30.0,
            cooldown_period: 300.0,
            initial_cooldown_period: 0.0,
            fallback: None,
            metric_type: MetricType::default(),
            behavior: None,
            generation: Generation::default(),
            controller: Controller::default(),
        }
    }
}

impl Generation {
    /// The quantity that this KEDA makes of a number given as integer and as float.
    pub fn quantity(self, int: i64, float: f64) -> Milli {
        match self {
            Self::Floats if float > 0.0 => Milli::formatted(float),
            Self::TruncatedFloats if float > 0.0 => Milli::truncated(float),
            // KEDA 2.20.2 takes negative integers for 0, too.
            Self::Floats => Milli::whole(int.max(0)),
            Self::Ints | Self::TruncatedFloats => Milli::whole(int),
        }
    }
}
