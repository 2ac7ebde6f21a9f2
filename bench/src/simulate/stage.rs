//! What is played, and one run of it.

use std::{fs, path::Path};

use anyhow::{Context as _, anyhow, ensure};
use foresail::{
    config::policy::PolicyConfig,
    sim::{
        autoscaler::Autoscaler,
        job_log::Transform,
        load::Load,
        scenario::{Bounds, Measure, Measures, Scenario, Watch},
        workers::WorkerPool,
        world::{Outcome, Stage},
    },
    sizing::Policy,
};
use serde_json::Value;

use super::{Args, steps::Steps};
use crate::{
    compare::{contender::Contender, field::Field, play::Case},
    logs,
};

/// What is played.
pub(super) enum Subject {
    /// A scenario, by its name.
    Scenario(String, Box<Scenario>),
    /// A log in one world.
    Case(Box<Case>),
}

/// One run.
pub(super) struct Run {
    pub(super) seed: u64,
    pub(super) outcome: Outcome,
    pub(super) measures: Measures,
    /// Bounds that were not kept.
    pub(super) broken: Vec<String>,
    pub(super) steps: Steps,
}

impl Subject {
    pub(super) fn read(args: &Args) -> anyhow::Result<Self> {
        if let Some(path) = &args.scenario {
            ensure!(args.cuts.is_empty(), "--cut changes a --log or a --load, and no scenario");
            return Ok(Self::Scenario(name_of(path), Box::new(read_yaml(path)?)));
        }
        let (name, jobs) = match (&args.log, &args.load) {
            (Some(path), _) => logs::read_to_play(path, &args.cuts)?,
            (None, Some(path)) => {
                let load: Load = read_yaml(path)?;
                (name_of(path), Transform::apply_all(&args.cuts, load.jobs(args.worlds.seed))?)
            }
            (None, None) => return Err(anyhow!("give a scenario, --log or --load")),
        };
        ensure!(!jobs.jobs().is_empty(), "{name}: no job is left");
        let mut cases = Case::of_log(&name, &jobs, 0.0, &args.worlds)?;
        let case = cases.pop().filter(|_| cases.is_empty());
        let case = case.context("one run has one world: one --node-size, --node-start and --median")?;
        Ok(Self::Case(Box::new(case)))
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Scenario(name, _) => name,
            Self::Case(case) => &case.log,
        }
    }

    pub(super) fn about(&self, args: &Args) -> String {
        let by = &args.by;
        match self {
            Self::Scenario(name, scenario) => format!("{name}, by {by}: {}", scenario.description),
            Self::Case(case) => format!("{}, by {by}; {}", case.log, case.label),
        }
    }

    pub(super) fn seeds(&self, args: &Args) -> std::ops::Range<u64> {
        match self {
            Self::Scenario(_, scenario) if args.all_seeds => 0..u64::from(scenario.seeds),
            _ => args.worlds.seed..args.worlds.seed + 1,
        }
    }

    pub(super) fn bounds(&self) -> Option<Bounds> {
        match self {
            Self::Scenario(_, scenario) => Some(scenario.bounds.clone()),
            Self::Case(_) => None,
        }
    }

    pub(super) fn play(&self, args: &Args, seed: u64) -> anyhow::Result<Run> {
        match self {
            Self::Case(case) => {
                let policy = args.policy.as_deref().map(read_policy).transpose()?;
                let stage = Stage::new(&case.world, &case.jobs);
                let autoscaler = contender(&args.by, policy, args.worlds.max)?.on(&stage);
                let mut watch = Watch::new(case.world.from);
                let mut steps = Steps::new(case.world.from);
                let outcome = stage.watch(autoscaler, |pool, autoscaler| {
                    watch.see(pool, autoscaler.decision());
                    steps.see(pool, autoscaler.decision());
                });
                let measures = watch.measures(&outcome, case.jobs.work());
                Ok(Run { seed, outcome, measures, broken: Vec::new(), steps })
            }
            Self::Scenario(_, scenario) => {
                let setting = scenario.setting(seed);
                ensure!(!setting.jobs.jobs().is_empty(), "seed {seed} draws no job");
                let given = args.policy.as_deref().map(read_policy).transpose()?;
                let mut steps = Steps::new(setting.world.from);
                let mut see = |pool: &WorkerPool, autoscaler: &dyn Autoscaler| {
                    steps.see(pool, autoscaler.decision());
                };
                let (outcome, measures) = if let Some(victims) = foresail(&args.by) {
                    let policy = match given {
                        Some(policy) => policy,
                        None => PolicyConfig::from_keys(scenario.world.policy.clone())
                            .map_err(|error| anyhow!("world.policy.{error}"))?
                            .policy()
                            .clone(),
                    };
                    let foresail = setting.foresail(policy, victims);
                    setting.watch(foresail, |pool, autoscaler| see(pool, autoscaler))
                } else {
                    let stage = Stage::new(&setting.world, &setting.jobs);
                    let other = contender(&args.by, given, scenario.world.max_workers)?.on(&stage);
                    setting.watch(other, |pool, autoscaler| see(pool, autoscaler))
                };
                let broken = scenario.bounds.broken(|measure| measures.of(measure));
                Ok(Run { seed, outcome, measures, broken, steps })
            }
        }
    }
}

impl Run {
    /// All of it.
    pub(super) fn json(&self) -> Value {
        let measures = Measure::ALL.map(|measure| {
            let value = self.measures.of(measure);
            (measure.name().to_owned(), value.is_finite().then_some(value).into())
        });
        serde_json::json!({
            "seed": self.seed,
            "outcome": self.outcome,
            "measures": serde_json::Map::from_iter(measures),
            "broken": self.broken,
            "steps": self.steps.all(),
        })
    }
}

/// Whether it is Foresail, and if so, whether it says who goes first.
fn foresail(by: &str) -> Option<bool> {
    let variants = [("Foresail", false), ("Foresail, victims", true)];
    variants.into_iter().find(|(name, _)| by.eq_ignore_ascii_case(name)).map(|(_, victims)| victims)
}

/// The one of this name; Foresail with this policy.
fn contender(by: &str, policy: Option<Policy>, max: u32) -> anyhow::Result<Contender> {
    if let Some(policy) = policy {
        let victims = foresail(by).with_context(|| format!("--policy is Foresail's, and {by} has none"))?;
        return Ok(Contender::foresail(by, policy, victims, max));
    }
    let mut all = Field::All.contenders(&[], max)?;
    let at = all.iter().position(|contender| contender.name.eq_ignore_ascii_case(by));
    let names = || {
        let all = all.iter().filter(|contender| !contender.is_setting()).map(|contender| &*contender.name);
        all.collect::<Vec<_>>().join("; ")
    };
    let at = at.with_context(|| {
        format!(
            "nobody is called {by:?}; there are {}; and the settings of KEDA that compare's tables show",
            names()
        )
    })?;
    Ok(all.swap_remove(at))
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn read_yaml<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    serde_saphyr::from_str(&text).map_err(|error| anyhow!("{shown}: {error}"))
}

fn read_policy(path: &Path) -> anyhow::Result<Policy> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let config = PolicyConfig::from_yaml(&text).map_err(|error| anyhow!("{shown}: {error}"))?;
    Ok(config.policy().clone())
}
