//! What new queues were like before: read from what remembers it, one queue after the other, beside all else, and again
//! where that failed.

mod agenda;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::spawn_blocking,
    time::sleep,
};

use self::agenda::{Agenda, Turn};
use crate::{
    clock::Zone,
    commands::{past, serve::Shared},
    config::Config,
    engine::{Engine, Event, Unlearned},
    forecast::Forecast,
    history::Past,
    series::{KnownQueue, QueueKey},
};

/// An engine that asks, and what it asks.
pub(super) fn listen_to(engine: Engine) -> (Engine, UnboundedReceiver<Unlearned>) {
    let (unlearned, asked) = unbounded_channel();
    (engine.asking(unlearned), asked)
}

/// Answers until the process ends.
pub(super) async fn run(shared: Arc<Shared>, asked: UnboundedReceiver<Unlearned>) {
    let memory = Configured(shared.config.clone());
    attend(shared, asked, memory).await;
}

/// Who remembers.
trait Memory: Send + Sync {
    /// Looks up what a queue was like until then (Unix seconds).
    fn read(
        &self,
        key: &QueueKey,
        zone: &Zone,
        until: f64,
    ) -> impl Future<Output = anyhow::Result<Found>> + Send;
}

/// What the configuration names: that of the time of a read, since a reload may have mended it.
struct Configured(Arc<ArcSwap<Config>>);

impl Memory for Configured {
    async fn read(&self, key: &QueueKey, zone: &Zone, until: f64) -> anyhow::Result<Found> {
        let config = self.0.load_full();
        let Some(source) = config.sources.get(&key.source) else { return Ok(Found::NoHistory) };
        let past = past::of_layout(source, &key.layout, &key.names, until).await?;
        let Some(Past { log, losses }) = past else { return Ok(Found::NoHistory) };
        let jobs = log.jobs().len();
        if jobs == 0 {
            return Ok(Found::None);
        }
        let (every, zone) = (source.sample_every, zone.clone());
        let learned = spawn_blocking(move || Box::new(past::learned(&log, until, every, &zone))).await?;
        Ok(Found::Jobs { jobs, learned, losses })
    }
}

/// A queue that waits for its past; it goes with the last who asks for it.
struct Waiting {
    queue: Weak<KnownQueue>,
    zone: Zone,
}

/// What a read has found.
enum Found {
    /// So many jobs, what they teach, and what they cannot tell.
    Jobs { jobs: usize, learned: Box<Forecast>, losses: Vec<String> },
    /// Nobody remembers a job.
    None,
    /// The configuration no longer says where.
    NoHistory,
}

/// The failure that was said last of each layout, by source and layout.
type Failures = BTreeMap<(String, String), String>;

async fn attend(shared: Arc<Shared>, mut asked: UnboundedReceiver<Unlearned>, memory: impl Memory) {
    let mut agenda = Agenda::default();
    let mut said = Failures::new();
    let now = || shared.clock.now();
    let put = |agenda: &mut Agenda<Waiting>, Unlearned { known, zone }: Unlearned| {
        agenda.ask(Waiting { queue: Arc::downgrade(&known), zone }, &known.key.source, now());
    };
    loop {
        let entry = match agenda.turn(now()) {
            Turn::Now(entry) => entry,
            turn => {
                let wait = if let Turn::At(at) = turn { at - now() } else { 0.0 };
                tokio::select! {
                    () = shared.stop.cancelled() => return,
                    unlearned = asked.recv() => match unlearned {
                        Some(unlearned) => put(&mut agenda, unlearned),
                        None => return,
                    },
                    () = shared.reloaded.notified() => agenda.hasten(now()),
                    () = sleep(Duration::from_secs_f64(wait.max(0.0))), if matches!(turn, Turn::At(_)) => {}
                }
                continue;
            }
        };
        let Some(known) = entry.queue.queue.upgrade() else { continue };
        let started = now();
        let result = {
            // Up to when it was asked for: what came since is what the queue learns by itself.
            let mut reading = pin!(memory.read(&known.key, &entry.queue.zone, entry.asked));
            loop {
                tokio::select! {
                    () = shared.stop.cancelled() => return,
                    Some(unlearned) = asked.recv() => put(&mut agenda, unlearned),
                    result = &mut reading => break result,
                }
            }
        };
        agenda.rest(&known.key.source, now() - started, now());
        count(&shared, &known.key.source, &result);
        tell(&mut said, &known.key, &result);
        match result {
            Err(_) => agenda.failed(entry, now()),
            Ok(Found::Jobs { learned, .. }) => {
                // As for a reading.
                let _ = shared.events.send(Event::Learned(known, learned));
            }
            Ok(Found::None | Found::NoHistory) => {}
        }
    }
}

fn count(shared: &Shared, source: &str, result: &anyhow::Result<Found>) {
    let word = match result {
        Ok(Found::Jobs { .. }) => "ok",
        Ok(Found::None) => "none",
        Ok(Found::NoHistory) => return,
        Err(_) => "error",
    };
    shared.metrics.history_reads.with_label_values(&[source, word]).inc();
    // After it is counted: whoever drops the source meanwhile drops this too.
    if !shared.config.load().sources.contains_key(source) {
        shared.metrics.forget_source(source);
    }
}

/// Logs what came of a read. A failure is said once for a layout, since its other queues would say the same, and so
/// would the next try.
fn tell(said: &mut Failures, key: &QueueKey, result: &anyhow::Result<Found>) {
    let (source, layout, queue) = (&*key.source, &*key.layout, key.queue());
    let place = || (key.source.clone(), key.layout.clone());
    match result {
        Err(error) => {
            let error = format!("{error:#}");
            if said.get(&place()) != Some(&error) {
                tracing::warn!(
                    source,
                    layout,
                    queue,
                    error,
                    "a queue's past cannot be read: it learns from now on, and for a day it is tried again"
                );
                said.insert(place(), error);
            }
            return;
        }
        Ok(Found::NoHistory) => return,
        Ok(Found::Jobs { jobs, losses, .. }) => {
            let losses = losses.join("; ");
            tracing::info!(source, layout, queue, jobs, losses, "a queue has learned from its past");
        }
        Ok(Found::None) => tracing::info!(source, layout, queue, "a queue has no past to learn from"),
    }
    if said.remove(&place()).is_some() {
        tracing::info!(source, layout, "the past of a layout can be read again");
    }
}
