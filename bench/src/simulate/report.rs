//! What a person wants to see of a run.

use std::fmt;

use foresail::sim::scenario::{Bounds, Measure};

use super::stage::Run;
use crate::table::{Table, count};

/// The outcome, the bounds and the time line.
pub(super) struct Report {
    pub(super) about: String,
    pub(super) bounds: Option<Bounds>,
    pub(super) runs: Vec<Run>,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) every: Option<f64>,
}

impl Report {
    fn outcomes(&self) -> Table {
        let mut table = Table::new([
            "seed",
            "jobs",
            "not done",
            "mean wait",
            "p50",
            "p95",
            "max",
            "worker-h",
            "node-h",
            "workers at most",
            "pods",
            "nodes",
            "turns",
            "busy told to go",
        ]);
        for Run { seed, outcome, .. } in &self.runs {
            let waits = &outcome.waits;
            let times = [waits.mean, waits.p50, waits.p95, waits.max].map(shown);
            let hours = |seconds: f64| format!("{:.1}", seconds / 3600.0);
            let counts = [
                outcome.peak,
                outcome.launched,
                outcome.nodes.launched,
                outcome.reversals,
                outcome.told_to_go_busy,
            ];
            let head = [seed.to_string(), count(waits.jobs as u64), count(outcome.unfinished as u64)];
            let spent = [hours(outcome.workers.total), hours(outcome.nodes.seconds.total)];
            let counts = counts.map(|n| count(n as u64));
            table.row(head.into_iter().chain(times).chain(spent).chain(counts));
        }
        table
    }

    fn kept(&self, f: &mut fmt::Formatter<'_>, bounds: &Bounds) -> fmt::Result {
        let mut table = Table::new(["bound", "must be", "was", "kept"]);
        for (measure, bound) in bounds.iter() {
            let values = || self.runs.iter().map(|run| run.measures.of(measure));
            let (least, most) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
                (least.min(value), most.max(value))
            });
            let number = |value: f64| ((value * 1e4).round() / 1e4).to_string();
            let value = |value: f64| if measure.is_time() { shown(value) } else { number(value) };
            let was = match least.total_cmp(&most) {
                std::cmp::Ordering::Less => format!("{} to {}", value(least), value(most)),
                _ if least.is_finite() => value(least),
                _ => "not measured".to_owned(),
            };
            let kept = if values().all(|value| bound.holds(value)) { "yes" } else { "NO" };
            table.row([measure.name().to_owned(), limit(measure, &bound.to_string()), was, kept.to_owned()]);
        }
        writeln!(f, "{table}")
    }

    fn time_line(&self, f: &mut fmt::Formatter<'_>, run: &Run) -> fmt::Result {
        writeln!(
            f,
            "{:>11} {:>8} {:>9} {:>8} {:>6} {:>6}",
            "time", "waiting", "in flight", "replicas", "ready", "nodes"
        )?;
        for step in run.steps.some(self.from, self.to, self.every) {
            write!(
                f,
                "{:>11} {:>8} {:>9} {:>8} {:>6} {:>6}",
                clock(step.at),
                step.waiting,
                step.in_flight,
                step.replicas,
                step.ready,
                step.nodes
            )?;
            match step.why {
                Some(why) => writeln!(f, "  {why}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{}", self.about, self.outcomes())?;
        if let Some(bounds) = &self.bounds {
            self.kept(f, bounds)?;
        }
        match self.runs.first() {
            Some(run) => self.time_line(f, run),
            None => Ok(()),
        }
    }
}

/// A bound in the unit of its measure.
fn limit(measure: Measure, text: &str) -> String {
    if measure.is_time() { format!("{text} s") } else { text.to_owned() }
}

/// Seconds.
fn shown(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// Days and the time of day since the begin: `2d 07:30:15`.
fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 or more, and `as` saturates"
    )]
    let whole = seconds as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    let time = format!("{hours:02}:{minutes:02}:{:02}", whole % 60);
    if days > 0 { format!("{days}d {time}") } else { time }
}
