//! The decision: how many workers one ref wants, and why.
//!
//! A function of what is believed of the queue, what was learned of it, what is known of the workload, the policy,
//! and the little that the ref remembers. Precedence: known busy floor, then caps (the policy's, then the object's),
//! then the reactive target, then what is spent on forecasts.
//!
//! - `workers`: the decision for workers that take jobs again and again
//! - `backlog`: workers for what waits now
//! - `spare`, `budget`: workers for what is expected, and what may be spent on them
//! - [`Proposal`], [`group`]: what a ref wants, and what others that share a cap leave to it
//! - [`KeepAlive`]: the hold on the way down
//! - [`Spending`]: what workers may cost in a period
//! - [`Memory`]: what is kept of a ref over restarts

mod backlog;
mod budget;
pub mod group;
mod keep_alive;
mod memory;
mod policy;
mod proposal;
mod ready;
mod spare;
mod spending;
mod why;
mod workers;

pub use budget::Budget;
pub use keep_alive::KeepAlive;
pub use memory::{BadMemory, MEMORY_VERSION, Memory};
pub use policy::{Mode, Objective, Pin, Policy, Strategy};
pub use proposal::Proposal;
pub use spending::{MaxSpend, Spending};
pub use why::{Ahead, Falling, Why};

use self::{ready::Ready, spare::NodeRoom};
use crate::forecast::{
    lead::{Asked, LeadTimes, Start},
    outlook::Outlook,
};
use crate::series::{Depth, NoFall, QueueView, Unseen};

/// Rises with every change after which the same samples may give another decision, so that whatever was recorded
/// under another version is not taken for what would be decided today.
pub const DECISION_VERSION: u32 = 3;

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
    /// How long its workers take to start.
    pub lead: LeadTimes,
    /// What was spent on forecasts, and what may be.
    pub budget: Budget,
    /// What its workers have cost, where the policy bounds that.
    spending: Option<Box<Spending>>,
    hold: KeepAlive,
    node_room: NodeRoom,
    ready: Ready,
    /// The busy floor when it was last seen: it stands while the queue cannot be seen.
    floor: u32,
    /// Whether its budget holds what was done before its first decision.
    has_past: bool,
}

impl RefState {
    /// Does what takes long at other ticks than its neighbours, by `part` (0 to 1) of the time between two: many refs
    /// come in one tick.
    pub fn apart(&mut self, part: f64) {
        self.node_room.apart(part);
    }

    /// Takes the lead time of a worker that started at `now`, seconds.
    pub fn started(&mut self, now: f64, start: Start, seconds: f64) {
        self.lead.started(start, seconds, self.ready.asked(now - seconds));
    }

    /// Takes a worker that started at `now`, after so many seconds, on a node that had to come and may have been asked for
    /// `behind` seconds before it.
    pub fn rode_along(&mut self, now: f64, seconds: f64, behind: f64) {
        self.lead.rode_along(seconds, behind, self.ready.asked(now - seconds));
    }

    /// Takes a worker that was given up at `now`, having waited for a node for so many seconds.
    pub fn given_up(&mut self, now: f64, seconds: f64) {
        self.lead.given_up(seconds, self.ready.asked(now - seconds));
    }

    /// Begins with what `work` has earned, busy worker-seconds of about a day before its first decision: `share` of
    /// them may be spent on forecasts. Once, and not where it remembers a past of its own.
    pub fn begin_after(&mut self, work: f64, share: f64) {
        if work > 0.0 && !std::mem::replace(&mut self.has_past, true) {
            self.budget.earn(work, share);
        }
    }

    /// How long a worker takes that is asked for now, mean, seconds: that is how far ahead is looked.
    pub fn lead_time(&self) -> f64 {
        match self.ready.asked_now() {
            Asked::Alone => self.lead.mean_alone(),
            Asked::Beside => self.lead.mean(),
        }
    }
}

/// One ref's decision at one tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// Workers wanted; KEDA is told this.
    pub target: u32,
    /// The same policy on the same state with no arrivals forecast, hold included.
    pub reactive: u32,
    /// Spare pods wanted beyond the target: room for those that a forecast expects within the lead time of a worker
    /// whose node is yet to come.
    pub hint: u32,
    /// How the target came about.
    pub why: Why,
}

impl Decision {
    /// Whether the ref has a reason to run at all.
    pub fn active(&self) -> bool {
        self.target >= 1
    }

    /// Whether a cap or the operator lowered the target: whoever is beyond it is not to stay.
    pub fn is_capped(&self) -> bool {
        let Why { max, max_spend, group, object_max, reason, .. } = self.why;
        max.is_some() || max_spend.is_some() || group.is_some() || object_max || reason == "override"
    }

    /// Lets at least so many workers stay, whatever they are wanted for. No forecast asks for those, and they take
    /// the place of spare pods.
    pub fn keep(&mut self, workers: u32) {
        let more = workers.saturating_sub(self.target);
        self.target += more;
        self.reactive = self.reactive.saturating_add(more);
        self.hint = self.hint.saturating_sub(more);
        (self.why.target, self.why.hint) = (self.target, self.hint);
    }

    /// Pods that it asks for: with `mode: jobs` at least those of the jobs at work, some of which the target may leave
    /// to KEDA to count.
    pub fn asked_for(&self, mode: Mode) -> u32 {
        match mode {
            Mode::Workers => self.target,
            Mode::Jobs(_) => {
                self.target.max(self.why.depth.map_or(0, |depth| demand(&depth, self.why.slots)))
            }
        }
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

/// What one decision is made of, beside what the ref remembers.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The instant for which it is decided, Unix seconds.
    pub now: f64,
    /// What is believed of the queue.
    pub queue: Result<QueueView, Unseen>,
    /// What was learned of it.
    pub forecast: &'a dyn Outlook,
    /// What is seen of its pods.
    pub workload: Workload,
    /// The operator's policy for the ref.
    pub policy: &'a Policy,
    /// The operator's override of it.
    pub pin: Option<Pin>,
}

/// Decides for one ref of a queue that shares no cap with others.
///
/// # Errors
/// When not enough is known to say a number: not knowing is never a zero.
pub fn decide(given: &Given<'_>, state: &mut RefState) -> Result<Decision, Undecided> {
    Ok(propose(given, state)?.settle(None, state))
}

/// The first half of [`decide`]: all but what other refs of the same group leave to it. [`Proposal::settle`] is the
/// second half.
///
/// # Errors
/// As [`decide`].
pub fn propose(given: &Given<'_>, state: &mut RefState) -> Result<Proposal, Undecided> {
    match given.policy.mode {
        Mode::Workers => workers::propose(given, state),
        Mode::Jobs(strategy) => {
            let mut decision = jobs(given, strategy)?;
            if given.speculates() {
                let work = decision.why.depth.map_or(0, |depth| demand(&depth, decision.why.slots));
                let pods = state.node_room.pods(given, &state.lead, work);
                hint_for_jobs(&mut decision, pods, given);
            }
            Ok(Proposal { decision, workers: None })
        }
    }
}

impl Given<'_> {
    /// Whether anything may be spent on forecasts.
    fn speculates(&self) -> bool {
        self.pin.is_none() && self.policy.budget > 0.0
    }
}

/// `mode: jobs`: the value is the newest sample, nothing is held and nothing is forecast.
fn jobs(given: &Given<'_>, strategy: Strategy) -> Result<Decision, Undecided> {
    let (view, slots) = (given.queue?, given.policy.slots);
    if let Some(no_fall) = view.no_fall {
        return Err(Undecided::Distrusted(no_fall));
    }
    let counted = match strategy {
        Strategy::Default if view.depth.in_flight.is_none() => return Err(Undecided::StrategyNeedsInFlight),
        Strategy::Default => view.depth,
        Strategy::Accurate | Strategy::Eager => Depth { waiting: view.depth.waiting, ..Depth::default() },
    };
    let wanted = demand(&counted, slots);
    let (target, reason) = match given.pin {
        Some(Pin::Hold) => return Err(Undecided::NothingToHold),
        Some(Pin::Workers(n)) => (wanted.min(n), "override"),
        Some(Pin::Reactive) | None => (wanted, "jobs"),
    };
    let why =
        Why { target, reason, depth: Some(view.depth), slots, never_seen: !view.ever_seen, ..Why::default() };
    Ok(Decision { target, reactive: target, hint: 0, why })
}

/// Room for the Jobs that are expected beyond those that the queue asks for, up to the most that there may be.
fn hint_for_jobs(decision: &mut Decision, pods: u32, given: &Given<'_>) {
    let Given { workload, policy, .. } = *given;
    let asked_for = decision.asked_for(policy.mode).max(workload.replicas.unwrap_or(0));
    decision.hint = pods.min(workload.max.unwrap_or(u32::MAX).saturating_sub(asked_for));
    decision.why.hint = decision.hint;
}

/// Workers that the work of now can use: waiting and running jobs by slots, and one worker for all
/// stuck jobs together. Jobs on terminating workers end there and need nobody.
fn demand(depth: &Depth, slots: u32) -> u32 {
    let running = depth.in_flight.unwrap_or(0).saturating_sub(depth.stuck).saturating_sub(depth.draining);
    let full = depth.waiting.saturating_add(running).div_ceil(u64::from(slots.max(1)));
    saturate(full.saturating_add(u64::from(depth.stuck > 0)))
}

fn saturate(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// As many whole workers; none where `n` is negative or no number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn whole(n: f64) -> u32 {
    n as u32
}

#[cfg(test)]
mod tests;
