//! `foresail-bench tune`: the policy that would have served job logs best, what it is expected to bring, and how sure
//! that is.
//!
//! - [`space`]: what is searched
//! - [`goal`]: what is looked for
//! - [`search`]: the way to it
//! - [`runs`]: what is known
//! - [`cases`]: what is played
//! - [`judge`]: what it is worth on days that the search did not see
//! - [`state`], [`merge`]: going on later, and on many machines
//! - [`report`]: what is said, and the policy file

pub(crate) mod merge;

mod cases;
mod goal;
mod judge;
mod report;
mod runs;
mod search;
mod space;
mod state;

use std::{fs, path::PathBuf, str::FromStr};

use anyhow::{Context as _, ensure};
use clap::Parser;
use foresail::sim::job_log::Transform;
use indicatif::{ProgressBar, ProgressStyle};

use self::{
    cases::{Case, Cut},
    goal::Goal,
    judge::Judge,
    report::{LeftOut, Tuned},
    runs::{Known, Missing, Part, Played, Run, both, together},
    search::Search,
    space::{Held, SPACE, Space},
    state::{Head, Journal},
};
use crate::{compare::play::Worlds, cores};

/// What is to be tuned, and for what.
#[derive(Debug, Parser)]
#[command(mut_arg("median", |median| median.default_value("0s")))]
pub(crate) struct Args {
    /// A job log: SWF, or CSV with the usual columns, gzipped or not; several may be given.
    #[arg(long = "log", required = true, value_name = "FILE")]
    logs: Vec<PathBuf>,
    /// Change the logs before they are played; may be given several times (docs/bench/logs.md).
    #[arg(long = "cut", value_name = "TRANSFORM")]
    cuts: Vec<Transform>,
    /// What to look for: cost (what was paid, and the waits by --worth), mean=TIME or p95=TIME (least paid with waits
    /// of at most TIME), front or front=p95 (all that nobody beats in both).
    #[arg(long, default_value = "cost")]
    goal: Goal,
    /// What a second of waiting is worth, in worker-seconds.
    #[arg(long, default_value_t = 3.0)]
    worth: f64,
    /// Policies that the search starts with.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    configurations: u32,
    /// Days at the beginning of each log that are not counted.
    #[arg(long, default_value_t = 12)]
    warm_up: u32,
    /// Share of the days after that, at the end of each log, which the search does not see: they judge.
    #[arg(long, default_value_t = 0.4)]
    judge: f64,
    /// A policy key that is not tuned but has this value; may be given several times.
    #[arg(long = "hold", value_name = "KEY=VALUE")]
    held: Vec<Held>,
    #[command(flatten)]
    worlds: Worlds,
    /// Where the policy is written.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where every finished run is written, and read when it goes on.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Make only this part of the runs: I from 0 to N-1. `merge` puts the parts together.
    #[arg(long, value_name = "I/N", requires = "state")]
    shard: Option<Shard>,
    /// No progress on standard error.
    #[arg(long)]
    no_progress: bool,
}

/// Some of the brackets of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shard {
    nth: u32,
    of: u32,
}

/// Searches, judges and writes the policy; with `--shard`, makes a part of the runs.
///
/// # Errors
/// Where a log cannot be read or is too short, an option is wrong, or a file cannot be used.
pub(crate) fn run(args: &Args) -> anyhow::Result<String> {
    ensure!(args.worth.is_finite() && args.worth >= 0.0, "--worth is a number, 0 or more");
    ensure!((0.05..=0.95).contains(&args.judge), "--judge is a share from 0.05 to 0.95");
    let space = Space::new(SPACE, &args.held)?;
    let cut = Cut { warm_up: args.warm_up, judge: args.judge };
    let cases = Case::all(&args.logs, &args.cuts, cut, &args.worlds)?;
    let head = args.head(&cases, &space);
    let (journal, runs) = match &args.state {
        Some(path) => Journal::open(path, &head)?,
        None => (Journal::none(), Vec::new()),
    };
    let mut table = Runs { cases: &cases, journal, known: Known::new(args.worth), shown: !args.no_progress };
    table.take_over(runs)?;

    let search = |cases: Vec<usize>| Search {
        space: &space,
        goal: args.goal,
        candidates: args.configurations,
        seed: sequence_seed(args.worlds.seed),
        cases,
    };
    let everywhere = search((0..cases.len()).collect());
    let sites = if args.logs.len() > 1 { 0..args.logs.len() } else { 0..0 };
    let not_at = |site: usize| (0..cases.len()).filter(|&case| cases[case].site != site).collect();
    let elsewhere: Vec<Search<'_>> = sites.map(|site| search(not_at(site))).collect();

    if let Some(shard) = args.shard {
        let brackets = shard.brackets(everywhere.brackets())?;
        table.settle(|known| {
            let searches = [&everywhere].into_iter().chain(&elsewhere);
            let halved = searches.flat_map(|search| brackets.iter().map(|&nth| search.halve(nth, known)));
            together(halved).map(|_| ())
        })?;
        return Ok(format!("Shard {shard}: its {} runs are made.", table.known.len()));
    }

    let defaults = space.defaults().policy;
    let judge = Judge { cases: &cases, goal: args.goal, defaults: &defaults };
    let (found, verdict, elsewhere) = table.settle(|known| {
        let (found, others) =
            both(everywhere.find(known), together(elsewhere.iter().map(|search| search.find(known))))?;
        let verdict = judge.verdict(&found.best, &everywhere.cases, known);
        let left_out = others.into_iter().enumerate().map(|(site, found)| {
            let here: Vec<usize> = (0..cases.len()).filter(|&case| cases[case].site == site).collect();
            let verdict = judge.verdict(&found.best, &here, known)?;
            Ok(LeftOut { log: cases[here[0]].log.clone(), policy: found.best, verdict })
        });
        let shown =
            together(found.front.iter().map(|policy| judge.verdict(policy, &everywhere.cases, known)));
        let ((verdict, left_out), _) = both(both(verdict, together(left_out)), shown)?;
        Ok((found, verdict, left_out))
    })?;
    let tuned = Tuned {
        goal: args.goal,
        worth: args.worth,
        command: args.command(),
        cases: &cases,
        known: &table.known,
        defaults: &defaults,
        found,
        verdict,
        elsewhere,
    };
    if let Some(path) = &args.out {
        fs::write(path, tuned.policy_file()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(tuned.to_string())
}

/// The scrambling of the start that goes with a seed.
#[expect(clippy::cast_possible_truncation, reason = "any number does")]
fn sequence_seed(seed: u64) -> u32 {
    (seed ^ (seed >> 32)) as u32
}

/// The runs of a search: those that are known, and how others are made.
struct Runs<'a> {
    cases: &'a [Case],
    journal: Journal,
    known: Known,
    shown: bool,
}

impl Runs<'_> {
    /// Takes runs over that were made before, after the shortest of them came out the same once more.
    fn take_over(&mut self, runs: Vec<(Run, Played)>) -> anyhow::Result<()> {
        if let Some((run, played)) =
            runs.iter().min_by_key(|(run, played)| (run.part, played.jobs, run.clone()))
        {
            ensure!(run.case < self.cases.len(), "the state has runs of a log that is not given");
            let (_, again) = Journal::none().record(run.clone(), self.cases[run.case].play(run))?;
            ensure!(
                again == *played,
                "the state comes from a build that decides or simulates otherwise: {} was played again and came out \
                 differently; begin with a new --state",
                run.policy
            );
        }
        self.known.extend(runs);
        Ok(())
    }

    /// Does some work, making the runs that it lacks until it lacks none.
    fn settle<T>(&mut self, work: impl Fn(&Known) -> Result<T, Missing>) -> anyhow::Result<T> {
        loop {
            match work(&self.known) {
                Ok(done) => return Ok(done),
                Err(missing) => self.make(&missing.runs())?,
            }
        }
    }

    fn make(&mut self, runs: &[Run]) -> anyhow::Result<()> {
        let bar = if self.shown { ProgressBar::new(runs.len() as u64) } else { ProgressBar::hidden() };
        bar.set_style(
            ProgressStyle::with_template("{msg:22} {bar:30} {pos}/{len} runs, {elapsed}, {eta} left")
                .expect("a template that is written right"),
        );
        bar.set_message(runs.iter().map(|run| run.part).max().map_or("", Part::name));
        let made = cores::map(runs.len(), |at| {
            let run = &runs[at];
            let made = self.journal.record(run.clone(), self.cases[run.case].play(run));
            bar.inc(1);
            made
        });
        bar.finish_and_clear();
        self.known.extend(made.into_iter().collect::<anyhow::Result<Vec<_>>>()?);
        Ok(())
    }
}

impl Args {
    /// The options that a result depends on, with what was given or is the default, in the order of the help.
    fn options(&self) -> Vec<(&'static str, Vec<String>)> {
        let Self { logs: _, cuts, goal, worth, configurations, warm_up, judge, held, worlds, .. } = self;
        let one = |value: &dyn ToString| vec![value.to_string()];
        let mut options = vec![
            ("--cut", cuts.iter().map(ToString::to_string).collect()),
            ("--goal", one(goal)),
            ("--worth", one(worth)),
            ("--configurations", one(configurations)),
            ("--warm-up", one(warm_up)),
            ("--judge", one(judge)),
            ("--hold", held.iter().map(ToString::to_string).collect()),
        ];
        options.extend(worlds.options());
        options
    }

    /// What a state has to agree with.
    fn head(&self, cases: &[Case], space: &Space) -> Head {
        let mut head = Head::default();
        head.0.insert("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        head.0.insert("space".to_owned(), space.describe());
        for (option, values) in self.options() {
            head.0.insert(option.to_owned(), values.join(" "));
        }
        for case in cases {
            head.0.insert(
                format!("log {}", case.site + 1),
                format!("{} ({} jobs, checksum {:08x})", case.log, case.jobs, case.checksum),
            );
        }
        head
    }

    /// The command that gives the same policy, without what is as by default, and without where files are.
    fn command(&self) -> String {
        let default = Self::parse_from(["tune", "--log", "any"]).options();
        let mut words = vec!["foresail-bench".to_owned(), "tune".to_owned()];
        for log in &self.logs {
            words.extend([
                "--log".to_owned(),
                log.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            ]);
        }
        for (given, default) in self.options().into_iter().zip(default) {
            if given != default {
                words.extend(given.1.iter().flat_map(|value| [given.0.to_owned(), quoted(value)]));
            }
        }
        words.join(" ")
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | ',' | '/' | '_' | '-' | '=' | ':' | '+');
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

impl Shard {
    /// The brackets that are its own.
    fn brackets(self, all: u32) -> anyhow::Result<Vec<u32>> {
        ensure!(
            self.of <= all,
            "--shard {self}: these --configurations make {all} brackets of up to {}, so there can be {all} shards at \
             most",
            search::BRACKET
        );
        Ok((0..all).filter(|nth| nth % self.of == self.nth).collect())
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(nth, of)| Some((nth.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((nth, of)) if nth < of => Ok(Self { nth, of }),
            _ => Err(format!("{text:?} is no shard: write I/N, such as 0/8 to 7/8")),
        }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.nth, self.of)
    }
}
