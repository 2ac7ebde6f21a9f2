//! A fall whose victims are named: how many workers may go, and the deletion costs that name them.

use super::{Activity, Pod, deletion_cost, order, worth_sending};

/// What a `ReplicaSet` sees of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The deletion cost that stands on it, if any.
    pub cost: Option<i32>,
    /// Whether it is Ready: one that is not goes before all that are, whatever its cost, and first of all one that
    /// has no node.
    pub ready: bool,
}

/// What becomes of a fall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fall {
    /// Workers that go, at most as many as were to.
    pub going: usize,
    /// Whether the costs that stand there already make these go that should.
    pub named: bool,
    /// Costs to be written, and such as are to be taken back (`None`), by place in `pods`.
    pub costs: Vec<(usize, Option<i32>)>,
}

/// Why nobody can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nameless {
    /// It is unknown of some worker whether it is busy.
    BusyUnknown,
    /// A busy worker is not Ready, so it would go first.
    BusyNotReady,
}

/// Who goes where up to `going` workers are to go, of `pods` of which a `ReplicaSet` sees what stands in `seen`.
///
/// Where `worth` is set, only those go whose going gives a node back ([`worth_sending`]).
/// Costs that are there and do as well as the best ones stay, so that little is written. One that is busy by now
/// loses its cost in any case.
///
/// # Errors
/// Where nobody can be named without a busy worker being in danger.
pub fn fall<N: Copy + Ord>(
    pods: &[Pod<N>],
    seen: &[Seen],
    going: usize,
    worth: bool,
) -> Result<Fall, Nameless> {
    if pods.iter().any(|pod| pod.activity.is_none()) {
        return Err(Nameless::BusyUnknown);
    }
    let busy = |pod: usize| pods[pod].activity == Some(Activity::Busy);
    if (0..pods.len()).any(|pod| busy(pod) && !seen[pod].ready) {
        return Err(Nameless::BusyNotReady);
    }
    let mut best = order(pods, going);
    if worth {
        best.truncate(worth_sending(pods, &best));
    }
    let going = best.len();
    let ranks: Vec<Rank> = pods.iter().zip(seen).map(|(pod, seen)| rank(pod, *seen)).collect();
    let taken = taken(&ranks, going);
    let in_danger = taken.last().map(|&last| ranks[last]);
    let safe = (0..pods.len()).all(|pod| !busy(pod) || Some(ranks[pod]) > in_danger);
    let named = safe && given_back(pods, &taken) >= given_back(pods, &best);
    let mut costs: Vec<_> =
        (0..pods.len()).map(|pod| seen[pod].cost.filter(|_| named && going > 0 && !busy(pod))).collect();
    if !named {
        for (place, &pod) in best.iter().enumerate() {
            costs[pod] = Some(deletion_cost(place, going));
        }
    }
    let changed = costs.into_iter().enumerate().filter(|&(pod, cost)| cost != seen[pod].cost);
    Ok(Fall { going, named, costs: changed.collect() })
}

/// The place of a worker among those that go: whether it is Ready, whether it has a node, its cost.
type Rank = (bool, bool, i32);

fn rank<N>(pod: &Pod<N>, Seen { cost, ready }: Seen) -> Rank {
    (ready, ready || pod.node.is_some(), cost.unwrap_or(0))
}

/// Those that a `ReplicaSet` takes, as far as ranks decide it.
fn taken(ranks: &[Rank], going: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..ranks.len()).collect();
    all.sort_by_key(|&pod| ranks[pod]);
    all.truncate(going);
    all
}

/// Nodes that are empty once these are gone, and nodes that need not come for them.
fn given_back<N: Copy + Ord>(pods: &[Pod<N>], gone: &[usize]) -> usize {
    let mut stays = vec![true; pods.len()];
    for &pod in gone {
        stays[pod] = false;
    }
    let mut nodes: Vec<(N, bool)> =
        pods.iter().zip(&stays).filter_map(|(pod, stays)| Some((pod.node?, *stays))).collect();
    nodes.sort_unstable();
    let emptied =
        nodes.chunk_by(|a, b| a.0 == b.0).filter(|here| here.iter().all(|(_, stays)| !stays)).count();
    let homeless = gone.iter().filter(|&&pod| pods[pod].node.is_none()).count();
    emptied + homeless
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Activity::{Busy, Idle, Starting};
    use super::*;

    const PLAIN: Seen = Seen { cost: None, ready: true };

    fn pods(of: &[(u32, Activity)]) -> Vec<Pod<u32>> {
        let pod = |&(node, activity)| Pod { node: Some(node), activity: Some(activity), since: 0.0 };
        of.iter().map(pod).collect()
    }

    fn write(seen: &mut [Seen], fall: &Fall) {
        for &(pod, cost) in &fall.costs {
            seen[pod].cost = cost;
        }
    }

    #[test]
    fn idle_workers_are_named_and_then_nothing_more_is_written() {
        let pods = pods(&[(1, Busy), (1, Idle), (2, Idle), (2, Idle)]);
        let mut seen = [PLAIN; 4];
        let first = fall(&pods, &seen, 3, true).unwrap();
        assert_eq!((first.going, first.named), (2, false), "the one beside the busy one saves no node");
        assert_eq!(first.costs, [(2, Some(-2)), (3, Some(-1))]);
        write(&mut seen, &first);
        assert_eq!(fall(&pods, &seen, 3, true).unwrap(), Fall { going: 2, named: true, costs: vec![] });
    }

    #[test]
    fn one_that_turns_busy_loses_its_cost() {
        let mut pods = pods(&[(1, Idle), (2, Idle), (3, Busy)]);
        let mut seen = [PLAIN; 3];
        let first = fall(&pods, &seen, 2, true).unwrap();
        write(&mut seen, &first);
        pods[0].activity = Some(Busy);
        let next = fall(&pods, &seen, 2, true).unwrap();
        assert_eq!((next.going, next.named), (1, false), "not while the busy one would go first");
        assert!(next.costs.contains(&(0, None)), "{next:?}");
    }

    #[test]
    fn costs_are_taken_back_where_none_goes() {
        let pods = pods(&[(1, Idle), (1, Busy)]);
        let seen = [Seen { cost: Some(-1), ready: true }, PLAIN];
        assert_eq!(
            fall(&pods, &seen, 1, true).unwrap(),
            Fall { going: 0, named: true, costs: vec![(0, None)] }
        );
    }

    #[test]
    fn nobody_is_named_while_a_busy_worker_would_go_first() {
        let pods = pods(&[(1, Idle), (2, Busy)]);
        let seen = [PLAIN, Seen { ready: false, ..PLAIN }];
        assert_eq!(fall(&pods, &seen, 1, true), Err(Nameless::BusyNotReady));
        let unknown = [Pod { activity: None, ..pods[0] }];
        assert_eq!(fall(&unknown, &[PLAIN], 1, true), Err(Nameless::BusyUnknown));
    }

    proptest! {
        /// Whatever stands there, after one round of writing the right ones go, and no busy one does.
        #[test]
        fn one_round_of_writing_names_those_that_go(
            of in prop::collection::vec((prop::option::of(0_u8..4), 0_u8..3, prop::option::of(-5_i32..0)), 1..10),
            (going, worth) in (0_usize..10, any::<bool>()),
        ) {
            let activity = |which: u8| Some([Starting, Idle, Busy][usize::from(which)]);
            let pods: Vec<_> =
                of.iter().map(|&(node, which, _)| Pod { node, activity: activity(which), since: 0.0 }).collect();
            let mut seen: Vec<_> = of.iter().map(|&(_, which, cost)| Seen { cost, ready: which > 0 }).collect();
            let first = fall(&pods, &seen, going, worth).unwrap();
            prop_assert!(first.going <= going);
            write(&mut seen, &first);
            let next = fall(&pods, &seen, going, worth).unwrap();
            prop_assert!(next.named && next.costs.is_empty() && next.going == first.going, "{:?}", next);
            let busy = |pod: &usize| pods[*pod].activity == Some(Busy);
            let ranks: Vec<_> = pods.iter().zip(&seen).map(|(pod, seen)| rank(pod, *seen)).collect();
            prop_assert!(!taken(&ranks, next.going).iter().any(busy));
            prop_assert!((0..pods.len()).filter(busy).all(|pod| seen[pod].cost.is_none()));
        }
    }
}
