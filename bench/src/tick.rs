//! `foresail-bench tick`: a whole tick, with a fresh sample of every queue.

use std::{
    fmt::{self, Display},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use clap::Parser;
use foresail::{
    answers::Answers,
    clock::{Clock as _, VirtualClock},
    engine::Engine,
    refs::{Caller, RefEntry, Refs, resolve},
    sampler::{self, Interest},
};
use hdrhistogram::Histogram;
use tokio::sync::watch;

use crate::{
    ALLOCATOR,
    table::{Table, count, duration},
    world::{self, Embedded},
};

/// Ticks before counting starts: the first ones grow the tables, and forecasts are believed after 30 outcomes.
const WARM_UP: usize = 400;

/// Seconds of the virtual clock between two signs of life of the refs, which keep them from expiring.
const ASKED_EVERY: usize = 60;

/// What is to be measured.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Numbers of queues, each with one ref.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    queues: Vec<usize>,
    /// Jobs that come to each queue in a second: the more, the longer its forecasts take. More than 0 and at most 5.
    #[arg(long, value_delimiter = ',', default_values_t = [0.1, 5.0], value_parser = arrivals)]
    arrivals: Vec<f64>,
    /// Seconds for each of both.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// All refs share a cap of so many workers.
    #[arg(long)]
    group: Option<u32>,
}

/// Ticks for each number of queues.
pub(crate) fn run(args: &Args) -> anyhow::Result<impl Display + use<>> {
    let during = Duration::from_secs_f64(args.seconds);
    let worlds =
        args.arrivals.iter().flat_map(|&arrivals| args.queues.iter().map(move |&queues| (arrivals, queues)));
    let costs = worlds.map(|(arrivals, queues)| measure(queues, arrivals, args.group, during));
    Ok(Report(costs.collect::<Result<_, _>>()?))
}

fn arrivals(text: &str) -> Result<f64, String> {
    let given = text.parse().ok().filter(|arrivals| *arrivals > 0.0 && *arrivals <= 5.0);
    given.ok_or_else(|| "not a number above 0 and at most 5".to_owned())
}

struct Report(Vec<Cost>);

/// What the ticks of one number of queues cost.
struct Cost {
    queues: usize,
    arrivals: f64,
    intake: Part,
    decide: Part,
    whole: Histogram<u64>,
}

/// One part of a tick: nanoseconds, and bytes allocated in the worst tick.
struct Part {
    nanoseconds: Histogram<u64>,
    allocated: usize,
}

fn measure(queues: usize, arrivals: f64, group: Option<u32>, during: Duration) -> anyhow::Result<Cost> {
    let mut bench = Bench::new(queues, arrivals, group)?;
    for _ in 0..WARM_UP {
        bench.tick()?;
    }
    let mut cost = Cost { queues, arrivals, intake: Part::new(), decide: Part::new(), whole: histogram() };
    let end = Instant::now() + during;
    while Instant::now() < end || cost.whole.len() < 3 {
        let (intake, decide) = bench.tick()?;
        cost.intake.note(intake)?;
        cost.decide.note(decide)?;
        cost.whole.record(intake.0 + decide.0)?;
    }
    Ok(cost)
}

/// Bytes of the heap that queues with one ref each hold, by room.
pub(crate) struct Held {
    /// The map of refs.
    pub(crate) refs: usize,
    /// The engine, with its queues and what the sampler has to read.
    pub(crate) engine: usize,
    /// The published table and the one before.
    pub(crate) tables: usize,
}

/// Builds the rooms and ticks until both tables are full.
pub(crate) fn held(queues: usize) -> anyhow::Result<Held> {
    let mut bench = Bench::new(queues, 0.1, None)?;
    let before = ALLOCATOR.allocated();
    for _ in 0..WARM_UP {
        bench.tick()?;
    }
    Ok(Held { tables: ALLOCATOR.allocated() - before, ..bench.held })
}

/// An engine that knows its queues, and what feeds it.
struct Bench {
    engine: Engine,
    interest: watch::Receiver<Interest>,
    entries: Vec<Arc<RefEntry>>,
    source: Embedded,
    clock: VirtualClock,
    runtime: tokio::runtime::Runtime,
    ticks: usize,
    held: Held,
}

impl Bench {
    fn new(queues: usize, arrivals: f64, group: Option<u32>) -> anyhow::Result<Self> {
        let config = Arc::new(group.map_or_else(world::config, world::config_with_group)?);
        let added = Arc::new(Mutex::new(Vec::new()));
        let refs = Arc::new(Refs::new({
            let added = added.clone();
            move |entry| added.lock().unwrap_or_else(PoisonError::into_inner).push(entry)
        }));
        let clock = VirtualClock::new(1e9);
        let at_first = ALLOCATOR.allocated();
        for number in 0..queues {
            let key = world::key(number, queues);
            let (spec, _) = resolve(&key, &config, Caller::Keda)?;
            refs.add(key, spec, Caller::Keda, clock.now())?;
        }
        let with_refs = ALLOCATOR.allocated();
        let mut engine = Engine::new(config, refs, Arc::new(Answers::default()));
        let interest = world::interest(&engine)?;
        let entries = std::mem::take(&mut *added.lock().unwrap_or_else(PoisonError::into_inner));
        for entry in &entries {
            engine.adopt(entry.clone());
        }
        engine.announce();
        let held = Held { refs: with_refs - at_first, engine: ALLOCATOR.allocated() - with_refs, tables: 0 };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let source = Embedded::new(arrivals);
        Ok(Self { engine, interest, entries, source, clock, runtime, ticks: 0, held })
    }

    /// A second passes: the nanoseconds and allocated bytes of intake, and those of deciding and publishing.
    fn tick(&mut self) -> anyhow::Result<((u64, usize), (u64, usize))> {
        self.clock.set(self.clock.now() + 1.0);
        let now = self.clock.now();
        if self.ticks.is_multiple_of(ASKED_EVERY) {
            self.entries.iter().for_each(|entry| entry.touch(now));
        }
        self.ticks += 1;
        let interest = Arc::new(self.interest.borrow().clone());
        let name = world::SOURCE.into();
        let (reading, _) = self.runtime.block_on(sampler::read(&name, &self.source, interest, &self.clock));
        let intake = counted(|| self.engine.absorb(reading));
        let decide = counted(|| self.engine.tick(now));
        Ok((intake?, decide?))
    }
}

/// Nanoseconds and allocated bytes of a piece of work.
fn counted<T>(work: impl FnOnce() -> T) -> anyhow::Result<(u64, usize)> {
    let before = ALLOCATOR.total_allocated();
    let started = Instant::now();
    let result = work();
    let took = started.elapsed();
    let allocated = ALLOCATOR.total_allocated() - before;
    drop(result);
    Ok((u64::try_from(took.as_nanos())?, allocated))
}

impl Part {
    fn new() -> Self {
        Self { nanoseconds: histogram(), allocated: 0 }
    }

    fn note(&mut self, (nanoseconds, allocated): (u64, usize)) -> anyhow::Result<()> {
        self.allocated = self.allocated.max(allocated);
        Ok(self.nanoseconds.record(nanoseconds)?)
    }

    fn per_queue(&self, queues: usize) -> String {
        format!("{:.0}", self.nanoseconds.value_at_quantile(0.5) as f64 / queues as f64)
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are within a histogram's range")
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([
            "queues",
            "jobs/s each",
            "ticks",
            "tick, median",
            "ns/queue, mean",
            "ns/queue, median",
            "ns/queue, p99",
            "of it intake",
            "of it decide + publish",
            "bytes allocated, intake",
            "bytes allocated, decide + publish",
        ]);
        for Cost { queues, arrivals, intake, decide, whole } in &self.0 {
            let quantile = |q| whole.value_at_quantile(q) as f64;
            table.row([
                count(*queues as u64),
                arrivals.to_string(),
                count(whole.len()),
                duration(quantile(0.5)),
                format!("{:.0}", whole.mean() / *queues as f64),
                format!("{:.0}", quantile(0.5) / *queues as f64),
                format!("{:.0}", quantile(0.99) / *queues as f64),
                intake.per_queue(*queues),
                decide.per_queue(*queues),
                count(intake.allocated as u64),
                count(decide.allocated as u64),
            ]);
        }
        writeln!(f, "### The tick\n")?;
        writeln!(
            f,
            "One ref a queue, a fresh sample of every queue in each tick; on one core. Allocated is what the \
             engine allocates in the worst steady tick; the samples themselves are made by the source.\n"
        )?;
        write!(f, "{table}")
    }
}
