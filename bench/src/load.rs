//! `foresail-bench load`: Foresail's real gRPC server beside two that answer constants.

mod client;
mod connection;

pub(crate) use client::{Calls, Client};

use std::{
    fmt::{self, Display},
    time::Duration,
};

use clap::Parser;

use crate::{
    load::client::Outcome,
    peer::{Kind, Peer},
    table::{Table, count, duration},
};

/// Calls open at once in the closed loop, whatever the number of connections.
const DEPTH: usize = 100;

/// What is to be measured.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Seconds of each run; every server has two for each number of connections in each round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds, in which the servers take turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Queues, each with a ref.
    #[arg(long, default_value_t = 10_000)]
    queues: usize,
    /// Numbers of connections.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100])]
    connections: Vec<usize>,
    /// Calls a second in the open loop.
    #[arg(long, default_value_t = 5_000)]
    rate: u32,
}

/// What all rounds together saw of one server.
struct Seen {
    kind: Kind,
    /// Why it could not be measured.
    missing: Option<String>,
    /// Seconds until all refs had their first answers, in the worst round.
    first_answers: f64,
    runs: Vec<Run>,
}

/// One server at one number of connections.
struct Run {
    connections: usize,
    open: Outcome,
    /// Calls a second of each round.
    per_second: Vec<f64>,
    closed_failed: u64,
    closed_answered: u64,
    closed_cpu: f64,
}

struct Report {
    args: String,
    rate: u32,
    servers: Vec<Seen>,
}

/// Rounds of all servers.
pub(crate) fn run(args: &Args) -> anyhow::Result<impl Display + use<>> {
    let calls = Calls::new(args.queues, args.queues)?;
    let mut servers: Vec<_> = Kind::ALL.iter().map(|kind| Seen::new(*kind, &args.connections)).collect();
    for round in 0..args.rounds {
        eprintln!("round {} of {}", round + 1, args.rounds);
        // Each goes first in turn, so that what a round leaves behind hits none more than another.
        servers.rotate_left(1);
        for seen in &mut servers {
            seen.round(args, &calls)?;
        }
    }
    servers.sort_by_key(|seen| Kind::ALL.iter().position(|kind| *kind == seen.kind));
    let args_told = format!(
        "{} queues and refs, {} of {} s a run, messages of {} bytes; one thread of the same machine drives \
         the connections",
        count(args.queues as u64),
        if args.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", args.rounds) },
        args.seconds,
        calls.message_bytes()
    );
    Ok(Report { args: args_told, rate: args.rate, servers })
}

impl Seen {
    fn new(kind: Kind, connections: &[usize]) -> Self {
        let runs = connections.iter().map(|&connections| Run::new(connections)).collect();
        Self { kind, missing: None, first_answers: 0.0, runs }
    }

    fn round(&mut self, args: &Args, calls: &Calls) -> anyhow::Result<()> {
        let during = Duration::from_secs_f64(args.seconds);
        let peer = match Peer::start(self.kind) {
            Ok(peer) => peer,
            Err(error) if self.kind == Kind::GrpcGo => {
                self.missing = Some(format!("{error:#}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if self.kind == Kind::Foresail {
            self.first_answers =
                self.first_answers.max(Client::connect(peer.address, 1)?.ask_all(calls, usize::MAX)?);
        }
        for run in &mut self.runs {
            let mut client = Client::connect(peer.address, run.connections)?;
            let depth = (DEPTH / run.connections).max(1);
            // A server learns too: buffers, and for Go its heap.
            client.closed_loop(calls, depth, during / 10)?;
            run.open.add(client.open_loop(calls, args.rate, during)?)?;
            let before = peer.cpu_seconds()?;
            let closed = client.closed_loop(calls, depth, during)?;
            run.closed_cpu += peer.cpu_seconds()? - before;
            run.per_second.push(closed.answered as f64 / closed.seconds);
            run.closed_answered += closed.answered;
            run.closed_failed += closed.failed;
        }
        Ok(())
    }
}

impl Run {
    fn new(connections: usize) -> Self {
        Self {
            connections,
            open: Outcome::new(),
            per_second: Vec::new(),
            closed_failed: 0,
            closed_answered: 0,
            closed_cpu: 0.0,
        }
    }

    /// Calls a second of the round in the middle.
    fn throughput(&self) -> f64 {
        let mut all = self.per_second.clone();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl Outcome {
    fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.answered += other.answered;
        self.failed += other.failed;
        self.seconds += other.seconds;
        self.latency.add(other.latency)?;
        self.late.add(other.late)?;
        Ok(())
    }
}

impl Report {
    fn throughput_of(&self, kind: Kind, at: usize) -> Option<f64> {
        self.servers.iter().find(|seen| seen.kind == kind).map(|seen| seen.runs[at].throughput())
    }

    fn latencies(&self) -> Table {
        let mut table = Table::new([
            "server",
            "connections",
            "p50",
            "p90",
            "p99",
            "p99.9",
            "max",
            "failed",
            "client late, p99",
        ]);
        for (seen, run) in self.rows() {
            let Some(run) = run else {
                table.row(missing(seen));
                continue;
            };
            let latency = |q| duration(run.open.latency.value_at_quantile(q) as f64);
            table.row([
                seen.kind.name().to_owned(),
                run.connections.to_string(),
                latency(0.5),
                latency(0.9),
                latency(0.99),
                latency(0.999),
                duration(run.open.latency.max() as f64),
                count(run.open.failed),
                duration(run.open.late.value_at_quantile(0.99) as f64),
            ]);
        }
        table
    }

    fn throughputs(&self) -> Table {
        let mut table = Table::new([
            "server",
            "connections",
            "calls/s",
            "server CPU a call",
            "failed",
            "foresail to it",
            "foresail to it, by CPU",
        ]);
        let cpu = |run: &Run| run.closed_cpu / run.closed_answered as f64;
        for (seen, run) in self.rows() {
            let Some(run) = run else {
                table.row(missing(seen));
                continue;
            };
            let place = seen.runs.iter().position(|other| other.connections == run.connections).unwrap_or(0);
            let ours = self.throughput_of(Kind::Foresail, place).unwrap_or(f64::NAN);
            let our_cpu = self.servers[0].runs.get(place).map_or(f64::NAN, cpu);
            let is_ours = seen.kind == Kind::Foresail;
            let ratio = |ratio: f64| if is_ours { String::new() } else { format!("{ratio:.2}") };
            table.row([
                seen.kind.name().to_owned(),
                run.connections.to_string(),
                format!("{:.0}", run.throughput()),
                duration(cpu(run) * 1e9),
                count(run.closed_failed),
                ratio(ours / run.throughput()),
                ratio(cpu(run) / our_cpu),
            ]);
        }
        table
    }

    /// Every run by number of connections; a server that is missing once, without one.
    fn rows(&self) -> impl Iterator<Item = (&Seen, Option<&Run>)> {
        let places = self.servers.first().map_or(0, |seen| seen.runs.len());
        let present = (0..places).flat_map(move |at| {
            let there = self.servers.iter().filter(|seen| seen.missing.is_none());
            there.map(move |seen| (seen, seen.runs.get(at)))
        });
        present.chain(self.servers.iter().filter(|seen| seen.missing.is_some()).map(|seen| (seen, None)))
    }
}

fn missing(seen: &Seen) -> [String; 2] {
    [format!("{}: {}", seen.kind.name(), seen.missing.as_deref().unwrap_or_default()), "-".to_owned()]
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### GetMetrics\n")?;
        writeln!(f, "{}.", self.args)?;
        for seen in self.servers.iter().filter(|seen| seen.kind == Kind::Foresail) {
            writeln!(
                f,
                "All refs at once, as after an operator's restart, had their first answers after {:.2} s.",
                seen.first_answers
            )?;
        }
        writeln!(
            f,
            "\nLatency at {} calls a second (open loop: time counts from when a call was due):\n\n{}",
            count(self.rate.into()),
            self.latencies()
        )?;
        writeln!(
            f,
            "Throughput with {DEPTH} calls open, spread over the connections:\n\n{}",
            self.throughputs()
        )
    }
}
