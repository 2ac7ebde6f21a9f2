//! `foresail-bench import`, from a real Postgres, a real Prometheus, and files.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]

#[path = "import/files.rs"]
mod files;
#[path = "import/postgres.rs"]
mod postgres;
#[path = "import/prometheus.rs"]
mod prometheus;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::process::{Command, Output};

/// What an import printed.
struct Printed {
    /// Whether it said that it went well.
    ok: bool,
    csv: String,
    said: String,
}

fn import(arguments: &[&str], environment: &[(&str, &str)]) -> Printed {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_foresail-bench"))
        .arg("import")
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the bench starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Printed { ok: status.success(), csv: text(stdout), said: text(stderr) }
}

/// The CSV of an import that goes well, and what it said.
fn imported(arguments: &[&str]) -> (String, String) {
    let Printed { ok, csv, said } = import(arguments, &[]);
    assert!(ok, "{arguments:?}: {said}");
    (csv, said)
}

/// What an import says that goes wrong.
fn refused(arguments: &[&str]) -> String {
    let Printed { ok, csv, said } = import(arguments, &[]);
    assert!(!ok && csv.is_empty(), "{arguments:?} went well: {said}\n{csv}");
    said
}

/// The first two columns of CSV, submission and run time, without their names.
fn jobs(csv: &str) -> Vec<(&str, &str)> {
    let rows = csv.lines().skip(1).filter_map(|line| line.split_once(','));
    rows.map(|(submit, rest)| (submit, rest.split(',').next().unwrap())).collect()
}
