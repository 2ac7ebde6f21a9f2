//! What is written to Kubernetes, by one replica of several: room for pods to come, who goes first, events.
//!
//! Each part follows the published answers by itself, with deadlines of its own, and nobody waits for it: neither an
//! answer to KEDA nor another part. Without Kubernetes there is none of this.

mod buffers;
mod costs;
mod events;
mod lease;
pub mod shape;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use kube::Client;
use tokio_util::sync::CancellationToken;

pub use lease::Leadership;

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

/// Does all that the configuration asks for, until `part.stop` is cancelled and what was held is given up.
pub async fn run(part: Part) {
    let costs = async {
        if part.config.victims {
            costs::run(&part).await;
        }
    };
    let events = async {
        if part.config.events {
            events::run(&part).await;
        }
    };
    tokio::join!(lease::run(part.clone()), costs, events, buffers::run(part.clone()));
}
