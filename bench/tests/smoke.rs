//! Every measure in its smallest form: numbers come out. How good they are is not asked here.

use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_foresail-bench"))
        .args(arguments)
        .output()
        .expect("the bench starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{arguments:?} failed:\n{stdout}{stderr}");
    assert!(stdout.starts_with("Measured on "), "{stdout}");
    stdout.into_owned()
}

/// The cells of the rows whose first cell is `name`, in the order of the report.
fn rows<'a>(report: &'a str, name: &str) -> Vec<Vec<&'a str>> {
    report
        .lines()
        .map(|line| line.split('|').map(str::trim).skip(1).collect::<Vec<_>>())
        .filter(|cells| cells.first().is_some_and(|first| first.starts_with(name)))
        .collect()
}

#[test]
fn a_tick_is_measured_and_a_steady_one_allocates_nothing() {
    let report = bench(&["tick", "--queues", "500", "--seconds", "0.2", "--arrivals", "0.5"]);
    let [row] = &rows(&report, "500")[..] else { panic!("{report}") };
    assert!(row[4].parse::<u64>().unwrap() > 0, "{report}");
    assert_eq!(row[9..11], ["0", "0"], "intake, decide and publish:\n{report}");
}

#[test]
fn a_forecast_is_timed_and_judged_beside_another_library() {
    let report = bench(&["forecast", "--steps", "20", "--without-python"]);
    let skill = |name: &str| {
        let [row] = &rows(&report, name)[..] else { panic!("{name} in {report}") };
        row[4].parse::<f64>().unwrap()
    };
    assert!(skill("Foresail") > 0.3 && skill("augurs") > 0.0, "{report}");
    for part in ["forecast: a second is learned", "sizing: a decision"] {
        assert_eq!(rows(&report, part).len(), 1, "{report}");
    }
}

#[test]
fn the_server_and_a_bare_one_answer_every_call_of_the_load() {
    let report = bench(&[
        "load",
        "--seconds",
        "0.3",
        "--rounds",
        "1",
        "--queues",
        "50",
        "--connections",
        "1,3",
        "--rate",
        "200",
    ]);
    for server in ["foresail", "bare tonic"] {
        let rows = rows(&report, server);
        let failed = |columns: usize, at: usize| -> Vec<&str> {
            rows.iter().filter(|row| row.len() == columns + 1).map(|row| row[at]).collect()
        };
        assert_eq!(failed(9, 7), ["0", "0"], "open loop:\n{report}");
        assert_eq!(failed(7, 4), ["0", "0"], "closed loop:\n{report}");
    }
    assert!(!rows(&report, "grpc-go").is_empty(), "it has a row even where Go is missing:\n{report}");
}

#[test]
fn real_stores_are_sampled_over_one_connection_however_many_refs_there_are() {
    let report = bench(&[
        "sample",
        "--redis-queues",
        "30",
        "--postgres-queues",
        "20",
        "--finished",
        "5",
        "--reads",
        "3",
        "--refs",
        "1,40",
    ]);
    for store in ["Redis", "Postgres"] {
        let [row] = &rows(&report, store)[..] else { panic!("{store}:\n{report}") };
        assert_eq!(row[6], "1 / 1", "connections:\n{report}");
    }
}

#[test]
fn memory_is_measured() {
    let report = bench(&["memory", "--queues", "100", "--seconds", "1"]);
    assert_eq!(rows(&report, "100").len(), 3, "{report}");
}
