//! `foresail-bench compare` on the week that the repository brings.

use std::{
    fs,
    process::{Command, Output},
};

const WEEK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/sim/data/philly-2017-10.csv.gz");

fn compare(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail-bench"));
    command.args(["compare", "--no-progress", "--log", WEEK, "--cut", "window=0..2", "--warm-up", "0"]);
    command.args(arguments).output().expect("the bench starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn everybody_plays_and_two_runs_print_the_same() {
    let [first, second] = [(); 2].map(|()| compare(&["--field", "small", "--node-size", "1,4"]));
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert_eq!(text(&first.stdout), text(&second.stdout));
    let report = text(&first.stdout);
    for wanted in [
        "nodes of 1 in 75 s",
        "nodes of 4 in 75 s",
        "| Foresail, victims",
        "| KEDA depth/5",
        "speculated %",
        "| arrivals forecast",
        "0.9 covers",
        "geometric means",
    ] {
        assert!(report.contains(wanted), "no `{wanted}` in:\n{report}");
    }
    assert!(!report.contains("not done"), "{report}");
}

#[test]
fn every_run_is_a_line_of_json_and_the_best_settings_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.jsonl");
    let output = compare(&["--node-size", "0", "--json", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report = text(&output.stdout);
    for wanted in [
        "in hindsight, same cost",
        "of what a clairvoyant would have saved",
        "Nobody is both cheaper and quicker",
    ] {
        assert!(report.contains(wanted), "no `{wanted}` in:\n{report}");
    }
    let runs = fs::read_to_string(&path).unwrap();
    let runs: Vec<serde_json::Value> = runs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(runs.len() > 270, "{}", runs.len());
    let jobs = |run: &serde_json::Value| run["outcome"]["waits"]["jobs"].as_u64().unwrap();
    let forecast = |run: &serde_json::Value| run["forecast"].as_array().map(Vec::len);
    assert_eq!((forecast(&runs[0]), forecast(&runs[5])), (Some(3), None), "Foresail forecasts");
    let elasticity = &runs[0]["outcome"]["elasticity"];
    assert!(elasticity["accuracy_under"].is_number() && elasticity["time_over"].is_number(), "{elasticity}");
    assert!(runs[0]["outcome"]["speculated"].is_number());
    assert!(runs.iter().all(|run| jobs(run) == jobs(&runs[0]) && jobs(run) > 1000), "all met the same jobs");
}

#[test]
fn what_is_wrong_is_said() {
    let output = compare(&["--policy", "nowhere.yaml"]);
    assert!(text(&output.stderr).contains("cannot read nowhere.yaml"), "{}", text(&output.stderr));
    let output = compare(&["--cut", "bogus=1"]);
    assert!(text(&output.stderr).contains("`bogus=1` is no transform"), "{}", text(&output.stderr));
}
