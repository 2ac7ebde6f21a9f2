//! The demand with unlimited capacity, and static numbers of workers.

use foresail::sim::autoscaler::{Demand, Fixed};

use super::{jobs, steps};

#[test]
fn the_demand_counts_who_would_run() {
    // 0 to 10: one; 10 to 20: three; 20 to 30: two; 30 to 40: nobody; 40 to 50: one.
    let demand = Demand::of(&jobs(&[(0.0, 20.0), (10.0, 20.0), (10.0, 20.0), (40.0, 10.0)]));
    assert_eq!((demand.peak(), demand.least()), (3, 0));
    assert_eq!(demand.span(), Some((0.0, 50.0)));
    assert_eq!(demand.mean().to_string(), "1.4");
    for (from, to, seconds) in
        [(0.0, 50.0, 70), (5.0, 15.0, 20), (25.0, 45.0, 15), (-5.0, 1.0, 1), (60.0, 70.0, 0)]
    {
        assert_eq!(demand.worker_seconds(from, to).to_string(), seconds.to_string(), "{from} to {to}");
    }
    let none = Demand::of(&jobs(&[]));
    assert_eq!((none.peak(), none.least(), none.span()), (0, 0, None));
    assert_eq!(none.worker_seconds(0.0, 10.0).to_string(), "0");
}

#[test]
fn static_workers_are_there_from_the_beginning_and_stay() {
    let log = jobs(&[(0.0, 20.0), (10.0, 20.0), (10.0, 20.0), (40.0, 10.0)]);
    let demand = Demand::of(&log);
    let all = [Fixed::minimum(&demand), Fixed::mean(&demand), Fixed::peak(&demand)];
    assert_eq!(all.map(|fixed| fixed.workers()), [1, 2, 3]);
    for fixed in all {
        let (seen, pool) = steps(&log, 5.0, fixed, 200.0);
        assert_eq!(seen, [(0.0, fixed.workers() as usize)]);
        assert_eq!(pool.completed(), 4);
    }
}
