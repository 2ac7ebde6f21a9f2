//! Node hints: room on nodes ahead of jobs that are expected.

use foresail::nodes::{self, Lower};
use foresail::sim::autoscaler::foresail::{Limits, Sampling};
use foresail::sim::autoscaler::{Autoscaler, Foresail, HintedJobs, Placeholders, ScaledJobs};
use foresail::sim::closed_loop::ClosedLoop;
use foresail::sim::job_log::{Job, JobLog};
use foresail::sim::nodes::NodePoolSpec;
use foresail::sim::scaled_job::Strategy;
use foresail::sim::start_delay::StartDelay;
use foresail::sim::workers::{PoolSpec, Summary, WorkerPool};
use foresail::sizing::{self, Mode, Policy};

const MONDAY: f64 = 1_507_507_200.0;
const DAY: f64 = 86_400.0;
const NIGHTS: usize = 21;
const ARRAY: usize = 20;
/// Until then nobody can know of the nights.
const LEARNED: f64 = MONDAY + 10.0 * DAY;
const LIMITS: Limits = Limits { min: 0, max: 100 };

/// An array of jobs of ten minutes at 22:00 every night, and a single job at each hour.
fn nights(size: usize) -> JobLog {
    let array = (0..NIGHTS * size).map(|n| ((n / size) as f64 * DAY + 79_200.0 + (n % size) as f64, 600.0));
    let singles = (0..NIGHTS * 24).map(|n| (n as f64 * 3600.0, 120.0));
    JobLog::new(array.chain(singles).map(|(at, run)| Job::new(MONDAY + at, run)).collect())
}

/// What it comes to after the nights have been learned, where nodes of four take five minutes.
fn play(autoscaler: impl Autoscaler) -> Summary {
    play_arrays_of(ARRAY, autoscaler)
}

fn play_arrays_of(size: usize, autoscaler: impl Autoscaler) -> Summary {
    let nodes = NodePoolSpec { register: StartDelay::Fixed(298.0), ..NodePoolSpec::default() };
    let spec = PoolSpec { start: StartDelay::Fixed(3.0), nodes: Some(nodes), ..PoolSpec::default() };
    let pool = WorkerPool::new(&nights(size), &spec, 1, MONDAY);
    let mut run = ClosedLoop { pool, autoscaler };
    run.run_to(LEARNED);
    run.pool.begin_accounts();
    run.run_to(MONDAY + NIGHTS as f64 * DAY);
    assert!(run.pool.is_done());
    run.pool.summary()
}

fn foresail(policy: Policy) -> Foresail {
    Foresail::new(policy, LIMITS, Sampling::default(), MONDAY)
}

/// As many chunks as there are jobs of a night; nodes go as soon as they are empty.
fn hinted(policy: Policy) -> Foresail {
    let chunks = u32::try_from(ARRAY).expect("a small number");
    let limits = nodes::Limits { chunks, total: chunks, step: chunks, hold: 120.0 };
    foresail(policy).with_hints(limits, Lower::suiting(Some(0.0), 3.0))
}

fn jobs() -> ScaledJobs {
    ScaledJobs::foresail(Strategy::Default, LIMITS.max, MONDAY)
}

/// Nothing but hints is spent on a forecast.
fn in_jobs() -> Policy {
    Policy { mode: Mode::Jobs(sizing::Strategy::Default), ..Policy::default() }
}

#[test]
fn nodes_are_there_before_the_nightly_array_and_jobs_are_started_for_rows_only() {
    let without = play(jobs());
    let with = play(HintedJobs::new(jobs(), hinted(in_jobs())));
    assert!(without.wait_mean > 200.0, "{without:#?}");
    assert!(with.wait_mean < 0.7 * without.wait_mean, "{with:#?} {without:#?}");
    assert_eq!(with.launched, without.launched, "a Job for each row");
    let hours = |run: &Summary| run.nodes.seconds.total / 3600.0;
    assert!(hours(&with) < 1.5 * hours(&without), "{} {}", hours(&with), hours(&without));
}

#[test]
fn workers_wait_less_for_nodes_with_hints() {
    let without = play(foresail(Policy::default()).in_object(MONDAY));
    let with = play(hinted(Policy::default()).in_object(MONDAY));
    assert!(with.wait_mean < without.wait_mean, "{with:#?} {without:#?}");
}

#[test]
fn looks_that_are_left_out_make_hardly_a_difference_to_hints() {
    // A look more or less may bring a node more or less, and all that follows: single runs are some per cent apart.
    let sizes = [12, 16, 20, 24, 28];
    let [waits, nodes] = [|run: &Summary| run.wait_mean, |run: &Summary| run.nodes.seconds.total];
    let differences = sizes.map(|size| {
        let without = play_arrays_of(size, foresail(Policy::default()).in_object(MONDAY));
        let skipping = play_arrays_of(size, hinted(Policy::default()).in_object(MONDAY));
        let looking = play_arrays_of(size, hinted(Policy::default()).without_skipping().in_object(MONDAY));
        [waits, nodes].map(|of| (of(&skipping) - of(&looking)) / of(&without))
    });
    let mean = [0, 1].map(|of| differences.iter().map(|one| one[of]).sum::<f64>() / sizes.len() as f64);
    // Room is asked for up to 20 s late, and the array waits as much longer; without hints it waits for minutes.
    assert!(
        mean[0].abs() < 0.2 && mean[1].abs() < 0.05,
        "waits and nodes, to those without: {differences:?}"
    );
}

#[test]
fn placeholders_are_room_at_every_hour_and_cost_nodes_at_every_hour() {
    let without = play(jobs());
    let with = play(Placeholders::new(20, jobs()));
    let all_day = 11.0 * DAY * (ARRAY / 4) as f64;
    assert!(with.wait_mean < 0.1 * without.wait_mean, "{with:#?}");
    assert!(with.nodes.seconds.total > all_day, "{with:#?}");
}
