//! Nodes: what comes for pods that find no room, where pods go, and which nodes are taken away again.
//!
//! Workers have one shape, so a node is room for so many of them. Facts on Karpenter and the Cluster Autoscaler
//! stand beside their models, `karpenter` and `cluster_autoscaler`.

mod accounts;
mod cluster_autoscaler;
mod event;
mod karpenter;
mod launch;
mod life;
mod room;
mod spec;
mod timers;

use std::collections::BTreeSet;
use std::fmt;

pub use accounts::{NodeSeconds, NodeSummary};
pub use spec::{
    Autoscaler, ClusterAutoscaler, Consolidation, Karpenter, NodePoolSpec, NodeType, Placement, Resources,
    Shortage, Spot, Storm,
};

use self::accounts::{Accounts, Bill};
use self::event::{Event, Kind};
use self::launch::Launches;
use self::room::Room;
use self::timers::Timers;
use super::events::Events;
use super::start_delay::Span;

/// Name of a node; written `node-3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

/// A node as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its name.
    pub id: NodeId,
    /// How far it has come.
    pub phase: NodePhase,
    /// Its type: which of [`NodePoolSpec::types`].
    pub kind: usize,
    /// Its pods, terminating ones included.
    pub pods: u32,
}

/// How far a node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodePhase {
    /// Asked for: there is no instance yet.
    Claimed,
    /// There is an instance.
    Launched,
    /// It takes pods.
    Ready,
    /// It takes no more pods, and ends when the last one is gone.
    Leaving,
}

/// The nodes of a pool.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    spec: NodePoolSpec,
    /// By type: pods that it has room for.
    sizes: Vec<u32>,
    /// All that ever were.
    all: Vec<Node>,
    /// Those that are there or come, in the order in which they were asked for.
    living: Vec<u32>,
    room: Room,
    /// Pods that ready nodes have room for.
    free: u32,
    /// Pods that nodes have room for that are to come.
    coming: u32,
    counts: Counts,
    /// Ready nodes, but for the standing ones, without pods other than terminating ones.
    empty: BTreeSet<u32>,
    /// Pods for which room is kept besides.
    spare: u32,
    /// When Karpenter last looked at that: when it was said anew, and at the batch after one that brought nodes.
    spare_seen: f64,
    events: Events<Event>,
    timers: Timers,
    /// Nodes of the disruption that waits for its validation.
    chosen: Vec<u32>,
    launches: Launches,
    /// Whether a node has become ready that pods do not know of yet.
    grown: bool,
    /// Nodes whose pods are to be evicted.
    evicted: Vec<u32>,
    /// Nodes whose pods are to be killed.
    killed: Vec<u32>,
    accounts: Accounts,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    kind: usize,
    state: State,
    /// When its instance was launched.
    launched: f64,
    /// When a pod last came or went, or when it became ready.
    touched: f64,
    /// When its image will be there; infinite before its first pod.
    image: f64,
    /// Pods, terminating ones included.
    pods: u32,
    /// Pods without the terminating ones.
    active: u32,
    /// Since when the Cluster Autoscaler thinks that it is not needed.
    unneeded: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Living(NodePhase),
    Gone,
}

/// Nodes that have an instance.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    starting: u32,
    empty: u32,
    used: u32,
    leaving: u32,
}

impl Nodes {
    pub(super) fn new(spec: &NodePoolSpec, seed: u64, now: f64) -> Self {
        let mut nodes = Self {
            sizes: spec.types.iter().map(|kind| kind.holds(&spec.pod)).collect(),
            all: Vec::new(),
            living: Vec::new(),
            room: Room::new(&spec.types, &spec.pod, spec.placement),
            free: 0,
            coming: 0,
            counts: Counts::default(),
            empty: BTreeSet::new(),
            spare: 0,
            spare_seen: now,
            events: Events::default(),
            timers: Timers::new(now),
            chosen: Vec::new(),
            launches: Launches::new(spec, seed),
            grown: false,
            evicted: Vec::new(),
            killed: Vec::new(),
            accounts: Accounts::new(now),
            spec: spec.clone(),
        };
        nodes.expect_storm(f64::NEG_INFINITY);
        if !nodes.spec.types.is_empty() {
            for _ in 0..nodes.spec.standing {
                let id = nodes.claim(0);
                nodes.launched(id, now);
                nodes.ready(id, now);
            }
        }
        nodes.grown = false;
        nodes
    }

    /// When anything happens next by itself.
    pub(super) fn next_event(&self) -> f64 {
        self.events.next().min(self.timers.next())
    }

    /// Lets happen what is due at `now`, one thing, while `pending` pods wait for room.
    pub(super) fn happen(&mut self, now: f64, pending: u32) {
        if let Some(event) = self.events.due(now) {
            self.event(event, now);
        } else if self.timers.storm <= now {
            let begun = |storm: &Storm| (self.timers.storm..=now).contains(&storm.during.from);
            for storm in self.storms().filter(begun).collect::<Vec<_>>() {
                self.storm(storm);
            }
            self.expect_storm(now);
        } else if self.timers.provision <= now {
            self.timers.provision = f64::INFINITY;
            self.timers.batch_began = f64::INFINITY;
            self.provision(now, pending);
        } else if self.timers.act <= now {
            self.timers.act = f64::INFINITY;
            self.act(now);
        } else if self.timers.look <= now {
            self.timers.look = f64::INFINITY;
            self.look(now);
        }
    }

    /// Whether a node has become ready since this was asked last.
    pub(super) fn has_grown(&mut self) -> bool {
        std::mem::take(&mut self.grown)
    }

    /// A node whose pods are to be told to go now.
    pub(super) fn next_evicted(&mut self) -> Option<NodeId> {
        self.evicted.pop().map(NodeId)
    }

    /// A node whose pods end now.
    pub(super) fn next_killed(&mut self) -> Option<NodeId> {
        self.killed.pop().map(NodeId)
    }

    /// Puts a pod on the node that the scheduler chooses; `None` where no node has room. Also when the workers'
    /// image is there.
    pub(super) fn place(&mut self, now: f64) -> Option<(NodeId, f64)> {
        let id = self.room.first()?;
        let node = &mut self.all[id as usize];
        let (kind, pods) = (node.kind, node.pods);
        if pods == 0 {
            self.counts.empty -= 1;
            self.counts.used += 1;
        }
        if node.active == 0 {
            self.empty.remove(&id);
        }
        if node.image == f64::INFINITY {
            node.image = now + self.launches.image_pull();
        }
        node.pods += 1;
        node.active += 1;
        node.touched = now;
        let image = node.image;
        self.room.remove(id, kind, pods);
        if pods + 1 < self.sizes[kind] {
            self.room.insert(id, kind, pods + 1);
        }
        self.free -= 1;
        self.refill(now);
        Some((NodeId(id), image.max(now)))
    }

    /// One of a node's pods is told to go.
    pub(super) fn told_to_go(&mut self, NodeId(id): NodeId, now: f64) {
        let node = &mut self.all[id as usize];
        node.active -= 1;
        node.touched = now;
        if node.active == 0 && node.state == State::Living(NodePhase::Ready) && id >= self.spec.standing {
            self.empty.insert(id);
        }
        self.plan_look(now);
    }

    /// One of a node's pods that was told to go is gone.
    pub(super) fn left(&mut self, NodeId(id): NodeId, now: f64) {
        let node = &mut self.all[id as usize];
        node.pods -= 1;
        node.touched = now;
        let Node { kind, pods, state, .. } = *node;
        if pods == 0 {
            self.counts.used -= 1;
            self.counts.empty += 1;
        }
        match state {
            State::Living(NodePhase::Ready) => {
                if pods + 1 < self.sizes[kind] {
                    self.room.remove(id, kind, pods + 1);
                }
                self.room.insert(id, kind, pods);
                self.free += 1;
                self.plan_look(now);
            }
            State::Living(NodePhase::Leaving) if pods == 0 => {
                self.events.expect(now + self.spec.termination, Event { node: id, kind: Kind::Ended });
            }
            _ => {}
        }
    }

    /// Pods have found no room.
    pub(super) fn want_nodes(&mut self, now: f64) {
        match self.spec.autoscaler {
            Autoscaler::None => {}
            Autoscaler::Karpenter(_) => self.timers.batch(now),
            Autoscaler::ClusterAutoscaler(options) => {
                self.timers.provision = self.timers.on_grid(now, options.scan_interval);
            }
        }
    }

    /// Keeps room for so many pods besides those that are there.
    pub(super) fn set_spare(&mut self, pods: u32, now: f64) {
        if self.spare == pods {
            return;
        }
        self.spare = pods;
        self.spare_seen = now;
        if self.free + self.coming < pods {
            self.want_nodes(now);
        }
        self.plan_look(now);
    }

    /// Pods took room, or a node with room goes: what is to spare is sought again, but not at once.
    fn refill(&mut self, now: f64) {
        if self.free + self.coming >= self.spare {
            return;
        }
        match self.spec.autoscaler {
            Autoscaler::None => {}
            Autoscaler::Karpenter(_) => self.timers.requeue(self.spare_seen, now),
            Autoscaler::ClusterAutoscaler(_) => self.want_nodes(now),
        }
    }

    /// Pods of a node that are not terminating.
    pub(super) fn active_on(&self, NodeId(id): NodeId) -> u32 {
        self.all[id as usize].active
    }

    /// All nodes that are there or come, in the order in which they were asked for.
    pub(super) fn view(&self) -> impl Iterator<Item = NodeView> {
        self.living.iter().filter_map(|&id| {
            let Node { kind, pods, state, .. } = self.all[id as usize];
            let State::Living(phase) = state else { return None };
            Some(NodeView { id: NodeId(id), phase, kind, pods })
        })
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, seconds: f64) {
        let Counts { starting, empty, used, .. } = self.counts;
        self.accounts.pass(seconds, starting, empty, used);
    }

    /// What was counted so far is forgotten.
    pub(super) fn begin_accounts(&mut self, now: f64) {
        self.accounts = Accounts::new(now);
        self.note_peak();
    }

    /// How it has gone so far; instances that are there are billed as if they ended now.
    pub(super) fn summary(&self, now: f64) -> NodeSummary {
        let mut so_far = self.accounts.so_far;
        for &id in &self.living {
            so_far.add(&self.bill(id, now));
        }
        so_far
    }

    /// What an instance has cost since the accounts began.
    fn bill(&self, id: u32, now: f64) -> Bill {
        let Node { kind, launched, .. } = self.all[id as usize];
        if launched > now {
            return Bill::default();
        }
        let seconds = self.accounts.lifetime(launched, now);
        let billed = self.spec.billing.billed(seconds);
        Bill { seconds, billed, cost: billed / 3600.0 * self.spec.types[kind].price }
    }

    fn storms(&self) -> impl Iterator<Item = Storm> {
        self.spec.spot.iter().flat_map(|spot| spot.storms.iter().copied())
    }

    /// Waits for the first storm after this instant.
    fn expect_storm(&mut self, after: f64) {
        let begins = self.storms().map(|storm| storm.during.from).filter(|&from| from > after);
        self.timers.storm = begins.fold(f64::INFINITY, f64::min);
    }

    fn note_peak(&mut self) {
        let Counts { starting, empty, used, .. } = self.counts;
        let peak = &mut self.accounts.so_far.peak;
        *peak = (*peak).max((starting + empty + used) as usize);
    }

    /// Pods went, or a node came or went: another node may be free to go.
    fn plan_look(&mut self, now: f64) {
        match self.spec.autoscaler {
            Autoscaler::None => {}
            Autoscaler::Karpenter(options) => self.plan_disruption(&options, now),
            Autoscaler::ClusterAutoscaler(options) => self.plan_scale_down(&options, now),
        }
    }

    fn look(&mut self, now: f64) {
        match self.spec.autoscaler {
            Autoscaler::None => {}
            Autoscaler::Karpenter(options) => self.choose_to_disrupt(&options, now),
            Autoscaler::ClusterAutoscaler(options) => self.scale_down(&options, now),
        }
    }

    fn act(&mut self, now: f64) {
        if let Autoscaler::Karpenter(options) = self.spec.autoscaler {
            self.disrupt(&options, now);
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node-{}", self.0)
    }
}
