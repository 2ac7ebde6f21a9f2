//! Job logs: the bundled one, and what is wrong with bad ones.

use foresail::sim::job_log::{Columns, JobLog};

const COLUMNS: Columns<'static> =
    Columns { submit: "at", run: "seconds", cpus: Some("cpus"), gpus: None, owner: Some("user") };

fn error(text: &str) -> String {
    JobLog::from_csv(text.as_bytes(), &COLUMNS).expect_err("the log is bad").to_string()
}

#[test]
fn the_bundled_log_is_a_week_of_10_465_jobs() {
    let log = JobLog::bundled().unwrap();
    assert_eq!(log.jobs().len(), 10_465);
    let (first, last) = (log.jobs()[0], log.jobs()[10_464]);
    assert_eq!((first.submit.to_string(), first.run.to_string()), ("1507512850".into(), "5672".into()));
    assert_eq!(first.gpus, Some(1));
    assert_eq!(log.owner(first.owner.unwrap()), Some("6214e9"));
    assert_eq!((last.submit.to_string(), last.gpus), ("1508110481".into(), Some(4)));
    assert!(log.jobs().is_sorted_by(|a, b| a.submit <= b.submit));
    assert_eq!(log.median_run().unwrap().to_string(), "2600");
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
fn a_window_takes_its_start_and_leaves_its_end() {
    let log = JobLog::from_csv("at,seconds,cpus,user\n10,1,1,a\n20,1,1,b\n30,1,1,c\n".as_bytes(), &COLUMNS);
    let window = log.unwrap().window(10.0, 30.0);
    let owners: Vec<_> = window.jobs().iter().map(|job| window.owner(job.owner.unwrap()).unwrap()).collect();
    assert_eq!(owners, ["a", "b"]);
}

#[test]
fn columns_are_found_by_name_and_jobs_are_sorted_by_submission() {
    let text =
        "user,more,seconds,cpus,at\r\nzoe,x,1.5,8,2017-10-09 00:00:01\r\n\r\nann,x,0,2,1507507200.25\r\n";
    let log = JobLog::from_csv(text.as_bytes(), &COLUMNS).unwrap();
    let seen: Vec<_> = log
        .jobs()
        .iter()
        .map(|job| {
            (job.submit.to_string(), job.run.to_string(), job.cpus, job.owner.and_then(|o| log.owner(o)))
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("1507507200.25".into(), "0".into(), Some(2), Some("ann")),
            ("1507507201".into(), "1.5".into(), Some(8), Some("zoe")),
        ]
    );
    assert!(log.jobs().iter().all(|job| job.gpus.is_none()));
}

#[test]
fn an_error_names_line_and_column_and_says_what_was_expected() {
    for (text, message) in [
        ("", "line 1: there is no column `at`; the columns are: "),
        ("at,seconds,user\n", "line 1: there is no column `cpus`; the columns are: at, seconds, user"),
        (
            "at,seconds,cpus,user\n1,2,3,a\n5,-1,1,a\n",
            "line 3, column `seconds`: `-1` is not a run time in seconds, 0 or more",
        ),
        (
            "at,seconds,cpus,user\n1,NaN,3,a\n",
            "line 2, column `seconds`: `NaN` is not a run time in seconds, 0 or more",
        ),
        (
            "at,seconds,cpus,user\n2017-02-30 00:00:00,2,3,a\n",
            "line 2, column `at`: `2017-02-30 00:00:00` is not a time (Unix seconds or YYYY-MM-DD hh:mm:ss)",
        ),
        (
            "at,seconds,cpus,user\n1,2,1.5,a\n",
            "line 2, column `cpus`: `1.5` is not a whole number, 0 or more",
        ),
        ("at,seconds,cpus,user\n1,2\n", "line 2, column `cpus`: the line has only 2 fields"),
    ] {
        assert_eq!(error(text), message, "{text:?}");
    }
}

#[test]
fn a_file_that_is_no_gzip_is_an_error() {
    let error = JobLog::from_csv_gz("at,seconds\n".as_bytes(), &COLUMNS).unwrap_err().to_string();
    assert!(error.starts_with("line 1: cannot read the job log: "), "{error}");
}
