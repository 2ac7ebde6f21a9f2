//! Room to spare on nodes, as Karpenter keeps it for a capacity buffer.

use foresail::sim::field::Span;
use foresail::sim::nodes::{NodePhase, NodePoolSpec, Spot, Storm};
use foresail::sim::workers::WorkerPool;

use super::nodes::{changes, idle_pool, pool_spec};

/// Room for so many, and the node for it ready since 21 s.
fn buffered(pods: u32) -> WorkerPool {
    let mut pool = idle_pool(pool_spec());
    pool.set_spare(pods);
    pool.advance(50.0);
    assert!(pool.nodes().all(|node| node.phase == NodePhase::Ready && node.pods == 0));
    pool
}

#[test]
fn pods_find_room_that_was_to_spare_and_wait_for_no_node() {
    let mut pool = buffered(7);
    assert_eq!(pool.nodes().count(), 2);
    pool.scale_to(7);
    pool.advance(53.0);
    assert_eq!((pool.ready(), pool.pending()), (7, 0));
}

#[test]
fn a_buffer_left_up_is_filled_again_at_the_next_look_at_it() {
    let mut pool = buffered(4);
    pool.scale_to(4);
    // Set at 0, a node asked for at 1, looked at again at 2 and every 30 s, and a batch takes a second.
    let changed = changes(&mut pool, 200.0);
    assert_eq!(changed, ["63 node-1 Claimed", "64 node-1 Launched", "83 node-1 Ready"]);
}

#[test]
fn pods_that_find_no_room_bring_the_node_for_the_buffer_with_theirs() {
    let mut pool = buffered(4);
    pool.scale_to(5);
    let changed = changes(&mut pool, 60.0);
    let claimed = changed.iter().filter(|line| line.ends_with("Claimed")).collect::<Vec<_>>();
    assert_eq!(claimed, ["51 node-1 Claimed", "51 node-2 Claimed"]);
}

#[test]
fn a_buffer_lowered_in_the_tick_in_which_pods_are_asked_for_brings_no_second_node() {
    let mut pool = buffered(4);
    pool.set_spare(0);
    pool.scale_to(4);
    assert_eq!(changes(&mut pool, 400.0), Vec::<String>::new());
    assert_eq!(pool.ready(), 4);
}

#[test]
fn a_buffer_lowered_while_the_pods_are_on_their_way_keeps_the_node_for_them() {
    let mut pool = buffered(4);
    pool.set_spare(0);
    pool.advance(65.0);
    pool.scale_to(4);
    assert_eq!(changes(&mut pool, 400.0), Vec::<String>::new(), "an HPA sync is sooner than the validation");
}

#[test]
fn a_buffer_of_none_gives_the_nodes_back() {
    let mut pool = buffered(4);
    pool.advance(1000.0);
    pool.set_spare(0);
    // Empty for long: chosen at Karpenter's next look, told to go 15 s later, and 5 s for the instance.
    let changed = changes(&mut pool, 2000.0);
    assert_eq!(changed, ["1015 node-0 Leaving", "1020 node-0 gone"]);
}

#[test]
fn of_a_lowered_buffer_as_much_room_is_kept_as_it_still_wants() {
    let mut pool = buffered(7);
    pool.set_spare(1);
    pool.advance(1000.0);
    assert_eq!(pool.nodes().count(), 1);
    pool.set_spare(4);
    assert_eq!(changes(&mut pool, 2000.0), Vec::<String>::new());
}

#[test]
fn room_that_goes_with_a_spot_instance_is_brought_again() {
    let storms = vec![Storm { during: Span { from: 100.0, to: 101.0 }, share: 1.0 }];
    let spot = Some(Spot { reclaims_per_hour: 0.0, storms, notice: 120.0 });
    let mut pool = idle_pool(NodePoolSpec { spot, ..pool_spec() });
    pool.set_spare(4);
    let changed = changes(&mut pool, 200.0);
    assert!(changed.contains(&"123 node-1 Claimed".to_owned()), "at the look after it: {changed:?}");
}
