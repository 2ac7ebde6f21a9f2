//! `foresail-bench forecast`: what a forecast costs and how good it is, beside libraries that forecast series.

mod parts;
mod peers;

use std::{
    fmt::{self, Display},
    path::PathBuf,
    time::Instant,
};

use anyhow::ensure;
use clap::Parser;
use foresail::{
    forecast::{
        Forecast, arrivals::Seen, calibration::LEVELS, horizons::Horizons, outcomes::loss, skill::saved,
    },
    sim::job_log::JobLog,
};
use serde::Serialize;

use crate::{
    logs,
    table::{Table, duration},
};

/// Seconds of a count.
const EVERY: f64 = 30.0;

/// Counts that a library fits its model to, where it cannot go on from the one before: eight hours.
const WINDOW: usize = 960;

/// The normal law's quantiles at [`LEVELS`], for those who tell a standard deviation.
const Z: [f64; 4] = [0.0, 0.674_489_750_196_081_7, 1.281_551_565_544_600_4, 1.880_793_608_151_250_9];

/// What is forecast, and beside whom.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// A job log; without, the week that Foresail carries for its demo.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Forecasts that are judged, evenly over the log.
    #[arg(long, default_value_t = 400)]
    steps: usize,
    /// Leaves the libraries of Python out: they are installed beside this program first.
    #[arg(long)]
    without_python: bool,
}

/// Counts of what arrived, and where forecasts are judged.
#[derive(Debug, Serialize)]
struct Task {
    counts: Vec<u64>,
    window: usize,
    scored: Vec<usize>,
    z: [f64; 4],
}

/// What one forecaster told of the counts that are judged.
#[derive(Debug, serde::Deserialize)]
struct Told {
    name: String,
    /// Seconds that a count and the forecast of the next one take.
    seconds: f64,
    means: Vec<f64>,
    quantiles: Option<Vec<[f64; 4]>>,
}

/// Times and scores.
pub(crate) struct Report {
    task: Task,
    told: Vec<Told>,
    parts: Table,
    /// Why some are not there.
    missing: Option<String>,
}

/// Forecasts the counts of a log by each.
///
/// # Errors
/// Where the log cannot be read or is too short.
pub(crate) fn run(args: &Args) -> anyhow::Result<Report> {
    ensure!(args.steps > 0, "--steps is 1 or more");
    let log = args.log.as_deref().map_or_else(|| Ok(JobLog::bundled()?), logs::read)?;
    let task = Task::new(&log, args.steps)?;
    let mut told = vec![ours(&task), peers::augurs(&task)];
    let python = if args.without_python { Ok(Vec::new()) } else { peers::python(&task) };
    let missing = python.as_ref().err().map(|error| format!("{error:#}"));
    told.extend(python.unwrap_or_default());
    Ok(Report { parts: parts::table(&task.counts), task, told, missing })
}

impl Task {
    fn new(log: &JobLog, steps: usize) -> anyhow::Result<Self> {
        let submits = || log.jobs().iter().map(|job| job.submit);
        let from = submits().next().unwrap_or(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the log is sorted")]
        let place = |at: f64| ((at - from) / EVERY) as usize;
        let mut counts = vec![0; submits().next_back().map_or(0, place) + 1];
        submits().for_each(|at| counts[place(at)] += 1);
        let judged = counts.len().saturating_sub(WINDOW);
        ensure!(
            judged >= steps,
            "the log is {} counts long, and {} are needed",
            counts.len(),
            WINDOW + steps
        );
        let scored = (0..steps).map(|step| WINDOW + step * judged / steps).collect();
        Ok(Self { counts, window: WINDOW, scored, z: Z })
    }

    /// Root of the mean square by which the means were off.
    fn error(&self, told: &Told) -> f64 {
        let off = |(&at, mean): (&usize, &f64)| (self.counts[at] as f64 - mean).powi(2);
        let sum: f64 = self.scored.iter().zip(&told.means).map(off).sum();
        (sum / self.scored.len() as f64).sqrt()
    }

    /// Part of the quantile loss of "nothing comes" that was saved.
    fn skill(&self, quantiles: &[[f64; 4]]) -> f64 {
        let outcomes = || self.scored.iter().map(|&at| self.counts[at] as f64);
        let mine: f64 = quantiles.iter().zip(outcomes()).map(|(told, outcome)| loss(*told, outcome)).sum();
        saved(mine, outcomes().map(|outcome| loss([0.0; 4], outcome)).sum())
    }
}

/// Foresail's own: each count is learned from, and the next one forecast.
fn ours(task: &Task) -> Told {
    let mut forecast = Forecast::new(Horizons::default());
    let mut scored = task.scored.iter().peekable();
    let (mut means, mut quantiles) = (Vec::new(), Vec::new());
    forecast.observe(0.0, Seen::Gap, 0);
    let began = Instant::now();
    for (at, &count) in task.counts.iter().enumerate() {
        let law = forecast.at(EVERY);
        let found = law.quantiles(LEVELS);
        if scored.next_if(|next| **next == at).is_some() {
            means.push(law.mean());
            quantiles.push(found.map(|quantile| quantile as f64));
        }
        forecast.observe((at + 1) as f64 * EVERY, Seen::Arrivals(count), 0);
    }
    let seconds = began.elapsed().as_secs_f64() / task.counts.len() as f64;
    Told { name: "Foresail".to_owned(), seconds, means, quantiles: Some(quantiles) }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, told, parts, missing } = self;
        let mut table = Table::new(["forecaster", "a step", "of Foresail's", "error of the mean", "skill"]);
        for one in told {
            table.row([
                one.name.clone(),
                duration(1e9 * one.seconds),
                format!("{:.1}x", one.seconds / told[0].seconds),
                format!("{:.2}", task.error(one)),
                one.quantiles.as_ref().map_or_else(|| "-".to_owned(), |q| format!("{:.2}", task.skill(q))),
            ]);
        }
        writeln!(
            f,
            "### A forecast\n\nOf the jobs that come in the next {EVERY} s, after each of {} counts; on one core. Those who \
             cannot go on from the forecast before are fitted anew to the last {WINDOW} counts. Error: root of the mean \
             square, in jobs, over {} forecasts; skill: part of the quantile loss of \"nothing comes\" that was saved, \
             where a forecaster tells more than a mean.\n\n{table}",
            task.counts.len(),
            task.scored.len()
        )?;
        if let Some(missing) = missing {
            writeln!(f, "The libraries of Python are not measured: {missing}\n")?;
        }
        write!(f, "### Each part of a decision alone\n\n{parts}")
    }
}
