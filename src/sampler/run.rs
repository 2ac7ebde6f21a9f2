//! The task of one source: read, rest, read again.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    sampler::{Interest, Outcome, Pace, ReadCost, Reading, read},
    source::{Source, SourceError},
};

/// Where a sampler's readings and costs go.
pub trait Heard: Send + Sync {
    /// Takes a reading.
    fn reading(&self, reading: Reading);

    /// Takes note of what a read cost; `guarded` when the read guard, not the interval, sets the pace.
    fn cost(&self, source: &str, cost: &ReadCost, guarded: bool);
}

/// Reads a source at its pace until it is told to stop. One line in the log when it goes down, one
/// when it comes back.
pub async fn run(
    name: Arc<str>,
    source: Arc<dyn Source>,
    mut pace: Pace,
    mut interest: watch::Receiver<Interest>,
    clock: Arc<dyn Clock>,
    heard: Arc<dyn Heard>,
    stop: CancellationToken,
) {
    let mut down_since = None;
    loop {
        if interest.has_changed().unwrap_or(true) {
            pace.hurry(clock.now());
        }
        let wanted = Arc::new(interest.borrow_and_update().clone());
        let due = async {
            if wanted.queues.is_empty() {
                std::future::pending::<()>().await;
            }
            let wait = (pace.next_read() - clock.now()).max(0.0);
            tokio::time::sleep(Duration::from_secs_f64(wait)).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = interest.changed() => match changed {
                Ok(()) => {
                    interest.mark_changed();
                    continue;
                }
                Err(_) => return,
            },
            () = due => {}
        }
        let (reading, cost) = tokio::select! {
            () = stop.cancelled() => return,
            done = read(&name, source.as_ref(), wanted.clone(), clock.as_ref()) => done,
        };
        let outcome = match cost.error {
            None => Outcome::Read,
            Some(SourceError::Timeout(_)) => Outcome::TimedOut,
            Some(_) => Outcome::Failed,
        };
        let guarded = pace.done(reading.at + cost.connecting, cost.seconds, outcome);
        match (&cost.error, down_since) {
            (Some(error), None) => {
                tracing::warn!(source = %name, %error, "source is down: its last good samples hold");
                down_since = Some(reading.at);
            }
            (None, Some(since)) => {
                tracing::info!(source = %name, down_seconds = reading.at - since, "source is back");
                down_since = None;
            }
            _ => {}
        }
        heard.cost(&name, &cost, guarded);
        heard.reading(reading);
    }
}
