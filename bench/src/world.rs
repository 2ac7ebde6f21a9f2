//! What is measured: queues and refs in any number, and a source that answers for all of them.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::Context as _;
use async_trait::async_trait;
use foresail::{
    config::Config,
    engine::Engine,
    refs::RefKey,
    sampler::Interest,
    scaler::pb,
    series::{Holder, Sample},
    source::{Batch, Finding, Identity, LayoutIndex, Source, SourceError, Wanted},
};
use tokio::sync::watch;

/// The name of the one source.
pub(crate) const SOURCE: &str = "jobs";

/// Namespaces over which the refs are spread.
const NAMESPACES: usize = 50;

/// A configuration with one source. Its address is never called: [`Embedded`] stands in for the store.
pub(crate) fn config() -> anyhow::Result<Config> {
    config_with("")
}

/// The same, in which all refs share a cap of so many workers.
pub(crate) fn config_with_group(max: u32) -> anyhow::Result<Config> {
    config_with(&format!("groups: {{ all: {{ max: {max} }} }}\npolicies: {{ default: {{ group: all }} }}\n"))
}

fn config_with(sections: &str) -> anyhow::Result<Config> {
    let text = format!(
        "sources:\n  {SOURCE}:\n    redis: {{ host: localhost }}\n    namespaces: {{ \"*\": \"*\" }}\n    \
         sample_every: 1s\n    layouts:\n      frames: {{ preset: redis-stream, group: workers }}\n{sections}"
    );
    Config::from_yaml("bench.yaml", &text).context("the bench's own configuration")
}

/// The queue with a number.
pub(crate) fn queue(number: usize) -> String {
    format!("frames-{number:06}")
}

/// KEDA's call for the ref with a number; refs share the queues evenly.
pub(crate) fn call(number: usize, queues: usize) -> pb::ScaledObjectRef {
    let metadata = [
        ("scalerAddress", "foresail.foresail:6000".to_owned()),
        ("source", SOURCE.to_owned()),
        ("layout", "frames".to_owned()),
        ("queue", queue(number % queues)),
    ];
    pb::ScaledObjectRef {
        name: format!("workers-{number:06}"),
        namespace: format!("lab-{:02}", number % NAMESPACES),
        scaler_metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
    }
}

/// The key of that ref.
pub(crate) fn key(number: usize, queues: usize) -> RefKey {
    let call = call(number, queues);
    RefKey::new(call.namespace, call.name, call.scaler_metadata)
}

/// What the source's sampler has to read.
pub(crate) fn interest(engine: &Engine) -> anyhow::Result<watch::Receiver<Interest>> {
    engine.interests().remove(SOURCE).context("the bench's own source is not configured")
}

/// A source that never fails: two workers hold jobs of every queue, and five more come at a time.
#[derive(Debug)]
pub(crate) struct Embedded {
    reads: AtomicU64,
    /// Reads between two arrivals of five jobs.
    every: u64,
}

/// Jobs that come at a time, and reads until workers have taken them all.
const AT_A_TIME: u64 = 5;
const WAITS: u64 = 7;

impl Embedded {
    /// So many jobs come to a queue between two reads, on average; more than none and at most five.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded")]
    pub(crate) fn new(arrivals: f64) -> Self {
        let every = (AT_A_TIME as f64 / arrivals).round().clamp(1.0, 1e6) as u64;
        Self { reads: AtomicU64::new(0), every }
    }
}

#[async_trait]
impl Source for Embedded {
    async fn read(&self, wanted: &[Wanted]) -> Result<Batch, SourceError> {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        let samples = (0..).zip(wanted).map(|(place, _)| Ok(sample(place, read, self.every))).collect();
        let identity = Some(Identity("embedded".to_owned()));
        Ok(Batch { samples, identity, round_trips: 1, connecting: 0.0 })
    }

    async fn discover(&self, _: LayoutIndex, limit: usize) -> Result<Vec<String>, SourceError> {
        Ok((0..limit).map(queue).collect())
    }

    async fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }
}

fn sample(place: u64, read: u64, every: u64) -> Sample {
    let holder = |worker: &str| Holder { worker: worker.into(), jobs: 1, stuck: 0 };
    // Each queue has its own rhythm's phase.
    let at = read + (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % every;
    let arrivals = AT_A_TIME * (at / every + 2);
    let waiting = AT_A_TIME * WAITS.saturating_sub(at % every) / WAITS;
    Sample {
        waiting: Some(waiting),
        scheduled: Some(place % 3),
        in_flight: Some(2),
        stuck: Some(0),
        holders: Some(vec![holder("workers-7c9d5b-abcde"), holder("workers-7c9d5b-fghij")]),
        oldest_age: (waiting > 0).then_some(3.5),
        arrivals_total: Some(arrivals),
        completions_total: Some(arrivals - waiting - 2),
        seen: true,
        ..Sample::default()
    }
}

/// Every ref's metric name, as Foresail gives it.
pub(crate) fn metric_names(config: &Config, refs: usize, queues: usize) -> anyhow::Result<Vec<String>> {
    use foresail::refs::{Caller, Refs, resolve};
    let all = Refs::new(|_| {});
    let mut names = HashMap::new();
    (0..refs)
        .map(|number| {
            let place = number % queues;
            if let Some(name) = names.get(&place) {
                return Ok(String::clone(name));
            }
            let key = key(number, queues);
            let (spec, _) = resolve(&key, config, Caller::Keda)?;
            let name = all.add(key, spec, Caller::Keda, 0.0)?.metric_name.clone();
            names.insert(place, name.clone());
            Ok(name)
        })
        .collect()
}
