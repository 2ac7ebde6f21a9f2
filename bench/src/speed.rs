//! `foresail-bench speed`: how fast the simulator is, beside a bare loop of events.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fmt::{self, Display},
    fs,
    hint::black_box,
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context as _, ensure};
use clap::Parser;
use foresail::sim::{job_log::JobLog, load::Load, world::Stage};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::{
    compare::{
        contender::Contender,
        field::Field,
        play::{Case, Worlds},
    },
    logs,
    table::{Table, count, duration},
};

/// What is measured.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// A job log, beside one of 200,000 jobs that is made up; several may be given.
    #[arg(long = "log", value_name = "FILE")]
    logs: Vec<PathBuf>,
    /// Runs of each, of which the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// Some 200,000 jobs in eight weeks: working days, users who submit again, and an array every night.
const MADE_UP: &str = "
length: 56d
parts:
- diurnal: { rate: 90, depth: 0.8, weekend: 0.3, run: { lognormal: { median: 5m, sigma: 1.2 } } }
- self_exciting: { rate: 6, branching: 0.9, decay: 90s, run: { lognormal: { median: 3m, sigma: 1.5 } } }
- array: { at: 22h, every: 1d, jitter: 10m, size: 600, over: 1m, run: { lognormal: { median: 4m, sigma: 0.6 } } }
";

/// Who plays: from nobody who decides to the one who decides most.
const PLAYERS: [&str; 5] =
    ["always the peak", "KEDA depth/1", "ScaledJob default", "Foresail", "Foresail, victims"];

/// Workers at most.
const MAX: u32 = 1000;

/// All of it, as a table.
pub(crate) struct Report {
    rows: Vec<Row>,
    /// Nanoseconds of an event of the bare loop.
    floor: f64,
}

struct Row {
    log: String,
    world: String,
    by: String,
    jobs: usize,
    events: u64,
    seconds: f64,
}

/// Plays each log in a world without nodes and in one with, by some.
///
/// # Errors
/// Where a log cannot be read.
pub(crate) fn run(args: &Args) -> anyhow::Result<Report> {
    ensure!(args.rounds > 0, "--rounds is 1 or more");
    let load: Load = serde_saphyr::from_str(MADE_UP).context("the load is written right")?;
    let mut all: Vec<(String, JobLog)> = vec![("made up".to_owned(), load.jobs(1))];
    for path in &args.logs {
        all.push(logs::read_to_play(path, &[])?);
    }
    let worlds = Worlds::of_sizes(&[0, 4], MAX);
    let players: Vec<Contender> = Field::All
        .contenders(&[], MAX)?
        .into_iter()
        .filter(|contender| PLAYERS.contains(&contender.name.as_str()))
        .collect();
    let mut rows = Vec::new();
    for (name, jobs) in &all {
        for case in Case::of_log(name, jobs, 0.0, &worlds)? {
            let stage = Stage::new(&case.world, &case.jobs);
            rows.extend(players.iter().map(|player| Row::of(&case, &stage, player, args.rounds)));
        }
    }
    let events = rows.iter().map(|row| row.events).max().unwrap_or(0);
    let floor = median((0..args.rounds).map(|_| bare_loop(events)).collect());
    Ok(Report { rows, floor: 1e9 * floor / events.max(1) as f64 })
}

impl Row {
    fn of(case: &Case, stage: &Stage<'_>, player: &Contender, rounds: u32) -> Self {
        let mut events = 0;
        let mut round = || {
            // Each turn of the autoscaler is an event too.
            let (mut turns, mut happened) = (0, 0);
            let autoscaler = player.on(stage);
            let watch = Stopwatch::start();
            let outcome = stage.watch(autoscaler, |pool, _| {
                turns += 1;
                happened = pool.happened();
            });
            let seconds = watch.seconds();
            black_box(outcome);
            events = turns + happened;
            seconds
        };
        let seconds = median((0..rounds).map(|_| round()).collect());
        Self {
            log: case.log.clone(),
            world: case.label.clone(),
            by: player.name.clone(),
            jobs: case.jobs.jobs().len(),
            events,
            seconds,
        }
    }
}

/// Events that are still to come in the bare loop at a time.
const PENDING: u64 = 500;

/// Seconds that a bare loop takes for so many events: each is taken out of a heap and puts another one in, at a
/// random time later. A loop of events can hardly do less.
fn bare_loop(events: u64) -> f64 {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    // Times are positive, so that their bits have their order.
    let mut heap: BinaryHeap<Reverse<(u64, u64)>> =
        (0..PENDING).map(|of| Reverse((random.random::<f64>().to_bits(), of))).collect();
    let watch = Stopwatch::start();
    for _ in 0..events {
        let Some(Reverse((at, of))) = heap.pop() else { break };
        let next = f64::from_bits(at) + 300.0 * random.random::<f64>();
        heap.push(Reverse((next.to_bits(), of)));
    }
    let seconds = watch.seconds();
    black_box(heap);
    seconds
}

/// Time that this thread had a processor, so that what runs beside it counts for little; where the system does not
/// tell (it is Linux that does), the time that passed.
struct Stopwatch {
    began: Instant,
    had: Option<f64>,
}

impl Stopwatch {
    fn start() -> Self {
        Self { began: Instant::now(), had: processor_seconds() }
    }

    fn seconds(&self) -> f64 {
        let had = self.had.zip(processor_seconds()).map(|(before, now)| now - before);
        had.unwrap_or_else(|| self.began.elapsed().as_secs_f64())
    }
}

fn processor_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all[all.len() / 2]
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### The simulator, one core\n")?;
        let mut table = Table::new([
            "log, world, by",
            "jobs",
            "events",
            "time",
            "an event",
            "events a second",
            "of the floor",
        ]);
        for row in &self.rows {
            let each = 1e9 * row.seconds / row.events as f64;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
            let rate = (row.events as f64 / row.seconds) as u64;
            table.row([
                format!("{}, {}, {}", row.log, row.world, row.by),
                count(row.jobs as u64),
                count(row.events),
                duration(1e9 * row.seconds),
                duration(each),
                count(rate),
                format!("{:.1}x", each / self.floor),
            ]);
        }
        write!(f, "{table}")?;
        writeln!(
            f,
            "\nThe floor is a bare loop that takes an event out of a heap of {PENDING} and puts another in: {}.",
            duration(self.floor)
        )
    }
}
