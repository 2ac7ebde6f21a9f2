//! The Cluster Autoscaler: which nodes it takes away.
//!
//! Facts from its FAQ and defaults: it looks every 10 s. A node is not needed where it has no pods, or where its
//! utilization is below 50 % and its pods find room on others. After ten minutes of that it goes, unless a node
//! came within the last ten minutes; of empty ones up to ten at once, of others one at a time. Pods that find no
//! room get their nodes at the next look; packing and types are Karpenter's here (see [`launch`](super::launch)).

use super::spec::ClusterAutoscaler;
use super::{NodePhase, Nodes, State};

/// Empty nodes that go at one look, `--max-empty-bulk-delete`.
const MOST_EMPTY: usize = 10;

impl Nodes {
    pub(super) fn plan_scale_down(&mut self, options: &ClusterAutoscaler, now: f64) {
        let next = self.timers.on_grid(now, options.scan_interval);
        self.timers.look = self.timers.look.min(next);
    }

    /// Looks which nodes are not needed, and takes away those that have not been for long enough.
    pub(super) fn scale_down(&mut self, options: &ClusterAutoscaler, now: f64) {
        self.timers.looked = now;
        self.mark_unneeded(options, now);
        let allowed = self.timers.added + options.delay_after_add;
        let mut going: Vec<u32> = Vec::new();
        let mut next = f64::INFINITY;
        let mut moving = self.counts.leaving > 0;
        for &id in &self.living {
            let node = &self.all[id as usize];
            let Some(since) = node.unneeded else { continue };
            let due = (since + options.unneeded_time).max(allowed);
            let is_free = if node.pods == 0 { going.len() < MOST_EMPTY } else { !moving };
            if due <= now && is_free {
                moving |= node.pods > 0;
                going.push(id);
            } else {
                next = next.min(due.max(now));
            }
        }
        for id in going {
            self.accounts.so_far.removed += 1;
            self.leave(id, now);
        }
        if next < f64::INFINITY {
            self.timers.look = self.timers.look.min(self.timers.on_grid(next, options.scan_interval));
        }
    }

    /// Notes of each node since when it is not needed. Nodes that go take their room with them.
    fn mark_unneeded(&mut self, options: &ClusterAutoscaler, now: f64) {
        let mut room = self.free.saturating_sub(self.spare);
        for at in 0..self.living.len() {
            let id = self.living[at];
            let node = &mut self.all[id as usize];
            if id < self.spec.standing || node.state != State::Living(NodePhase::Ready) {
                continue;
            }
            let utilization = self.spec.types[node.kind].utilization(&self.spec.pod, node.pods);
            let moves = !self.spec.do_not_disrupt && utilization < options.utilization_threshold;
            let lost = self.sizes[node.kind] - node.pods + node.active;
            if (node.pods == 0 || moves) && lost <= room {
                room -= lost;
                node.unneeded = Some(node.unneeded.unwrap_or(now));
            } else {
                node.unneeded = None;
            }
        }
    }
}
