//! Every log in every world by every contender.

use std::path::PathBuf;

use foresail::{
    config::text,
    forecast::horizons::Horizons,
    sim::{
        foresight::{Foresight, judge},
        job_log::{JobLog, Transform},
        nodes::{Autoscaler, Karpenter, NodePoolSpec, NodeType, Placement, Resources},
        start_delay::{Span, StartDelay},
        workers::PoolSpec,
        world::{Outcome, Stage, World},
    },
};
use indicatif::{ProgressBar, ProgressStyle};

use super::contender::{Contender, Role};
use crate::{cores, logs};

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
    /// Share of the nodes that Karpenter has on their way out at a time, those included that wait for a terminating
    /// worker; above 0 and at most 1.
    #[arg(long, value_parser = share, default_value_t = Karpenter::default().budget)]
    pub(crate) node_budget: f64,
    /// Workers at most.
    #[arg(long, default_value_t = 20_000)]
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
            node_budget: Karpenter::default().budget,
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

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Spreading => "spreading",
            Self::Packing => "packing",
        })
    }
}

impl Worlds {
    /// Workers and nodes of the first world.
    pub(crate) fn first_pool(&self) -> PoolSpec {
        let first = |all: &[f64]| all.first().copied().unwrap_or(0.0);
        self.pool(self.node_size.first().copied().unwrap_or(0), first(&self.node_start))
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    text::seconds(text)
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if share > 0.0 && share <= 1.0 { Ok(share) } else { Err(format!("{share} is not above 0 and at most 1")) }
}

/// One combination of the lists.
pub(crate) struct Setting {
    /// In few words.
    pub(crate) label: String,
    pub(crate) pool: PoolSpec,
    /// The median that run times are scaled to, seconds; 0 leaves them as they are.
    pub(crate) median: f64,
}

impl Worlds {
    /// Every combination.
    pub(crate) fn all(&self) -> Vec<Setting> {
        let mut all = Vec::new();
        for &median in &self.median {
            for &size in &self.node_size {
                for &start in &self.node_start {
                    let pool = self.pool(size, start);
                    all.push(Setting { label: label(size, start, median), pool, median });
                }
            }
        }
        all
    }

    /// The options as they are given, with all values.
    pub(crate) fn options(&self) -> Vec<(&'static str, Vec<String>)> {
        let Self { node_size, node_start, median, placement, node_budget, max, seed } = self;
        let sizes: Vec<String> = node_size.iter().map(u32::to_string).collect();
        let times = |times: &[f64]| times.iter().map(|time| format!("{time}s")).collect::<Vec<_>>().join(",");
        let one = |value: String| vec![value];
        vec![
            ("--node-size", one(sizes.join(","))),
            ("--node-start", one(times(node_start))),
            ("--median", one(times(median))),
            ("--placement", one(placement.to_string())),
            ("--node-budget", one(node_budget.to_string())),
            ("--max", one(max.to_string())),
            ("--seed", one(seed.to_string())),
        ]
    }

    /// Workers that start in a few seconds on nodes of this size, which come from Karpenter.
    fn pool(&self, size: u32, node_start: f64) -> PoolSpec {
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
                placement: match self.placement {
                    Spread::Spreading => Placement::LeastAllocated,
                    Spread::Packing => Placement::MostAllocated,
                },
                autoscaler: Autoscaler::Karpenter(Karpenter {
                    budget: self.node_budget,
                    ..Karpenter::default()
                }),
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
    /// The world with the log in it.
    pub(crate) fn stage(&self) -> Stage<'_> {
        Stage::new(&self.world, &self.jobs)
    }

    /// How good forecasts of its arrivals are.
    fn foresight(&self) -> Vec<Foresight> {
        let World { from, counted_from, until, .. } = self.world;
        judge(&self.jobs, Horizons::default(), from, counted_from, until)
    }

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
        for Setting { label, pool, median } in worlds.all() {
            let jobs = logs::with_median(log, median)?;
            let world = World::around(&jobs, pool, warm_up, worlds.seed);
            cases.push(Self { log: name.to_owned(), label, jobs, world });
        }
        Ok(cases)
    }
}

/// The first case of which the arrivals are the same: worlds change none but those of jobs that wait for others.
fn judged_as(cases: &[Case], at: usize) -> usize {
    let here = &cases[at];
    let same = |case: &Case| case.log == here.log && !case.jobs.has_parents();
    cases[..at].iter().position(same).unwrap_or(at)
}

fn label(size: u32, start: f64, median: f64) -> String {
    let nodes = if size == 0 { "no nodes".to_owned() } else { format!("nodes of {size} in {start} s") };
    if median > 0.0 { format!("{nodes}, jobs of {median} s") } else { nodes }
}

/// All runs.
pub(crate) struct Played {
    pub(crate) cases: Vec<Case>,
    pub(crate) contenders: Vec<Contender>,
    /// By case, by contender.
    outcomes: Vec<Vec<Outcome>>,
    /// By case: how good the forecasts of its arrivals are.
    foresight: Vec<Vec<Foresight>>,
}

impl Played {
    /// Plays them on all cores.
    pub(crate) fn all(cases: Vec<Case>, contenders: Vec<Contender>, shown: bool) -> Self {
        let stages: Vec<Stage<'_>> = cases.iter().map(Case::stage).collect();
        let runs = stages.len() * contenders.len();
        let judged: Vec<usize> = (0..cases.len()).filter(|&at| judged_as(&cases, at) == at).collect();
        let bar = if shown { ProgressBar::new(runs as u64) } else { ProgressBar::hidden() };
        bar.set_style(
            ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {elapsed}, {eta} left")
                .expect("a template that is written right"),
        );
        let all = cores::map(runs, |at| {
            let stage = &stages[at / contenders.len()];
            let outcome = stage.play(contenders[at % contenders.len()].on(stage));
            bar.inc(1);
            outcome
        });
        let found = cores::map(judged.len(), |at| cases[judged[at]].foresight());
        let foresight = (0..cases.len()).map(|at| {
            let as_case = judged_as(&cases, at);
            judged.iter().position(|&case| case == as_case).map_or_else(Vec::new, |at| found[at].clone())
        });
        let foresight = foresight.collect();
        bar.finish_and_clear();
        let mut all = all.into_iter();
        let outcomes = cases.iter().map(|_| all.by_ref().take(contenders.len()).collect()).collect();
        Self { cases, contenders, outcomes, foresight }
    }

    /// How good forecasts of a case's arrivals are, the shortest first; whoever forecasts, and whatever follows.
    pub(crate) fn foresight(&self, case: usize) -> &[Foresight] {
        &self.foresight[case]
    }

    /// The first case with each log.
    pub(crate) fn logs(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.cases.len()).filter(|&at| judged_as(&self.cases, at) == at)
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
        for ((case, outcomes), foresight) in self.cases.iter().zip(&self.outcomes).zip(&self.foresight) {
            for (contender, outcome) in self.contenders.iter().zip(outcomes) {
                let mut line = serde_json::json!({
                    "log": case.log,
                    "world": case.label,
                    "contender": contender.name,
                    "outcome": outcome,
                });
                if contender.role == Role::Foresail {
                    line["forecast"] = serde_json::json!(foresight);
                }
                text.push_str(&line.to_string());
                text.push('\n');
            }
        }
        text
    }
}
