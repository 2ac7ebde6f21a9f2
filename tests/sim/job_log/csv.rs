//! CSV: columns by name, units, ends in place of run times, quotes, gzip, and what is wrong with bad files.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use foresail::sim::job_log::{Column, Columns, Job, JobLog, JobLogBuilder, RunTime};
use proptest::prelude::*;

use super::row;

fn columns() -> Columns<'static> {
    Columns { cpus: Some("cpus"), owner: Some("user"), ..Columns::of("at", "seconds") }
}

fn error(text: &str) -> String {
    JobLog::from_csv(text.as_bytes(), &columns()).expect_err("the log is bad").to_string()
}

fn read(text: &str) -> JobLog {
    JobLog::read("log.csv", text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn columns_are_found_by_name_and_jobs_are_sorted_by_submission() {
    let text =
        "user,more,seconds,cpus,at\r\nzoe,x,1.5,8,2017-10-09 00:00:01\r\n\r\nann,x,0,2,1507507200.25\r\n";
    let log = JobLog::from_csv(text.as_bytes(), &columns()).unwrap();
    assert_eq!(
        log.jobs().iter().map(|job| row(&log, job)).collect::<Vec<_>>(),
        [
            ("1507507200.25".into(), "0".into(), Some(2), "ann".into()),
            ("1507507201".into(), "1.5".into(), Some(8), "zoe".into()),
        ]
    );
    assert!(log.jobs().iter().all(|job| job.gpus.is_none()));
}

#[test]
fn usual_names_of_columns_are_known() {
    let log = read("id,Submit_ms,duration_ms,cpu_count,queue,memory_bytes,gpus\n1,1500,250,16,long,4096,0\n");
    let job = log.jobs()[0];
    assert_eq!(row(&log, &job), ("1.5".into(), "0.25".into(), Some(16), String::new()));
    assert_eq!(log.queue(job.queue.unwrap()), "long");
    assert_eq!((job.memory.unwrap().get(), job.gpus), (4096, None));
}

#[test]
fn an_end_stands_for_the_run_time_counted_from_the_start_or_else_from_the_submission() {
    let seconds = |text| read(text).jobs().iter().map(|job| job.run.to_string()).collect::<Vec<_>>();
    let date = "2024-01-01 00:00";
    let with_start =
        format!("submit,start,end\n{date}:00,{date}:10,{date}:25\n{date}:00,,\n{date}:01,{date}:02,\n");
    assert_eq!(seconds(&with_start), ["15", "0", "0"], "no start, or no end: the run time is not known");
    assert_eq!(seconds("created_at,finished_at\n10,25\n"), ["15"]);
    let named = Columns {
        run: RunTime::Between { start: Column::named("b"), end: Column { name: "c", in_milliseconds: true } },
        ..Columns::of("a", "")
    };
    let log = JobLog::from_csv("a,b,c\n1,2,5000\n".as_bytes(), &named).unwrap();
    assert_eq!(log.jobs()[0].run.to_string(), "3");
}

#[test]
fn empty_fields_are_not_known_and_quotes_may_hold_commas() {
    let log = read("submit,run,cpus,owner,estimate_ms\n1,,,,\n2,3,4,\"Doe, \"\"J\"\" \",5000\n");
    let rows: Vec<_> = log.jobs().iter().map(|job| row(&log, job)).collect();
    assert_eq!(rows[0], ("1".into(), "0".into(), None, String::new()));
    assert_eq!(rows[1], ("2".into(), "3".into(), Some(4), "Doe, \"J\"".into()));
    let estimates: Vec<_> = log.jobs().iter().map(|job| job.estimate.map(|e| e.to_string())).collect();
    assert_eq!(estimates, [None, Some("5".into())]);
}

#[test]
fn an_error_names_line_and_column_and_says_what_was_expected() {
    for (text, message) in [
        ("", "line 1: there is no column `at`; the columns are: "),
        ("at,seconds,user\n", "line 1: there is no column `cpus`; the columns are: at, seconds, user"),
        (
            "at,seconds,cpus,user\n1,2,3,a\n\n5,-1,1,a\n",
            "line 4, column `seconds`: `-1` is not a time in seconds, 0 or more",
        ),
        (
            "at,seconds,cpus,user\n1,NaN,3,a\n",
            "line 2, column `seconds`: `NaN` is not a time in seconds, 0 or more",
        ),
        (
            "at,seconds,cpus,user\n2017-02-30 00:00:00,2,3,a\n",
            "line 2, column `at`: `2017-02-30 00:00:00` is not a time (Unix seconds or YYYY-MM-DD hh:mm:ss; \
             a column in milliseconds has a name that ends in _ms)",
        ),
        (
            "at,seconds,cpus,user\n1,2,1.5,a\n",
            "line 2, column `cpus`: `1.5` is not a whole number, 0 or more",
        ),
        ("at,seconds,cpus,user\n1,2\n", "line 2, column `cpus`: the line has only 2 fields"),
    ] {
        assert_eq!(error(text), message, "{text:?}");
    }
    let usual = |text: &str| JobLog::read("a.csv", text.as_bytes()).expect_err("it is bad").to_string();
    assert_eq!(
        usual("when,run\n"),
        "line 1: which column holds the submissions? None is called one of submit, submit_s, submit_ms, submitted, \
         submitted_at, submit_time, created_at; the columns are: when, run"
    );
    assert!(usual("submit,start\n").starts_with("line 1: which column holds the run times or ends?"));
    assert_eq!(
        usual("submit,start,end\n1,5,4\n"),
        "line 2, column `end`: `4` is not a time at or after the start"
    );
}

#[test]
fn a_long_value_is_not_repeated_whole() {
    let message = error(&format!("at,seconds,cpus,user\n{},2,3,a\n", "x".repeat(1000)));
    assert!(message.contains(&format!("`{}`", "x".repeat(80))), "{message}");
}

#[test]
fn gzip_is_known_by_its_first_bytes_and_an_error_in_it_is_said() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"submit,run\n1,2\n3,4\n").unwrap();
    let packed = encoder.finish().unwrap();
    assert_eq!(JobLog::read("a.csv", packed.as_slice()).unwrap().jobs().len(), 2);
    let cut = &packed[..packed.len() - 9];
    let error = JobLog::read("a.csv.gz", cut).unwrap_err().to_string();
    assert!(error.contains("cannot read the job log: "), "{error}");
}

#[test]
fn parents_have_no_column() {
    let mut builder = JobLogBuilder::default();
    let first = builder.push(Job::new(0.0, 1.0));
    builder.push_after(Job::new(0.0, 1.0), &[first]);
    let error = builder.build().write_csv(Vec::new()).unwrap_err().to_string();
    assert_eq!(error, "jobs of this log wait for others, which CSV has no column for: release them first");
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read(jobs in proptest::collection::vec(written(), 0..40)) {
        let mut builder = JobLogBuilder::default();
        for (job, owner, queue) in jobs {
            let owner = owner.map(|name| builder.owner(&name));
            let queue = queue.map(|name| builder.queue(&name));
            builder.push(Job { owner, queue, ..job });
        }
        // Numbers of names are those of their first use in the order of submission.
        let first = csv_of(&builder.build());
        let again = JobLog::read("log.csv", first.as_slice()).unwrap();
        prop_assert_eq!(String::from_utf8(csv_of(&again)).unwrap(), String::from_utf8(first).unwrap());
    }
}

fn csv_of(log: &JobLog) -> Vec<u8> {
    let mut text = Vec::new();
    log.write_csv(&mut text).unwrap();
    text
}

fn written() -> impl Strategy<Value = (Job, Option<String>, Option<String>)> {
    let numbers = (0.0..2e9, 0.0..1e7, any::<u32>(), any::<u32>(), any::<u64>());
    let names = (proptest::option::of("[a-z\", ]{0,5}[a-z]"), proptest::option::of("[a-z]{1,3}"));
    (numbers, proptest::option::of(0.0_f32..1e6), names).prop_map(
        |((submit, run, cpus, gpus, memory), estimate, (owner, queue))| {
            let job = Job {
                estimate,
                cpus: std::num::NonZero::new(cpus),
                gpus: std::num::NonZero::new(gpus),
                memory: std::num::NonZero::new(memory),
                ..Job::new(submit, run)
            };
            (job, owner.map(|name| name.trim().to_owned()), queue)
        },
    )
}
