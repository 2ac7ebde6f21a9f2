//! Scenario files: all of them are read, and bounds say what breaks them.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]

use std::{fs, path::Path, thread};

use foresail::config::policy::PolicyConfig;
use foresail::sim::scenario::{Bounds, Measure, Scenario, WorldSpec};
use foresail::sizing::Policy;

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
            let (_, measures) = setting.play(setting.foresail(policy.clone(), true));
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
fn every_fault_is_felt() {
    for (name, mut scenario) in scenarios() {
        let play = |scenario: &Scenario| {
            let setting = scenario.setting(0);
            setting.play(setting.foresail(Policy::default(), true)).0
        };
        let faults = std::mem::take(&mut scenario.world.faults);
        if faults.is_empty() {
            continue;
        }
        let without = play(&scenario);
        for fault in faults {
            scenario.world.faults = vec![fault];
            assert!(play(&scenario) != without, "{name}: {fault:?}");
        }
    }
}

#[test]
fn a_run_with_the_same_seed_is_the_same() {
    let (_, scenario) = scenarios().into_iter().find(|(name, _)| name == "spot-storm").unwrap();
    let play = |seed: u64| {
        let setting = scenario.setting(seed);
        setting.play(setting.foresail(Policy::default(), true))
    };
    // As text: what has no meaning in a run is NaN, which equals nothing.
    assert_eq!(format!("{:?}", play(3)), format!("{:?}", play(3)));
    assert_ne!(play(3).0, play(4).0);
}

#[test]
fn three_quarters_of_the_nodes_go_in_a_storm() {
    let (_, scenario) = scenarios().into_iter().find(|(name, _)| name == "spot-storm").unwrap();
    let setting = scenario.setting(0);
    let (mut there, mut reclaimed) = (0, 0);
    let storm = setting.world.from + 6.0 * 3600.0;
    setting.watch(setting.foresail(Policy::default(), true), |pool, _| {
        if pool.now() < storm {
            there = pool.nodes().count();
        }
        reclaimed = pool.node_summary().reclaimed;
    });
    let share = reclaimed as f64 / there as f64;
    assert!((0.5..=1.0).contains(&share) && there > 5, "{reclaimed} of {there}");
}

#[test]
fn no_node_comes_while_there_is_no_capacity() {
    let (_, scenario) = scenarios().into_iter().find(|(name, _)| name == "no-capacity").unwrap();
    let setting = scenario.setting(0);
    let at = |hours: f64| setting.world.from + hours * 3600.0;
    let mut launched = Vec::new();
    setting.watch(setting.foresail(Policy::default(), true), |pool, _| {
        launched.push((pool.now(), pool.node_summary().launched));
    });
    let by = |hours: f64| launched.iter().rfind(|(now, _)| *now < at(hours)).unwrap().1;
    assert_eq!(by(3.0), by(5.0));
    assert!(by(3.0) > 0 && by(6.0) > by(5.0));
}

#[test]
fn what_is_wrong_with_a_world_is_said_with_its_path() {
    let read = |text: &str| serde_saphyr::from_str::<WorldSpec>(text).unwrap_err().to_string();
    for (text, message) in [
        ("{ max_workers: 0 }", "world.max_workers: one at least is needed"),
        ("{ max_worker: 3 }", "max_worker"),
        ("{ source: { shows: [in_flight] } }", "world.source.shows: `waiting` is what every source shows"),
        ("{ source: { max_run: soon } }", "world.source.max_run: \"soon\" is not a duration"),
        (
            "{ workers: { crashes_an_hour: -1 } }",
            "world.workers.crashes_an_hour: -1 is not between 0 and 3600",
        ),
        (
            "{ nodes: { launch: { cold: [2m, 1m] } } }",
            "world.nodes.launch.cold: the first is more than the second",
        ),
        (
            "{ nodes: { launch: { warm: [1s, 2s] } } }",
            "world.nodes.launch: give warm and warm_share, or neither",
        ),
        (
            "{ faults: [{ no_capacity: { at: 1h, for: 1h } }, { spot_reclaim: { at: 1h, for: 1m, share: 2, notice: 2m } }] }",
            "world.faults[1].spot_reclaim.share: 2 is not between 0 and 1",
        ),
        ("{ faults: [{ restart: { at: 1h, for: 0 } }] }", "world.faults[0].restart.for: it must be above 0"),
        (
            "{ faults: [{ dropped_samples: { at: 1h, share: 1 } }] }",
            "world.faults[0].dropped_samples: give at and for, or neither",
        ),
        (
            "{ faults: [{ spot_reclaim: { at: 1, for: 1, share: 1, notice: 1 } }, { spot_reclaim: { at: 9, for: 1, share: 1, notice: 2 } }] }",
            "world.faults: every spot_reclaim has the same notice",
        ),
    ] {
        let error = read(text);
        assert!(error.contains(message), "{text}: {error}");
    }
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
