//! Redis as a source, against real servers: what each preset counts, and every bad day.

mod support;

#[path = "redis/lists.rs"]
mod lists;

#[path = "redis/zsets.rs"]
mod zsets;

#[path = "redis/streams.rs"]
mod streams;

#[path = "redis/rounds.rs"]
mod rounds;

#[path = "redis/security.rs"]
mod security;

#[path = "redis/topologies.rs"]
mod topologies;

#[path = "redis/bad_days.rs"]
mod bad_days;

#[path = "redis/inspection.rs"]
mod inspection;

use foresail::{
    config::{
        secret::Secret,
        source::{Layout, LayoutRead, MissingQueue, RedisConfig, RedisTopology},
    },
    series::{Holder, Sample},
    source::{
        Batch, LayoutIndex, QueueError, Source as _, SourceError, Wanted, preset::PRESETS, redis::RedisSource,
    },
};

/// A layout of a preset with these parameters.
fn layout(preset: &str, parameters: &[(&str, &str)]) -> Layout {
    let preset = &PRESETS[preset];
    let given =
        parameters.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect();
    Layout {
        name: preset.preset.clone(),
        implied: false,
        read: LayoutRead::Preset {
            preset,
            parameters: preset.complete(given).expect("the parameters are the preset's"),
        },
        missing_queue: MissingQueue::Empty,
        max_run: 300.0,
        stuck_after: None,
        worker_pod: None,
        history: None,
    }
}

fn config(url: impl Into<String>) -> RedisConfig {
    RedisConfig {
        topology: RedisTopology::Url(Secret::Inline(url.into().into())),
        username: None,
        password: None,
        database: 0,
        tls: None,
        replica: false,
        timeout: 5.0,
    }
}

/// A source of one layout.
fn source(url: impl Into<String>, layout: Layout) -> RedisSource {
    RedisSource::new(config(url), vec![layout]).expect("the layout is right")
}

fn wanted<'a>(queues: impl IntoIterator<Item = &'a str>) -> Vec<Wanted> {
    queues.into_iter().map(|queue| Wanted { layout: LayoutIndex(0), queue: queue.into() }).collect()
}

async fn read(source: &RedisSource, queue: &str) -> Result<Sample, QueueError> {
    batch(source, queue).await.expect("the source can be read").samples.remove(0)
}

async fn sample(source: &RedisSource, queue: &str) -> Sample {
    read(source, queue).await.expect("the queue can be read")
}

async fn batch(source: &RedisSource, queue: &str) -> Result<Batch, SourceError> {
    source.read(&wanted([queue])).await
}

fn holder(worker: &str, jobs: u32, stuck: u32) -> Holder {
    Holder { worker: worker.into(), jobs, stuck }
}
