//! Nodes: when they come, where pods go, and when they go again.

use foresail::sim::job_log::{Job, JobLog};
use foresail::sim::nodes::{
    Autoscaler, ClusterAutoscaler, Consolidation, Karpenter, NodePoolSpec, NodeType, Placement, Resources,
    Shortage, Spot,
};
use foresail::sim::workers::{Billing, PoolSpec, StartDelay, WorkerPool};

/// A node for so many workers.
fn node_for(workers: u64, price: f64) -> NodeType {
    let allocatable = Resources { cpu: 1000 * workers, memory: 1 << 40, gpus: 0 };
    NodeType { allocatable, pods: 110, price }
}

/// Nodes of four workers that Karpenter brings 20 s after asking for them, and takes when they are empty for 30 s.
pub(super) fn pool_spec() -> NodePoolSpec {
    NodePoolSpec {
        types: vec![node_for(4, 1.0)],
        autoscaler: Autoscaler::Karpenter(Karpenter {
            consolidation: Consolidation::WhenEmpty,
            consolidate_after: 30.0,
            budget: 0.1,
        }),
        launch: StartDelay::Fixed(1.0),
        register: StartDelay::Fixed(19.0),
        retry: StartDelay::Fixed(0.0),
        termination: 5.0,
        ..NodePoolSpec::default()
    }
}

/// Workers that start within 3 s of their node, and no jobs.
pub(super) fn idle_pool(nodes: NodePoolSpec) -> WorkerPool {
    pool_with(&[], nodes)
}

pub(super) fn pool_with(jobs: &[(f64, f64)], nodes: NodePoolSpec) -> WorkerPool {
    let job = |&(submit, run): &(f64, f64)| Job::new(submit, run);
    let log = JobLog::new(jobs.iter().map(job).collect());
    let spec = PoolSpec { start: StartDelay::Fixed(3.0), nodes: Some(nodes), ..PoolSpec::default() };
    WorkerPool::new(&log, &spec, 1, 0.0)
}

/// What becomes of nodes until then: the time, the node, and what it became.
pub(super) fn changes(pool: &mut WorkerPool, until: f64) -> Vec<String> {
    let phases = |pool: &WorkerPool| -> Vec<_> { pool.nodes().map(|node| (node.id, node.phase)).collect() };
    let mut before = phases(pool);
    let mut seen = Vec::new();
    while pool.next_event() <= until {
        pool.advance(pool.next_event());
        let after = phases(pool);
        let gone = before.iter().filter(|(id, _)| after.iter().all(|(other, _)| other != id));
        seen.extend(gone.map(|(id, _)| format!("{} {id} gone", pool.now())));
        let new = after.iter().filter(|node| !before.contains(node));
        seen.extend(new.map(|(id, phase)| format!("{} {id} {phase:?}", pool.now())));
        before = after;
    }
    pool.advance(until);
    seen
}

/// The changes to one phase.
fn changes_to(pool: &mut WorkerPool, phase: &str, until: f64) -> Vec<String> {
    changes(pool, until)
        .into_iter()
        .filter_map(|change| Some(change.strip_suffix(phase)?.trim().to_owned()))
        .collect()
}

/// Workers on each node.
fn crowd(pool: &WorkerPool) -> Vec<u32> {
    pool.nodes().map(|node| node.pods).collect()
}

#[test]
fn a_pod_without_room_brings_a_node_a_second_later() {
    let mut pool = idle_pool(pool_spec());
    pool.scale_to(1);
    assert_eq!((pool.pending(), pool.starting(), pool.replicas()), (1, 1, 1));
    assert_eq!(
        changes(&mut pool, 40.0),
        ["1 node-0 Claimed", "2 node-0 Launched", "21 node-0 Ready"].map(String::from)
    );
    assert_eq!((pool.pending(), pool.ready(), crowd(&pool)), (0, 1, vec![1]));
    assert_eq!(pool.pods().next().unwrap().ready_since.unwrap().to_string(), "24");
    let seconds = pool.worker_seconds();
    assert_eq!([seconds.pending, seconds.starting, seconds.idle].map(|s| s.to_string()), ["21", "3", "16"]);
}

#[test]
fn a_pod_that_waited_is_tried_some_time_after_its_node_is_there_and_may_find_its_place_taken() {
    let mut pool = idle_pool(NodePoolSpec {
        retry: StartDelay::Fixed(8.0),
        types: vec![node_for(1, 1.0)],
        ..pool_spec()
    });
    pool.scale_to(1);
    pool.advance(25.0);
    assert_eq!((pool.pending(), crowd(&pool)), (1, vec![0]));
    pool.scale_to(2);
    assert_eq!((pool.pending(), crowd(&pool)), (1, vec![1]), "the second took the place of the first");
    // Tried in vain at 29, it brings a second node at 30, which is there at 50; and is tried again at 58.
    pool.advance(57.0);
    assert_eq!((pool.pending(), crowd(&pool)), (1, vec![1, 0]));
    pool.advance(58.0);
    assert_eq!((pool.pending(), crowd(&pool)), (0, vec![1, 1]));
}

#[test]
fn pods_are_gathered_until_none_comes_for_a_second_or_ten_are_over() {
    let mut pool = idle_pool(pool_spec());
    for replicas in 1..=14 {
        pool.scale_to(replicas);
        pool.advance(f64::from(replicas) * 0.9);
    }
    let claimed = pool.nodes().count();
    assert_eq!(claimed, 3, "12 pods came within ten seconds");
    pool.advance(20.0);
    assert_eq!(pool.nodes().count(), 4);
}

#[test]
fn the_first_pod_alone_shapes_its_node() {
    let types = vec![node_for(4, 1.0), node_for(16, 3.5), node_for(8, 2.0)];
    let mut pool = idle_pool(NodePoolSpec { types, ..pool_spec() });
    let kinds = |pool: &WorkerPool| pool.nodes().map(|node| node.kind).collect::<Vec<_>>();
    pool.scale_to(1);
    pool.advance(5.0);
    assert_eq!(kinds(&pool), [0]);
    // The small node is to take 4 of the 30; the rest is one of 16, and one for 10.
    pool.scale_to(30);
    pool.advance(10.0);
    assert_eq!(kinds(&pool), [0, 1, 1]);
    pool.scale_to(36);
    pool.advance(40.0);
    assert_eq!((kinds(&pool), crowd(&pool).iter().sum::<u32>()), (vec![0, 1, 1], 36));
}

#[test]
fn empty_nodes_go_one_every_25_seconds_within_the_default_budget() {
    let mut pool = idle_pool(pool_spec());
    pool.scale_to(24);
    pool.advance(100.0);
    assert_eq!(crowd(&pool), [4; 6]);
    pool.scale_to(0);
    // Empty at 100; considered from 130 on, a look then, and 15 s later the first goes, which takes 5 s.
    let left = changes_to(&mut pool, "Leaving", 400.0);
    let expected = ["145 node-0", "170 node-1", "195 node-2", "220 node-3", "245 node-4", "270 node-5"];
    assert_eq!(left, expected);
    assert_eq!((pool.nodes().count(), pool.summary().nodes.removed), (0, 6));
}

#[test]
fn a_larger_budget_lets_more_go_at_once() {
    let disruption =
        Karpenter { consolidation: Consolidation::WhenEmpty, consolidate_after: 0.0, budget: 0.5 };
    let mut pool = idle_pool(NodePoolSpec { autoscaler: Autoscaler::Karpenter(disruption), ..pool_spec() });
    pool.scale_to(24);
    pool.advance(100.0);
    pool.scale_to(0);
    let left = changes_to(&mut pool, "Leaving", 400.0);
    let times: Vec<&str> = left.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(times, ["115", "115", "115", "140", "140", "165"]);
}

#[test]
fn a_pod_that_comes_during_the_validation_keeps_the_node() {
    let mut pool = idle_pool(pool_spec());
    pool.scale_to(4);
    pool.advance(100.0);
    pool.scale_to(0);
    pool.advance(140.0);
    pool.scale_to(1);
    assert_eq!(changes(&mut pool, 400.0), Vec::<String>::new());
    assert_eq!(crowd(&pool), [1]);
}

#[test]
fn a_terminating_worker_does_not_keep_its_node_but_is_waited_for() {
    let mut pool = pool_with(&[(0.0, 100.0)], pool_spec());
    pool.scale_to(1);
    pool.advance(30.0);
    pool.scale_to(0);
    // Told to go at 30, done at 124; the node is chosen at 60, left at 75, and ends 5 s after the worker.
    assert_eq!(changes(&mut pool, 400.0), ["75 node-0 Leaving", "129 node-0 gone"].map(String::from));
    assert_eq!((pool.completed(), pool.summary().requeued), (1, 0));
}

fn half_empty(do_not_disrupt: bool) -> WorkerPool {
    let autoscaler = Autoscaler::Karpenter(Karpenter { consolidate_after: 30.0, ..Karpenter::default() });
    let mut pool = idle_pool(NodePoolSpec { autoscaler, do_not_disrupt, ..pool_spec() });
    pool.scale_to(12);
    pool.advance(60.0);
    // Two stay on each of the three nodes.
    let mut left = [0; 3];
    let costs: Vec<_> = pool
        .pods()
        .map(|pod| {
            let at = pool.nodes().position(|node| Some(node.id) == pod.node).expect("it has a node");
            left[at] += 1;
            (pod.id, if left[at] > 2 { -1 } else { 0 })
        })
        .collect();
    pool.rank(costs);
    pool.scale_to(6);
    assert_eq!(crowd(&pool), [2, 2, 2]);
    pool
}

#[test]
fn a_node_whose_pods_fit_elsewhere_goes_where_the_policy_allows_it() {
    let mut pool = half_empty(false);
    let changed = changes(&mut pool, 200.0);
    assert_eq!(changed, ["105 node-0 Leaving", "110 node-0 gone"].map(String::from));
    assert_eq!((crowd(&pool), pool.ready(), pool.summary().evicted), (vec![3, 3], 6, 2));
}

#[test]
fn workers_that_ask_not_to_be_disrupted_keep_their_nodes() {
    let mut pool = half_empty(true);
    assert_eq!(changes(&mut pool, 1000.0), Vec::<String>::new());
}

#[test]
fn a_pool_at_its_limit_grows_no_further() {
    let mut pool = idle_pool(NodePoolSpec { limit: Some(2), ..pool_spec() });
    pool.scale_to(12);
    pool.advance(1000.0);
    assert_eq!((pool.nodes().count(), pool.ready(), pool.pending()), (2, 8, 4));
}

#[test]
fn the_next_type_is_tried_where_one_cannot_be_had_and_the_first_again_later() {
    let shortage = Shortage { chance: 1.0, retry_after: 180.0, ..Shortage::default() };
    let types = vec![node_for(4, 1.0), node_for(4, 2.0)];
    let launch = StartDelay::Fixed(2.0);
    let mut pool = idle_pool(NodePoolSpec { shortage, types, launch, ..pool_spec() });
    pool.scale_to(1);
    let claimed = changes_to(&mut pool, "Claimed", 400.0);
    assert_eq!(claimed, ["1 node-0", "4 node-1", "183 node-2", "186 node-3", "365 node-4", "368 node-5"]);
    let nodes = pool.summary().nodes;
    assert_eq!((nodes.failed, nodes.launched, nodes.seconds.billed.to_string()), (6, 0, "0".into()));
}

#[test]
fn a_claim_without_a_node_after_15_minutes_is_made_anew() {
    let register = StartDelay::Recorded(vec![1e6, 19.0]);
    let mut pool = idle_pool(NodePoolSpec { register, ..pool_spec() });
    pool.scale_to(1);
    let changed = changes(&mut pool, 1000.0);
    let expected = [
        "901 node-0 Leaving",
        "902 node-1 Claimed",
        "903 node-1 Launched",
        "906 node-0 gone",
        "922 node-1 Ready",
    ];
    assert_eq!(changed[2..], expected.map(String::from));
    assert_eq!(pool.summary().nodes.failed, 1);
}

/// A worker on spot instances that are taken back, and when the first node took no more pods, when it was gone, and
/// when the next one was asked for.
fn reclaimed(jobs: &[(f64, f64)]) -> (WorkerPool, [f64; 3]) {
    let spot = Some(Spot { reclaims_per_hour: 6.0, storms: Vec::new(), notice: 120.0 });
    let mut pool = pool_with(jobs, NodePoolSpec { spot, ..pool_spec() });
    pool.scale_to(1);
    let changed = changes(&mut pool, 20_000.0);
    let time_of = |change: &str| -> f64 {
        let line = changed.iter().find_map(|line| line.strip_suffix(change));
        let line = line.unwrap_or_else(|| panic!("no {change:?} in {changed:?}"));
        line.trim().parse().expect("a change begins with its time")
    };
    let times = ["node-0 Leaving", "node-0 gone", "node-1 Claimed"].map(time_of);
    (pool, times)
}

#[test]
fn a_spot_instance_that_is_taken_back_ends_after_its_notice_and_its_job_is_done_elsewhere() {
    let (pool, [leaving, gone, claimed]) = reclaimed(&[(0.0, 900.0)]);
    assert!(leaving > 25.0, "the job had begun");
    assert_eq!([gone, claimed].map(|at| format!("{:.6}", at - leaving)), ["120.000000", "1.000000"]);
    let summary = pool.summary();
    assert!(summary.nodes.reclaimed >= 1 && summary.requeued >= 1 && pool.is_done(), "{summary:?}");
    assert!(summary.evicted >= 1 && summary.told_to_go == 0, "{summary:?}");
}

#[test]
fn a_spot_instance_without_jobs_ends_at_once_when_it_is_taken_back() {
    let (pool, [leaving, gone, claimed]) = reclaimed(&[]);
    assert_eq!([gone, claimed].map(|at| format!("{:.6}", at - leaving)), ["5.000000", "1.000000"]);
    assert_eq!(pool.ready() + pool.starting(), 1, "the worker is replaced");
}

#[test]
fn the_cluster_autoscaler_adds_at_its_scans_and_removes_after_ten_minutes() {
    let autoscaler = Autoscaler::ClusterAutoscaler(ClusterAutoscaler::default());
    let mut pool = idle_pool(NodePoolSpec { autoscaler, ..pool_spec() });
    pool.advance(3.0);
    pool.scale_to(8);
    assert_eq!(changes_to(&mut pool, "Claimed", 100.0), ["10 node-0", "10 node-1"]);
    pool.scale_to(0);
    // Not needed from the scan at 100 on.
    assert_eq!(changes_to(&mut pool, "Leaving", 2000.0), ["700 node-0", "700 node-1"]);
}

#[test]
fn the_cluster_autoscaler_removes_nothing_for_ten_minutes_after_it_added() {
    let autoscaler = Autoscaler::ClusterAutoscaler(ClusterAutoscaler::default());
    let mut pool = idle_pool(NodePoolSpec { autoscaler, ..pool_spec() });
    pool.scale_to(4);
    pool.advance(50.0);
    pool.scale_to(0);
    pool.advance(500.0);
    pool.scale_to(5);
    pool.advance(505.0);
    assert_eq!((crowd(&pool), pool.pending()), (vec![4, 0], 1), "the fifth waits for a node");
    pool.advance(540.0);
    pool.scale_to(0);
    assert_eq!(changes_to(&mut pool, "Leaving", 2000.0), ["1140 node-0", "1140 node-1"]);
}

#[test]
fn the_cluster_autoscaler_moves_the_pods_of_a_node_in_little_use() {
    let autoscaler = Autoscaler::ClusterAutoscaler(ClusterAutoscaler::default());
    let mut pool = idle_pool(NodePoolSpec { autoscaler, do_not_disrupt: false, ..pool_spec() });
    pool.scale_to(8);
    pool.advance(60.0);
    let first = pool.nodes().next().unwrap().id;
    let costs: Vec<_> =
        pool.pods().filter(|pod| pod.node == Some(first)).map(|pod| (pod.id, -1)).skip(1).collect();
    pool.rank(costs);
    pool.scale_to(5);
    assert_eq!(crowd(&pool), [1, 4]);
    pool.advance(2000.0);
    assert_eq!(crowd(&pool), [1, 4], "the other one is full");
    pool.scale_to(4);
    pool.advance(4000.0);
    assert_eq!((crowd(&pool).len(), pool.ready()), (1, 4));
}

#[test]
fn the_scheduler_spreads_pods_or_packs_them() {
    for (placement, expected) in [
        (Placement::LeastAllocated, [2, 2, 1]),
        (Placement::MostAllocated, [4, 1, 0]),
        (Placement::PodAffinity, [4, 1, 0]),
    ] {
        let nodes = NodePoolSpec { placement, standing: 3, autoscaler: Autoscaler::None, ..pool_spec() };
        let mut pool = idle_pool(nodes);
        pool.scale_to(5);
        assert_eq!(crowd(&pool), expected, "{placement:?}");
    }
}

#[test]
fn standing_nodes_are_there_at_once_and_stay() {
    let mut pool = idle_pool(NodePoolSpec { standing: 1, ..pool_spec() });
    pool.scale_to(6);
    pool.advance(60.0);
    assert_eq!(crowd(&pool), [4, 2]);
    pool.scale_to(0);
    pool.advance(1000.0);
    assert_eq!(crowd(&pool), [0]);
}

#[test]
fn the_pods_of_a_new_node_wait_for_one_pull_of_their_image() {
    let image_pull = StartDelay::Fixed(30.0);
    let mut pool = idle_pool(NodePoolSpec { image_pull, ..pool_spec() });
    pool.scale_to(1);
    pool.advance(40.0);
    pool.scale_to(2);
    pool.advance(60.0);
    pool.scale_to(3);
    pool.advance(100.0);
    let mut ready: Vec<f64> = pool.pods().filter_map(|pod| pod.ready_since).collect();
    ready.sort_by(f64::total_cmp);
    // The node is there at 21, the image at 51.
    assert_eq!(ready, [54.0, 54.0, 63.0]);
}

#[test]
fn pods_that_fit_no_node_wait_for_ever() {
    let pod = Resources { cpu: 100, memory: 0, gpus: 1 };
    let mut pool = idle_pool(NodePoolSpec { pod, ..pool_spec() });
    pool.scale_to(1);
    pool.advance(1e6);
    assert_eq!((pool.pending(), pool.nodes().count()), (1, 0));
}

#[test]
fn a_replica_set_leaves_nodes_half_empty_and_costs_empty_them() {
    let spread = || {
        let mut pool = idle_pool(pool_spec());
        pool.scale_to(12);
        pool.advance(60.0);
        assert_eq!(crowd(&pool), [4, 4, 4]);
        pool
    };
    let mut plain = spread();
    plain.scale_to(6);
    assert!(crowd(&plain).iter().all(|&pods| pods > 0), "{:?}", crowd(&plain));
    // As on the real controller: -200 on the first node's pods, -100 on the second's (tests/cluster).
    let mut ranked = spread();
    let nodes: Vec<_> = ranked.nodes().map(|node| node.id).collect();
    let cost = |node| [-200, -100, 0][nodes.iter().position(|&id| Some(id) == node).unwrap()];
    ranked.rank(ranked.pods().map(|pod| (pod.id, cost(pod.node))).collect::<Vec<_>>());
    ranked.scale_to(6);
    assert_eq!(crowd(&ranked), [0, 2, 4]);
}

#[test]
fn nodes_are_billed_by_the_second_and_for_a_minute_at_least() {
    let nodes = NodePoolSpec {
        types: vec![node_for(4, 7.2)],
        billing: Billing { minimum: 60.0, step: 1.0 },
        autoscaler: Autoscaler::Karpenter(Karpenter { consolidate_after: 0.0, ..Karpenter::default() }),
        ..pool_spec()
    };
    let mut pool = idle_pool(nodes);
    pool.scale_to(1);
    pool.advance(2.5);
    assert_eq!(pool.summary().nodes.seconds.billed.to_string(), "60", "it is there since 2");
    pool.scale_to(0);
    // Ready at 21, a look at 30, gone at 45 and 5 s later.
    pool.advance(1000.0);
    let nodes = pool.summary().nodes;
    assert_eq!((nodes.launched, nodes.peak), (1, 1));
    let seconds = nodes.seconds;
    assert_eq!(
        [seconds.total, seconds.starting, seconds.empty, seconds.used].map(|s| s.to_string()),
        ["48", "19", "29", "0"]
    );
    assert_eq!((seconds.billed.to_string(), format!("{:.3}", nodes.cost)), ("60".into(), "0.120".into()));
}

#[test]
fn accounts_that_begin_later_leave_out_what_was_before() {
    let mut pool = pool_with(&[(0.0, 10.0), (50.0, 10.0)], pool_spec());
    pool.scale_to(1);
    pool.advance(45.0);
    pool.begin_accounts();
    assert_eq!((pool.completed(), pool.summary().completed, pool.summary().started), (1, 0, 0));
    pool.advance(105.0);
    let summary = pool.summary();
    assert_eq!((summary.completed, summary.started, summary.wait_max.to_string()), (1, 1, "0".into()));
    let seconds = summary.worker_seconds;
    assert_eq!([seconds.total, seconds.idle, seconds.busy].map(|s| s.to_string()), ["60", "50", "10"]);
    let nodes = summary.nodes.seconds;
    assert_eq!([nodes.total, nodes.used, nodes.starting].map(|s| s.to_string()), ["60", "60", "0"]);
    assert_eq!((summary.launched, summary.nodes.launched, summary.peak_replicas), (0, 0, 1));
}
