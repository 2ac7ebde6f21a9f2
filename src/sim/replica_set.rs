//! Which pods a `ReplicaSet` deletes first when its replicas fall.
//!
//! Facts from Kubernetes' `pkg/controller/controller_utils.go` (`ActivePodsWithRanks`) and
//! `pkg/controller/replicaset/replica_set.go`, with `LogarithmicScaleDown`, which is on by default since 1.22. In
//! this order: pods without a node; pods that are pending; pods that are not ready; those with the lower
//! `controller.kubernetes.io/pod-deletion-cost`; those that share their node with more pods of the workload; of
//! ready pods those that became ready later, where ages count as equal that have the same whole binary logarithm
//! (in nanoseconds); of others those that restarted more often, then by the logarithm of the time since they were
//! created; last by uid, which is random. Kubernetes' own comparison looks at restarts and creation of ready pods
//! as well where two became ready within the same second; this makes it no order, and is left out here.

use std::cmp::Reverse;

/// How far a pod has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It has no node yet.
    Unassigned,
    /// It has a node, and its containers do not run yet.
    Pending,
    /// Its containers run or ran, and it is not ready.
    NotReady,
    /// It is ready.
    Ready,
}

/// What the order goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pod {
    /// How far it has come.
    pub phase: Phase,
    /// Its deletion cost; 0 where it has none.
    pub deletion_cost: i32,
    /// Pods of the workload on its node that are not terminating, itself included.
    pub on_node: u32,
    /// Seconds since it became ready; since it was created, where it is not ready.
    pub age: f64,
    /// How often it was started again.
    pub restarts: u32,
    /// Its uid, as a number.
    pub uid: u64,
}

/// Place of a pod in the order: the smallest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    phase: Phase,
    deletion_cost: i32,
    on_node: Reverse<u32>,
    restarts: Reverse<u32>,
    age: Option<u32>,
    uid: u64,
}

impl Pod {
    /// Its place in the order.
    pub fn rank(&self) -> Rank {
        let restarts = if self.phase == Phase::Ready { 0 } else { self.restarts };
        Rank {
            phase: self.phase,
            deletion_cost: self.deletion_cost,
            on_node: Reverse(self.on_node),
            restarts: Reverse(restarts),
            age: log2_nanoseconds(self.age),
            uid: self.uid,
        }
    }
}

/// Moves the `going` pods that are deleted to the front, in the order in which they are.
pub(super) fn choose<T>(pods: &mut [(Rank, T)], going: usize) {
    if (1..pods.len()).contains(&going) {
        pods.select_nth_unstable_by_key(going - 1, |(rank, _)| *rank);
    }
    let going = going.min(pods.len());
    pods[..going].sort_unstable_by_key(|(rank, _)| *rank);
}

/// The whole binary logarithm of an age in nanoseconds; `None` of no age at all.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
const fn log2_nanoseconds(seconds: f64) -> Option<u32> {
    ((seconds * 1e9) as u64).checked_ilog2()
}
