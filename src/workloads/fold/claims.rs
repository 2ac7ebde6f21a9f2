//! NodeClaims folded: which node is whose, how long each took to come, and whom it has taught.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
};

use super::Kept;
use crate::{
    config::source::WorkloadName,
    workloads::{ClaimRecord, NewestNode, NodeOutcome, NodePhase, NodeStart},
};

/// Seconds after which a node teaches no more workloads how long nodes take: that was long ago.
const TEACHES_FOR: f64 = 3_600.0;

/// All claims that are known.
#[derive(Debug, Default)]
pub(super) struct Claims {
    all: HashMap<Arc<str>, Kept<Claim>>,
    by_node: HashMap<Arc<str>, Arc<str>>,
    told: Vec<NodeStart>,
}

#[derive(Debug)]
struct Claim {
    record: ClaimRecord,
    /// Workloads whose lead times it has taught.
    taught: HashSet<Arc<WorkloadName>>,
}

impl Claims {
    /// Takes a claim as it is now; the node that has come to take pods since it was last seen, if so.
    pub(super) fn apply(&mut self, name: Arc<str>, record: ClaimRecord, round: u32) -> Option<Arc<str>> {
        if let Some(node) = &record.node {
            self.by_node.insert(node.clone(), name.clone());
        }
        let Some(Kept { value: known, round: seen }) = self.all.get_mut(&name) else {
            // What happened before it was first seen was told then, by whoever was there.
            let claim = Claim { record, taught: HashSet::new() };
            self.all.insert(name, Kept { value: claim, round });
            return None;
        };
        let before = mem::replace(&mut known.record, record);
        *seen = round;
        let is_new = |phase: &NodePhase| before.reached(*phase).is_none();
        for phase in NodePhase::ALL.into_iter().filter(is_new) {
            if let Some(at) = known.record.reached(phase) {
                let seconds = (at - known.record.created).max(0.0);
                let outcome = NodeOutcome::Reached(phase, seconds);
                self.told.push(NodeStart { pool: known.record.pool.clone(), outcome });
            }
        }
        known
            .record
            .node
            .clone()
            .filter(|_| before.initialized.is_none() && known.record.initialized.is_some())
    }

    /// A claim is gone. Of one that nobody saw go it is not known what came of it.
    pub(super) fn gone(&mut self, name: &str, was_seen: bool) {
        let Some(Kept { value: Claim { record, .. }, .. }) = self.all.remove(name) else { return };
        if let Some(node) = &record.node
            && self.by_node.get(node).is_some_and(|claim| &**claim == name)
        {
            self.by_node.remove(node);
        }
        if was_seen && record.initialized.is_none() {
            self.told.push(NodeStart { pool: record.pool, outcome: NodeOutcome::Failed });
        }
    }

    /// Drops what the list `round` did not tell of.
    pub(super) fn sweep(&mut self, round: u32) {
        let stale = self.all.iter().filter(|(_, kept)| kept.round != round);
        let stale: Vec<_> = stale.map(|(name, _)| name.clone()).collect();
        for name in stale {
            self.gone(&name, false);
        }
    }

    /// What happened to nodes since the last call.
    pub(super) fn take_told(&mut self) -> Vec<NodeStart> {
        mem::take(&mut self.told)
    }

    /// The claim of a node.
    pub(super) fn under(&self, node: Option<&Arc<str>>) -> Option<&ClaimRecord> {
        let name = self.by_node.get(node?)?;
        Some(&self.all.get(name)?.value.record)
    }

    /// The node as a workload's newest one; `None` where it has no claim, or did not take pods yet.
    pub(super) fn newest(&self, node: Option<&Arc<str>>) -> Option<NewestNode> {
        let claim = self.under(node)?;
        Some(NewestNode {
            pool: claim.pool.clone(),
            instance_type: claim.instance_type.clone(),
            created: claim.created,
            seconds: claim.seconds()?,
        })
    }

    /// Seconds that the node took to come, for a workload that a pod of its own was Ready on at `at`: once, and only
    /// while the node is new.
    pub(super) fn teach(&mut self, node: Option<&Arc<str>>, to: &Arc<WorkloadName>, at: f64) -> Option<f64> {
        let Claim { record, taught } = self.of_mut(node)?;
        let seconds = record.seconds().filter(|_| at - record.created <= TEACHES_FOR)?;
        taught.insert(to.clone()).then_some(seconds)
    }

    /// Notes that a workload has learned from the node: a pod of its own waited.
    pub(super) fn has_taught(&mut self, node: Option<&Arc<str>>, whom: &Arc<WorkloadName>) {
        if let Some(claim) = self.of_mut(node) {
            claim.taught.insert(whom.clone());
        }
    }

    fn of_mut(&mut self, node: Option<&Arc<str>>) -> Option<&mut Claim> {
        let name = self.by_node.get(node?)?;
        Some(&mut self.all.get_mut(name)?.value)
    }
}
