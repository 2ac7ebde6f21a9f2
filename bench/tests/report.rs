//! `foresail-bench report`: the page as a reader sees it, and what was watched beside what would have been.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]

#[path = "report/cluster.rs"]
mod cluster;
#[path = "report/reader.rs"]
mod reader;
#[path = "report/shadow.rs"]
mod shadow;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::{
    path::Path,
    process::{Command, Output},
};

use reader::Expected;

const WEEK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/sim/data/philly-2017-10.csv.gz");

/// Writes a page into a folder, by a relative name: so the command line in it is the same wherever that is.
fn report(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail-bench"));
    command.current_dir(folder).args(["report", "--no-progress", "--html", "page.html"]).args(arguments);
    command.output().expect("the bench starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_comparison_is_a_page_that_reads_well_at_any_width_and_twice_the_same() {
    let [first, second] = [(); 2].map(|()| {
        let folder = tempfile::tempdir().unwrap();
        let log = [
            "--log",
            WEEK,
            "--cut",
            "window=0..5",
            "--warm-up",
            "0",
            "--node-size",
            "0,4",
            "--field",
            "small",
        ];
        let output = report(folder.path(), &log);
        assert!(output.status.success(), "{}", text(&output.stderr));
        (folder, text(&output.stdout))
    });
    let page = |(folder, _): &(tempfile::TempDir, String)| {
        std::fs::read_to_string(folder.path().join("page.html")).unwrap()
    };
    assert!(page(&first) == page(&second), "two runs write the same bytes");
    assert!(
        page(&first).contains(first.1.split("\n\n").next().unwrap()),
        "the page begins with what is printed"
    );
    // For each of two worlds: a front, the waits, and on two days for two rivals waiting and workers; nodes in one. Forecasts, of
    // the log.
    let plots = 2 * (2 + 2 * 2 * 2) + 2 * 2 + 1;
    let words = [
        "were played",
        "with Foresail",
        "KEDA as people run it",
        "19 times of 20",
        "foresail-bench report",
        "Whether forecasts mean what they say",
        "the 90 % quantile held",
    ];
    reader::reads(&first.0.path().join("page.html"), &Expected { plots, words: &words });
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str]| {
        let output = report(folder.path(), arguments);
        assert!(!output.status.success());
        text(&output.stderr)
    };
    assert!(said(&[]).contains("--log <FILE>"), "a log or --shadow is needed");
    assert!(said(&["--shadow", "nowhere"]).contains("cannot read nowhere"));
    std::fs::write(folder.path().join("log"), "nothing\n").unwrap();
    assert!(said(&["--shadow", "log"]).contains("no watched ref is in the log"));
    assert!(said(&["--log", WEEK, "--shadow", "log"]).contains("cannot be used with"));
}
