//! Every log in every world by every contender.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use foresail::{
    config::text,
    sim::{
        job_log::{JobLog, Transform},
        nodes::{NodePoolSpec, NodeType, Placement, Resources},
        start_delay::{Span, StartDelay},
        workers::PoolSpec,
        world::{Outcome, Stage, World},
    },
};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use super::contender::{Contender, Role};
use crate::logs;

/// Worlds: every combination of the lists.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Worlds {
    /// Workers that a node has room for; 0 for a world without nodes, in which workers just start.
    #[arg(long, value_delimiter = ',', default_values_t = [4])]
    pub(crate) node_size: Vec<u32>,
    /// From a pod that finds no room to a node that takes it: 85 % around this, 12 % twice, 3 % five times as long.
    #[arg(long, value_delimiter = ',', value_parser = seconds, default_value = "75s")]
    pub(crate) node_start: Vec<f64>,
    /// Run times are scaled so that their median is this; 0s leaves them as they are.
    #[arg(long, value_delimiter = ',', value_parser = seconds, default_value = "5m")]
    pub(crate) median: Vec<f64>,
    /// Where the scheduler puts pods.
    #[arg(long, value_enum, default_value_t = Spread::Spreading)]
    pub(crate) placement: Spread,
    /// Workers at most.
    #[arg(long, default_value_t = 1000)]
    pub(crate) max: u32,
    /// Seed of start delays.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl Worlds {
    /// The defaults, with nodes of these sizes and so many workers at most.
    pub(crate) fn of_sizes(node_size: &[u32], max: u32) -> Self {
        Self {
            node_size: node_size.to_vec(),
            node_start: vec![75.0],
            median: vec![300.0],
            placement: Spread::Spreading,
            max,
            seed: 1,
        }
    }
}

/// Where the scheduler puts pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Spread {
    /// On the emptiest node, as by default.
    Spreading,
    /// On the fullest node.
    Packing,
}

fn seconds(text: &str) -> Result<f64, String> {
    text::seconds(text)
}

/// One log in one world.
pub(crate) struct Case {
    /// The log's name.
    pub(crate) log: String,
    /// The world, in few words.
    pub(crate) label: String,
    pub(crate) jobs: JobLog,
    pub(crate) world: World,
}

/// Seconds of a day.
const DAY: f64 = 86_400.0;

impl Case {
    pub(crate) fn all(
        files: &[PathBuf],
        cuts: &[Transform],
        days: u32,
        warm_up: u32,
        worlds: &Worlds,
    ) -> anyhow::Result<Vec<Self>> {
        let mut cases = Vec::new();
        for file in files {
            let (name, log) = logs::read_to_play(file, cuts)?;
            let log = if days == 0 { log } else { logs::busiest(&log, days) };
            cases.extend(Self::of_log(&name, &log, f64::from(warm_up) * DAY, worlds)?);
        }
        Ok(cases)
    }

    /// A log in each of the worlds; the first `warm_up` seconds are not counted.
    pub(crate) fn of_log(
        name: &str,
        log: &JobLog,
        warm_up: f64,
        worlds: &Worlds,
    ) -> anyhow::Result<Vec<Self>> {
        let mut cases = Vec::new();
        for &median in &worlds.median {
            let jobs = logs::with_median(log, median)?;
            for &size in &worlds.node_size {
                for &start in &worlds.node_start {
                    let pool = pool(size, start, worlds.placement);
                    let world = World::around(&jobs, pool, warm_up, worlds.seed);
                    let label = label(size, start, median);
                    cases.push(Self { log: name.to_owned(), label, jobs: jobs.clone(), world });
                }
            }
        }
        Ok(cases)
    }
}

fn label(size: u32, start: f64, median: f64) -> String {
    match size {
        0 => format!("no nodes, jobs of {median} s"),
        size => format!("nodes of {size} in {start} s, jobs of {median} s"),
    }
}

/// Workers that start in a few seconds on nodes of this size, which come from Karpenter.
fn pool(size: u32, node_start: f64, placement: Spread) -> PoolSpec {
    let about = |seconds: f64| Span { from: 0.9 * seconds, to: 1.1 * seconds };
    let nodes = (size > 0).then(|| {
        let default = NodePoolSpec::default();
        let room = u64::from(size);
        let Resources { cpu, memory, gpus } = default.pod;
        NodePoolSpec {
            types: vec![NodeType {
                allocatable: Resources { cpu: room * cpu, memory: room * memory, gpus: room * gpus },
                ..default.types[0].clone()
            }],
            placement: match placement {
                Spread::Spreading => Placement::LeastAllocated,
                Spread::Packing => Placement::MostAllocated,
            },
            launch: StartDelay::Fixed(0.0),
            register: StartDelay::Mixture(vec![
                (0.85, about(node_start)),
                (0.12, about(2.0 * node_start)),
                (0.03, about(5.0 * node_start)),
            ]),
            ..default
        }
    });
    PoolSpec {
        start: StartDelay::Mixture(vec![(1.0, Span { from: 2.0, to: 5.0 })]),
        nodes,
        ..PoolSpec::default()
    }
}

/// All runs.
pub(crate) struct Played {
    pub(crate) cases: Vec<Case>,
    pub(crate) contenders: Vec<Contender>,
    /// By case, by contender.
    outcomes: Vec<Vec<Outcome>>,
}

impl Played {
    /// Plays them on all cores.
    pub(crate) fn all(cases: Vec<Case>, contenders: Vec<Contender>, shown: bool) -> Self {
        let stages: Vec<Stage<'_>> = cases.iter().map(|case| Stage::new(&case.world, &case.jobs)).collect();
        let runs = stages.len() * contenders.len();
        let bar = if shown { ProgressBar::new(runs as u64) } else { ProgressBar::hidden() };
        bar.set_style(
            ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {elapsed}, {eta} left")
                .expect("a template that is written right"),
        );
        // Neighbours in the order are runs of one log, which share what the processor has cached of it.
        let next = AtomicUsize::new(0);
        let worked: Vec<Vec<(usize, Outcome)>> = rayon::broadcast(|_| {
            let mut mine = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= runs {
                    return mine;
                }
                let stage = &stages[at / contenders.len()];
                mine.push((at, stage.play(contenders[at % contenders.len()].on(stage))));
                bar.inc(1);
            }
        });
        bar.finish_and_clear();
        let mut all: Vec<(usize, Outcome)> = worked.into_iter().flatten().collect();
        all.par_sort_unstable_by_key(|&(at, _)| at);
        let mut all = all.into_iter().map(|(_, outcome)| outcome);
        let outcomes = cases.iter().map(|_| all.by_ref().take(contenders.len()).collect()).collect();
        Self { cases, contenders, outcomes }
    }

    /// How it went for a contender in a case.
    pub(crate) fn outcome(&self, case: usize, contender: usize) -> &Outcome {
        &self.outcomes[case][contender]
    }

    /// The contenders of a role.
    pub(crate) fn of(&self, role: Role) -> impl Iterator<Item = usize> + '_ {
        (0..self.contenders.len()).filter(move |&at| self.contenders[at].role == role)
    }

    /// One line a run.
    pub(crate) fn json_lines(&self) -> String {
        let mut text = String::new();
        for (case, outcomes) in self.cases.iter().zip(&self.outcomes) {
            for (contender, outcome) in self.contenders.iter().zip(outcomes) {
                let line = serde_json::json!({
                    "log": case.log,
                    "world": case.label,
                    "contender": contender.name,
                    "outcome": outcome,
                });
                text.push_str(&line.to_string());
                text.push('\n');
            }
        }
        text
    }
}
