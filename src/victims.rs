//! Who goes first when a target falls: idle workers, and of those such that whole nodes become empty soonest.
//!
//! A `ReplicaSet` does not know who is busy. Of pods on equal terms it removes those first that share a node, and so
//! leaves every node half empty; but before that it goes by `controller.kubernetes.io/pod-deletion-cost`. The order
//! that is made here becomes such costs ([`fall`]).

mod fall;

pub use fall::{Fall, Nameless, Seen, fall};

/// A worker that is to stay so far. `N` names nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pod<N> {
    /// Its node; `None` before it has one.
    pub node: Option<N>,
    /// What it does; `None` where nobody can tell.
    pub activity: Option<Activity>,
    /// When it became ready, or was created where it is not ready; Unix seconds. Of equal ones the youngest goes
    /// first, since its caches are cold.
    pub since: f64,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It is not ready yet. A `ReplicaSet` takes such pods first, whatever their cost.
    Starting,
    /// It has no job.
    Idle,
    /// It has a job.
    Busy,
}

/// The workers, by their place in `pods`, that should go where so many go, the first one first.
///
/// Never one that is busy, so there may be fewer than `going`: a `ReplicaSet` would take busy ones for the rest, and
/// the target is to fall no further than this. Where it is unknown of any worker whether it is busy, none is ranked.
///
/// Starting workers come first, then idle ones, both node by node: nodes with the fewest busy workers, of those with
/// the fewest others. This empties as many nodes at once as can be; what is left over takes most away of the node
/// that will be empty next.
pub fn order<N: Copy + Ord>(pods: &[Pod<N>], going: usize) -> Vec<usize> {
    if pods.iter().any(|pod| pod.activity.is_none()) {
        return Vec::new();
    }
    let mut order = turn(pods, Activity::Starting);
    if order.len() < going {
        order.append(&mut turn(pods, Activity::Idle));
    }
    order.truncate(going);
    order
}

/// Of workers that would go in this order, how many should: up to the last one that leaves its node empty, or that
/// waits for a node. Whoever goes beyond them saves nothing where nodes are paid for and these workers have them to
/// themselves, and is at hand as long as it stays.
pub fn worth_sending<N: Copy + Ord>(pods: &[Pod<N>], order: &[usize]) -> usize {
    // Node by node, the places in `order` of those that go from there, and `NO_PLACE` for each pod.
    let mut by_node: Vec<(N, usize)> = Vec::with_capacity(pods.len() + order.len());
    by_node.extend(pods.iter().filter_map(|pod| Some((pod.node?, NO_PLACE))));
    let homeless = order.iter().rposition(|&pod| pods[pod].node.is_none());
    by_node.extend(order.iter().enumerate().filter_map(|(place, &pod)| Some((pods[pod].node?, place))));
    by_node.sort_unstable();
    let last_of_emptied = |here: &[(N, usize)]| {
        let going = here.iter().take_while(|&&(_, place)| place != NO_PLACE).count();
        (2 * going == here.len()).then(|| here[going - 1].1)
    };
    let emptied = by_node.chunk_by(|a, b| a.0 == b.0).filter_map(last_of_emptied).max();
    emptied.max(homeless).map_or(0, |place| place + 1)
}

/// After all places in an order.
const NO_PLACE: usize = usize::MAX;

/// The deletion cost of the worker at this place of an order of so many: all below 0, which is what pods have that
/// are not ranked.
pub fn deletion_cost(place: usize, of: usize) -> i32 {
    -i32::try_from(of.saturating_sub(place)).unwrap_or(i32::MAX)
}

/// When one that goes has its turn: ones with or without a node first, then the fewest that stay on its node, the
/// fewest that go from there, and the node itself.
type Turn<N> = (bool, Option<(u32, usize, N)>);

/// The workers with this activity in the order in which they go, when all that start are gone before the idle ones:
/// node by node. Starting ones without a node come before, as with a `ReplicaSet`; idle ones whose node is not known
/// come last.
fn turn<N: Copy + Ord>(pods: &[Pod<N>], going: Activity) -> Vec<usize> {
    let goes = |pod: usize| pods[pod].activity == Some(going);
    if !(0..pods.len()).any(goes) {
        return Vec::new();
    }
    let mut by_node: Vec<(Option<N>, usize)> = pods.iter().map(|pod| pod.node).zip(0..).collect();
    by_node.sort_unstable();
    let mut turns: Vec<(Turn<N>, usize)> = Vec::new();
    for here in by_node.chunk_by(|a, b| a.0 == b.0) {
        let leaving = here.iter().filter(|(_, pod)| goes(*pod)).count();
        if leaving == 0 {
            continue;
        }
        let stays = |pod: usize| !goes(pod) && pods[pod].activity != Some(Activity::Starting);
        let staying = here.iter().map(|(_, pod)| u32::from(stays(*pod))).sum();
        let node = here[0].0;
        let last = node.is_none() == (going == Activity::Idle);
        let turn = (last, node.map(|node| (staying, leaving, node)));
        turns.extend(here.iter().filter(|(_, pod)| goes(*pod)).map(|&(_, pod)| (turn, pod)));
    }
    let younger = |a: usize, b: usize| pods[b].since.total_cmp(&pods[a].since);
    turns.sort_unstable_by(|(a, x), (b, y)| a.cmp(b).then_with(|| younger(*x, *y)).then(x.cmp(y)));
    turns.into_iter().map(|(_, pod)| pod).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Activity::{Busy, Idle, Starting};
    use super::*;

    fn pods(of: &[(u32, Activity)]) -> Vec<Pod<u32>> {
        let since = (0..).map(f64::from);
        let pod = |(&(node, activity), since)| Pod { node: Some(node), activity: Some(activity), since };
        of.iter().zip(since).map(pod).collect()
    }

    #[test]
    fn idle_workers_of_the_node_with_the_fewest_go_first() {
        let spread = pods(&[(1, Idle), (1, Idle), (1, Idle), (2, Idle), (2, Idle), (3, Busy), (3, Idle)]);
        assert_eq!(order(&spread, 5), [4, 3, 2, 1, 0]);
        assert_eq!(order(&spread, 7), [4, 3, 2, 1, 0, 6], "the busy one is not named");
    }

    #[test]
    fn starting_workers_go_before_idle_ones() {
        let mut some = pods(&[(1, Idle), (2, Starting), (2, Busy), (3, Starting)]);
        some.push(Pod { node: None, activity: Some(Starting), since: 9.0 });
        assert_eq!(order(&some, 4), [4, 3, 1, 0]);
    }

    #[test]
    fn only_those_go_that_give_a_node_back() {
        let some = pods(&[(1, Idle), (1, Idle), (1, Idle), (2, Idle), (2, Idle), (3, Busy), (3, Idle)]);
        let worth = [1, 2, 3, 4, 5, 6].map(|going| worth_sending(&some, &order(&some, going)));
        assert_eq!(worth, [0, 2, 2, 2, 5, 5]);
        let mut waiting = pods(&[(1, Busy), (1, Idle)]);
        waiting.push(Pod { node: None, activity: Some(Starting), since: 9.0 });
        assert_eq!(worth_sending(&waiting, &order(&waiting, 2)), 1, "a node less has to come");
    }

    #[test]
    fn nothing_is_ranked_where_it_is_unknown_who_is_busy() {
        let mut some = pods(&[(1, Idle), (2, Idle)]);
        some[1].activity = None;
        assert!(order(&some, 1).is_empty());
    }

    #[test]
    fn costs_rise_with_the_place_and_stay_below_those_of_pods_without() {
        assert_eq!([0, 1, 2].map(|place| deletion_cost(place, 3)), [-3, -2, -1]);
    }

    /// Nodes of which no pod is left.
    fn emptied(pods: &[Pod<u8>], gone: &[usize]) -> usize {
        let nodes = |keep: &dyn Fn(&usize) -> bool| -> BTreeSet<u8> {
            (0..pods.len()).filter(keep).filter_map(|pod| pods[pod].node).collect()
        };
        nodes(&|_| true).len() - nodes(&|pod| !gone.contains(pod)).len()
    }

    proptest! {
        #[test]
        fn no_other_choice_of_idle_workers_empties_more_nodes(
            of in prop::collection::vec((prop::option::of(0_u8..4), 0_u8..3, 0.0..100.0), 0..9),
            going in 0_usize..10,
        ) {
            let activity = |which: u8| Some([Starting, Idle, Busy][usize::from(which)]);
            let pods: Vec<Pod<u8>> =
                of.iter().map(|&(node, which, since)| Pod { node, activity: activity(which), since }).collect();
            let chosen = order(&pods, going);
            let is = |pod: &usize, activity| pods[*pod].activity == Some(activity);
            prop_assert!(chosen.iter().all(|pod| !is(pod, Busy)), "a busy one is named");
            let free = (0..pods.len()).filter(|pod| !is(pod, Busy)).count();
            prop_assert_eq!(chosen.len(), going.min(free));
            prop_assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), chosen.len());
            let starting = (0..pods.len()).filter(|pod| is(pod, Starting)).count();
            prop_assert!(chosen.iter().take(starting).all(|pod| is(pod, Starting)));

            let subsets = (0..1_usize << pods.len()).map(|bits| -> Vec<usize> {
                (0..pods.len()).filter(|pod| bits >> pod & 1 == 1).collect()
            });
            let unassigned = |pod: &usize| is(pod, Starting) && pods[*pod].node.is_none();
            let without_node = (0..pods.len()).filter(unassigned).count();
            let allowed = subsets.filter(|set| {
                set.len() == chosen.len()
                    && set.iter().all(|pod| !is(pod, Busy))
                    && set.iter().filter(|pod| is(pod, Starting)).count() == starting.min(set.len())
                    && set.iter().filter(|pod| unassigned(pod)).count() == without_node.min(set.len())
            });
            let best = allowed.map(|set| emptied(&pods, &set)).max().unwrap_or(0);
            prop_assert_eq!(emptied(&pods, &chosen), best);
            let worth = worth_sending(&pods, &chosen);
            prop_assert_eq!(emptied(&pods, &chosen[..worth]), best, "no node is kept for nothing");
        }
    }
}
