//! `foresail-bench tune` and `merge` on the week that the repository brings.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]

#[path = "tune/manifest.rs"]
mod manifest;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use foresail::config::{Config, policy::PolicyConfig};
use tempfile::TempDir;

const WEEK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/sim/data/philly-2017-10.csv.gz");

/// One short job in thirty of the week.
const SMALL: [&str; 12] = [
    "tune",
    "--no-progress",
    "--log",
    WEEK,
    "--cut",
    "thin=jobs/30",
    "--cut",
    "cap=2m",
    "--warm-up",
    "0",
    "--hold",
    "objective=cost",
];

/// Two brackets.
const TWO: [&str; 2] = ["--configurations", "130"];

struct Printed {
    ok: bool,
    report: String,
    said: String,
}

fn bench(arguments: &[&str]) -> Printed {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_foresail-bench"))
        .args(arguments)
        .output()
        .expect("the bench starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Printed { ok: status.success(), report: text(stdout), said: text(stderr) }
}

/// A small search that goes well.
fn tuned(arguments: &[&str]) -> String {
    let Printed { ok, report, said } = bench(&[&SMALL[..], &TWO, arguments].concat());
    assert!(ok, "{arguments:?}: {said}");
    report
}

/// What is said of a command that fails.
fn refused(arguments: &[&str]) -> String {
    let Printed { ok, report, said } = bench(arguments);
    assert!(!ok, "{arguments:?} went well:\n{report}");
    said
}

/// A path in a folder, as an argument.
fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn the_policy_file_is_one_that_every_reader_takes() {
    let folder = tempfile::tempdir().unwrap();
    let out = path(&folder, "tuned.yaml");
    let report = tuned(&["--goal", "p95=60s", "--out", &out]);
    let written = fs::read_to_string(&out).unwrap();
    assert!(report.ends_with(&format!("\n{written}\n")), "it ends with the file:\n{report}");
    assert!(report.contains("the later days (2): the defaults"), "{report}");
    assert!(written.contains("--goal p95=60s"), "the command is in it:\n{written}");
    assert!(written.contains(" jobs, tuned on 4 days, judged by the 2 after them"), "{written}");
    assert!(report.contains("the bound of 60.0 s on the p95 wait"), "{report}");
    let policy = PolicyConfig::from_yaml(&written).expect("foresail decide --policy reads it so");
    let indented = written.replace('\n', "\n    ");
    let config = format!(
        "sources:\n  jobs:\n    redis: {{ host: localhost }}\n    namespaces: {{ \"*\": \"*\" }}\n    layouts:\n      \
         frames: {{ preset: redis-list }}\npolicies:\n  default:\n    {indented}"
    );
    Config::from_yaml("tuned", &config).unwrap_or_else(|error| panic!("foresail serve: {error}\n{config}"));
    let compare = bench(&[
        "compare",
        "--no-progress",
        "--log",
        WEEK,
        "--cut",
        "window=0..1",
        "--warm-up",
        "0",
        "--field",
        "small",
        "--policy",
        &out,
    ]);
    assert!(compare.ok && compare.report.contains("Foresail tuned"), "{}", compare.said);
    let no_other = PolicyConfig::from_yaml("objective: cost").unwrap();
    let taken = report.contains("Take it: ");
    assert_eq!(
        taken,
        policy.policy() != no_other.policy(),
        "what is said and what is written agree:\n{report}"
    );
}

#[test]
fn a_search_that_was_interrupted_ends_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let [state, out, other] = ["state.jsonl", "one.yaml", "two.yaml"].map(|name| path(&folder, name));
    let once = tuned(&["--state", &state, "--out", &out]);
    assert_eq!(once, tuned(&[]), "with and without a state");
    let text = fs::read_to_string(&state).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert!(lines.len() > 200, "{}", lines.len());
    for kept in [1, lines.len() / 3, lines.len() - 2] {
        // What a kill leaves: whole lines, and the beginning of the next.
        let torn = &lines[kept][..lines[kept].len() / 2];
        fs::write(&state, format!("{}{torn}", lines[..kept].concat())).unwrap();
        assert_eq!(tuned(&["--state", &state, "--out", &other]), once);
        assert_eq!(fs::read(&out).unwrap(), fs::read(&other).unwrap());
        assert_eq!(fs::read_to_string(&state).unwrap().lines().count(), lines.len(), "no run was made twice");
    }
}

#[test]
fn shards_put_together_end_like_one_machine() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("shards")).unwrap();
    let [first, second, whole] =
        ["shards/0.jsonl", "shards/1.jsonl", "whole.jsonl"].map(|name| path(&folder, name));
    let [out, other] = ["one.yaml", "many.yaml"].map(|name| path(&folder, name));
    let alone = tuned(&["--goal", "front", "--out", &out]);
    for (shard, state) in [("0/2", &first), ("1/2", &second)] {
        let said = tuned(&["--goal", "front", "--shard", shard, "--state", state]);
        assert!(said.starts_with(&format!("Shard {shard}: its ")), "{said}");
    }
    let merged = bench(&["merge", "--out", &whole, &path(&folder, "shards")]);
    assert!(merged.ok && merged.said.starts_with("2 states with "), "{}", merged.said);
    assert_eq!(tuned(&["--goal", "front", "--state", &whole, "--out", &other]), alone);
    assert_eq!(fs::read(&out).unwrap(), fs::read(&other).unwrap());
    assert!(alone.contains("nobody is both cheaper and quicker"), "{alone}");
}

#[test]
fn several_logs_judge_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let logs = [("early", "window=0..4"), ("late", "window=3..7")].map(|(name, window)| {
        let file = path(&folder, &format!("{name}.csv"));
        let made = bench(&[
            "import",
            "file",
            WEEK,
            "--cut",
            window,
            "--cut",
            "thin=jobs/40",
            "--cut",
            "cap=2m",
            "--out",
            &file,
        ]);
        assert!(made.ok, "{}", made.said);
        file
    });
    let arguments = [
        "tune",
        "--no-progress",
        "--warm-up",
        "0",
        "--configurations",
        "20",
        "--log",
        &logs[0],
        "--log",
        &logs[1],
    ];
    let Printed { ok, report, said } = bench(&arguments);
    assert!(ok, "{said}");
    for wanted in ["| tuned without", "| early ", "| late ", "On a log that it was not tuned on, expect "] {
        assert!(report.contains(wanted), "no `{wanted}` in:\n{report}");
    }
}

#[test]
fn what_does_not_belong_together_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let [state, bent, other] = ["state.jsonl", "bent.jsonl", "other.jsonl"].map(|name| path(&folder, name));
    let few = [&SMALL[..], &["--configurations", "4"]].concat();
    assert!(bench(&[&few[..], &["--state", &state]].concat()).ok);
    let text = fs::read_to_string(&state).unwrap();
    fs::write(&bent, bent_run(&text)).unwrap();
    fs::write(&other, text.replacen("\"--worth\":\"3\"", "\"--worth\":\"4\"", 1)).unwrap();
    let with = |arguments: &[&str]| refused(&[&SMALL[..], &TWO, arguments].concat());
    let again = |arguments: &[&str]| refused(&[&few[..], arguments].concat());
    for (said, wanted) in [
        (
            again(&["--worth", "5", "--state", &state]),
            "its runs were made with --worth 3, these are with --worth 5",
        ),
        (
            again(&["--cut", "cap=1h", "--state", &state]),
            "its runs were made with --cut thin=jobs/30@0 cap=120, these",
        ),
        (again(&["--state", WEEK]), "cannot read"),
        (again(&["--state", &bent]), "a build that decides or simulates otherwise"),
        (
            with(&["--shard", "0/3", "--state", &path(&folder, "new.jsonl")]),
            "2 brackets of up to 128, so there can be 2 shards",
        ),
        (with(&["--shard", "2/2", "--state", &state]), "\"2/2\" is no shard"),
        (with(&["--shard", "0/2"]), "--state"),
        (with(&["--goal", "speed"]), "\"speed\" is no goal"),
        (with(&["--hold", "worht=3"]), "--hold worht: no such policy key"),
        (with(&["--judge", "1"]), "--judge is a share"),
        (refused(&["tune", "--log", WEEK]), "after 12 days of warm-up"),
        (refused(&["tune", "--log", "nowhere.csv"]), "cannot open nowhere.csv"),
        (refused(&["merge", "--out", &path(&folder, "x"), &state, &bent]), "they come from different builds"),
        (refused(&["merge", "--out", &path(&folder, "x"), &state, &other]), "--worth 4"),
        (refused(&["merge", "--out", &path(&folder, "x"), WEEK]), "cannot read"),
    ] {
        assert!(said.contains(wanted), "no `{wanted}` in: {said}");
    }
    let held = fs::File::open(&state).unwrap();
    held.lock().unwrap();
    let said = again(&["--state", &state]);
    assert!(said.contains("another foresail-bench writes to it"), "{said}");
    assert!(!Path::new(&path(&folder, "x")).exists(), "nothing is written of what does not fit");
}

/// The same state, in which every run waited a little longer.
fn bent_run(text: &str) -> String {
    text.replace("\"mean\":", "\"mean\":1")
}
