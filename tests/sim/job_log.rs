//! Job logs: readers, transforms, the real logs where they are at hand.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]

#[path = "job_log/csv.rs"]
mod csv;
#[path = "job_log/public_logs.rs"]
mod public_logs;
#[path = "job_log/random_bytes.rs"]
mod random_bytes;
#[path = "job_log/swf.rs"]
mod swf;
#[path = "job_log/transforms.rs"]
mod transforms;
#[path = "job_log/workflows.rs"]
mod workflows;

use foresail::sim::job_log::{Job, JobLog};

/// A job in few words: submission, run time, cpus, owner.
fn row(log: &JobLog, job: &Job) -> (String, String, Option<u32>, String) {
    let owner = job.owner.map_or("", |owner| log.owner(owner)).to_owned();
    (job.submit.to_string(), job.run.to_string(), job.cpus.map(std::num::NonZero::get), owner)
}

#[test]
fn the_bundled_log_is_a_week_of_10_465_jobs() {
    let log = JobLog::bundled().unwrap();
    assert_eq!(log.jobs().len(), 10_465);
    let (first, last) = (log.jobs()[0], log.jobs()[10_464]);
    assert_eq!(row(&log, &first), ("1507512850".into(), "5672".into(), None, "6214e9".into()));
    assert_eq!(first.gpus.unwrap().get(), 1);
    assert_eq!((last.submit.to_string(), last.gpus.unwrap().get()), ("1508110481".into(), 4));
    assert!(log.jobs().is_sorted_by(|a, b| a.submit <= b.submit));
    assert_eq!(log.median_run().unwrap().to_string(), "2600");
}

#[test]
fn a_log_is_described_in_one_line() {
    assert_eq!(
        JobLog::bundled().unwrap().to_string(),
        "10,465 jobs of 5 owners in 6d 22h (2017-10-09 to 2017-10-15); run time: median 43m 20s, p95 2h 43m; \
         at most 410 jobs an hour, 93 % in bursts"
    );
    assert_eq!(
        JobLog::new(vec![Job::new(0.0, 0.0)]).to_string(),
        "1 job in 0s (1970-01-01 to 1970-01-01); run time: median 0s, p95 0s; at most 1 job an hour; 1 without run time"
    );
    assert_eq!(JobLog::default().to_string(), "no jobs");
}

#[test]
fn run_times_are_scaled_to_a_median_and_then_cut() {
    let log = JobLog::bundled().unwrap().with_run_times(300.0, 14_400.0);
    assert_eq!(log.median_run().unwrap().to_string(), "300");
    let longest = log.jobs().iter().map(|job| job.run).fold(0.0, f64::max);
    assert_eq!(longest.to_string(), "14400");
    let hours = log.work() / 3600.0;
    assert!((hours - 1452.504).abs() < 0.001, "{hours}");
}

#[test]
fn a_job_is_small_since_logs_have_hundreds_of_thousands() {
    assert_eq!(size_of::<Job>(), 48);
}
