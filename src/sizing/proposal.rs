//! A decision before those who share a cap with the ref have had their say.

use super::{Decision, Policy, RefState, Workload, group::Claim};

/// What a ref would be answered if it shared no cap, and what it wants of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    pub(super) decision: Decision,
    /// `None` in `mode: jobs`, where KEDA alone bounds the number of Jobs.
    pub(super) workers: Option<Workers>,
}

/// What is kept of a decision for workers once it is settled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Workers {
    pub(super) claim: Claim,
    /// Workers that the running jobs keep busy, where a forecast was asked.
    pub(super) running: Option<u32>,
    /// Whether the queue was seen: a number that was answered unseen says nothing of the workers that there are.
    pub(super) seen: bool,
}

impl Proposal {
    /// What the ref wants of a cap that it shares; `None` where it takes no part.
    pub fn claim(&self) -> Option<Claim> {
        self.workers.as_ref().map(|workers| workers.claim)
    }

    /// The decision, with at most `share` workers and spare pods where the ref shares a cap.
    pub fn settle(mut self, share: Option<u32>, state: &mut RefState) -> Decision {
        let Some(Workers { claim, running, seen }) = self.workers else { return self.decision };
        if let Some(share) = share {
            self.decision.lower(share.max(claim.floor));
        }
        let decision = self.decision;
        if let Some(running) = running {
            let speculative = decision.target.saturating_sub(decision.reactive);
            let ready = decision.why.workload.and_then(|workload| workload.ready);
            let there = ready.unwrap_or(decision.target).min(decision.target);
            // Those that stand ready on the word of a forecast and have nothing to do.
            state.budget.stand(running, there.saturating_sub(running).min(speculative));
        }
        if let (Some(spending), None) = (&mut state.spending, claim.there) {
            spending.stand(claim.bill.price * f64::from(decision.target));
        }
        if seen {
            state.last_target = Some(decision.target);
        }
        decision
    }
}

impl Decision {
    /// Leaves it so many workers and spare pods at most.
    fn lower(&mut self, share: u32) {
        self.hint = self.hint.min(share.saturating_sub(self.target));
        self.why.hint = self.hint;
        if share >= self.target {
            return;
        }
        self.target = share;
        self.reactive = self.reactive.min(share);
        let why = &mut self.why;
        why.target = share;
        why.group = Some(share);
        let ahead = self.target - self.reactive;
        match &mut why.ahead {
            Some(forecast) if ahead > 0 => forecast.workers = ahead,
            Some(_) => (why.ahead, why.reason) = (None, "reactive"),
            None => {}
        }
    }
}

impl RefState {
    /// What stands for a ref of a group while there is no decision for it: KEDA leaves its workers as they are.
    pub fn undecided_claim(&self, policy: &Policy, workload: Workload) -> Claim {
        Claim::fixed(workload.asked_for().or(self.last_target).unwrap_or(0), policy, workload)
    }
}
