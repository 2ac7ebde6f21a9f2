//! Workers: who takes what, who goes, and where the time went.

use foresail::sim::job_log::{Job, JobLog};
use foresail::sim::workers::{Removal, Span, StartDelay, WorkerPool};
use proptest::prelude::*;

fn log(jobs: &[(f64, f64)]) -> JobLog {
    let job = |&(submit, run): &(f64, f64)| Job::new(submit, run);
    JobLog::new(jobs.iter().map(job).collect())
}

fn pool(jobs: &[(f64, f64)], removal: Removal) -> WorkerPool {
    WorkerPool::new(&log(jobs), removal, StartDelay::Fixed(10.0), 1, 0.0)
}

fn busy(pool: &WorkerPool) -> Vec<String> {
    pool.busy_workers().map(|id| id.to_string()).collect()
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
fn starting_workers_go_first_and_then_the_newest_busy_or_not() {
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
    let mut pool = pool(&[(11.0, 5.0), (12.0, 100.0)], Removal::Kill);
    pool.scale_to(2);
    pool.advance(20.0);
    assert_eq!(busy(&pool), ["worker-1"]);
    pool.scale_to(1);
    assert_eq!((busy(&pool), pool.waiting()), (vec!["worker-0".into()], 0));
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

#[derive(Clone, Debug)]
enum Move {
    Wait(f64),
    Scale(u32),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![(0.0..60.0).prop_map(Move::Wait), (0_u32..12).prop_map(Move::Scale)];
    prop::collection::vec(one, 1..60)
}

proptest! {
    #[test]
    fn jobs_and_worker_seconds_add_up_whatever_happens(
        jobs in prop::collection::vec((0.0..600.0, 0.0..120.0), 0..60),
        moves in moves(), kill in any::<bool>(), seed in any::<u64>(),
    ) {
        let removal = if kill { Removal::Kill } else { Removal::Drain };
        let delays = vec![(2.0, Span { from: 0.0, to: 4.0 }), (1.0, Span { from: 20.0, to: 50.0 })];
        let mut pool = WorkerPool::new(&log(&jobs), removal, StartDelay::Mixture(delays), seed, 0.0);
        for step in moves {
            match step {
                Move::Wait(seconds) => pool.advance(pool.now() + seconds),
                Move::Scale(replicas) => {
                    pool.scale_to(replicas);
                    prop_assert_eq!(pool.replicas(), replicas as usize);
                }
            }
            prop_assert_eq!(pool.arrived(), pool.completed() + pool.waiting() + pool.in_flight());
            prop_assert_eq!(pool.busy_workers().count(), pool.busy());
            prop_assert!(pool.waiting() == 0 || pool.busy() == pool.ready(), "a job waits beside an idle worker");
            let seconds = pool.worker_seconds();
            let parts = seconds.starting + seconds.idle + seconds.busy;
            prop_assert!((seconds.total - parts).abs() < 1e-6, "{seconds:?}");
            prop_assert!(pool.next_event() > pool.now());
        }
        pool.scale_to(5);
        pool.advance(1e6);
        prop_assert!(pool.is_done());
        let summary = pool.summary();
        let run: f64 = jobs.iter().map(|(_, run)| run).sum();
        prop_assert!((summary.worker_seconds.busy - summary.worker_seconds.lost - run).abs() < 1e-6);
        prop_assert_eq!(summary.started, jobs.len());
        prop_assert!(summary.wait_p50 <= summary.wait_p95 && summary.wait_p95 <= summary.wait_max);
    }
}
