//! Transforms: each of them, their text, and what cannot be done.

use std::num::NonZeroU32;

use foresail::sim::job_log::{
    Bound, Job, JobLog, JobLogBuilder, ThinBy, Transform, TransformError, Unit, Window,
};
use proptest::prelude::*;

use super::row;

const DAY: f64 = 86_400.0;

fn log(rows: &str) -> JobLog {
    JobLog::read("log.csv", format!("submit,run,cpus,gpus,memory,owner,queue,estimate\n{rows}").as_bytes())
        .unwrap()
}

fn after(text: &str, log: &JobLog) -> JobLog {
    text.parse::<Transform>().unwrap().apply(log).unwrap_or_else(|error| panic!("{error}"))
}

fn rows(log: &JobLog) -> Vec<(String, String, Option<u32>, String)> {
    log.jobs().iter().map(|job| row(log, job)).collect()
}

fn owners(log: &JobLog) -> Vec<&str> {
    log.jobs().iter().map(|job| log.owner(job.owner.unwrap())).collect()
}

/// Jobs of owners 0, 1, 2, ... in turn, one a minute.
fn many(jobs: u32, owners: u32) -> JobLog {
    let mut builder = JobLogBuilder::default();
    for number in 0..jobs {
        let owner = Some(builder.owner(&(number % owners).to_string()));
        builder.push(Job { owner, ..Job::new(f64::from(number) * 60.0, 10.0) });
    }
    builder.build()
}

#[test]
fn a_window_takes_its_start_and_leaves_its_end() {
    let log = log("864000,1,,,,a,,\n950400,1,,,,b,,\n1036800,1,,,,c,,\n1123200,1,,,,d,,\n");
    assert_eq!(owners(&after("window=1..3", &log)), ["b", "c"], "days after the first submission");
    assert_eq!(owners(&after("window=1970-01-12..1970-01-13T00:00:00Z", &log)), ["b"], "dates");
    assert_eq!(owners(&after("window=2..", &log)), ["c", "d"]);
    assert_eq!(owners(&after("window=..1970-01-12", &log)), ["a"]);
}

#[test]
fn the_dense_part_is_the_shortest_run_of_days_with_that_share() {
    let days = [0.0, 10.0, 20.1, 20.2, 20.3, 21.0, 21.5, 22.9, 23.0, 40.0];
    let log = JobLog::new(days.iter().map(|day| Job::new(day * DAY, 1.0)).collect());
    let days = |share| {
        let log = after(share, &log);
        log.jobs().iter().map(|job| (job.submit / DAY).to_string()).collect::<Vec<_>>()
    };
    assert_eq!(days("dense=0.6"), ["20.1", "20.2", "20.3", "21", "21.5", "22.9"]);
    assert_eq!(days("dense=0.1"), ["0"], "the earliest of many");
    assert_eq!(days("dense=1").len(), 10);
    assert_eq!(after("dense=0.5", &JobLog::default()).jobs().len(), 0);
}

#[test]
fn run_times_take_a_median_and_a_cap_and_estimates_go_along() {
    let log = log("0,10,,,,,,20\n1,30,,,,,,\n2,500,,,,,,600\n");
    let runs = |log: &JobLog| {
        let text = |job: &Job| (job.run.to_string(), job.estimate.map(|seconds| seconds.to_string()));
        log.jobs().iter().map(text).collect::<Vec<_>>()
    };
    let with = |seconds: &str| Some(seconds.to_owned());
    assert_eq!(
        runs(&after("median=1m", &log)),
        [("20".into(), with("40")), ("60".into(), None), ("1000".into(), with("1200"))]
    );
    assert_eq!(
        runs(&after("cap=25", &log)),
        [("10".into(), with("20")), ("25".into(), None), ("25".into(), with("25"))]
    );
    let zeros = JobLog::new(vec![Job::new(0.0, 0.0); 3]);
    assert_eq!(after("median=5", &zeros), zeros, "nothing can be scaled");
}

#[test]
fn thinning_by_owners_keeps_one_in_so_many_with_all_their_jobs() {
    let log = many(1000, 10);
    for seed in 0..20 {
        let thin = after(&format!("thin=owners/4@{seed}"), &log);
        let mut kept = owners(&thin);
        kept.sort_unstable();
        kept.dedup();
        assert_eq!((kept.len(), thin.jobs().len()), (3, 300), "seed {seed}");
    }
    let choice = |seed| after(&format!("thin=owners/4@{seed}"), &log);
    assert_eq!(choice(7), choice(7));
    assert!((0..20).any(|seed| choice(seed) != choice(7)));
}

#[test]
fn thinning_by_jobs_keeps_about_one_in_so_many() {
    let log = many(10_000, 3);
    let thin = after("thin=jobs/10@1", &log);
    // Expected 1000; five standard deviations of a binomial law are 150.
    assert!((850..1150).contains(&thin.jobs().len()), "{}", thin.jobs().len());
    assert_eq!(thin, after("thin=jobs/10@1", &log));
    assert_ne!(thin, after("thin=jobs/10@2", &log));
    assert_eq!(after("thin=jobs/1", &log), log);
}

#[test]
fn time_is_scaled_from_the_first_submission_on() {
    let log = after("time=0.5", &log("1000,10,,,,a,,\n1100,30,,,,b,,\n"));
    assert_eq!(
        rows(&log),
        [("1000".into(), "5".into(), None, "a".into()), ("1050".into(), "15".into(), None, "b".into())]
    );
}

#[test]
fn an_array_has_one_task_for_each_processor_or_gpu_up_to_a_cap() {
    let log = log("0,10,6,3,600,a,,\n5,20,,,,b,,\n");
    let needs = |text| {
        let log = after(text, &log);
        let number = |number: Option<NonZeroU32>| number.map_or(0, NonZeroU32::get);
        let need = |job: &Job| {
            (
                number(job.cpus),
                number(job.gpus),
                job.memory.map_or(0, std::num::NonZero::get),
                job.run.to_string(),
            )
        };
        log.jobs().iter().map(need).collect::<Vec<_>>()
    };
    let other = (0, 0, 0, "20".to_owned());
    let array = |tasks, task: (u32, u32, u64, &str)| {
        let task = (task.0, task.1, task.2, task.3.to_owned());
        let mut all = vec![task; tasks];
        all.push(other.clone());
        all
    };
    assert_eq!(needs("tasks=cpus"), array(6, (1, 0, 100, "10")), "3 GPUs are not one for each of 6");
    assert_eq!(needs("tasks=cpus/2"), array(2, (3, 1, 300, "10")));
    assert_eq!(needs("tasks=gpus"), array(3, (2, 1, 200, "10")));
    assert_eq!(needs("tasks=gpus/2"), array(2, (3, 2, 300, "10")), "rounded up");
}

#[test]
fn queues_owners_and_jobs_that_ran_are_picked() {
    let log = log("0,10,,,,ann,x,\n1,0,,,,zoe,y,\n2,3,,,,zoe,,\n3,4,,,,,z,\n");
    let submits =
        |text| after(text, &log).jobs().iter().map(|job| job.submit.to_string()).collect::<Vec<_>>();
    assert_eq!(submits("queue=x, z"), ["0", "3"]);
    assert_eq!(submits("owner=zoe"), ["1", "2"]);
    assert_eq!(submits("with-run"), ["0", "2", "3"]);
}

#[test]
fn a_log_can_start_at_another_time() {
    let moved = after("start=2024-01-01", &log("1000,10,,,,a,,\n1100.5,30,,,,b,,\n"));
    let submits: Vec<_> = moved.jobs().iter().map(|job| job.submit.to_string()).collect();
    assert_eq!(submits, ["1704067200", "1704067300.5"]);
}

#[test]
fn what_cannot_be_done_is_said() {
    let undated = JobLog::from_swf("1 0 -1 5 1\n2 9 -1 5 1\n".as_bytes()).unwrap();
    let said = |text: &str, log: &JobLog| {
        text.parse::<Transform>().and_then(|transform| transform.apply(log)).unwrap_err().to_string()
    };
    assert_eq!(
        said("window=1990-01-01..", &undated),
        "window=1990-01-01..: the log does not say when it was taken; give days after its start (window=10..40)"
    );
    assert_eq!(
        said("thin=owners/2", &undated),
        "thin=owners/2@0: the log does not say who submitted a job; choose jobs (thin=jobs/4)"
    );
    assert_eq!(
        said("queue=batch", &undated),
        "queue=batch leaves no job of 2 jobs in 9s; run time: median 5s, p95 5s; at most 2 jobs an hour"
    );
    for text in [
        "",
        "median",
        "median=x",
        "window=3",
        "window=5..5",
        "window=a..b",
        "dense=0",
        "dense=1.5",
        "thin=users/3",
        "thin=jobs/0",
        "time=-1",
        "time=inf",
        "tasks=nodes",
        "tasks=cpus/0",
        "queue=",
        "owner=a,,b",
        "with-run=yes",
        "start=soon",
        "shuffle",
    ] {
        let error = text.parse::<Transform>().unwrap_err();
        assert!(matches!(error, TransformError::Text { .. }), "{text}: {error}");
        assert!(
            error.to_string().starts_with(&format!("`{text}` is no transform of a job log: ")),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn the_text_of_a_transform_is_the_transform(transform in transform()) {
        prop_assert_eq!(transform.to_string().parse::<Transform>().unwrap(), transform);
    }

    #[test]
    fn every_transform_keeps_the_order_and_the_ranges(
        transform in transform(),
        jobs in proptest::collection::vec((0.0..1e7, 0.0..1e5, 0..40_u32), 0..50),
    ) {
        let jobs = jobs.into_iter().map(|(submit, run, cpus)| Job { cpus: NonZeroU32::new(cpus), ..Job::new(submit, run) });
        let log = JobLog::new(jobs.collect());
        if let Ok(made) = transform.apply(&log) {
            prop_assert!(made.jobs().is_sorted_by(|a, b| a.submit <= b.submit));
            prop_assert!(made.jobs().iter().all(|job| job.run >= 0.0 && job.submit.is_finite()));
        }
    }
}

fn transform() -> impl Strategy<Value = Transform> {
    let count = || (1..1000_u32).prop_map(|count| NonZeroU32::new(count).unwrap());
    let names = || proptest::collection::vec("[a-z]{1,4}", 1..3);
    let window = |(from, span): (u32, u32)| {
        let at = |day: u32| Some(Bound::Day(f64::from(day) / 4.0));
        Transform::Window(Window { from: at(from), to: at(from + span) })
    };
    let since =
        |day: u32| Transform::Window(Window { from: Some(Bound::Date(f64::from(day) * DAY)), to: None });
    prop_oneof![
        (0..1000_u32, 1..1000_u32).prop_map(window),
        (0..20_000_u32).prop_map(since),
        (0.01..1.0).prop_map(Transform::Dense),
        (0.0..1e6).prop_map(Transform::MedianRun),
        (0.0..1e6).prop_map(Transform::CapRun),
        (count(), any::<u64>(), any::<bool>()).prop_map(|(one_in, seed, owners)| Transform::Thin {
            by: if owners { ThinBy::Owners } else { ThinBy::Jobs },
            one_in,
            seed,
        }),
        (0.001..100.0).prop_map(Transform::ScaleTime),
        (any::<bool>(), proptest::option::of(count())).prop_map(|(cpus, cap)| Transform::Expand {
            unit: if cpus { Unit::Cpus } else { Unit::Gpus },
            cap,
        }),
        names().prop_map(Transform::Queues),
        names().prop_map(Transform::Owners),
        Just(Transform::WithRun),
        (0..2_000_000_000_u32).prop_map(|at| Transform::Start(at.into())),
        Just(Transform::Released),
    ]
}
