//! What a pool of nodes is like.

use super::super::{billing::Billing, field::Span, start_delay::StartDelay};

/// What the nodes of a pool are like, and who brings and takes them.
///
/// A pod that fits none of the types waits for ever, as it does in Kubernetes.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePoolSpec {
    /// What one worker requests.
    pub pod: Resources,
    /// The types of nodes that the pool may have.
    pub types: Vec<NodeType>,
    /// Nodes of the first type that are there from the beginning and stay.
    pub standing: u32,
    /// Nodes that may be there at a time besides the standing ones.
    pub limit: Option<u32>,
    /// On which node a pod goes.
    pub placement: Placement,
    /// Who brings nodes and takes them away.
    pub autoscaler: Autoscaler,
    /// From asking for an instance to the instance.
    pub launch: StartDelay,
    /// From the instance to a node that takes pods, the registration of GPUs included.
    pub register: StartDelay,
    /// From a new node that takes pods to the next try of a pod that waited for it, when its place may be taken: the
    /// scheduler tried it in vain while the node was still tainted, and backs off. Measured: 2 s; 8 s of pods that
    /// had been tried before (`tests/cluster/timelines`).
    pub retry: StartDelay,
    /// From a node's first pod to the image of the workers being there.
    pub image_pull: StartDelay,
    /// Seconds from the last pod of a node that is to go to the end of its instance.
    pub termination: f64,
    /// How often a launch fails for want of capacity.
    pub shortage: Shortage,
    /// Whether the instances are spot instances, and how often those are taken back.
    pub spot: Option<Spot>,
    /// Whether the workers ask not to be disrupted (`karpenter.sh/do-not-disrupt`, `safe-to-evict: false`): nodes
    /// with a worker then stay.
    pub do_not_disrupt: bool,
    /// How an instance's time is billed.
    pub billing: Billing,
}

/// Amounts of what a pod requests and a node has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// GPUs.
    pub gpus: u64,
}

/// A type of node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeType {
    /// What is there for workers: its capacity without what the system and `DaemonSets` take.
    pub allocatable: Resources,
    /// Pods that it may have.
    pub pods: u32,
    /// What an hour costs, in any currency.
    pub price: f64,
}

/// How the scheduler chooses among nodes that have room; of equal ones the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// The one with the largest part free, as the scheduler does by default. It spreads the pods.
    #[default]
    LeastAllocated,
    /// The one with the smallest part free: a scheduler profile for packing.
    MostAllocated,
    /// The one with the most workers, by a preferred affinity of the pods to each other.
    PodAffinity,
}

/// Who brings nodes and takes them away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Autoscaler {
    /// Nobody: there are the standing nodes.
    None,
    /// Karpenter.
    Karpenter(Karpenter),
    /// The Cluster Autoscaler, whose node groups are the types.
    ClusterAutoscaler(ClusterAutoscaler),
}

/// A Karpenter `NodePool`'s `disruption`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Karpenter {
    /// Which nodes it may take away.
    pub consolidation: Consolidation,
    /// Seconds without a pod that comes or goes, after which it may.
    pub consolidate_after: f64,
    /// Part of the nodes that may be on their way out at a time, above 0 and at most 1; rounded up to whole nodes.
    pub budget: f64,
}

/// `consolidationPolicy` of a Karpenter `NodePool`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consolidation {
    /// Nodes without workers.
    WhenEmpty,
    /// Also nodes whose workers have room on others. Replacing nodes by cheaper ones is not modelled.
    #[default]
    WhenEmptyOrUnderutilized,
}

/// Options of the Cluster Autoscaler, all but one in seconds. The default is its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClusterAutoscaler {
    /// `--scan-interval`.
    pub scan_interval: f64,
    /// `--scale-down-unneeded-time`.
    pub unneeded_time: f64,
    /// `--scale-down-delay-after-add`.
    pub delay_after_add: f64,
    /// `--scale-down-utilization-threshold`: the part of a node's cores or memory, whichever is more, below which
    /// it may go if its pods have room elsewhere.
    pub utilization_threshold: f64,
}

/// Instances that cannot be had. The default is that all can.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shortage {
    /// Part of the launches that fail.
    pub chance: f64,
    /// When all of them fail, Unix seconds.
    pub closed: Vec<Span>,
    /// Seconds for which that type is not tried again. Karpenter on AWS: 180.
    pub retry_after: f64,
}

/// Spot instances.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// How often an instance is taken back, per hour of each.
    pub reclaims_per_hour: f64,
    /// When many are taken back at once.
    pub storms: Vec<Storm>,
    /// Seconds from the notice to the end of the instance. AWS: 120.
    pub notice: f64,
}

/// Many spot instances that are taken back at once. The nodes that stand for ever stay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Storm {
    /// From when to when notices are given, Unix seconds.
    pub during: Span,
    /// Part of the instances that are there when it begins, 0 to 1.
    pub share: f64,
}

impl Default for NodePoolSpec {
    /// Workers of one core on nodes of four, which Karpenter brings within 45 to 65 s.
    fn default() -> Self {
        let gib = 1 << 30;
        Self {
            pod: Resources { cpu: 1000, memory: gib, gpus: 0 },
            types: vec![NodeType {
                allocatable: Resources { cpu: 4000, memory: 16 * gib, gpus: 0 },
                pods: 110,
                price: 1.0,
            }],
            standing: 0,
            limit: None,
            placement: Placement::default(),
            autoscaler: Autoscaler::Karpenter(Karpenter::default()),
            launch: StartDelay::Fixed(2.0),
            register: StartDelay::Mixture(vec![(1.0, super::Span { from: 43.0, to: 63.0 })]),
            retry: StartDelay::Fixed(2.0),
            image_pull: StartDelay::default(),
            termination: 5.0,
            shortage: Shortage::default(),
            spot: None,
            do_not_disrupt: true,
            billing: Billing { minimum: 60.0, step: 1.0 },
        }
    }
}

impl Default for Karpenter {
    /// Karpenter's own defaults.
    fn default() -> Self {
        Self { consolidation: Consolidation::default(), consolidate_after: 0.0, budget: 0.1 }
    }
}

impl Default for ClusterAutoscaler {
    fn default() -> Self {
        Self { scan_interval: 10.0, unneeded_time: 600.0, delay_after_add: 600.0, utilization_threshold: 0.5 }
    }
}

impl NodePoolSpec {
    /// Seconds for which an empty node stays at least.
    pub const fn stays_empty_for(&self) -> f64 {
        match self.autoscaler {
            Autoscaler::None => f64::INFINITY,
            Autoscaler::Karpenter(options) => options.consolidate_after,
            Autoscaler::ClusterAutoscaler(options) => options.unneeded_time,
        }
    }
}

impl NodeType {
    /// How many of these pods it has room for.
    pub fn holds(&self, pod: &Resources) -> u32 {
        let Resources { cpu, memory, gpus } = self.allocatable;
        let parts = [cpu.checked_div(pod.cpu), memory.checked_div(pod.memory), gpus.checked_div(pod.gpus)];
        let fits = parts.into_iter().flatten().min().unwrap_or(u64::MAX);
        u32::try_from(fits).unwrap_or(u32::MAX).min(self.pods)
    }

    /// The part of its cores or memory, whichever is more, that so many pods request.
    pub(super) fn utilization(&self, pod: &Resources, pods: u32) -> f64 {
        let part = |request: u64, of: u64| (request * u64::from(pods)) as f64 / (of.max(1) as f64);
        part(pod.cpu, self.allocatable.cpu).max(part(pod.memory, self.allocatable.memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcest_resource_says_how_many_pods_fit() {
        let node = |cpu, memory, gpus, pods| NodeType {
            allocatable: Resources { cpu, memory, gpus },
            pods,
            price: 1.0,
        };
        let pod = Resources { cpu: 900, memory: 100, gpus: 0 };
        assert_eq!(node(4000, 1000, 0, 110).holds(&pod), 4);
        assert_eq!(node(4000, 250, 0, 110).holds(&pod), 2);
        assert_eq!(node(4000, 1000, 0, 3).holds(&pod), 3);
        assert_eq!(node(4000, 1000, 0, 110).holds(&Resources { gpus: 1, ..pod }), 0);
        assert_eq!(node(4000, 1000, 2, 110).holds(&Resources { gpus: 1, ..pod }), 2);
        assert_eq!(node(0, 0, 0, 110).holds(&Resources::default()), 110);
    }
}
