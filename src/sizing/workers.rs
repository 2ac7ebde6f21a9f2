//! The target of workers that take jobs again and again (a ScaledObject).

use super::backlog::{Backlog, ENOUGH, Needed};
use super::group::Claim;
use super::proposal::{Proposal, Workers};
use super::spare::Spare;
use super::spending::{self, Bill, Room};
use super::{Ahead, Decision, Given, Pin, RefState, Undecided, Why, Workload, demand, saturate};
use crate::series::{Depth, NoFall, QueueView};

/// Seconds for which the budget must pay workers that are idle already: a start is paid for as long as it takes, and
/// who has started is not given up until little is left.
const HELD: f64 = 30.0;

pub(super) fn propose(given: &Given<'_>, state: &mut RefState) -> Result<Proposal, Undecided> {
    let Given { now, queue, workload, policy, pin, .. } = *given;
    if state.last_target.is_none()
        && let Some(replicas) = workload.asked_for()
    {
        state.last_target = Some(replicas);
        state.hold.observe(now, policy.keep_alive, replicas);
    }
    let room = spending::account(&mut state.spending, now, policy, workload);
    let seen = queue.is_ok();
    if let Ok(view) = &queue {
        state.floor = busy_floor(&view.depth, state.last_target);
    }
    let floor = state.floor;
    let (mut decision, claim, running) = match pin {
        Some(Pin::Reactive) | None => Sizing { given, view: queue?, floor, room }.decide(state)?,
        Some(Pin::Workers(n)) => pinned(given, n, floor, "override"),
        Some(Pin::Hold) => {
            let held = state.last_target.ok_or(Undecided::NothingToHold)?;
            pinned(given, held, floor, "hold")
        }
    };
    decision.why.workload = Some(workload);
    Ok(Proposal { decision, workers: Some(Workers { claim, running, seen }) })
}

/// All that a target is made of, but what the ref remembers.
struct Sizing<'a> {
    given: &'a Given<'a>,
    /// The queue, which is seen.
    view: QueueView,
    /// Workers known to be busy.
    floor: u32,
    /// What may still be spent, where the policy bounds that.
    room: Option<Room>,
}

/// A decision, what it claims of a shared cap, and workers that the running jobs keep busy.
type Sized = (Decision, Claim, Option<u32>);

/// What limits a number of workers, and what became of it.
struct Limited {
    at_least: u32,
    objects_least: u32,
    capped: u32,
    paid: u32,
    objects_most: u32,
    target: u32,
}

impl Sizing<'_> {
    fn decide(&self, state: &mut RefState) -> Result<Sized, Undecided> {
        let Self { given, view, .. } = self;
        let Given { now, forecast, workload, policy, .. } = **given;
        let depth = &view.depth;
        let running = demand(&Depth { waiting: 0, ..*depth }, policy.slots);
        let blind = depth.in_flight.is_none();
        let settled = !blind || view.empty_for.is_some_and(|seconds| seconds >= view.max_run);
        let work = demand(depth, policy.slots) > 0;
        let Some(last) = state.last_target.or((work || settled).then_some(0)) else {
            let empty_for = view.empty_for.unwrap_or(0.0);
            return Err(Undecided::Blind { empty_for, max_run: view.max_run });
        };
        state.budget.pass(now, policy.budget);

        state.ready.see(now, workload.ready);
        let lead = state.lead_time();
        let needed = self.needed(running, lead);
        let held = state.hold.observe(now, policy.keep_alive, needed.workers);
        let held = held.min(workload.worth_holding(depth, policy.slots)).max(needed.workers);
        // Whoever removes workers does not know who is busy. What went with a job is work of this queue all the same,
        // and would be followed by more: without it each fall would bring about the next.
        let draining = saturate(depth.draining.div_ceil(u64::from(policy.slots.max(1))));
        let followed = held.max(needed.workers.saturating_add(draining).min(last));
        let unfallen =
            |wanted: u32| if view.no_fall.is_some() || !settled { wanted.max(last) } else { wanted };
        let bill = self.bill(last, lead);
        let paid = self.room.map(|room| room.workers(bill));
        let reactive = self.limit(unfallen(followed), paid);

        let idle = last.saturating_sub(needed.workers);
        let budget = state.budget.affords(lead).max(idle.min(state.budget.affords(lead.min(HELD))));
        let spare = if given.speculates() {
            Spare::of(forecast, policy.objective, lead, policy.slots, budget.saturating_add(1))
        } else {
            Spare::default()
        };
        let worth = spare.wanted(idle);
        let spares = worth.min(budget);
        let wanted = unfallen(followed.max(needed.workers.saturating_add(spares)));
        let limited = self.limit(wanted, paid);

        let target = limited.target;
        let work = demand(depth, policy.slots);
        let pods = if given.speculates() { state.node_room.pods(given, &state.lead, work) } else { 0 };
        let expected = if pods > 0 { needed.workers.saturating_add(pods) } else { 0 };
        let hint = self.limit(expected, paid).objects_most.saturating_sub(target);
        let speculative = target.saturating_sub(reactive.target);
        let why = Why {
            target,
            reason: if speculative > 0 { "forecast" } else { "reactive" },
            depth: Some(*depth),
            slots: policy.slots,
            shared_work: (needed.workers < demand(depth, policy.slots))
                .then(|| (forecast.service().law().mean(), lead)),
            infeasible: needed.infeasible,
            ahead: (speculative > 0).then(|| Ahead {
                workers: speculative,
                expected: spare.expected,
                seconds: lead,
                skill: spare.skill,
                spent: state.budget.share_spent(),
            }),
            budget: (worth > budget).then_some(budget),
            hint,
            hold: (held > needed.workers).then(|| state.hold.left(now, policy.keep_alive)),
            no_fall: view
                .no_fall
                .map(NoFall::word)
                .or((!settled && wanted == last && wanted > followed).then_some("in-flight-unseen")),
            floor: (target > limited.objects_most).then_some(self.floor),
            max: (limited.capped < limited.objects_least).then_some(limited.capped),
            max_spend: (limited.paid < limited.capped).then_some(limited.paid),
            group: None,
            min: (limited.at_least > wanted).then_some(limited.at_least),
            object_max: limited.objects_most < limited.paid,
            object_min: limited.objects_least > limited.at_least,
            fall: None,
            workload: None,
            never_seen: !view.ever_seen,
            shared: 0,
        };
        let decision = Decision { target, reactive: reactive.target, hint, why };
        let work = self.limit(needed.workers, paid).target;
        let claim = Claim {
            // Where nobody knows who is idle, all that there are may be busy.
            floor: self.floor.max(unfallen(0).min(target)),
            held: last,
            wants: [work, reactive.target, target, target.saturating_add(hint)],
            there: workload.there(),
            bill,
        };
        Ok((decision, claim, Some(running)))
    }

    fn needed(&self, running: u32, lead: f64) -> Needed {
        let Given { forecast, policy, .. } = *self.given;
        let service = forecast.service();
        Backlog {
            waiting: self.view.depth.waiting as f64,
            busy: f64::from(running),
            slots: f64::from(policy.slots.max(1)),
            run: service.law(),
            known: service.jobs(),
            lead,
            keep_alive: policy.keep_alive,
        }
        .needed(policy.objective)
    }

    /// What it costs, `last` being the workers that there are.
    fn bill(&self, last: u32, lead: f64) -> Bill {
        let (service, policy) = (self.given.forecast.service(), self.given.policy);
        let Depth { waiting, in_flight, stuck, .. } = self.view.depth;
        let jobs = waiting.saturating_add(in_flight.unwrap_or(0).saturating_sub(stuck));
        let (run, price) = (service.law().mean(), policy.price_a_second());
        let work = if service.jobs() < ENOUGH { f64::INFINITY } else { jobs as f64 * run * price };
        Bill {
            there: f64::from(last) * price,
            work: work / f64::from(policy.slots.max(1)),
            beside: lead + policy.keep_alive,
            run,
            price,
        }
    }

    fn limit(&self, wanted: u32, paid: Option<u32>) -> Limited {
        let Given { policy, workload, .. } = *self.given;
        let raised = |by: u32, n: u32| if n > 0 { n.max(by) } else { 0 };
        let lowered = |by: Option<u32>, n: u32| n.min(by.unwrap_or(u32::MAX));
        let at_least = raised(policy.min, wanted);
        let objects_least = raised(workload.min.unwrap_or(0), at_least);
        let capped = lowered(policy.max, objects_least);
        let paid = lowered(paid, capped);
        let objects_most = lowered(workload.max, paid);
        Limited { at_least, objects_least, capped, paid, objects_most, target: objects_most.max(self.floor) }
    }
}

/// A target that the operator's override fixed; busy workers stay all the same.
fn pinned(given: &Given<'_>, n: u32, floor: u32, reason: &'static str) -> Sized {
    let target = n.max(floor);
    let why = Why {
        target,
        reason,
        depth: given.queue.ok().map(|view| view.depth),
        floor: (target > n).then_some(floor),
        ..Why::default()
    };
    let decision = Decision { target, reactive: target, hint: 0, why };
    (decision, Claim::fixed(target, given.policy, given.workload), None)
}

/// Workers known to be busy: counted where the layout names them, else as many as there may be. Jobs
/// alone say nothing of workers while no target is known: they may share few.
pub(super) fn busy_floor(depth: &Depth, last_target: Option<u32>) -> u32 {
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

    /// Pods that there are, those included that have been told to go, where that is seen.
    pub(super) fn there(&self) -> Option<u32> {
        self.asked_for().map(|pods| pods.saturating_add(self.terminating.unwrap_or(0)))
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
