//! `foresail-bench simulate` on a scenario, a log and a load shape.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn simulate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail-bench"));
    command.current_dir(ROOT).arg("simulate").args(arguments).output().expect("the bench starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_scenario_is_shown_with_its_bounds_and_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let runs = [(); 2].map(|()| {
        simulate(&[
            "tests/scenarios/queue-retired.yaml",
            "--all-seeds",
            "--from",
            "8h",
            "--to",
            "9h",
            "--every",
            "0s",
            "--json",
            path.to_str().unwrap(),
        ])
    });
    assert!(runs[0].status.success(), "{}", text(&runs[0].stderr));
    assert_eq!(text(&runs[0].stdout), text(&runs[1].stdout));
    let report = text(&runs[0].stdout);
    for wanted in
        ["queue-retired, by Foresail, victims: A queue", "| 4 ", "| to_zero", "why=reactive", "08:00:00"]
    {
        assert!(report.contains(wanted), "no `{wanted}` in:\n{report}");
    }
    assert!(!report.contains("NO"), "{report}");

    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let runs = json["runs"].as_array().unwrap();
    assert_eq!((runs.len(), json["played"].as_str()), (5, Some("queue-retired")));
    assert_eq!(runs[0]["broken"], serde_json::json!([]));
    assert!(runs[0]["measures"]["wait_mean"].as_f64().unwrap() > 0.0);
    let steps = runs[0]["steps"].as_array().unwrap();
    let at = |step: &serde_json::Value| step["at"].as_f64().unwrap();
    assert!(steps.len() > 50 && steps.is_sorted_by(|a, b| at(a) <= at(b)));
    assert!(steps.iter().all(|step| step["ready"].as_u64() <= step["replicas"].as_u64()));
}

#[test]
fn a_broken_bound_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hard.yaml");
    let text_of = fs::read_to_string(Path::new(ROOT).join("tests/scenarios/queue-retired.yaml")).unwrap();
    fs::write(&path, text_of.replace("to_zero: { at_most: 1h }", "to_zero: { at_most: 1s }")).unwrap();
    let output = simulate(&[path.to_str().unwrap()]);
    assert!(!output.status.success());
    assert!(text(&output.stdout).contains("at most 1 s"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("a bound is broken"), "{}", text(&output.stderr));
}

#[test]
fn logs_and_loads_are_played_by_whom_one_wants() {
    let week = "src/sim/data/philly-2017-10.csv.gz";
    let keda = simulate(&["--log", week, "--cut", "window=0..1", "--by", "keda depth/1"]);
    assert!(keda.status.success(), "{}", text(&keda.stderr));
    let report = text(&keda.stdout);
    assert!(report.contains("by keda depth/1; nodes of 4 in 75 s"), "{report}");
    assert!(!report.contains("bound") && !report.contains("why="), "{report}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("load.yaml");
    fs::write(&path, "length: 1h\nparts:\n- poisson: { rate: 60, run: { fixed: 1m } }\n").unwrap();
    let policy = folder.path().join("policy.yaml");
    fs::write(&policy, "keep_alive: 5m\n").unwrap();
    let [path, policy] = [&path, &policy].map(|path| path.to_str().unwrap());
    let load = simulate(&["--load", path, "--policy", policy, "--node-size", "0", "--seed", "3"]);
    assert!(load.status.success(), "{}", text(&load.stderr));
    assert!(text(&load.stdout).contains("no nodes"), "{}", text(&load.stdout));
}

#[test]
fn what_is_wrong_is_said() {
    let said = |arguments: &[&str]| text(&simulate(arguments).stderr);
    let scenario = "tests/scenarios/queue-retired.yaml";
    let file = tempfile::NamedTempFile::new().unwrap();
    let empty = file.path().to_str().unwrap();
    for (arguments, wanted) in [
        (&[scenario, "--by", "nobody"][..], "nobody is called \"nobody\"; there are Foresail"),
        (&[scenario, "--cut", "dense=0.5"][..], "--cut changes a --log or a --load"),
        (&["nowhere.yaml"][..], "cannot read nowhere.yaml"),
        (&[scenario, "--log", "x.swf"][..], "cannot be used with"),
        (&["--log", "src/sim/data/philly-2017-10.csv.gz", "--node-size", "1,4"][..], "one run has one world"),
        (&[scenario, "--by", "KEDA depth/1", "--policy", empty][..], "--policy is Foresail's"),
    ] {
        let said = said(arguments);
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
}
