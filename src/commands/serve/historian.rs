//! What new queues were like before: read from their tables, one queue after the other, beside all else.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::{
    commands::{past, serve::Shared},
    engine::{Engine, Event, Unlearned},
    forecast::Forecast,
};

/// A rest of so many times what a reading took: the table is read 5 % of the time at most.
const REST: f64 = 20.0;

/// Seconds of such a rest at most.
const LONGEST_REST: f64 = 600.0;

/// An engine that asks, and what it asks.
pub(super) fn listen_to(engine: Engine) -> (Engine, UnboundedReceiver<Unlearned>) {
    let (unlearned, asked) = unbounded_channel();
    (engine.asking(unlearned), asked)
}

/// Answers until the process ends.
pub(super) async fn run(shared: Arc<Shared>, mut asked: UnboundedReceiver<Unlearned>) {
    let mut said = BTreeSet::new();
    loop {
        let unlearned = tokio::select! {
            () = shared.stop.cancelled() => return,
            unlearned = asked.recv() => match unlearned {
                Some(unlearned) => unlearned,
                None => return,
            },
        };
        let key = &unlearned.known.key;
        let (source, layout, queue) = (key.source.clone(), key.layout.clone(), key.queue());
        let started = Instant::now();
        match learn(&shared, &unlearned).await {
            Ok(Some((jobs, past))) => {
                tracing::info!(source, layout, queue, jobs, "a queue has learned from its past");
                // As for a reading.
                let _ = shared.events.send(Event::Learned(unlearned.known.clone(), Box::new(past)));
            }
            Ok(None) => tracing::info!(source, layout, queue, "a queue has no past to learn from"),
            // The other queues of a layout would say the same.
            Err(error) if said.insert((source.clone(), layout.clone())) => {
                let error = format!("{error:#}");
                tracing::warn!(
                    source,
                    layout,
                    queue,
                    error,
                    "a queue's past cannot be read: it learns from now on"
                );
            }
            Err(_) => {}
        }
        let rest = (started.elapsed().as_secs_f64() * REST).min(LONGEST_REST);
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = sleep(Duration::from_secs_f64(rest)) => {}
        }
    }
}

/// How many jobs there were, and what they teach; `None` of none.
async fn learn(shared: &Shared, unlearned: &Unlearned) -> anyhow::Result<Option<(usize, Forecast)>> {
    let key = &unlearned.known.key;
    let config = shared.config.load_full();
    let Some(source) = config.sources.get(&key.source) else { return Ok(None) };
    let Some((postgres, history)) = source.history(&key.layout) else { return Ok(None) };
    let until = shared.clock.now();
    let log = past::of_table(postgres, history, &key.names, until).await?;
    if log.jobs().is_empty() {
        return Ok(None);
    }
    let (every, zone) = (source.sample_every, unlearned.zone.clone());
    let learned = spawn_blocking(move || (log.jobs().len(), past::learned(&log, until, every, &zone)));
    Ok(Some(learned.await?))
}
