//! What the operator wants of a ref, checked.

use super::MaxSpend;

/// The policy of one ref after all overrides by key.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// What waiting is worth.
    pub objective: Objective,
    /// Whether the ref scales workers that take many jobs, or starts a Job for each.
    pub mode: Mode,
    /// Jobs that one worker runs at a time; at least 1.
    pub slots: u32,
    /// Workers at least, while there is a reason to be active.
    pub min: u32,
    /// Workers at most; no bound where absent.
    pub max: Option<u32>,
    /// Cost units an hour of one worker; above 0.
    pub price: f64,
    /// What the workers may cost in a period; no bound where absent.
    pub max_spend: Option<MaxSpend>,
    /// Name of the group whose cap it shares; none where absent.
    pub group: Option<Box<str>>,
    /// How much more of that it may have than others; above 0.
    pub weight: f64,
    /// Seconds that a worker is kept after the work that it was started for is gone.
    pub keep_alive: f64,
    /// Idle worker-seconds that may be spent on forecasts for each busy one; 0 for no speculation.
    pub budget: f64,
    /// IANA name of the time zone to whose hours recurring bursts keep; UTC where absent.
    pub timezone: Option<Box<str>>,
}

/// What is traded against what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// A second of a job's waiting is worth so many worker-seconds.
    Cost {
        /// Worker-seconds a second of waiting.
        worth: f64,
    },
    /// A quantile of the waits stays within a bound.
    Wait {
        /// Seconds.
        wait: f64,
        /// Share of the jobs, between 0 and 1.
        quantile: f64,
    },
}

/// What the ref scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Workers that take jobs again and again (a ScaledObject).
    Workers,
    /// Kubernetes Jobs (a ScaledJob).
    Jobs(Strategy),
}

/// The ScaledJob's own strategy: it says what the value must count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// KEDA subtracts the running Jobs: the value counts waiting and in flight.
    Default,
    /// KEDA subtracts pending Jobs only: the value counts waiting.
    Accurate,
    /// KEDA fills all free slots: the value counts waiting.
    Eager,
}

/// The operator's override of a ref's decision in an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// No speculation.
    Reactive,
    /// The last target stays.
    Hold,
    /// This many workers; in `mode: jobs` this many Jobs at most.
    Workers(u32),
}

impl Policy {
    /// Cost units a second of one worker.
    pub(super) fn price_a_second(&self) -> f64 {
        self.price / 3600.0
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            objective: Objective::Cost { worth: 3.0 },
            mode: Mode::Workers,
            slots: 1,
            min: 0,
            max: None,
            price: 1.0,
            max_spend: None,
            group: None,
            weight: 1.0,
            keep_alive: 60.0,
            budget: 0.25,
            timezone: None,
        }
    }
}
