//! Recordings of the simulator, whose waits are known, read as if they were logs.

use clap::Parser as _;
use foresail::sim::{
    autoscaler::KedaSetting,
    job_log::{Job, JobLog},
    workers::WorkerPool,
    world::{Stage, World},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::{
    Ref,
    history::{Count, History},
    line::{Line, Record},
    replay,
};
use crate::compare::{self, play::Worlds};

const BEGIN: f64 = 1_772_366_400.0;
const HOUR: f64 = 3600.0;

/// How far a mean wait may be off that is put together from what was seen once a second: a second, and so much of it.
const MEASURED: [(Count, f64); 3] =
    [(Count::Arrivals, 0.01), (Count::Completions, 0.01), (Count::Differences, 0.03)];

/// How far one may be off that is simulated with the replicas that there were.
const SIMULATED: f64 = 0.1;

/// The same of the workers' time: in the simulation that of workers counts, too, who finish their last job.
const SIMULATED_TIME: f64 = 0.2;

/// Worlds without nodes, in which workers start in 2 to 5 s.
fn worlds() -> Worlds {
    #[derive(clap::Parser)]
    struct Just {
        #[command(flatten)]
        worlds: Worlds,
    }
    Just::parse_from(["just", "--node-size", "0", "--max", "60"]).worlds
}

/// Four hours of jobs, some alone and some in bursts.
fn log(seed: u64) -> JobLog {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let (mut at, mut jobs) = (BEGIN, Vec::new());
    while at < BEGIN + 4.0 * HOUR {
        at += 400.0 * rng.random::<f64>();
        let burst = if rng.random::<f64>() < 0.2 { 40 } else { 1 };
        jobs.extend(
            (0..burst).map(|nth| Job::new(at + 0.1 * f64::from(nth), 20.0 + 400.0 * rng.random::<f64>())),
        );
    }
    JobLog::new(jobs)
}

/// Looks at a pool once a second, and writes a line where something has changed or a minute has passed.
struct Recorder {
    count: Count,
    next: f64,
    last: Line,
    lines: Vec<Line>,
}

impl Recorder {
    /// Called after everything that happens: until now the pool looked as it did at the last call.
    fn see(&mut self, pool: &WorkerPool) {
        while self.next < pool.now() {
            let same = self.lines.last().is_some_and(|line| {
                Line { at: line.at, read_at: line.read_at, ..self.last.clone() } == *line
                    && self.next - line.at < 60.0
            });
            if !same {
                self.lines.push(Line { at: self.next, read_at: self.next, ..self.last.clone() });
            }
            self.next += 1.0;
        }
        let count = |n: usize| u32::try_from(n).expect("few");
        let told = |by: Count, n: usize| (self.count == by).then_some(n as u64);
        self.last = Line {
            wanted: count(pool.waiting() + pool.in_flight()),
            replicas: Some(count(pool.replicas())),
            ready: Some(count(pool.ready())),
            waiting: pool.waiting() as u64,
            in_flight: (self.count != Count::Depth).then_some(pool.in_flight() as u64),
            arrivals: told(Count::Arrivals, pool.arrived()),
            completions: told(Count::Completions, pool.completed()),
            ..self.last.clone()
        };
    }
}

/// What a Foresail that watches would have logged beside KEDA, and what each job waited: submission and seconds.
fn recording(seed: u64, count: Count) -> (Record, Vec<(f64, f64)>) {
    let (log, worlds) = (log(seed), worlds());
    let world = World {
        pool: worlds.first_pool(),
        from: BEGIN,
        counted_from: BEGIN,
        until: BEGIN + 4.0 * HOUR,
        patience: 100.0 * HOUR,
        agreed_wait: 300.0,
        seed: worlds.seed,
    };
    let stage = Stage::new(&world, &log);
    let last = Line {
        message: String::new(),
        namespace: "lab".to_owned(),
        name: "md".to_owned(),
        at: 0.0,
        read_at: 0.0,
        wanted: 0,
        replicas: Some(0),
        ready: Some(0),
        waiting: 0,
        in_flight: (count != Count::Depth).then_some(0),
        arrivals: (count == Count::Arrivals).then_some(0),
        completions: (count == Count::Completions).then_some(0),
        slots: 1,
    };
    let mut recorder = Recorder { count, next: BEGIN, last, lines: Vec::new() };
    let keda = KedaSetting { target: 5.0, ..KedaSetting::default() }.autoscaler(60, BEGIN);
    let (_, pool) = stage.watch_to_the_end(keda, |pool, _| recorder.see(pool));
    let waits = stage.waits(&pool).map(|(job, wait)| (job.submit, wait)).collect();
    (Record { name: "lab/md".to_owned(), lines: recorder.lines }, waits)
}

/// The mean wait of jobs that came from then on.
fn mean_from(waits: &[(f64, f64)], from: f64) -> f64 {
    let counted: Vec<f64> = waits.iter().filter(|&&(came, _)| came >= from).map(|&(_, wait)| wait).collect();
    counted.iter().sum::<f64>() / counted.len() as f64
}

fn read(record: &Record) -> Ref {
    let policy = compare::default_policy();
    Ref::of(History::of(record).expect("it was looked at more than once"), &policy, &worlds())
}

#[test]
fn waits_are_measured_as_they_were() {
    for (count, share) in MEASURED {
        for seed in 0..6 {
            let (record, waits) = recording(seed, count);
            let found = read(&record);
            let really = mean_from(&waits, replay::counted_from(&found.history));
            let off = (found.was.waits.mean - really).abs();
            assert!(
                off < 1.0 + share * really,
                "{count:?}, seed {seed}: {} for {really}",
                found.was.waits.mean
            );
        }
    }
}

#[test]
fn the_same_replicas_give_the_same_waits_again_and_foresail_shorter_ones() {
    for seed in 0..6 {
        let (record, waits) = recording(seed, Count::Differences);
        let found = read(&record);
        let really = mean_from(&waits, replay::counted_from(&found.history));
        let played = found.played.as_ref().expect("run times are known");
        let simulated = played.as_it_was.as_ref().expect("replicas are known").outcome.waits.mean;
        assert!((simulated / really - 1.0).abs() < SIMULATED, "seed {seed}: {simulated} for {really}");
        assert!(played.deciding.outcome.waits.mean < 0.5 * really, "seed {seed}");
        let workers = played.as_it_was.as_ref().map_or(0.0, |run| run.outcome.workers.total);
        let measured = found.was.workers.expect("replicas are known");
        assert!((workers / measured - 1.0).abs() < SIMULATED_TIME, "seed {seed}: {workers} for {measured}");
    }
}

#[test]
fn a_list_that_shows_only_what_waits_is_measured_and_not_simulated() {
    let (record, waits) = recording(1, Count::Depth);
    let found = read(&record);
    assert!(found.played.is_none());
    let really = mean_from(&waits, replay::counted_from(&found.history));
    // Jobs that an idle worker takes between two looks are missed: those that are seen waited.
    assert!(found.was.waits.mean > 0.9 * really, "{} for {really}", found.was.waits.mean);
    assert!(found.opening().last().is_some_and(|said| said.contains("nothing can be simulated")));
}

#[test]
fn a_restart_and_a_silence_are_told_from_what_was_seen() {
    let (mut record, _) = recording(2, Count::Arrivals);
    let third = record.lines.len() / 3;
    let at = record.lines[third].at;
    record.lines.retain(|line| line.at <= at || line.at > at + HOUR);
    let counted = record.lines[third].arrivals.expect("they are counted");
    for line in record.lines.iter_mut().skip(third + 1) {
        line.arrivals = line.arrivals.map(|n| n.saturating_sub(counted));
    }
    let history = History::of(&record).expect("it was looked at more than once");
    assert!((history.unseen - HOUR).abs() < 120.0, "{}", history.unseen);
    let ordered = history.jobs.windows(2).all(|pair| pair[0].came <= pair[1].came + 1e-6);
    assert!(ordered && history.jobs.iter().all(|job| history.waited(job) >= 0.0));
}
