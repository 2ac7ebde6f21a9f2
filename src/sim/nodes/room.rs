//! Which node has room, in the order in which the scheduler prefers them.

use std::collections::BTreeSet;

use super::spec::{NodeType, Placement, Resources};

/// Nodes that have room and take pods. Choosing one takes the logarithm of their number.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// By type, then by the number of pods: how little such a node is preferred.
    scores: Vec<Vec<u32>>,
    nodes: BTreeSet<(u32, u32)>,
}

impl Room {
    pub(super) fn new(types: &[NodeType], pod: &Resources, placement: Placement) -> Self {
        let scores =
            |node: &NodeType| (0..=node.holds(pod)).map(|pods| score(node, pod, pods, placement)).collect();
        Self { scores: types.iter().map(scores).collect(), nodes: BTreeSet::new() }
    }

    /// The node that a pod goes to.
    pub(super) fn first(&self) -> Option<u32> {
        self.nodes.first().map(|&(_, node)| node)
    }

    /// Takes in a node that has room.
    pub(super) fn insert(&mut self, node: u32, kind: usize, pods: u32) {
        let score = self.score(kind, pods);
        self.nodes.insert((score, node));
    }

    /// Takes out a node, which had so many pods.
    pub(super) fn remove(&mut self, node: u32, kind: usize, pods: u32) {
        let score = self.score(kind, pods);
        self.nodes.remove(&(score, node));
    }

    fn score(&self, kind: usize, pods: u32) -> u32 {
        self.scores[kind][pods as usize]
    }
}

/// How little the scheduler prefers a node of so many pods for one more. Its own scores go from 0 to 100, in whole
/// numbers, and are means over cores and memory (`pkg/scheduler/framework/plugins/noderesources` of Kubernetes).
fn score(node: &NodeType, pod: &Resources, pods: u32, placement: Placement) -> u32 {
    let allocated = |request: u64, of: u64| {
        let wanted = (request * u64::from(pods + 1)).min(of);
        (wanted * 100).checked_div(of).unwrap_or(100)
    };
    let free = |request: u64, of: u64| {
        let wanted = (request * u64::from(pods + 1)).min(of);
        ((of - wanted) * 100).checked_div(of).unwrap_or(0)
    };
    let Resources { cpu, memory, .. } = node.allocatable;
    let preferred = match placement {
        Placement::LeastAllocated => u64::midpoint(free(pod.cpu, cpu), free(pod.memory, memory)),
        Placement::MostAllocated => u64::midpoint(allocated(pod.cpu, cpu), allocated(pod.memory, memory)),
        Placement::PodAffinity => u64::from(pods),
    };
    u32::MAX - u32::try_from(preferred).unwrap_or(u32::MAX)
}
