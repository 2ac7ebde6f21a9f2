//! Series of a real Prometheus, backfilled.

use std::fs;

use super::{
    imported, jobs, refused,
    support::prometheus::{Prometheus, START},
};

/// An import of the first so many minutes.
fn asking<'a>(server: &'a Prometheus, minutes: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["prometheus", &server.url, "--start", "2024-01-01", "--end", minutes], more].concat()
}

/// Seconds after the start.
fn seconds(csv: &str) -> Vec<String> {
    let since = |submit: &str| (submit.parse::<f64>().unwrap() - f64::from(START)).to_string();
    jobs(csv).iter().map(|(submit, _)| since(submit)).collect()
}

const SERIES: &[(&str, &[u32])] = &[
    ("busy{pod=\"a\"}", &[1, 1, 1, 1, 1]),
    ("busy{pod=\"b\"}", &[1, 1, 1, 1, 1]),
    ("jobs_total{pod=\"a\"}", &[10, 12, 12, 1, 1]),
    ("jobs_total{pod=\"b\"}", &[0, 0, 0, 0, 4]),
    ("waiting", &[5, 7, 3, 4, 4]),
];

#[tokio::test]
async fn a_counter_becomes_jobs_and_busy_workers_their_run_time() {
    let server = Prometheus::start(SERIES, false).await;
    let end = (START + 240).to_string();
    let (csv, said) =
        imported(&asking(&server, &end, &["--counter", "jobs_total", "--busy", "sum(busy)", "--step", "1m"]));
    assert_eq!(seconds(&csv), ["15", "45", "150", "187.5", "202.5", "217.5", "232.5"]);
    // Two workers for four minutes, and seven jobs.
    let run = (480.0_f64 / 7.0).to_string();
    assert!(jobs(&csv).iter().all(|(_, seconds)| *seconds == run), "{csv}");
    assert!(said.contains("note: jobs within a step of 60 s are spread evenly over it"), "{said}");
    assert!(said.contains("note: all jobs have the same run time, 68.571 s"), "{said}");
}

#[tokio::test]
async fn a_depth_becomes_jobs_and_says_what_it_does_not_show() {
    let server = Prometheus::start(SERIES, false).await;
    let end = (START + 240).to_string();
    let (csv, said) = imported(&asking(&server, &end, &["--depth", "waiting", "--run", "30s"]));
    assert_eq!(seconds(&csv), ["15", "45", "150"]);
    assert!(said.contains("a depth alone shows only what the queue grew by"), "{said}");
    let (csv, said) =
        imported(&asking(&server, &end, &["--depth", "waiting", "--run", "30s", "--busy", "sum(busy)"]));
    // Four jobs leave each minute: 6, 0, 5 and 4 came.
    assert_eq!(seconds(&csv).len(), 15, "{csv}");
    assert!(said.contains("estimated from busy workers"), "{said}");
}

#[tokio::test]
async fn a_span_of_more_points_than_one_answer_holds_is_asked_in_pieces() {
    let rising: Vec<u32> = (0..300).collect();
    let server = Prometheus::start(&[("jobs_total", &rising)], false).await;
    // 17,941 points a second apart; the last value holds on for five minutes.
    let end = (START + 299 * 60).to_string();
    let arguments = ["--counter", "jobs_total", "--run", "1", "--step", "1s"];
    let (csv, _) = imported(&asking(&server, &end, &arguments));
    assert_eq!(seconds(&csv).len(), 299);
}

#[tokio::test]
async fn what_the_server_or_the_query_lacks_is_said() {
    let server = Prometheus::start(SERIES, false).await;
    let end = (START + 240).to_string();
    for (arguments, message) in [
        (&["--depth", "busy", "--run", "1"][..], "`busy` gives 2 series; one is needed: write sum(...)"),
        (&["--counter", "none", "--run", "1"], "`none` has no points in this span"),
        (&["--counter", "rate(", "--run", "1"], "refuses `rate(`: "),
        (&["--counter", "jobs_total"], "--run"),
        (&["--counter", "jobs_total", "--run", "1", "--step", "0"], "write seconds (90) or units"),
    ] {
        let said = refused(&asking(&server, &end, arguments));
        assert!(said.contains(message), "{arguments:?}: {said}");
    }
    let said = refused(&asking(&server, "2023-01-01", &["--counter", "jobs_total", "--run", "1"]));
    assert!(said.contains("--start must lie before --end"), "{said}");
    let said = refused(&["prometheus", "http://me:hush@x", "--start", "0", "--counter", "x", "--run", "1"]);
    assert!(said.contains("put them into --auth-file") && !said.contains("hush"), "{said}");
}

#[tokio::test]
async fn a_server_that_wants_to_know_who_asks_is_told() {
    let server = Prometheus::start(SERIES, true).await;
    let end = (START + 240).to_string();
    let counter = ["--counter", "jobs_total", "--run", "1"];
    let said = refused(&asking(&server, &end, &counter));
    assert!(said.contains("answers 401 Unauthorized"), "{said}");
    let file = server.folder.path().join("authorization");
    fs::write(&file, "Basic bGFiOnF1YXk=\n").unwrap();
    let with_file = [&counter[..], &["--auth-file", file.to_str().unwrap()]].concat();
    assert_eq!(jobs(&imported(&asking(&server, &end, &with_file)).0).len(), 7);
}
