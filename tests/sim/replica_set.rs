//! Who goes first when replicas fall.

use foresail::sim::replica_set::{Phase, Pod};

const PLAIN: Pod =
    Pod { phase: Phase::Ready, deletion_cost: 0, on_node: 2, age: 300.0, restarts: 0, uid: 50 };

/// In each line the first goes before the second, because of what the second has in its place of the order; the
/// first is what would come later for everything below.
#[test]
fn what_stands_higher_in_the_order_outweighs_all_below() {
    let last = Pod { phase: Phase::Ready, deletion_cost: 100, on_node: 1, age: 1e6, restarts: 0, uid: 99 };
    let first = Pod { phase: Phase::Ready, deletion_cost: -100, on_node: 9, age: 1.0, restarts: 9, uid: 1 };
    let table = [
        ("without a node", Pod { phase: Phase::Unassigned, ..last }, Pod { phase: Phase::Pending, ..first }),
        ("pending", Pod { phase: Phase::Pending, ..last }, Pod { phase: Phase::NotReady, ..first }),
        ("not ready", Pod { phase: Phase::NotReady, ..last }, Pod { phase: Phase::Ready, ..first }),
        ("lower cost", Pod { deletion_cost: -101, ..last }, first),
        ("shared node", Pod { on_node: 10, deletion_cost: -100, ..last }, first),
        ("younger", Pod { age: 1.0, uid: 2, ..PLAIN }, Pod { age: 3.0, uid: 1, ..PLAIN }),
        ("uid", Pod { uid: 49, ..PLAIN }, PLAIN),
    ];
    for (what, goes, stays) in table {
        assert!(goes.rank() < stays.rank(), "{what}");
    }
}

#[test]
fn ages_of_the_same_power_of_two_nanoseconds_are_equal() {
    // 2^38 ns are 274.9 s, 2^39 ns 549.8 s.
    let at = |age, uid| Pod { age, uid, ..PLAIN }.rank();
    assert!(at(500.0, 1) < at(280.0, 2), "the uid decides");
    assert!(at(270.0, 2) < at(280.0, 1), "the younger goes");
    assert!(at(0.0, 2) < at(1e-9, 1), "one that became ready this instant is the youngest");
}

#[test]
fn restarts_count_only_while_a_pod_is_not_ready() {
    let at = |phase, restarts, uid| Pod { phase, restarts, uid, ..PLAIN }.rank();
    assert!(at(Phase::NotReady, 3, 2) < at(Phase::NotReady, 1, 1));
    assert!(at(Phase::Ready, 1, 1) < at(Phase::Ready, 3, 2));
}
