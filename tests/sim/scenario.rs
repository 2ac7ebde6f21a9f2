//! Scenario files: all of them are read, and bounds say what breaks them.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]

use std::{fs, path::Path, thread};

use foresail::config::policy::PolicyConfig;
use foresail::sim::scenario::{Bounds, Measure, Scenario};

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let scenario = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, scenario)
    };
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).map(read).collect()
}

#[test]
fn every_scenario_says_in_a_sentence_what_should_happen_and_has_few_jobs() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 20, "{}", scenarios.len());
    for (name, Scenario { description, load, bounds, seeds, .. }) in scenarios {
        let is_a_sentence = description.ends_with('.') && !description.contains(". ");
        assert!(is_a_sentence && description.starts_with(char::is_uppercase), "{name}: {description}");
        assert!(bounds.iter().next().is_some() && seeds > 0, "{name}");
        for seed in 0..2 {
            let jobs = load.jobs(seed).jobs().len();
            // Few enough that all scenarios with all seeds run in seconds.
            assert!((1..50_000).contains(&jobs), "{name}: {jobs}");
        }
    }
}

#[test]
fn every_scenario_keeps_its_bounds_with_every_seed() {
    let scenarios = scenarios();
    let broken = |(name, scenario): &(String, Scenario)| {
        let policy = PolicyConfig::from_keys(scenario.world.policy.clone());
        let policy = policy.unwrap_or_else(|error| panic!("{name}: policy.{error}")).policy().clone();
        let broken = |seed: u32| {
            let setting = scenario.setting(u64::from(seed));
            let (_, measures) = setting.play(setting.foresail(policy.clone()));
            let broken = scenario.bounds.broken(|measure| measures.of(measure));
            broken.into_iter().map(move |what| format!("{name}, seed {seed}: {what}"))
        };
        (0..scenario.seeds).flat_map(broken).collect::<Vec<_>>()
    };
    let halves = [0, 1].map(|half| scenarios.iter().skip(half).step_by(2));
    let broken: Vec<String> = thread::scope(|scope| {
        let runs = halves.map(|half| scope.spawn(|| half.flat_map(broken).collect::<Vec<_>>()));
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn a_bound_says_what_breaks_it() {
    let text =
        "wait_p95: { at_most: 2m }\ncompleted: { at_least: 1 }\nreversals: { at_least: 2, at_most: 4 }\n";
    let bounds: Bounds = serde_saphyr::from_str(text).unwrap();
    let broken = |p95: f64, completed: f64, reversals: f64| {
        bounds.broken(|measure| match measure {
            Measure::WaitP95 => p95,
            Measure::Completed => completed,
            _ => reversals,
        })
    };
    assert_eq!(broken(120.0, 1.0, 2.0), [""; 0]);
    assert_eq!(
        broken(f64::NAN, 0.5, 5.0),
        [
            "wait_p95 is NaN, and must be at most 120",
            "completed is 0.5, and must be at least 1",
            "reversals is 5, and must be from 2 to 4",
        ]
    );
}

#[test]
fn wrong_bounds_are_refused_by_name() {
    for (text, message) in [
        (
            "wait: { at_most: 1 }",
            "bounds.wait: nothing is measured by that name; there are wait_mean, wait_median",
        ),
        ("completed: {}", "bounds.completed: give at_least, at_most or both"),
        ("wait_p95: { at_most: soon }", "bounds.wait_p95: \"soon\" is not a duration"),
        ("completed: { at_least: 2m }", "bounds.completed: \"2m\" is not a number, 0 or more"),
        ("reversals: { at_least: 5, at_most: 4 }", "bounds.reversals: at_least is more than at_most"),
    ] {
        let error = serde_saphyr::from_str::<Bounds>(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}
