//! What happens to nodes: they are asked for, launched, become ready, and go.

use super::event::{Event, Kind};
use super::{Node, NodePhase, Nodes, State};

impl Nodes {
    pub(super) fn event(&mut self, Event { node: id, kind, .. }: Event, now: f64) {
        let State::Living(phase) = self.all[id as usize].state else { return };
        match (phase, kind) {
            (NodePhase::Claimed, Kind::LaunchFailed) => self.launch_failed(id, now),
            (NodePhase::Claimed, Kind::Launched) => self.launched(id, now),
            (NodePhase::Launched, Kind::Ready) => self.ready(id, now),
            (NodePhase::Claimed | NodePhase::Launched, Kind::Overdue) => {
                self.accounts.so_far.failed += 1;
                self.leave(id, now);
                self.want_nodes(now);
            }
            (NodePhase::Launched | NodePhase::Ready, Kind::Reclaimed) => {
                self.accounts.so_far.reclaimed += 1;
                self.leave(id, now);
                let notice = self.spec.spot.as_ref().map_or(0.0, |spot| spot.notice);
                self.events.expect(now + notice, Event { node: id, kind: Kind::ReclaimOver });
                // Pods that waited for it found no room once; nobody else will say so again.
                if phase == NodePhase::Launched {
                    self.want_nodes(now);
                }
            }
            (NodePhase::Leaving, Kind::ReclaimOver) => {
                self.killed.push(id);
                self.events.expect(now, Event { node: id, kind: Kind::Ended });
            }
            (NodePhase::Leaving, Kind::Ended) => self.end(id, now),
            _ => {}
        }
    }

    /// Asks for a node.
    pub(super) fn claim(&mut self, kind: usize) -> u32 {
        let id = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(Node {
            kind,
            state: State::Living(NodePhase::Claimed),
            launched: f64::INFINITY,
            touched: f64::INFINITY,
            image: f64::INFINITY,
            pods: 0,
            active: 0,
            unneeded: None,
        });
        self.living.push(id);
        self.coming += self.sizes[kind];
        id
    }

    pub(super) fn launched(&mut self, id: u32, now: f64) {
        let node = &mut self.all[id as usize];
        node.state = State::Living(NodePhase::Launched);
        node.launched = now;
        self.counts.starting += 1;
        self.accounts.so_far.launched += 1;
        self.note_peak();
    }

    pub(super) fn ready(&mut self, id: u32, now: f64) {
        let node = &mut self.all[id as usize];
        node.state = State::Living(NodePhase::Ready);
        node.touched = now;
        let kind = node.kind;
        self.grown = true;
        self.counts.starting -= 1;
        self.counts.empty += 1;
        self.coming -= self.sizes[kind];
        self.free += self.sizes[kind];
        if self.sizes[kind] > 0 {
            self.room.insert(id, kind, 0);
        }
        if id >= self.spec.standing {
            self.empty.insert(id);
        }
        self.plan_look(now);
    }

    /// Takes no more pods on a node; those that it has are evicted.
    pub(super) fn leave(&mut self, id: u32, now: f64) {
        let Node { kind, state, pods, active, .. } = self.all[id as usize];
        let size = self.sizes[kind];
        match state {
            State::Living(NodePhase::Claimed) => {
                self.coming -= size;
                self.forget(id);
                return;
            }
            State::Living(NodePhase::Launched) => {
                self.coming -= size;
                self.counts.starting -= 1;
                self.counts.empty += 1;
            }
            State::Living(NodePhase::Ready) => {
                if pods < size {
                    self.room.remove(id, kind, pods);
                }
                self.free -= size - pods;
                self.empty.remove(&id);
            }
            State::Living(NodePhase::Leaving) | State::Gone => return,
        }
        self.all[id as usize].state = State::Living(NodePhase::Leaving);
        self.counts.leaving += 1;
        if active > 0 {
            self.evicted.push(id);
        }
        if pods == 0 {
            self.events.expect(now + self.spec.termination, Event { node: id, kind: Kind::Ended });
        }
        self.refill(now);
    }

    fn end(&mut self, id: u32, now: f64) {
        let bill = self.bill(id, now);
        self.accounts.so_far.add(&bill);
        self.counts.leaving -= 1;
        self.counts.empty -= 1;
        self.forget(id);
        if self.spec.limit.is_some() {
            self.want_nodes(now);
        }
        self.plan_look(now);
    }

    fn forget(&mut self, id: u32) {
        self.all[id as usize].state = State::Gone;
        if let Ok(at) = self.living.binary_search(&id) {
            self.living.remove(at);
        }
    }
}
