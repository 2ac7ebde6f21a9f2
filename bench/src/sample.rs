//! `foresail-bench sample`: what reading real stores costs, and how many connections it takes.

mod postgres;
mod redis;

use std::{
    fmt::{self, Display},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use foresail::{
    config::Config,
    source::{LayoutIndex, Source, Wanted},
};
use hdrhistogram::Histogram;

use crate::{
    machine,
    rooms::Rooms,
    table::{Table, count, duration},
    world,
};

/// How long refs may wait for their first answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads before counting starts: the first one connects.
const WARM_UP: usize = 3;

/// What is to be measured.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Queues in Redis: streams with a consumer group.
    #[arg(long, default_value_t = 2_000)]
    redis_queues: usize,
    /// Queues in Postgres: in one table.
    #[arg(long, default_value_t = 500)]
    postgres_queues: usize,
    /// Finished jobs that the table keeps for each queue, beside 40 live ones.
    #[arg(long, default_value_t = 400)]
    finished: usize,
    /// Reads of each store.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    reads: u32,
    /// Numbers of refs whose connections are counted.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 1_000])]
    refs: Vec<usize>,
}

/// What one store showed, or why it could not be measured.
struct Row {
    what: String,
    seen: anyhow::Result<Seen>,
}

struct Seen {
    queues: usize,
    read: Reads,
    /// Commands of one read, where the server counts them.
    commands: Option<f64>,
    /// For each number of refs, connections that the server counts beside the bench's own.
    connections: Vec<usize>,
}

/// Reads of all queues of one store.
struct Reads {
    nanoseconds: Histogram<u64>,
    round_trips: u32,
}

struct Report {
    rows: Vec<Row>,
    refs: Vec<usize>,
}

/// Both stores.
pub(crate) fn run(args: &Args) -> anyhow::Result<impl Display + use<>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let rows = vec![
        Row {
            what: named("redis-stream", "redis-server", |text| {
                Some(format!("Redis {}", text.split("v=").nth(1)?.split(' ').next()?))
            }),
            seen: runtime.block_on(redis::measure(args)),
        },
        Row {
            what: named("pg-table", "postgres", |text| Some(format!("Postgres {}", text.split(' ').nth(2)?))),
            seen: runtime.block_on(postgres::measure(args)),
        },
    ];
    Ok(Report { rows, refs: args.refs.clone() })
}

fn named(preset: &str, program: &str, shorten: impl Fn(&str) -> Option<String>) -> String {
    let version = machine::version(program, "--version");
    let store = version.as_deref().and_then(shorten).unwrap_or_else(|| program.to_owned());
    format!("{store}, {preset}")
}

/// Reads every queue of a store, again and again.
async fn reads(source: &dyn Source, queues: usize, times: u32) -> anyhow::Result<Reads> {
    let wanted: Vec<_> = (0..queues)
        .map(|number| Wanted { layout: LayoutIndex(0), queue: world::queue(number).into() })
        .collect();
    let mut reads = Reads { nanoseconds: Histogram::new(3)?, round_trips: 0 };
    for _ in 0..times {
        let started = Instant::now();
        let batch = source.read(&wanted).await?;
        reads.nanoseconds.record(u64::try_from(started.elapsed().as_nanos())?)?;
        reads.round_trips = reads.round_trips.max(batch.round_trips);
        for sample in batch.samples {
            anyhow::ensure!(
                sample?.waiting.is_some_and(|waiting| waiting > 0),
                "a queue with work looks empty"
            );
        }
    }
    Ok(reads)
}

/// Runs the serving rooms on a store with `refs` refs, and looks once all have their answers.
async fn with_refs<T>(
    config: Config,
    source: Arc<dyn Source>,
    refs: usize,
    queues: usize,
    look: impl AsyncFnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let rooms = tokio::task::spawn_blocking(move || {
        let rooms = Rooms::start(config, source)?;
        rooms.ask(refs, queues, PATIENCE)?;
        anyhow::Ok(rooms)
    })
    .await??;
    let seen = look().await;
    tokio::task::spawn_blocking(move || drop(rooms)).await?;
    seen
}

/// A configuration with one source.
fn config(store: &str, layout: &str) -> anyhow::Result<Config> {
    let text = format!(
        "sources:\n  {}:\n    {store}\n    namespaces: {{ \"*\": \"*\" }}\n    layouts:\n      frames: {layout}\n",
        world::SOURCE
    );
    Ok(Config::from_yaml("bench.yaml", &text)?)
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([
            "store",
            "queues",
            "read, median",
            "read, p99",
            "round trips",
            "commands a read",
            &format!(
                "connections at {} refs",
                self.refs.iter().map(|&n| count(n as u64)).collect::<Vec<_>>().join(" / ")
            ),
        ]);
        for Row { what, seen } in &self.rows {
            let seen = match seen {
                Ok(seen) => seen,
                Err(error) => {
                    table.row([format!("{what}: {error:#}"), "-".to_owned()]);
                    continue;
                }
            };
            let quantile = |q| duration(seen.read.nanoseconds.value_at_quantile(q) as f64);
            let connections: Vec<_> = seen.connections.iter().map(usize::to_string).collect();
            table.row([
                what.clone(),
                count(seen.queues as u64),
                quantile(0.5),
                quantile(0.99),
                seen.read.round_trips.to_string(),
                seen.commands.map_or_else(|| "-".to_owned(), |n| format!("{n:.0}")),
                connections.join(" / "),
            ]);
        }
        writeln!(f, "### Samples of real stores\n")?;
        writeln!(f, "Each read takes a sample of every queue; store and reader share the machine.\n")?;
        write!(f, "{table}")
    }
}
