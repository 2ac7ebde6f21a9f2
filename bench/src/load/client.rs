//! The load: a closed loop for throughput, an open one at a constant rate for latency.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use foresail::scaler::pb;
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};
use prost::Message as _;

use crate::{
    load::connection::{Connection, Done},
    world,
};

const PATH: &str = "/externalscaler.ExternalScaler/GetMetrics";

/// How long the last answers may take once a run is over.
const DRAIN: Duration = Duration::from_secs(2);

/// How long all refs together may wait for their first answer.
const FIRST_ANSWERS: Duration = Duration::from_mins(1);

/// GetMetrics for every ref, as bytes.
pub(crate) struct Calls(Vec<Vec<u8>>);

impl Calls {
    /// Prepares the calls.
    pub(crate) fn new(refs: usize, queues: usize) -> anyhow::Result<Self> {
        let names = world::metric_names(&world::config()?, refs, queues)?;
        let bodies = names.into_iter().enumerate().map(|(number, metric_name)| {
            let scaled_object_ref = Some(world::call(number, queues));
            let message = pb::GetMetricsRequest { scaled_object_ref, metric_name }.encode_to_vec();
            let mut body = vec![0];
            body.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
            body.extend_from_slice(&message);
            Ok(body)
        });
        Ok(Self(bodies.collect::<anyhow::Result<_>>()?))
    }

    /// Bytes of one call's message.
    pub(crate) fn message_bytes(&self) -> usize {
        self.0.first().map_or(0, Vec::len)
    }
}

/// What a run saw.
pub(crate) struct Outcome {
    /// Calls answered with a message.
    pub(crate) answered: u64,
    /// Calls answered with an error, or not at all.
    pub(crate) failed: u64,
    /// How long the run was.
    pub(crate) seconds: f64,
    /// Nanoseconds from the moment that a call was due to its answer.
    pub(crate) latency: Histogram<u64>,
    /// Nanoseconds by which the client itself sent a call late; they are part of `latency`.
    pub(crate) late: Histogram<u64>,
}

impl Outcome {
    /// A run without calls.
    pub(crate) fn new() -> Self {
        Self { answered: 0, failed: 0, seconds: 0.0, latency: nanoseconds(), late: nanoseconds() }
    }

    fn note(&mut self, done: &Done) {
        if done.ok {
            self.answered += 1;
            self.latency.saturating_record(since(done.since));
        } else {
            self.failed += 1;
        }
    }
}

/// Connections that one thread drives.
pub(crate) struct Client {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    next: usize,
}

impl Client {
    /// Opens the connections.
    pub(crate) fn connect(address: SocketAddr, connections: usize) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let connections = (0..connections)
            .map(|place| {
                let mut connection = Connection::connect(address, PATH)?;
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut connection.socket, Token(place), interest)?;
                Ok(connection)
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { poll, events: Events::with_capacity(1024), connections, next: 0 })
    }

    /// Calls every ref once, `at_once` of them at a time, and those again that got no answer; returns the
    /// seconds until the last one had it.
    pub(crate) fn ask_all(&mut self, calls: &Calls, at_once: usize) -> anyhow::Result<f64> {
        let started = Instant::now();
        let mut left: Vec<usize> = (0..calls.0.len()).rev().collect();
        loop {
            for connection in &mut self.connections {
                while connection.open() < at_once
                    && let Some(&number) = left.last()
                    && connection.call(number, &calls.0[number], started)
                {
                    left.pop();
                }
                connection.flush()?;
            }
            if left.is_empty() && self.open() == 0 {
                return Ok(started.elapsed().as_secs_f64());
            }
            if started.elapsed() > FIRST_ANSWERS {
                bail!("{} refs have no answer after {FIRST_ANSWERS:?}", left.len() + self.open());
            }
            self.turn(Some(DRAIN), |done| {
                if !done.ok {
                    left.push(done.number);
                }
            })?;
        }
    }

    /// Keeps `depth` calls open on every connection.
    pub(crate) fn closed_loop(
        &mut self,
        calls: &Calls,
        depth: usize,
        during: Duration,
    ) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::new();
        let started = Instant::now();
        let end = started + during;
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            for connection in &mut self.connections {
                while connection.open() < depth {
                    if !connection.call(self.next, &calls.0[self.next], now) {
                        break;
                    }
                    self.next = (self.next + 1) % calls.0.len();
                }
                connection.flush()?;
            }
            self.turn(Some(end - now), |done| outcome.note(&done))?;
        }
        outcome.seconds = started.elapsed().as_secs_f64();
        self.drain(|_| {})?;
        Ok(outcome)
    }

    /// Calls at a constant rate, whatever the answers do. Time counts from when a call was due: one that
    /// had to wait because those before it were slow is slow too.
    pub(crate) fn open_loop(
        &mut self,
        calls: &Calls,
        per_second: u32,
        during: Duration,
    ) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::new();
        let started = Instant::now();
        let all = (during.as_secs_f64() * f64::from(per_second)).round();
        let mut sent = 0.0;
        while sent < all {
            let due = started + Duration::from_secs_f64(sent / f64::from(per_second));
            if Instant::now() >= due {
                let place = self.next % self.connections.len();
                let connection = &mut self.connections[place];
                if connection.call(self.next, &calls.0[self.next], due) {
                    outcome.late.saturating_record(since(due));
                    connection.flush()?;
                    self.next = (self.next + 1) % calls.0.len();
                    sent += 1.0;
                }
            }
            // Calls come every few hundred microseconds: sleeping would be less exact than that.
            self.turn(Some(Duration::ZERO), |done| outcome.note(&done))?;
        }
        outcome.seconds = started.elapsed().as_secs_f64();
        outcome.failed += self.drain(|done| outcome.note(&done))?;
        Ok(outcome)
    }

    /// Waits for the last answers; returns how many never came.
    fn drain(&mut self, mut done: impl FnMut(Done)) -> anyhow::Result<u64> {
        let end = Instant::now() + DRAIN;
        while self.open() > 0 && Instant::now() < end {
            self.turn(Some(DRAIN), &mut done)?;
        }
        Ok(self.open() as u64)
    }

    fn open(&self) -> usize {
        self.connections.iter().map(Connection::open).sum()
    }

    /// Takes in what has come, after waiting for it.
    fn turn(&mut self, wait: Option<Duration>, mut done: impl FnMut(Done)) -> anyhow::Result<()> {
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &self.events {
            let connection = &mut self.connections[event.token().0];
            if event.is_readable() {
                connection.receive(&mut done).context("a connection of the load failed")?;
            }
            connection.flush()?;
        }
        Ok(())
    }
}

fn since(due: Instant) -> u64 {
    u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn nanoseconds() -> Histogram<u64> {
    let (lowest, highest) = (100, 60_000_000_000);
    Histogram::new_with_bounds(lowest, highest, 3).expect("the bounds and digits are within its range")
}
