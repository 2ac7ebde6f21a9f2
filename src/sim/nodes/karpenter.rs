//! Karpenter: when it brings nodes, and which ones it takes away again.
//!
//! Facts from Karpenter 1.14 and from runs of it (`tests/cluster/timelines`). Pods that find no room are gathered
//! until none has come for 1 s, for 10 s at most. Every 10 s it looks for nodes to take away: nodes without pods
//! first, where terminating pods do not count, and then, unless the policy is `WhenEmpty`, as many nodes at once
//! as find room for their pods on the others, those with the fewest pods first. A node is considered from
//! `consolidateAfter` on after the last pod came or went. What it chose waits for 15 s, and is taken away if that
//! is still right; then it looks again at once. Nodes on their way out count against the budget: on up to ten nodes
//! the default of 10 % lets one go, every 25 s.
//!
//! Room that a capacity buffer wants is pods that are not there, which stand in each batch beside those that are: it
//! is sought on the oldest nodes first, and nodes that have it are not empty. Whoever changes the buffer makes a
//! batch, and nodes that come for it change what its status says, which makes one more. Pods that take its room make
//! none, since they wait for nothing: Karpenter looks at the buffer 30 s after the last time, and only then is it
//! filled again (`pkg/controllers/capacitybuffer`).

use super::spec::{Consolidation, Karpenter};
use super::timers::Timers;
use super::{NodePhase, Nodes, State};

/// Seconds without a new pod after which a batch of pods is complete.
pub(super) const BATCH_IDLE: f64 = 1.0;
/// Seconds that a batch takes at most.
const BATCH_MAX: f64 = 10.0;
/// Seconds from one look for nodes to take away to the next.
const POLL: f64 = 10.0;
/// Seconds from choosing nodes to taking them away.
const VALIDATION: f64 = 15.0;

/// Seconds from one look at a capacity buffer that nobody changes to the next.
const REQUEUE: f64 = 30.0;

impl Timers {
    /// A pod found no room now.
    pub(super) const fn batch(&mut self, now: f64) {
        self.batch_began = self.batch_began.min(now);
        self.provision = (now + BATCH_IDLE).min(self.batch_began + BATCH_MAX);
    }

    /// A capacity buffer that was looked at last at `since` lacks room now.
    pub(super) fn requeue(&mut self, since: f64, now: f64) {
        let looks = ((now - since) / REQUEUE).floor() + 1.0;
        self.provision = self.provision.min(since + looks * REQUEUE + BATCH_IDLE);
    }
}

impl Nodes {
    pub(super) fn plan_disruption(&mut self, options: &Karpenter, now: f64) {
        let any = !self.empty.is_empty() || self.moves_pods(options);
        if any && self.chosen.is_empty() {
            self.timers.look = self.timers.look.min(self.timers.on_grid(now, POLL));
        }
    }

    /// Looks for nodes that may go.
    pub(super) fn choose_to_disrupt(&mut self, options: &Karpenter, now: f64) {
        self.timers.looked = now;
        let allowed = self.allowed(options);
        let kept = self.kept_for_spare();
        let is_due = |id: &u32| self.all[*id as usize].touched + options.consolidate_after <= now;
        let empty = self.empty.iter().filter(|id| !kept.contains(id)).copied();
        let mut chosen: Vec<u32> = empty.clone().filter(is_due).collect();
        let blocked = chosen.len() > allowed;
        chosen.truncate(allowed);
        if chosen.is_empty() && self.moves_pods(options) {
            chosen = self.movable(options, now, allowed);
        }
        if !chosen.is_empty() {
            self.chosen = chosen;
            self.timers.act = now + VALIDATION;
        } else if blocked {
            self.timers.look = self.timers.on_grid(now, POLL);
        } else {
            let considered = empty.chain(self.candidates(options));
            let due = considered.map(|id| self.all[id as usize].touched + options.consolidate_after);
            let next = due.filter(|&due| due > now).min_by(f64::total_cmp);
            self.timers.look = next.map_or(f64::INFINITY, |due| self.timers.on_grid(due, POLL));
        }
    }

    /// Takes away what was chosen, if it is still empty or its pods still find room.
    pub(super) fn disrupt(&mut self, options: &Karpenter, now: f64) {
        let chosen = std::mem::take(&mut self.chosen);
        let kept = self.kept_for_spare();
        let (empty, used): (Vec<u32>, Vec<u32>) = chosen
            .into_iter()
            .filter(|&id| self.all[id as usize].state == State::Living(NodePhase::Ready))
            .partition(|id| self.all[*id as usize].active == 0);
        let moved = if self.fit_elsewhere(&used) { used } else { Vec::new() };
        for id in empty.into_iter().filter(|id| !kept.contains(id)).chain(moved) {
            self.accounts.so_far.removed += 1;
            self.leave(id, now);
        }
        self.choose_to_disrupt(options, now);
    }

    /// Whether nodes are taken away whose pods find room on others.
    fn moves_pods(&self, options: &Karpenter) -> bool {
        options.consolidation == Consolidation::WhenEmptyOrUnderutilized && !self.spec.do_not_disrupt
    }

    /// How many more nodes may be on their way out.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count")]
    fn allowed(&self, options: &Karpenter) -> usize {
        let there = self.counts.empty + self.counts.used;
        let budget = (f64::from(there) * options.budget).ceil() as u32;
        budget.saturating_sub(self.counts.leaving) as usize
    }

    /// Empty nodes that have the room to spare.
    pub(super) fn kept_for_spare(&self) -> Vec<u32> {
        let mut spare = self.spare;
        let mut kept = Vec::new();
        for &id in &self.living {
            let node = &self.all[id as usize];
            if spare == 0 {
                break;
            }
            if node.state == State::Living(NodePhase::Ready) {
                let room = (self.sizes[node.kind] - node.pods).min(spare);
                spare -= room;
                if room > 0 && node.active == 0 {
                    kept.push(id);
                }
            }
        }
        kept
    }

    /// Nodes with pods that may be moved.
    fn candidates(&self, options: &Karpenter) -> impl Iterator<Item = u32> {
        let moves = self.moves_pods(options);
        let first = self.spec.standing;
        self.living.iter().copied().filter(move |&id| {
            let node = &self.all[id as usize];
            moves && id >= first && node.active > 0 && node.state == State::Living(NodePhase::Ready)
        })
    }

    /// As many nodes with pods as find room for these on the others, those with the fewest pods first.
    fn movable(&self, options: &Karpenter, now: f64, allowed: usize) -> Vec<u32> {
        let is_due = |id: &u32| self.all[*id as usize].touched + options.consolidate_after <= now;
        let mut nodes: Vec<u32> = self.candidates(options).filter(is_due).collect();
        nodes.sort_by_key(|&id| (self.all[id as usize].active, id));
        nodes.truncate(allowed);
        while !nodes.is_empty() && !self.fit_elsewhere(&nodes) {
            nodes.pop();
        }
        nodes
    }

    /// Whether the pods of these nodes, and what is to spare, find room on the others.
    fn fit_elsewhere(&self, nodes: &[u32]) -> bool {
        let lost = |id: &u32| {
            let node = &self.all[*id as usize];
            self.sizes[node.kind] - node.pods + node.active
        };
        nodes.iter().map(lost).sum::<u32>() <= self.free.saturating_sub(self.spare)
    }
}
