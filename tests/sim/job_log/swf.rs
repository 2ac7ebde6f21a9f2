//! The Standard Workload Format.

use foresail::sim::job_log::{About, JobLog};

use super::row;

/// A log as the archive writes them, made up.
const LOG: &str = "\
; Version: 2.2
; Computer: a made-up cluster in Ume\u{e5}
;   MaxProcs: 240
; MaxNodes: 60
; UnixStartTime: 1000000
; TimeZoneString: Europe/Stockholm
; Queue:  1  batch
; Queue:  2  [long:1]
; Partition:  3  gpu nodes

    7      100    -1     60    4  59.5   512    8    300  1024  1   5   1  -1  1  3 -1 -1
    8       20     5     -1   -1    -1    -1    2     -1    -1  5   6   1  -1  7 -1 -1 -1
    9       30     5   2.5    0    -1   100   -1     60     0  1  -1   1  -1 -1  3 -1 -1  42 43
;   a comment between jobs
   10       40     0      7    1
";

fn read(text: &str) -> JobLog {
    JobLog::from_swf(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn fields_are_read_by_the_rules_of_the_format() {
    let log = read(LOG);
    let rows: Vec<_> = log.jobs().iter().map(|job| row(&log, job)).collect();
    assert_eq!(
        rows,
        [
            ("1000020".into(), "0".into(), Some(2), "6".into()),
            ("1000030".into(), "2.5".into(), None, String::new()),
            ("1000040".into(), "7".into(), Some(1), String::new()),
            ("1000100".into(), "60".into(), Some(4), "5".into()),
        ],
        "sorted; requested processors stand in for allocated ones, run time 0 for an unknown one"
    );
    let queues: Vec<_> = log.jobs().iter().map(|job| job.queue.map(|queue| log.queue(queue))).collect();
    assert_eq!(
        queues,
        [Some("7"), Some("gpu nodes"), None, Some("batch")],
        "named by the head where it does"
    );
    let memory: Vec<_> = log.jobs().iter().map(|job| job.memory.map(std::num::NonZero::get)).collect();
    let kib = 1024;
    assert_eq!(
        memory,
        [None, Some(100 * kib), None, Some(4 * 1024 * kib)],
        "asked for, else used, of all cpus"
    );
    let estimates: Vec<_> = log.jobs().iter().map(|job| job.estimate.map(|e| e.to_string())).collect();
    assert_eq!(estimates, [None, Some("60".into()), None, Some("300".into())]);
}

#[test]
fn the_head_says_what_machine_it_was() {
    let about = About { processors: Some(240), time_zone: Some("Europe/Stockholm".into()), undated: false };
    assert_eq!(read(LOG).about(), &about);
    let bare = read("1 50 -1 3 1 -1 -1 1 -1 -1 1 1 1 -1 1 -1 -1 -1\n; MaxNodes: 9\n");
    assert_eq!(bare.about(), &About { processors: Some(9), undated: true, ..About::default() });
    assert_eq!(bare.jobs()[0].submit.to_string(), "50");
}

#[test]
fn the_name_of_a_file_says_that_it_is_swf() {
    for name in ["kth.swf", "kth.swf.gz", "archive/KTH.SWF"] {
        assert_eq!(JobLog::read(name, LOG.as_bytes()).unwrap().jobs().len(), 4, "{name}");
    }
    assert!(JobLog::read("kth.csv", LOG.as_bytes()).is_err());
}

#[test]
fn names_in_an_old_coding_do_no_harm() {
    let mut bytes = b"; Queue: 1 caf\xe9\n".to_vec();
    bytes.extend(b"1 0 -1 3 1 -1 -1 1 -1 -1 1 1 1 -1 1 -1 -1 -1\n");
    let log = JobLog::from_swf(bytes.as_slice()).unwrap();
    assert_eq!(log.queue(log.jobs()[0].queue.unwrap()), "caf\u{fffd}");
}

#[test]
fn an_error_names_line_and_field() {
    for (text, message) in [
        ("; x\n1 2 3 4\n", "line 2, column `5: allocated processors`: the line has only 4 fields"),
        ("1 -1 -1 3 1\n", "line 1, column `2: submit time`: `-1` is not a time, 0 or more"),
        ("1 0 -1 x 1\n", "line 1, column `4: run time`: `x` is not a number, or -1 where it is unknown"),
        ("1 0 -1 NaN 1\n", "line 1, column `4: run time`: `NaN` is not a number, or -1 where it is unknown"),
        (
            "1 0 -1 4 1e99\n",
            "line 1, column `5: allocated processors`: `1e99` is not a number, or -1 where it is unknown",
        ),
    ] {
        let error = JobLog::from_swf(text.as_bytes()).expect_err("the log is bad").to_string();
        assert_eq!(error, message, "{text:?}");
    }
}
