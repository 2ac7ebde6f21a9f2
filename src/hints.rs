//! What is written to Kubernetes, by one replica of several: room for pods to come, who goes first, events.
//!
//! Each part follows the published answers by itself, with deadlines of its own, and nobody waits for it: neither an
//! answer to KEDA nor another part. Without Kubernetes there is none of this.

mod buffers;
mod costs;
mod events;
mod lease;
mod release;
pub mod shape;
#[cfg(test)]
mod testing;

use std::{sync::Arc, time::Duration};

use kube::Client;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use lease::Leadership;
pub use release::{Released, release};

use crate::{answers::Answers, clock::Clock, config::hints::HintsConfig, telemetry::Metrics};

/// What every part works with.
#[derive(Clone)]
pub struct Part {
    /// The cluster.
    pub client: Client,
    /// What is wanted, as of each tick.
    pub answers: Arc<Answers>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What may be written.
    pub config: HintsConfig,
    /// Whether this replica is the one that writes.
    pub leadership: Leadership,
    /// What is counted.
    pub metrics: Metrics,
    /// Cancelled when the process ends.
    pub stop: CancellationToken,
}

/// That an answer did not come in time, for the log.
fn late(patience: Duration) -> String {
    format!("the API server did not answer within {} s", patience.as_secs())
}

/// How long writes that are under way may take when the process ends, before the Lease is given up.
const LAST_WRITES: Duration = Duration::from_millis(300);

/// Does all that the configuration asks for, until `part.stop` is cancelled and what was held is given up, a second
/// later at most.
pub async fn run(part: Part) {
    let costs = Box::pin(async {
        if part.config.victims {
            costs::run(&part).await;
        }
    });
    let events = Box::pin(async {
        if part.config.events {
            events::run(&part).await;
        }
    });
    // The Lease is given up when nobody writes any more: another replica writes at once.
    let all_written = CancellationToken::new();
    let parts = async {
        let written = async {
            tokio::join!(costs, events, buffers::run(part.clone()));
            part.stop.cancelled().await;
        };
        let late = async {
            part.stop.cancelled().await;
            sleep(LAST_WRITES).await;
        };
        tokio::select! {
            () = written => {}
            () = late => {}
        }
        all_written.cancel();
    };
    tokio::join!(Box::pin(lease::run(Part { stop: all_written.clone(), ..part.clone() })), parts);
}
