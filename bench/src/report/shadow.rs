//! `report --shadow`: what `foresail serve` logged of watched refs, and what Foresail would have made of it.
//!
//! What was is measured, from the log alone. What would have been is estimated: the same jobs are played in the
//! simulator, with the workers that there were (so that the error of the method is seen) and with Foresail deciding.

mod history;
mod line;
mod page;
mod replay;
#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf};

use anyhow::ensure;
use foresail::{
    sim::{
        autoscaler::Autoscaler,
        outcome::{Steps, Waits},
        world::{Outcome, Stage, World},
    },
    sizing::Policy,
};

use self::history::History;
use super::{say, trace::Trace};
use crate::{compare::play::Worlds, table::Table};

pub(crate) use self::page::page;

/// What was found of every watched ref.
pub(crate) struct Found {
    pub(crate) refs: Vec<Ref>,
}

/// One watched ref.
pub(crate) struct Ref {
    history: History,
    was: Was,
    /// `None` where no run times can be known.
    played: Option<Played>,
}

/// What is measured in the counted time.
struct Was {
    /// Of the jobs that came in it, as far as they can be told apart.
    waits: Waits,
    /// The same, the shortest first, seconds.
    sorted: Vec<f64>,
    /// Worker-seconds that there were.
    workers: Option<f64>,
    /// Worker-seconds of Foresail's answers.
    answered: f64,
}

/// What is estimated.
struct Played {
    world: World,
    demand: Steps,
    /// The replicas that there were; `None` where Kubernetes was not in sight.
    as_it_was: Option<Run>,
    /// The answers that were logged.
    as_answered: Run,
    /// Foresail deciding on what then happens.
    deciding: Run,
}

struct Run {
    outcome: Outcome,
    trace: Trace,
}

/// Reads logs and plays what they tell.
///
/// # Errors
/// Where a log cannot be read or tells too little, or does not fit the policy.
pub(crate) fn find(files: &[PathBuf], policy: &Policy, worlds: &Worlds) -> anyhow::Result<Found> {
    let mut refs = Vec::new();
    for record in line::read(files)? {
        let Some(history) = History::of(&record) else { continue };
        ensure!(
            policy.slots == history.slots,
            "{}: its workers run {} jobs at a time, and those of the policy {}: give its policy with --policy FILE",
            history.name,
            history.slots,
            policy.slots
        );
        refs.push(Ref::of(history, policy, worlds));
    }
    ensure!(
        !refs.is_empty(),
        "every watched ref was looked at once only: a log of some hours is needed, better of days"
    );
    Ok(Found { refs })
}

impl Ref {
    fn of(history: History, policy: &Policy, worlds: &Worlds) -> Self {
        Self { was: Was::of(&history), played: Played::of(&history, policy, worlds), history }
    }
}

impl Was {
    fn of(history: &History) -> Self {
        let (from, until) = (replay::counted_from(history), history.until);
        let counted = history.jobs.iter().filter(|job| job.came >= from);
        let mut sorted: Vec<f64> = counted.map(|job| history.waited(job)).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let area = |steps: &Steps| History::area(steps, from, until);
        Self {
            waits: Waits::of(sorted.clone(), 300.0),
            workers: history.replicas.as_ref().map(area),
            answered: area(&history.wanted),
            sorted,
        }
    }
}

impl Played {
    fn of(history: &History, policy: &Policy, worlds: &Worlds) -> Option<Self> {
        let log = replay::jobs(history)?;
        let world = replay::world(history, worlds.first_pool(), worlds.seed);
        let stage = Stage::new(&world, &log);
        let run = |autoscaler: Box<dyn Autoscaler>| Run::of(&stage, autoscaler, &page::spans(history));
        let as_it_was = replay::as_it_was(history).map(|autoscaler| run(Box::new(autoscaler)));
        let as_answered = run(Box::new(replay::as_answered(history, worlds.max)));
        let deciding = run(Box::new(replay::deciding(history, policy.clone(), worlds.max)));
        let demand = stage.demand().clone();
        Some(Self { world, demand, as_it_was, as_answered, deciding })
    }
}

impl Run {
    fn of(stage: &Stage<'_>, autoscaler: Box<dyn Autoscaler>, spans: &[std::ops::Range<f64>]) -> Self {
        let (outcome, trace) = Trace::of(stage, autoscaler, spans);
        Self { outcome, trace }
    }
}

impl Ref {
    /// A row for what was, and for each estimate.
    fn table(&self) -> Table {
        let mut table =
            Table::new(["", "mean wait", "95 % waited at most", "longest", "workers' time", "nodes' time"]);
        let waits = |waits: &Waits| [waits.mean, waits.p95, waits.max].map(say::time);
        let row = |name: &str, of: &Waits, workers: Option<f64>, nodes: Option<f64>| {
            let cells = [workers, nodes].map(|seconds| seconds.map_or_else(|| "?".to_owned(), say::hours));
            [name.to_owned()].into_iter().chain(waits(of)).chain(cells)
        };
        table.row(row("what was, measured", &self.was.waits, self.was.workers, None));
        let Some(played) = &self.played else { return table };
        let runs = [
            ("what was, simulated", played.as_it_was.as_ref()),
            ("Foresail deciding, simulated", Some(&played.deciding)),
            ("Foresail's logged answers, simulated", Some(&played.as_answered)),
        ];
        for (name, run) in runs {
            let Some(Run { outcome, .. }) = run else { continue };
            let nodes = played.world.pool.nodes.is_some().then_some(outcome.nodes.seconds.total);
            table.row(row(name, &outcome.waits, Some(outcome.workers.total), nodes));
        }
        table
    }

    /// What was watched, what Foresail would have made of it, and how sure that is.
    fn opening(&self) -> Vec<String> {
        let History { name, from, until, unseen, jobs, count, .. } = &self.history;
        let seen = 100.0 * (1.0 - unseen / (until - from));
        let warm_up = replay::counted_from(&self.history) - from;
        let watched = format!(
            "Foresail watched {name} for {} ({seen:.1} % of it in sight), in which {}{} came{}.",
            say::time(until - from),
            if count.is_exact() { "" } else { "at least " },
            say::counted(jobs.len(), "job"),
            if warm_up > 0.0 {
                format!("; the first {} are not counted", say::time(warm_up))
            } else {
                String::new()
            },
        );
        let hours = |seconds: Option<f64>| {
            seconds.map_or_else(
                || "an unknown number of worker-hours".to_owned(),
                |s| format!("{} of workers", say::hours(s)),
            )
        };
        let was = format!(
            "They really waited {} on average and {} at worst, on {}",
            say::time(self.was.waits.mean),
            say::time(self.was.waits.max),
            hours(self.was.workers),
        );
        let Some(played) = &self.played else {
            let answered = say::hours(self.was.answered);
            let what =
                format!("{was}; Foresail's answers, given beside them, come to {answered} of workers.");
            return vec![watched, what, count.in_words().to_owned()];
        };
        let ours = &played.deciding.outcome;
        let what = format!(
            "{was}; with Foresail deciding they would have waited about {} on average and {} at worst, on {}.",
            say::time(ours.waits.mean),
            say::time(ours.waits.max),
            hours(Some(ours.workers.total)),
        );
        vec![watched, what, self.how_sure(played)]
    }

    fn how_sure(&self, played: &Played) -> String {
        let Some(Run { outcome, .. }) = &played.as_it_was else {
            return "How sure this is cannot be said: the replicas that there were are not in the log, so the simulation \
                    cannot be held against what was; let Foresail watch Kubernetes."
                .to_owned();
        };
        let measured = self.was.workers.map(say::hours).unwrap_or_default();
        format!(
            "How sure: the same simulation, given the replicas that there really were, comes to a mean wait of {} where \
             {} was measured, and to {} of workers where {measured} was; take Foresail's numbers to be as far off.",
            say::time(outcome.waits.mean),
            say::time(self.was.waits.mean),
            say::hours(outcome.workers.total),
        )
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.refs {
            writeln!(f, "### {}\n\n{}\n\n{}", one.history.name, one.opening().join(" "), one.table())?;
        }
        Ok(())
    }
}
