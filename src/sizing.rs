//! The decision: how many workers one ref wants, and why.
//!
//! A function of what is believed of the queue, what is known of the workload, the policy, and the
//! little that the ref remembers. Precedence: known busy floor, then caps (the
//! policy's, then the object's), then the reactive target.

mod keep_alive;
mod policy;
mod why;

pub use keep_alive::KeepAlive;
pub use policy::{Mode, Objective, Pin, Policy, Strategy};
pub use why::Why;

use crate::series::{Depth, NoFall, QueueView, Unseen};

/// Rises with every change after which the same samples may give another decision, so that whatever was recorded
/// under another version is not taken for what would be decided today.
pub const DECISION_VERSION: u32 = 1;

/// What is seen of the pods that a ref scales; all `None` without Kubernetes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Workload {
    /// Pods asked for: the scale target's replicas, or the Jobs of a ScaledJob that have not ended.
    pub replicas: Option<u32>,
    /// Pods that are Ready and not terminating, busy ones included.
    pub ready: Option<u32>,
    /// Pods asked for and not Ready yet.
    pub starting: Option<u32>,
    /// Pods that have been told to go and have not gone.
    pub terminating: Option<u32>,
    /// Replicas at least, as the ScaledObject says.
    pub min: Option<u32>,
    /// Replicas at most, as the ScaledObject says.
    pub max: Option<u32>,
}

/// What a ref remembers between two decisions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RefState {
    /// The last target; `None` until something is known.
    pub last_target: Option<u32>,
    hold: KeepAlive,
    /// The busy floor when it was last seen: it stands while the queue cannot be seen.
    floor: u32,
}

/// One ref's decision at one tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// Workers wanted; KEDA is told this.
    pub target: u32,
    /// The same policy on the same state with no arrivals forecast, hold included.
    pub reactive: u32,
    /// Spare pods wanted beyond the target.
    pub hint: u32,
    /// How the target came about.
    pub why: Why,
}

impl Decision {
    /// Whether the ref has a reason to run at all.
    pub fn active(&self) -> bool {
        self.target >= 1
    }
}

/// Why there is no decision. KEDA is told UNAVAILABLE and leaves the replicas as they are.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Undecided {
    /// Nothing may be believed of the queue.
    #[error("{0}")]
    Unseen(#[from] Unseen),
    /// Neither jobs in flight nor replicas can be seen, so an empty queue says nothing yet.
    #[error(
        "neither jobs in flight nor replicas are known: waiting has been 0 for {empty_for:.0} s of {max_run:.0} s \
         (max_run), or until work waits"
    )]
    Blind {
        /// Seconds that waiting has been 0.
        empty_for: f64,
        /// Seconds that it takes.
        max_run: f64,
    },
    /// `mode: jobs` holds nothing, and the newest sample is not to be trusted.
    #[error("the newest sample is not to be trusted ({}), and mode jobs holds nothing", .0.word())]
    Distrusted(NoFall),
    /// `strategy: default` subtracts the Jobs that run, so it needs the jobs in flight.
    #[error("strategy default needs the jobs in flight, which this layout cannot see: use strategy accurate")]
    StrategyNeedsInFlight,
    /// Kubernetes has not been listed yet, so the replicas from which the target starts are about to be known.
    #[error(
        "Kubernetes has not been listed yet: the replicas that are there will be where the target starts"
    )]
    NotListed,
    /// An override says hold, and there is nothing to hold.
    #[error("an override says hold, and no target is known to hold")]
    NothingToHold,
}

impl RefState {
    /// Until when the decision just made at `now` stands if no sample says anything else; `now` where the next
    /// one may change it even so, infinite where only a different sample can.
    pub fn stands_until(&self, now: f64, view: &QueueView, policy: &Policy) -> f64 {
        let blind = view.depth.in_flight.is_none();
        let settling = blind && view.empty_for.is_some_and(|seconds| seconds < view.max_run);
        if view.no_fall.is_some() || settling {
            return now;
        }
        match policy.mode {
            Mode::Workers if self.hold.holds_more_than(demand(&view.depth, policy.slots)) => {
                now + self.hold.left(now, policy.keep_alive)
            }
            Mode::Workers | Mode::Jobs(_) => f64::INFINITY,
        }
    }
}

/// Decides for one ref. `pin` is the operator's override for it.
///
/// # Errors
/// When not enough is known to say a number: not knowing is never a zero.
pub fn decide(
    now: f64,
    queue: Result<QueueView, Unseen>,
    workload: Workload,
    policy: &Policy,
    pin: Option<Pin>,
    state: &mut RefState,
) -> Result<Decision, Undecided> {
    match policy.mode {
        Mode::Workers => workers(now, queue, workload, policy, pin, state),
        Mode::Jobs(strategy) => jobs(queue, strategy, policy, pin),
    }
}

fn workers(
    now: f64,
    queue: Result<QueueView, Unseen>,
    workload: Workload,
    policy: &Policy,
    pin: Option<Pin>,
    state: &mut RefState,
) -> Result<Decision, Undecided> {
    if state.last_target.is_none()
        && let Some(replicas) = workload.asked_for()
    {
        state.last_target = Some(replicas);
        state.hold.observe(now, policy.keep_alive, replicas);
    }
    let seen = queue.is_ok();
    if let Ok(view) = &queue {
        state.floor = busy_floor(&view.depth, state.last_target);
    }
    let floor = state.floor;
    let mut decision = match pin {
        Some(Pin::Workers(n)) => pinned(queue.ok(), n, floor, "override"),
        Some(Pin::Hold) => {
            pinned(queue.ok(), state.last_target.ok_or(Undecided::NothingToHold)?, floor, "hold")
        }
        Some(Pin::Reactive) | None => reactive(now, &queue?, workload, policy, floor, state)?,
    };
    decision.why.workload = Some(workload);
    // A number that was answered unseen says nothing of the workers that there are.
    if seen {
        state.last_target = Some(decision.target);
    }
    Ok(decision)
}

fn reactive(
    now: f64,
    view: &QueueView,
    workload: Workload,
    policy: &Policy,
    floor: u32,
    state: &mut RefState,
) -> Result<Decision, Undecided> {
    let depth = &view.depth;
    let demand = demand(depth, policy.slots);
    let blind = depth.in_flight.is_none();
    let settled = !blind || view.empty_for.is_some_and(|seconds| seconds >= view.max_run);
    let Some(last) = state.last_target.or((demand > 0 || settled).then_some(0)) else {
        let empty_for = view.empty_for.unwrap_or(0.0);
        return Err(Undecided::Blind { empty_for, max_run: view.max_run });
    };

    let held = state.hold.observe(now, policy.keep_alive, demand);
    let held = held.min(workload.worth_holding(depth, policy.slots)).max(demand);
    let wanted = if view.no_fall.is_some() || !settled { held.max(last) } else { held };
    let raised = |by: u32, n: u32| if n > 0 { n.max(by) } else { 0 };
    let lowered = |by: Option<u32>, n: u32| n.min(by.unwrap_or(u32::MAX));
    let at_least = raised(policy.min, wanted);
    let objects_least = raised(workload.min.unwrap_or(0), at_least);
    let capped = lowered(policy.max, objects_least);
    let objects_most = lowered(workload.max, capped);
    let target = objects_most.max(floor);

    let why = Why {
        target,
        reason: "reactive",
        depth: Some(*depth),
        slots: policy.slots,
        hold: (held > demand).then(|| state.hold.left(now, policy.keep_alive)),
        no_fall: view.no_fall.map(NoFall::word).or((wanted > held).then_some("in-flight-unseen")),
        floor: (target > objects_most).then_some(floor),
        max: (capped < objects_least).then_some(capped),
        min: (at_least > wanted).then_some(at_least),
        object_max: objects_most < capped,
        object_min: objects_least > at_least,
        workload: None,
        never_seen: !view.ever_seen,
        shared: 0,
    };
    Ok(Decision { target, reactive: target, hint: 0, why })
}

/// A target that the operator's override fixed; busy workers stay all the same.
fn pinned(view: Option<QueueView>, n: u32, floor: u32, reason: &'static str) -> Decision {
    let target = n.max(floor);
    let why = Why {
        target,
        reason,
        depth: view.map(|view| view.depth),
        floor: (target > n).then_some(floor),
        ..Why::default()
    };
    Decision { target, reactive: target, hint: 0, why }
}

/// `mode: jobs`: the value is the newest sample, nothing is held and nothing is forecast.
fn jobs(
    queue: Result<QueueView, Unseen>,
    strategy: Strategy,
    policy: &Policy,
    pin: Option<Pin>,
) -> Result<Decision, Undecided> {
    let view = queue?;
    if let Some(no_fall) = view.no_fall {
        return Err(Undecided::Distrusted(no_fall));
    }
    let counted = match strategy {
        Strategy::Default if view.depth.in_flight.is_none() => return Err(Undecided::StrategyNeedsInFlight),
        Strategy::Default => view.depth,
        Strategy::Accurate | Strategy::Eager => Depth { waiting: view.depth.waiting, ..Depth::default() },
    };
    let wanted = demand(&counted, policy.slots);
    let (target, reason) = match pin {
        Some(Pin::Hold) => return Err(Undecided::NothingToHold),
        Some(Pin::Workers(n)) => (wanted.min(n), "override"),
        Some(Pin::Reactive) | None => (wanted, "jobs"),
    };
    let why = Why {
        target,
        reason,
        depth: Some(view.depth),
        slots: policy.slots,
        never_seen: !view.ever_seen,
        ..Why::default()
    };
    Ok(Decision { target, reactive: target, hint: 0, why })
}

/// Workers that the work of now can use: waiting and running jobs by slots, and one worker for all
/// stuck jobs together. Jobs on terminating workers end there and need nobody.
fn demand(depth: &Depth, slots: u32) -> u32 {
    let running = depth.in_flight.unwrap_or(0).saturating_sub(depth.stuck).saturating_sub(depth.draining);
    let full = depth.waiting.saturating_add(running).div_ceil(u64::from(slots.max(1)));
    saturate(full.saturating_add(u64::from(depth.stuck > 0)))
}

/// Workers known to be busy: counted where the layout names them, else as many as there may be. Jobs
/// alone say nothing of workers while no target is known: they may share few.
fn busy_floor(depth: &Depth, last_target: Option<u32>) -> u32 {
    match (depth.busy_workers, depth.in_flight) {
        (Some(busy), _) => saturate(busy),
        (None, Some(in_flight)) => {
            let held = in_flight.saturating_sub(depth.stuck).saturating_sub(depth.draining);
            saturate(held).min(last_target.unwrap_or(0))
        }
        (None, None) => 0,
    }
}

impl Workload {
    /// Pods asked for, at least: those that are seen where the replicas themselves are not known.
    pub fn asked_for(&self) -> Option<u32> {
        self.replicas.or_else(|| Some(self.ready?.saturating_add(self.starting.unwrap_or(0))))
    }

    /// How many workers a hold may keep: those that run, and those starting that work waits for.
    fn worth_holding(&self, depth: &Depth, slots: u32) -> u32 {
        let (Some(ready), Some(starting), Some(_)) = (self.ready, self.starting, depth.in_flight) else {
            return u32::MAX;
        };
        let awaited = saturate(depth.waiting.div_ceil(u64::from(slots.max(1))));
        ready.saturating_add(starting.min(awaited))
    }
}

fn saturate(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
