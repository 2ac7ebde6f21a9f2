//! What breaks, and what does not happen then: no workload shrinks because of it. Foresail itself, the replicas
//! behind its address, its stores, the API server.
//!
//! Workers are pods that nobody runs, since what counts here is how many are asked for. KEDA polls every two
//! seconds, the HPA syncs every three, and nothing between Foresail and the Deployment holds what should fall: a
//! wrong answer would be seen.

mod api_server;
mod foresail;
mod pods;
mod replicas;
mod stores;

mod jobs;
mod scaled;

use std::time::{Duration, Instant};

use super::{Cluster, Scenario};
use crate::{api, api::Replicas, foresail::Foresail};

pub(super) fn scenarios() -> Vec<Scenario> {
    [
        foresail::scenarios(),
        replicas::scenarios(),
        pods::scenarios(),
        stores::scenarios(),
        api_server::scenarios(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// For what takes seconds on an idle machine.
const LONG: Duration = Duration::from_mins(2);

/// A line of a scenario's measurements, for docs/operations.md.
fn measured(scenario: &str, what: &str) {
    eprintln!("measured: {scenario}: {what}");
}

/// Waits until somebody has asked this Foresail, newly started, for a value: that KEDA is back.
async fn until_asked(foresail: &Foresail) -> Instant {
    api::eventually("KEDA asks", LONG * 3, async || {
        foresail
            .metric(r#"foresail_grpc_requests_total{code="OK",method="GetMetrics"}"#)
            .map(|_| Instant::now())
            .ok_or_else(|| foresail.page("/metrics"))
    })
    .await
}
