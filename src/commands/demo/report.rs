//! What is played, said before the run, and the table after it.

use std::{
    fmt,
    io::{self, Write},
};

use crate::{
    sim::{autoscaler::ListLength, hpa::Controller, keda::ScaledObjectSpec, workers::Summary},
    sizing::Policy,
};

use super::{
    Options, lock_step,
    progress::date,
    world::{self, World},
};

/// Says everything that the numbers depend on.
pub(super) fn settings(out: &mut impl Write, options: &Options, world: &World) -> io::Result<()> {
    let Options { median, cap, sample_every, seed, .. } = *options;
    let jobs = world.log.jobs();
    let last = jobs.last().map_or(world.start, |job| job.submit);
    let starts = world::STARTS
        .map(|(of_four, span)| format!("{of_four} of 4 in {:.0} to {:.0} s", span.from, span.to));
    let (ours, plain) = (world::foresails_spec(), world::plain_spec());
    let ScaledObjectSpec { polling_interval, cooldown_period, .. } = ours;
    let Controller { sync_period, .. } = ours.controller;
    let keep_alive = Policy::default().keep_alive;
    let (max, targets) = (world::MAX_WORKERS, world::PLAIN_TARGETS.map(|target| target.to_string()));
    let entries = [
        (
            "log",
            "Philly traces, Microsoft, CC-BY-4.0 (a GPU cluster; five of its virtual clusters)".to_owned(),
        ),
        ("window", format!("{} to {}: {} jobs", day(world.start), day(last), grouped(jobs.len() as u64))),
        (
            "run times",
            format!(
                "scaled to a median of {median:.0} s, at most {cap:.0} s: {:.0} worker-hours of work",
                world.log.work() / 3600.0
            ),
        ),
        ("workers", format!("one job at a time, at most {max}; start {} (seed {seed})", starts.join(", "))),
        ("", "a ReplicaSet chooses who goes; a busy worker ends its job first".to_owned()),
        (
            "Foresail",
            format!(
                "samples every {sample_every} s, ticks every {:.0} s, keeps a worker {keep_alive:.0} s; answers over gRPC",
                lock_step::TICK
            ),
        ),
        ("", "sees its workers too: jobs of workers told to go ask for nobody else".to_owned()),
        (
            "its KEDA",
            format!(
                "polls every {polling_interval:.0} s, HPA every {sync_period:.0} s, cooldown {cooldown_period:.0} s, Foresail's HPA behavior"
            ),
        ),
        (
            "plain KEDA",
            format!("depth/target: waiting jobs by {}, running ones unseen", targets.join(" and by ")),
        ),
        (
            "",
            format!(
                "polls every {:.0} s, HPA every {sync_period:.0} s, cooldown {:.0} s, the HPA's defaults",
                plain.polling_interval, plain.cooldown_period
            ),
        ),
    ];
    writeln!(out, "A job log, played through Foresail's whole loop on a virtual clock.\n")?;
    for (name, what) in entries {
        writeln!(out, "{name:<12}{what}")?;
    }
    writeln!(out)
}

/// The runs side by side.
pub(super) struct Table {
    /// Foresail's run.
    pub(super) foresail: Summary,
    /// Those of plain KEDA.
    pub(super) plain: Vec<(ListLength, Summary)>,
    /// gRPC calls made to Foresail, and those of them that failed.
    pub(super) calls: (u64, u64),
}

/// A line of the table.
type Line = (&'static str, fn(&Summary) -> String);

const LINES: &[Line] = &[
    ("wait, mean (s)", |run| tenths(run.wait_mean)),
    ("wait, median (s)", |run| tenths(run.wait_p50)),
    ("wait, 95 % of jobs within (s)", |run| tenths(run.wait_p95)),
    ("wait, longest (s)", |run| tenths(run.wait_max)),
    ("worker-hours", |run| tenths(run.worker_hours())),
    ("  with a job", |run| tenths(run.worker_seconds.busy / 3600.0)),
    ("  idle", |run| tenths(run.worker_seconds.idle / 3600.0)),
    ("  starting", |run| tenths(run.worker_seconds.starting / 3600.0)),
    ("workers at most", |run| run.peak_replicas.to_string()),
    ("workers told to go", |run| grouped(run.told_to_go as u64)),
    ("  while they had a job", |run| grouped(run.told_to_go_busy as u64)),
    ("turns, up to down or back", |run| grouped(run.reversals as u64)),
    ("jobs done", |run| grouped(run.completed as u64)),
];

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<31}{:>12}", "", "Foresail")?;
        for (ListLength { target, .. }, _) in &self.plain {
            write!(f, "{:>12}", format!("depth/{target}"))?;
        }
        writeln!(f)?;
        for (name, value) in LINES {
            write!(f, "{name:<31}{:>12}", value(&self.foresail))?;
            for (_, run) in &self.plain {
                write!(f, "{:>12}", value(run))?;
            }
            writeln!(f)?;
        }
        let (calls, failed) = self.calls;
        writeln!(f, "\nForesail answered {} calls over gRPC; {failed} failed.", grouped(calls))
    }
}

/// The day of a moment.
fn day(at: f64) -> String {
    date(at).split(' ').next().unwrap_or_default().to_owned()
}

fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
