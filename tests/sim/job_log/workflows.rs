//! Workflows: tasks that are released when their parents have ended.

use foresail::sim::job_log::{JobLog, Placement, Releases, Transform, Workflows};
use proptest::prelude::*;

use super::row;

/// Two instances; a diamond whose last task stands first in the file, and a single task.
const LOG: &str = "\
instance,task,name,level,parents,runtime_s,cores,avg_cpu_pct,memory_bytes,executed_at
diamond,3,merge,2,1;2,4,,,,
diamond,0,split,0,,1,2,99.6,9000000,
diamond,1,left,1,0,10,,,,
diamond,2,right,1,0,20,,,,
single,0,all,0,,5,,,,
";

fn workflows() -> Workflows {
    Workflows::read(LOG.as_bytes()).unwrap()
}

fn submits(log: &JobLog) -> Vec<String> {
    log.jobs().iter().map(|job| job.submit.to_string()).collect()
}

#[test]
fn parents_stand_before_their_children() {
    let log = workflows().place(&Placement::At(vec![100.0, 50.0, 200.0]));
    assert_eq!(
        submits(&log),
        ["50", "100", "100", "100", "100", "200", "200", "200", "200"],
        "the first again"
    );
    assert_eq!(row(&log, &log.jobs()[1]), ("100".into(), "1".into(), Some(2), "diamond".into()));
    assert_eq!(log.jobs()[1].memory.unwrap().get(), 9_000_000);
    let parents: Vec<&[u32]> = (0..5).map(|job| log.parents(job)).collect();
    assert_eq!(parents, [&[][..], &[], &[1], &[1], &[2, 3]]);
    assert!(log.about().undated);
}

#[test]
fn a_csv_with_these_columns_is_read_as_workflows_an_hour_apart() {
    let log = JobLog::read("wf.csv", LOG.as_bytes()).unwrap();
    assert_eq!(submits(&log), ["0", "0", "0", "0", "3600"]);
    assert!(log.has_parents());
}

#[test]
fn a_task_is_released_by_the_last_of_its_parents() {
    let log = workflows().place(&Placement::At(vec![0.0]));
    let mut releases = Releases::of(&log);
    let mut ended = |job| {
        let mut free = Vec::new();
        releases.ended(job, |job| free.push(job));
        free
    };
    assert_eq!(ended(0), [1, 2]);
    assert_eq!(ended(2), [0; 0]);
    assert_eq!(ended(1), [3]);
    assert_eq!(ended(3), [0; 0]);
    let is_free: Vec<bool> = (0..4).map(|job| Releases::of(&log).is_free(job)).collect();
    assert_eq!(is_free, [true, false, false, false]);
}

#[test]
fn released_tasks_are_submitted_when_nobody_would_have_waited() {
    let log = Transform::Released.apply(&workflows().place(&Placement::At(vec![100.0]))).unwrap();
    assert_eq!(submits(&log), ["100", "101", "101", "121"]);
    assert!(!log.has_parents());
}

#[test]
fn what_waited_for_a_dropped_task_waits_for_its_parents() {
    let text = "instance,task,parents,runtime_s\na,0,,1\na,1,0,0\na,2,1;0,3\n";
    let log = Workflows::read(text.as_bytes()).unwrap().place(&Placement::At(vec![0.0]));
    let log = Transform::WithRun.apply(&log).unwrap();
    assert_eq!((log.jobs().len(), log.parents(0), log.parents(1)), (2, &[][..], &[0][..]));
}

#[test]
fn an_array_waits_for_all_tasks_of_an_array() {
    let text = "instance,task,parents,runtime_s,cores\na,0,,1,2\na,1,0,1,3\n";
    let log = Workflows::read(text.as_bytes()).unwrap().place(&Placement::At(vec![0.0]));
    let log = "tasks=cpus".parse::<Transform>().unwrap().apply(&log).unwrap();
    let parents: Vec<&[u32]> = (0..5).map(|job| log.parents(job)).collect();
    assert_eq!(parents, [&[][..], &[], &[0, 1], &[0, 1], &[0, 1]]);
}

#[test]
fn an_error_names_the_line() {
    let head = "instance,task,parents,runtime_s\n";
    for (rest, message) in [
        ("a,0,1,1\n", "line 2, column `parents`: `1` is not a task of the same instance"),
        (
            "a,0,,1\na,0,,1\n",
            "line 3, column `task`: `0` is not a number that no other task of the instance has",
        ),
        ("a,0,x,1\n", "line 2, column `parents`: `x` is not task numbers joined by `;`"),
        ("a,0,,-1\n", "line 2, column `runtime_s`: `-1` is not a run time in seconds, 0 or more"),
        ("b,0,,1\na,0,,1\na,1,2,1\na,2,1,1\n", "line 4: task 1 waits for itself, through its `parents`"),
    ] {
        let error = Workflows::read(format!("{head}{rest}").as_bytes()).expect_err("it is bad").to_string();
        assert_eq!(error, message);
    }
}

proptest! {
    #[test]
    fn a_poisson_placement_has_its_rate_and_repeats_by_seed(seed in any::<u64>()) {
        let placement = Placement::Poisson { from: 1000.0, to: 401_000.0, mean_gap: 200.0, seed };
        let log = workflows().place(&placement);
        prop_assert_eq!(&log, &workflows().place(&placement));
        let placed = log.jobs().iter().filter(|job| log.owner(job.owner.unwrap()) == "single").count();
        // 1000 of one kind are expected; six standard deviations.
        prop_assert!((810..1190).contains(&placed), "{}", placed);
        let inside = log.jobs().iter().all(|job| (1000.0..401_000.0).contains(&job.submit));
        prop_assert!(inside);
    }
}
