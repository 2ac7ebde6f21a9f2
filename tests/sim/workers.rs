//! Workers: who takes what, who goes, and where the time went.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use foresail::sim::job_log::{Job, JobLog, JobLogBuilder};
use foresail::sim::nodes::{
    Autoscaler, ClusterAutoscaler, Consolidation, Karpenter, NodePoolSpec, NodeType, Placement, Resources,
    Shortage, Spot,
};
use foresail::sim::workers::{PoolSpec, Removal, Requeue, Span, StartDelay, WorkerPool};
use proptest::prelude::*;

fn log(jobs: &[(f64, f64)]) -> JobLog {
    let job = |&(submit, run): &(f64, f64)| Job::new(submit, run);
    JobLog::new(jobs.iter().map(job).collect())
}

fn pool(jobs: &[(f64, f64)], removal: Removal) -> WorkerPool {
    pool_of(jobs, PoolSpec { removal, ..PoolSpec::default() })
}

fn pool_of(jobs: &[(f64, f64)], spec: PoolSpec) -> WorkerPool {
    WorkerPool::new(&log(jobs), &PoolSpec { start: StartDelay::Fixed(10.0), ..spec }, 1, 0.0)
}

fn busy(pool: &WorkerPool) -> Vec<String> {
    pool.busy_workers().map(|id| id.to_string()).collect()
}

#[test]
fn time_may_go_to_its_end() {
    let mut pool = pool(&[(1.0, 20.0), (2.0, 5.0)], Removal::Drain);
    pool.scale_to(1);
    pool.advance(f64::INFINITY);
    assert_eq!((pool.completed(), pool.now()), (2, f64::INFINITY));
}

#[test]
fn a_worker_is_ready_after_its_start_delay_and_takes_the_oldest_job() {
    let mut pool = pool(&[(1.0, 20.0), (2.0, 5.0)], Removal::Drain);
    pool.scale_to(1);
    pool.advance(9.0);
    assert_eq!((pool.starting(), pool.ready(), pool.waiting(), pool.in_flight()), (1, 0, 2, 0));
    assert_eq!(pool.oldest_age().unwrap().to_string(), "8");
    pool.advance(10.0);
    assert_eq!((pool.starting(), pool.ready(), pool.waiting(), pool.in_flight()), (0, 1, 1, 1));
    assert_eq!(pool.next_event().to_string(), "30");
    pool.advance(35.0);
    assert!(pool.is_done());
    let summary = pool.summary();
    // 9 s for the first, and for the second 28 s: until 30.
    assert_eq!((summary.wait_mean.to_string(), summary.wait_max.to_string()), ("18.5".into(), "28".into()));
}

#[test]
fn the_worker_that_has_been_idle_longest_takes_the_next_job() {
    let mut pool = pool(&[(0.0, 5.0), (20.0, 100.0)], Removal::Drain);
    pool.scale_to(2);
    pool.advance(20.0);
    // worker-0 took the first job at 10 and came back at 15; worker-1 has waited since 10.
    assert_eq!(busy(&pool), ["worker-1"]);
}

#[test]
fn starting_workers_go_first_and_then_much_younger_ones_busy_or_not() {
    let mut pool = pool(&[(12.0, 100.0), (26.0, 100.0)], Removal::Drain);
    pool.scale_to(1);
    pool.advance(15.0);
    pool.scale_to(2);
    pool.advance(30.0);
    pool.scale_to(4);
    assert_eq!(
        (pool.ready(), pool.starting(), busy(&pool)),
        (2, 2, vec!["worker-0".into(), "worker-1".into()])
    );
    pool.scale_to(2);
    assert_eq!((pool.ready(), pool.starting()), (2, 0));
    pool.scale_to(1);
    assert_eq!(busy(&pool), ["worker-0"]);
    assert_eq!((pool.in_flight(), pool.in_flight_draining(), pool.terminating()), (2, 1, 1));
}

#[test]
fn a_draining_worker_finishes_its_job_takes_no_other_and_leaves() {
    let mut pool = pool(&[(0.0, 50.0), (20.0, 5.0)], Removal::Drain);
    pool.scale_to(1);
    pool.advance(15.0);
    pool.scale_to(0);
    pool.advance(60.0);
    assert_eq!((pool.replicas(), pool.terminating(), pool.completed(), pool.waiting()), (0, 0, 1, 1));
    let seconds = pool.worker_seconds();
    assert_eq!([seconds.total, seconds.starting, seconds.busy].map(|s| s.to_string()), ["60", "10", "50"]);
}

#[test]
fn a_killed_job_is_done_again_from_its_start_by_the_next_free_worker() {
    let mut pool = pool(&[(0.0, 50.0), (20.0, 5.0)], Removal::Kill);
    pool.scale_to(1);
    pool.advance(30.0);
    pool.scale_to(0);
    assert_eq!((pool.in_flight(), pool.waiting()), (0, 2));
    pool.scale_to(1);
    pool.advance(40.0);
    assert_eq!(pool.next_event().to_string(), "60", "an event of the worker that is gone");
    pool.advance(89.0);
    assert_eq!(pool.completed(), 0);
    pool.advance(95.0);
    assert!(pool.is_done());
    let summary = pool.summary();
    assert_eq!((summary.requeued, summary.worker_seconds.lost.to_string()), (1, "20".into()));
    // The killed job waited 10 s and 10 s again, the other one from 20 to 90.
    assert_eq!((summary.wait_p50.to_string(), summary.wait_max.to_string()), ("20".into(), "70".into()));
}

#[test]
fn a_job_killed_while_another_worker_is_idle_moves_there_at_once() {
    let mut pool = pool(&[(31.0, 100.0)], Removal::Kill);
    pool.scale_to(1);
    pool.advance(20.0);
    pool.scale_to(2);
    pool.advance(40.0);
    assert_eq!(busy(&pool), ["worker-0"]);
    pool.rank(pool.pods().map(|pod| (pod.id, -i32::from(pod.busy))).collect::<Vec<_>>());
    pool.scale_to(1);
    assert_eq!((busy(&pool), pool.waiting()), (vec!["worker-1".into()], 0));
}

#[test]
fn a_worker_removed_while_it_starts_is_gone_at_once() {
    let mut pool = pool(&[(50.0, 1.0)], Removal::Drain);
    pool.scale_to(3);
    pool.advance(4.0);
    pool.scale_to(0);
    pool.advance(20.0);
    assert_eq!((pool.replicas(), pool.ready()), (0, 0));
    assert_eq!(pool.worker_seconds().total.to_string(), "12");
}

#[test]
fn a_draining_worker_is_killed_when_its_grace_period_is_over() {
    let mut pool =
        pool_of(&[(0.0, 50.0), (0.0, 15.0)], PoolSpec { grace_period: 20.0, ..PoolSpec::default() });
    pool.scale_to(2);
    pool.advance(12.0);
    pool.scale_to(0);
    pool.advance(31.0);
    assert_eq!((pool.completed(), pool.in_flight_draining(), pool.waiting()), (1, 1, 0));
    pool.advance(32.0);
    assert_eq!((pool.completed(), pool.terminating(), pool.waiting()), (1, 0, 1));
    let summary = pool.summary();
    assert_eq!((summary.requeued, summary.worker_seconds.lost.to_string()), (1, "22".into()));
}

#[test]
fn lost_jobs_go_to_the_head_of_the_queue_or_to_its_tail() {
    for (requeue, expected) in [(Requeue::Head, [20.0, 35.0]), (Requeue::Tail, [30.0, 15.0])] {
        let spec = PoolSpec { removal: Removal::Kill, requeue, ..PoolSpec::default() };
        let mut pool = pool_of(&[(0.0, 20.0), (20.0, 10.0)], spec);
        pool.scale_to(1);
        pool.advance(25.0);
        pool.scale_to(0);
        assert_eq!(pool.oldest_age().unwrap().to_string(), "25", "{requeue:?}: the lost one came first");
        pool.scale_to(1);
        pool.advance(200.0);
        // The next worker is ready at 35. The first job had waited 10 s before.
        let waits: Vec<f64> = pool.waits().iter().flatten().copied().collect();
        assert_eq!(waits, expected, "{requeue:?}");
    }
}

#[test]
fn ranked_workers_go_when_they_are_idle_and_busy_ones_stay() {
    let mut pool = pool(&[(20.0, 500.0), (20.0, 500.0), (20.0, 500.0)], Removal::Drain);
    pool.scale_to(8);
    pool.advance(30.0);
    let busy_before: BTreeSet<String> = busy(&pool).into_iter().collect();
    pool.rank_victims(5);
    pool.scale_to(3);
    assert_eq!((pool.terminating(), pool.busy(), pool.ready()), (0, 3, 3));
    assert_eq!(busy(&pool).into_iter().collect::<BTreeSet<_>>(), busy_before);
    assert_eq!(pool.summary().told_to_go_busy, 0);
}

#[test]
fn a_child_comes_to_the_queue_when_the_last_of_its_parents_has_ended() {
    let mut builder = JobLogBuilder::default();
    let short = builder.push(Job::new(0.0, 20.0));
    let long = builder.push(Job::new(0.0, 50.0));
    let child = builder.push_after(Job::new(0.0, 5.0), &[short, long]);
    builder.push_after(Job::new(100.0, 5.0), &[child]);
    let spec = PoolSpec { start: StartDelay::Fixed(10.0), ..PoolSpec::default() };
    let mut pool = WorkerPool::new(&builder.build(), &spec, 1, 0.0);
    pool.scale_to(2);
    pool.advance(40.0);
    assert_eq!((pool.arrived(), pool.waiting(), pool.completed()), (2, 0, 1));
    pool.scale_to(0);
    pool.advance(70.0);
    assert_eq!((pool.arrived(), pool.waiting(), pool.completed()), (3, 1, 2));
    assert_eq!(pool.oldest_age().unwrap().to_string(), "10", "the long one ended at 60");
    pool.scale_to(1);
    pool.advance(200.0);
    assert!(pool.is_done());
    let waits: Vec<f64> = pool.waits().iter().flatten().copied().collect();
    assert_eq!(waits, [10.0, 10.0, 20.0, 0.0], "each from its release, and the last from its submission");
}

#[derive(Clone, Debug)]
enum Move {
    Wait(f64),
    Scale(u32),
    Spare(u32),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0.0..60.0).prop_map(Move::Wait),
        (0_u32..12).prop_map(Move::Scale),
        (0_u32..5).prop_map(Move::Spare),
    ];
    prop::collection::vec(one, 1..60)
}

/// Any kind of workers, on any kind of nodes of one to three workers.
fn specs() -> impl Strategy<Value = PoolSpec> {
    let work = (1_u32..4, any::<bool>(), prop_oneof![Just(f64::INFINITY), 0.0..60.0], any::<bool>());
    let trouble = (prop_oneof![Just(0.0), 0.0..30.0], prop_oneof![Just(0.0), 0.0..20.0]);
    (work, trouble, prop::option::of(node_pools())).prop_map(|(work, (crash, warm_cache), nodes)| {
        let (slots, kill, grace_period, tail) = work;
        let delays = vec![(2.0, Span { from: 0.0, to: 4.0 }), (1.0, Span { from: 20.0, to: 50.0 })];
        PoolSpec {
            slots: NonZeroU32::new(slots).expect("1 at least"),
            removal: if kill { Removal::Kill } else { Removal::Drain },
            grace_period,
            requeue: if tail { Requeue::Tail } else { Requeue::Head },
            start: StartDelay::Mixture(delays),
            crash,
            warm_cache,
            nodes,
            ..PoolSpec::default()
        }
    })
}

fn node_pools() -> impl Strategy<Value = NodePoolSpec> {
    let when = prop_oneof![Just(Consolidation::WhenEmpty), Just(Consolidation::WhenEmptyOrUnderutilized)];
    let karpenter = (when, 0.0..60.0, 0.1..1.0).prop_map(|(consolidation, consolidate_after, budget)| {
        Autoscaler::Karpenter(Karpenter { consolidation, consolidate_after, budget })
    });
    let cluster_autoscaler = (10.0..60.0, 10.0..60.0).prop_map(|(unneeded_time, delay_after_add)| {
        let options = ClusterAutoscaler { unneeded_time, delay_after_add, ..ClusterAutoscaler::default() };
        Autoscaler::ClusterAutoscaler(options)
    });
    let standing = (2_u32..4).prop_map(|standing| (standing, Autoscaler::None));
    let scaled = (0_u32..2, prop_oneof![karpenter, cluster_autoscaler]);
    let placement = prop_oneof![
        Just(Placement::LeastAllocated),
        Just(Placement::MostAllocated),
        Just(Placement::PodAffinity)
    ];
    let trouble = (0.0..0.5, prop::option::of(0.0..20.0));
    (prop_oneof![scaled, standing], placement, prop::option::of(2_u32..6), trouble, any::<bool>()).prop_map(
        |((standing, autoscaler), placement, limit, (chance, reclaims), do_not_disrupt)| {
            let kind = |cpu| NodeType {
                allocatable: Resources { cpu, memory: 1 << 40, gpus: 0 },
                pods: 110,
                price: 1.0,
            };
            NodePoolSpec {
                types: vec![kind(3000), kind(1000)],
                standing,
                limit,
                placement,
                autoscaler,
                launch: StartDelay::Mixture(vec![(1.0, Span { from: 1.0, to: 5.0 })]),
                register: StartDelay::Mixture(vec![
                    (9.0, Span { from: 10.0, to: 40.0 }),
                    (1.0, Span { from: 100.0, to: 1000.0 }),
                ]),
                retry: StartDelay::Mixture(vec![(1.0, Span { from: 0.0, to: 8.0 })]),
                image_pull: StartDelay::Mixture(vec![(1.0, Span { from: 0.0, to: 10.0 })]),
                shortage: Shortage { chance, retry_after: 30.0, ..Shortage::default() },
                spot: reclaims.map(|reclaims_per_hour| Spot {
                    reclaims_per_hour,
                    storms: Vec::new(),
                    notice: 20.0,
                }),
                do_not_disrupt,
                ..NodePoolSpec::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn jobs_and_worker_seconds_add_up_whatever_happens(
        jobs in prop::collection::vec((0.001..600.0, 0.0..120.0), 0..60),
        moves in moves(), spec in specs(), seed in any::<u64>(),
    ) {
        let mut pool = WorkerPool::new(&log(&jobs), &spec, seed, 0.0);
        for step in moves {
            match step {
                Move::Wait(seconds) => pool.advance(pool.now() + seconds),
                Move::Spare(pods) => pool.set_spare(pods),
                Move::Scale(replicas) => {
                    pool.scale_to(replicas);
                    prop_assert_eq!(pool.replicas(), replicas as usize);
                }
            }
            prop_assert_eq!(pool.arrived(), pool.completed() + pool.waiting() + pool.in_flight());
            prop_assert_eq!(pool.busy_workers().count(), pool.busy());
            prop_assert_eq!(pool.draining_workers().count(), pool.terminating());
            prop_assert_eq!(pool.replicas(), pool.starting() + pool.ready());
            let slots = spec.slots.get() as usize;
            let running = pool.in_flight() - pool.in_flight_draining();
            prop_assert!(pool.waiting() == 0 || running == pool.ready() * slots, "a job waits beside a free slot");
            prop_assert!(running <= pool.busy() * slots && pool.busy() <= running);
            let oldest = pool.oldest_age();
            prop_assert_eq!(oldest.is_some(), pool.waiting() > 0);
            let seconds = pool.worker_seconds();
            let parts = seconds.starting + seconds.idle + seconds.busy;
            prop_assert!((seconds.total - parts).abs() < 1e-6, "{seconds:?}");
            let nodes = pool.summary().nodes.seconds;
            prop_assert!((nodes.total - nodes.starting - nodes.empty - nodes.used).abs() < 1e-6, "{nodes:?}");
            prop_assert!(nodes.billed >= nodes.total - 1e-6);
            for node in pool.nodes() {
                let there = pool.pods().filter(|pod| pod.node == Some(node.id)).count();
                prop_assert!(there <= node.pods as usize && node.pods <= 3, "{node:?}");
            }
            prop_assert!(pool.next_event() > pool.now());
        }
        pool.scale_to(5);
        pool.advance(1e6);
        prop_assert!(pool.is_done(), "{:?}", pool.summary());
        let summary = pool.summary();
        prop_assert_eq!(summary.started, jobs.len());
        prop_assert!(summary.wait_p50 <= summary.wait_p95 && summary.wait_p95 <= summary.wait_max);
        prop_assert_eq!(pool.waits().iter().flatten().count(), jobs.len());
        let run: f64 = jobs.iter().map(|(_, run)| run).sum();
        let worked = summary.worker_seconds.busy - summary.worker_seconds.lost;
        if spec.slots.get() == 1 && spec.warm_cache == 0.0 {
            prop_assert!((worked - run).abs() < 1e-6, "{worked} of {run}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_run_bit_for_bit(
        jobs in prop::collection::vec((0.0..600.0, 0.0..120.0), 0..60),
        moves in moves(), spec in specs(), seed in any::<u64>(),
    ) {
        let run = || {
            let mut pool = WorkerPool::new(&log(&jobs), &spec, seed, 0.0);
            for step in &moves {
                match *step {
                    Move::Wait(seconds) => pool.advance(pool.now() + seconds),
                    Move::Spare(pods) => pool.set_spare(pods),
                    Move::Scale(replicas) => pool.scale_to(replicas),
                }
            }
            (pool.summary(), pool.next_event(), pool.pods().collect::<Vec<_>>())
        };
        prop_assert_eq!(format!("{:?}", run()), format!("{:?}", run()));
    }

    #[test]
    fn time_may_pass_in_one_step_or_in_many(
        jobs in prop::collection::vec((0.0..600.0, 0.0..120.0), 0..60), spec in specs(), seed in any::<u64>(),
    ) {
        let run = |step: f64| {
            let mut pool = WorkerPool::new(&log(&jobs), &spec, seed, 0.0);
            pool.scale_to(6);
            while pool.now() < 1000.0 {
                pool.advance(pool.now() + step);
            }
            format!("{:?} {:?}", pool.waits(), pool.pods().collect::<Vec<_>>())
        };
        prop_assert_eq!(run(1000.0), run(12.5));
    }
}
