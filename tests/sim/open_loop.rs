//! Pods and nodes against the recorded timelines: the jobs, the replicas that were asked for and the delays of pods
//! and nodes go in as they were recorded, and the waits, the workers' and the nodes' time and the instants at which
//! nodes came and went are to come out.

use std::collections::BTreeMap;

use foresail::sim::job_log::{Job, JobLog};
use foresail::sim::nodes::{
    Autoscaler, Consolidation, Karpenter, NodePhase, NodePoolSpec, NodeType, Resources,
};
use foresail::sim::timeline::Event;
use foresail::sim::workers::{PoolSpec, StartDelay, Summary, WorkerPool};

use super::timeline::{Stages, Timeline, instant, job_stage, node_stage, pod_stage, timelines};

/// How far a mean, a quantile or a sum may be off.
const TOLERANCE: f64 = 0.1;

/// Seconds by which nodes may be told to go earlier or later: Karpenter looks every 10 s, from when it started on,
/// and each look takes a moment.
const BETWEEN_LOOKS: f64 = 10.5;

/// What a run came to.
#[derive(Debug)]
pub(super) struct Totals {
    mean_wait: f64,
    p95_wait: f64,
    worker_seconds: f64,
    node_seconds: f64,
}

impl Totals {
    pub(super) fn of(summary: &Summary) -> Self {
        Self {
            mean_wait: summary.wait_mean,
            p95_wait: summary.wait_p95,
            worker_seconds: summary.worker_seconds.total,
            node_seconds: summary.nodes.seconds.total,
        }
    }

    /// Each with its name, and the other one.
    pub(super) fn beside(&self, other: &Self) -> [(&'static str, f64, f64); 4] {
        [
            ("mean wait", self.mean_wait, other.mean_wait),
            ("95 % wait", self.p95_wait, other.p95_wait),
            ("worker-seconds", self.worker_seconds, other.worker_seconds),
            ("node-seconds", self.node_seconds, other.node_seconds),
        ]
    }
}

#[test]
fn recorded_runs_come_out_as_they_were() {
    for timeline in timelines() {
        let recorded = recorded(&timeline);
        for seed in 1..=3 {
            let mut pool = pool(&timeline, seed);
            replay(&timeline, &mut pool);
            assert!(pool.is_done(), "{}: every job was done", timeline.name);
            for (what, simulated, recorded) in Totals::of(&pool.summary()).beside(&recorded) {
                let off = simulated / recorded - 1.0;
                assert!(
                    off.abs() < TOLERANCE,
                    "{}, seed {seed}: {what} is {simulated:.2}, {:.1} % off {recorded:.2}",
                    timeline.name,
                    off * 100.0
                );
            }
        }
    }
}

#[test]
fn nodes_come_and_go_when_they_did() {
    for timeline in timelines() {
        let nodes = timeline.stages(node_stage);
        let recorded = |stage| {
            let mut instants: Vec<f64> = nodes.values().map(|stages| instant(stages, stage)).collect();
            instants.sort_by(f64::total_cmp);
            instants
        };
        let mut pool = pool(&timeline, 1);
        let seen = replay(&timeline, &mut pool);
        let pairs = [(NodePhase::Claimed, "claimed", 2.0), (NodePhase::Leaving, "told to go", BETWEEN_LOOKS)];
        for (phase, stage, within) in pairs {
            let simulated: Vec<f64> =
                seen.iter().filter(|(_, seen)| *seen == phase).map(|(at, _)| *at).collect();
            let recorded = recorded(stage);
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= within;
            assert!(
                simulated.len() == recorded.len() && simulated.iter().zip(&recorded).all(near),
                "{}: {stage} at {simulated:?}, recorded at {recorded:?}",
                timeline.name
            );
        }
    }
}

pub(super) fn pool(timeline: &Timeline, seed: u64) -> WorkerPool {
    let jobs = timeline.lines.iter().filter_map(|line| match line.event {
        Event::JobSubmitted { run, .. } => Some(Job::new(line.at, run)),
        _ => None,
    });
    let header = &timeline.header;
    let spec = PoolSpec {
        start: StartDelay::Recorded(pod_delays(timeline).1),
        grace_period: header.pods.grace_period,
        nodes: Some(nodes(timeline)),
        ..PoolSpec::default()
    };
    WorkerPool::new(&JobLog::new(jobs.collect()), &spec, seed, 0.0)
}

fn nodes(timeline: &Timeline) -> NodePoolSpec {
    let header = &timeline.header;
    let stages = timeline.stages(node_stage);
    let claimed: Vec<&Stages<'_>> = in_order(&stages, "claimed");
    let between = |from, to| claimed.iter().map(|node| instant(node, to) - instant(node, from)).collect();
    let terminations: Vec<f64> = between("told to go", "gone");
    let allocatable = timeline.lines.iter().find_map(|line| match line.event {
        Event::NodeLaunched { cpu, memory, pods, .. } => {
            Some((Resources { cpu: thousandths(cpu), memory: whole(memory), gpus: 0 }, pods))
        }
        _ => None,
    });
    let (allocatable, pods) = allocatable.expect("a node was launched");
    NodePoolSpec {
        pod: Resources { cpu: thousandths(header.pods.cpu), memory: whole(header.pods.memory), gpus: 0 },
        types: vec![NodeType { allocatable, pods, price: 1.0 }],
        autoscaler: Autoscaler::Karpenter(Karpenter {
            consolidation: Consolidation::WhenEmpty,
            consolidate_after: header.nodes.consolidate_after,
            budget: 0.1,
        }),
        launch: StartDelay::Recorded(between("claimed", "launched")),
        register: StartDelay::Recorded(between("launched", "registered")),
        retry: StartDelay::Recorded(pod_delays(timeline).0),
        termination: terminations.iter().sum::<f64>() / terminations.len() as f64,
        ..NodePoolSpec::default()
    }
}

/// Of each pod, in the order of their creation: from a node that came after it to being bound, and from being bound
/// to being ready. Of one that was told to go before that, the time that it waited in vain, and the middle of what
/// was set.
fn pod_delays(timeline: &Timeline) -> (Vec<f64>, Vec<f64>) {
    let nodes = timeline.stages(node_stage);
    let pods = timeline.stages(pod_stage);
    let [shortest, longest] = timeline.header.pods.start_delay;
    let delays = in_order(&pods, "created").into_iter().map(|stages| {
        let at = |wanted| stages.iter().find(|(stage, _)| *stage == wanted).map(|(_, at)| *at);
        let created = instant(stages, "created");
        let bound = at("scheduled").unwrap_or_else(|| instant(stages, "told to go"));
        let registered = nodes.values().map(|node| instant(node, "registered"));
        let node = registered.filter(|&at| created < at && at <= bound).max_by(f64::total_cmp);
        let retry = node.map_or(0.0, |node| bound - node);
        let start = at("ready").zip(at("scheduled")).map(|(ready, bound)| ready - bound);
        (retry, start.unwrap_or(f64::midpoint(shortest, longest)))
    });
    delays.unzip()
}

/// Sets the replicas when they were set, and notes when nodes changed.
fn replay(timeline: &Timeline, pool: &mut WorkerPool) -> Vec<(f64, NodePhase)> {
    let mut seen = Vec::new();
    for line in &timeline.lines {
        until(line.at, pool, &mut seen);
        match line.event {
            Event::Scaled { replicas, .. } => pool.scale_to(replicas),
            Event::BufferSet { replicas } => pool.set_spare(replicas),
            _ => {}
        }
    }
    until(timeline.lines.last().expect("a timeline has lines").at + 60.0, pool, &mut seen);
    seen
}

fn until(at: f64, pool: &mut WorkerPool, seen: &mut Vec<(f64, NodePhase)>) {
    while pool.next_event() <= at {
        let before: Vec<_> = pool.nodes().map(|node| (node.id, node.phase)).collect();
        pool.advance(pool.next_event());
        let new = pool.nodes().filter(|node| !before.contains(&(node.id, node.phase)));
        seen.extend(new.map(|node| (pool.now(), node.phase)));
    }
    pool.advance(at);
}

pub(super) fn recorded(timeline: &Timeline) -> Totals {
    let jobs = timeline.stages(job_stage);
    let mut waits: Vec<f64> =
        jobs.values().map(|job| instant(job, "started") - instant(job, "submitted")).collect();
    waits.sort_by(f64::total_cmp);
    let span = |stages: &Stages<'_>, from: &str, to: &str| instant(stages, to) - instant(stages, from);
    let pods = timeline.stages(pod_stage);
    let bound = pods.values().filter(|stages| stages.iter().any(|(stage, _)| *stage == "scheduled"));
    let nodes = timeline.stages(node_stage);
    Totals {
        mean_wait: waits.iter().sum::<f64>() / waits.len() as f64,
        p95_wait: waits[(waits.len() * 95).div_ceil(100) - 1],
        worker_seconds: bound.map(|pod| span(pod, "scheduled", "gone")).sum(),
        node_seconds: nodes.values().map(|node| span(node, "launched", "gone")).sum(),
    }
}

/// What is known of each, by when it reached this stage.
fn in_order<'a, 'b>(of: &'a BTreeMap<&'b str, Stages<'b>>, stage: &str) -> Vec<&'a Stages<'b>> {
    let mut all: Vec<&Stages<'b>> = of.values().collect();
    all.sort_by(|a, b| instant(a, stage).total_cmp(&instant(b, stage)));
    all
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cores and bytes")]
fn whole(number: f64) -> u64 {
    number as u64
}

fn thousandths(cores: f64) -> u64 {
    whole((cores * 1000.0).round())
}
