//! The recorded timelines: each is whole, and nothing in it contradicts the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use foresail::sim::timeline::{Answer, Event, FORMAT, Header, Line, Scaler};

const SCENARIOS: [&str; 4] = ["burst-from-zero", "capacity-buffer", "ramp", "trickle-to-zero"];

/// Between what two witnesses on one machine say of one instant: a watch hears of an event after its doer.
const BETWEEN_WITNESSES: f64 = 1.0;

/// Of a period that a loaded machine may add to it.
const LATE: f64 = 0.2;

#[test]
fn there_is_a_timeline_of_each_scenario_and_no_other() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned))
        .collect();
    names.sort();
    assert_eq!(names, SCENARIOS);
    for timeline in timelines() {
        let header = &timeline.header;
        assert_eq!((header.format, header.scenario.as_str()), (FORMAT, timeline.name));
    }
}

#[test]
fn nothing_in_a_timeline_names_the_machine_that_it_was_recorded_on() {
    for name in SCENARIOS {
        let text = fs::read_to_string(file(name)).unwrap();
        for trace in ["/tmp", "/home", "/root", "/work"] {
            assert!(!text.contains(trace), "{name} has {trace}");
        }
        assert!(!text.lines().skip(1).any(|line| line.contains("127.0.0.1")), "{name} has an address");
    }
}

#[test]
fn lines_are_in_the_order_of_time() {
    for timeline in timelines() {
        let at: Vec<f64> = timeline.lines.iter().map(|line| line.at).collect();
        assert!(at[0] >= 0.0 && at.is_sorted(), "{}", timeline.name);
    }
}

#[test]
fn every_job_is_submitted_and_started_and_ended_once_by_one_ready_pod() {
    for timeline in timelines() {
        let pods = timeline.stages(pod_stage);
        let jobs = timeline.stages(job_stage);
        assert!(jobs.len() >= 20, "{} has {} jobs", timeline.name, jobs.len());
        for (job, stages) in &jobs {
            timeline.assert_stages(job, stages, &["submitted", "started", "ended"], 0.0);
        }
        for line in &timeline.lines {
            let (Event::JobStarted { pod, .. } | Event::JobEnded { pod, .. }) = &line.event else { continue };
            let pod = &pods[pod.as_str()];
            let (started, stopped) = (instant(pod, "started"), instant(pod, "stopped"));
            assert!(
                started - BETWEEN_WITNESSES <= line.at && line.at <= stopped,
                "{}: {line:?} by a pod that ran from {started} to {stopped}",
                timeline.name
            );
        }
        let runs = timeline.lines.iter().filter_map(|line| match &line.event {
            Event::JobSubmitted { job, run } => Some((job.as_str(), *run)),
            _ => None,
        });
        for (job, run) in runs {
            let took = instant(&jobs[job], "ended") - instant(&jobs[job], "started");
            // Redis writes whole milliseconds.
            assert!(
                (run - 0.002..run + 2.0).contains(&took),
                "{}: {job} of {run} s took {took}",
                timeline.name
            );
        }
    }
}

#[test]
fn every_pod_is_created_and_scheduled_and_started_and_ready_and_told_to_go_and_gone() {
    for timeline in timelines() {
        let nodes = timeline.stages(node_stage);
        for (pod, stages) in timeline.stages(pod_stage) {
            let whole = ["created", "scheduled", "started", "ready", "told to go", "stopped", "gone"];
            let seen: BTreeSet<&str> = stages.iter().map(|(stage, _)| *stage).collect();
            // One that is told to go before it has started leaves stages out, but never an earlier one.
            let cut = ["scheduled", "started", "ready", "stopped"];
            let expected: Vec<&str> =
                whole.into_iter().filter(|stage| !cut.contains(stage) || seen.contains(stage)).collect();
            timeline.assert_stages(pod, &stages, &expected, 0.0);
            assert!(seen.contains("started") || !seen.contains("ready"), "{}: {pod}", timeline.name);
            assert_eq!(seen.contains("started"), seen.contains("stopped"), "{}: {pod}", timeline.name);
        }
        for line in &timeline.lines {
            if let Event::PodScheduled { node, .. } = &line.event {
                let registered = instant(&nodes[node.as_str()], "registered");
                assert!(registered - BETWEEN_WITNESSES <= line.at, "{}: {line:?}", timeline.name);
            }
        }
    }
}

#[test]
fn every_node_is_claimed_and_launched_and_registered_and_initialized_and_gone() {
    for timeline in timelines() {
        let nodes = timeline.stages(node_stage);
        assert!(!nodes.is_empty(), "{} has no nodes", timeline.name);
        for (node, stages) in nodes {
            let whole = ["claimed", "launched", "registered", "initialized", "told to go", "gone"];
            timeline.assert_stages(node, &stages, &whole, 0.0);
            let delay = instant(&stages, "registered") - instant(&stages, "launched");
            let least = timeline.header.nodes.registration_delay;
            assert!(delay >= least - BETWEEN_WITNESSES, "{}: {node} came after {delay} s", timeline.name);
        }
        let ready =
            timeline.lines.iter().filter(|line| matches!(line.event, Event::NodeReady { .. })).count();
        assert_eq!(ready, timeline.stages(node_stage).len(), "{}", timeline.name);
    }
}

/// With the recommended behaviour nothing stands between the value and the replicas.
#[test]
fn the_hpa_sets_exactly_what_it_was_answered_and_at_its_sync() {
    for timeline in timelines() {
        let mut wanted = 0;
        let mut syncs = 0;
        // What the last sync asks for, until it is done.
        let mut due: Option<(f64, u32)> = None;
        for Line { at, event } in &timeline.lines {
            match event {
                Event::HpaSynced(Answer { value, took, .. }) => {
                    assert_eq!(due, None, "{}: nothing was set before {at}", timeline.name);
                    let value = value.unwrap_or_else(|| panic!("{}: no answer at {at}", timeline.name));
                    let asked = replicas(value, &timeline.header);
                    due = (asked != wanted).then_some((at + took, asked));
                    syncs += 1;
                }
                Event::Scaled { by: Scaler::Hpa, replicas } => {
                    let (since, asked) =
                        due.take().unwrap_or_else(|| panic!("{}: {event:?} at {at}", timeline.name));
                    assert_eq!(asked, *replicas, "{}: at {at}", timeline.name);
                    assert!(at - since < BETWEEN_WITNESSES, "{}: {event:?} at {at}", timeline.name);
                    wanted = asked;
                }
                Event::Scaled { by: Scaler::Keda, replicas } => {
                    assert!(wanted == 0 || *replicas == 0, "{}: {event:?} at {at}", timeline.name);
                    wanted = *replicas;
                }
                _ => {}
            }
        }
        assert!(syncs >= 5, "{} has {syncs} syncs", timeline.name);
        assert_eq!(wanted, 0, "{} does not end at zero", timeline.name);
    }
}

#[test]
fn keda_wakes_the_workload_on_activity_and_lets_it_rest_after_the_cooldown() {
    for timeline in timelines() {
        let mut active_at = f64::NEG_INFINITY;
        let mut inactive_at = f64::NEG_INFINITY;
        for Line { at, event } in &timeline.lines {
            match event {
                Event::Pushed { active: true } => active_at = *at,
                Event::KedaPolled(Answer { active: Some(true), took, .. }) => active_at = at + took,
                Event::KedaPolled(Answer { active: Some(false), took, .. }) => inactive_at = at + took,
                Event::Scaled { by: Scaler::Keda, replicas: 0 } => {
                    assert!(at - inactive_at < BETWEEN_WITNESSES, "{}: {event:?} at {at}", timeline.name);
                    let rested = at - active_at;
                    assert!(
                        rested > timeline.header.keda.cooldown_period,
                        "{}: {event:?} at {at}",
                        timeline.name
                    );
                }
                Event::Scaled { by: Scaler::Keda, .. } => {
                    assert!(at - active_at < BETWEEN_WITNESSES, "{}: {event:?} at {at}", timeline.name);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn no_poll_and_no_sync_is_missing() {
    for timeline in timelines() {
        let polls = timeline.instants(|event| matches!(event, Event::KedaPolled(_)));
        let period = timeline.header.keda.polling_interval;
        for pair in polls.windows(2) {
            assert!(pair[1] - pair[0] <= period * (1.0 + LATE), "{}: polls at {pair:?}", timeline.name);
        }

        let syncs = timeline.instants(|event| matches!(event, Event::HpaSynced(_)));
        let period = timeline.header.hpa.sync_period;
        let zero = timeline.instants(|event| matches!(event, Event::Scaled { replicas: 0, .. }));
        for pair in syncs.windows(2) {
            // At zero replicas the HPA rests.
            let rested = zero.iter().any(|at| (pair[0]..pair[1]).contains(at));
            let gap = pair[1] - pair[0];
            assert!(rested || gap <= period * (1.0 + LATE), "{}: syncs at {pair:?}", timeline.name);
        }
    }
}

#[test]
fn the_workload_is_told_to_have_the_replicas_that_were_set_and_ends_with_none() {
    for timeline in timelines() {
        let set: Vec<u32> = timeline
            .lines
            .iter()
            .filter_map(
                |line| if let Event::Scaled { replicas, .. } = line.event { Some(replicas) } else { None },
            )
            .collect();
        let seen = timeline.lines.iter().filter_map(|line| match line.event {
            Event::Replicas { wanted, current, ready } => Some((wanted, current, ready)),
            _ => None,
        });
        let seen: Vec<(u32, u32, u32)> = seen.collect();
        let mut wanted: Vec<u32> = seen.iter().map(|(wanted, _, _)| *wanted).collect();
        wanted.dedup();
        assert_eq!(wanted[1..], set, "{}", timeline.name);
        assert_eq!(seen.last(), Some(&(0, 0, 0)), "{}", timeline.name);
    }
}

/// What an HPA with target 1 makes of a value.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of workers")]
fn replicas(value: f64, header: &Header) -> u32 {
    (value.ceil() as u32).clamp(header.keda.min_replicas.max(1), header.keda.max_replicas)
}

pub(crate) struct Timeline {
    pub(crate) name: &'static str,
    pub(crate) header: Header,
    pub(crate) lines: Vec<Line>,
}

/// Instants of one job, pod or node, by what happened to it.
pub(crate) type Stages<'a> = Vec<(&'static str, f64)>;

pub(crate) fn timelines() -> Vec<Timeline> {
    SCENARIOS.into_iter().map(Timeline::read).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/timelines")
}

fn file(name: &str) -> PathBuf {
    folder().join(format!("{name}.jsonl"))
}

impl Timeline {
    fn read(name: &'static str) -> Self {
        let text = fs::read_to_string(file(name)).expect("a timeline can be read");
        let mut lines = text.lines();
        let header = lines.next().expect("a timeline begins with its header");
        let header = serde_json::from_str(header).unwrap_or_else(|error| panic!("{name}: {error}"));
        let line = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error} in {line}"))
        };
        Self { name, header, lines: lines.map(line).collect() }
    }

    fn instants(&self, of: impl Fn(&Event) -> bool) -> Vec<f64> {
        self.lines.iter().filter(|line| of(&line.event)).map(|line| line.at).collect()
    }

    pub(crate) fn stages(
        &self,
        stage: fn(&Event) -> Option<(&str, &'static str)>,
    ) -> BTreeMap<&str, Stages<'_>> {
        let mut all: BTreeMap<&str, Stages<'_>> = BTreeMap::new();
        for line in &self.lines {
            if let Some((name, stage)) = stage(&line.event) {
                all.entry(name).or_default().push((stage, line.at));
            }
        }
        all
    }

    /// Each of `expected` once, and in this order of time.
    fn assert_stages(&self, name: &str, stages: &Stages<'_>, expected: &[&str], slack: f64) {
        let mut seen: Vec<&str> = stages.iter().map(|(stage, _)| *stage).collect();
        let mut sorted = expected.to_vec();
        seen.sort_unstable();
        sorted.sort_unstable();
        assert_eq!(seen, sorted, "{}: {name}", self.name);
        let instants: Vec<f64> = expected.iter().map(|stage| instant(stages, stage)).collect();
        let ordered = instants.windows(2).all(|pair| pair[0] <= pair[1] + slack);
        assert!(ordered, "{}: {name}: {stages:?}", self.name);
    }
}

pub(crate) fn instant(stages: &Stages<'_>, wanted: &str) -> f64 {
    let found = stages.iter().find(|(stage, _)| *stage == wanted);
    found.unwrap_or_else(|| panic!("no {wanted} in {stages:?}")).1
}

pub(crate) fn job_stage(event: &Event) -> Option<(&str, &'static str)> {
    Some(match event {
        Event::JobSubmitted { job, .. } => (job, "submitted"),
        Event::JobStarted { job, .. } => (job, "started"),
        Event::JobEnded { job, .. } => (job, "ended"),
        _ => return None,
    })
}

pub(crate) fn pod_stage(event: &Event) -> Option<(&str, &'static str)> {
    Some(match event {
        Event::PodCreated { pod, .. } => (pod, "created"),
        Event::PodScheduled { pod, .. } => (pod, "scheduled"),
        Event::PodStarted { pod } => (pod, "started"),
        Event::PodReady { pod } => (pod, "ready"),
        Event::PodToldToGo { pod } => (pod, "told to go"),
        Event::PodStopped { pod } => (pod, "stopped"),
        Event::PodGone { pod } => (pod, "gone"),
        _ => return None,
    })
}

/// Without `NodeReady`, which stands beside `NodeRegistered` in either order.
pub(crate) fn node_stage(event: &Event) -> Option<(&str, &'static str)> {
    Some(match event {
        Event::NodeClaimed { node } => (node, "claimed"),
        Event::NodeLaunched { node, .. } => (node, "launched"),
        Event::NodeRegistered { node } => (node, "registered"),
        Event::NodeInitialized { node } => (node, "initialized"),
        Event::NodeToldToGo { node } => (node, "told to go"),
        Event::NodeGone { node } => (node, "gone"),
        _ => return None,
    })
}
