//! A burst that the job table foretells, where nodes take a minute to come: what room is worth that is asked for
//! ahead of it.
//!
//! Three queues have the same past, a burst at the same time of day for two weeks, and each its own `NodePool`,
//! workers and Foresail, of which one asks for no room. The tables are written such that the next burst is due some
//! minutes after the start.

mod lives;
mod measured;
mod place;

use std::time::Duration;

use futures_util::future::join_all;

use self::{
    lives::now,
    measured::{Measured, table},
    place::{Hints, PRIORITY_CLASS, Place, REGISTRATION_DELAY, Workload},
};
use super::{Cluster, Scenario, scenarios};
use crate::{api::eventually, stack::Options, support::postgres::PostgresServer, worker::store::Work};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All, on Options::with_karpenter();
        foretold::room_stands_ready_when_a_foretold_burst_of_a_scaled_job_comes,
        foretold::room_stands_ready_when_a_foretold_burst_of_a_scaled_object_comes,
    ]
}

/// Jobs of a burst, and seconds that each runs.
const JOBS: usize = 12;
const RUN: f64 = 30.0;

/// Workers that fit a node.
const A_NODE: usize = 4;

/// Room for so many workers may be asked for at most.
const CHUNKS: usize = 16;

/// Seconds from the start to the burst: all has to be started by then, and the past to be read, a while before the
/// first node is worth asking for.
const AHEAD: f64 = 240.0;

/// Seconds before the burst at which room is wanted first, at least and at most: about as many as a worker is taken to
/// need on a node that is yet to come, which is 90 before one was seen.
const WANTED_AHEAD: [f64; 2] = [45.0, 180.0];

/// Between two looks at what is wanted.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// For nodes and pods to come or go, on a machine that does more than that.
const LONG: Duration = Duration::from_mins(6);

async fn room_stands_ready_when_a_foretold_burst_of_a_scaled_job_comes(cluster: &Cluster) {
    compare(cluster, Workload::ScaledJob).await;
}

async fn room_stands_ready_when_a_foretold_burst_of_a_scaled_object_comes(cluster: &Cluster) {
    compare(cluster, Workload::ScaledObject).await;
}

/// The same burst without hints, with buffers and with placeholders, side by side.
async fn compare(cluster: &Cluster, workload: Workload) {
    cluster.runner().await;
    let postgres = PostgresServer::start().await;
    let due = now() + AHEAD;
    cluster.apply("default", PRIORITY_CLASS).await;
    let modes = [Hints::Observe, Hints::CapacityBuffer, Hints::Placeholder];
    let places = join_all(modes.map(|hints| Place::prepare(cluster, &postgres, workload, hints, due))).await;
    let measured = join_all(places.iter().map(|place| play(place, due))).await;
    eprintln!("{}, one burst of {JOBS} jobs of {RUN} s:\n{}", workload.kind(), table(&measured));
    std::fs::write(cluster.logs.join("measured.md"), table(&measured)).expect("the scenario's folder");

    let [without, with @ ..] = &measured[..] else { panic!("three were measured") };
    assert_eq!((without.room, without.nodes_ready), (0, 0), "nobody asked for a node: {measured:?}");
    assert!(without.nodes <= JOBS.div_ceil(A_NODE), "{measured:?}");
    for hinted in with {
        assert!(hinted.last_ready * 2.0 < without.last_ready, "hints halve the time at least: {measured:?}");
        assert!(hinted.last_start * 2.0 < without.last_start, "hints halve the time at least: {measured:?}");
        assert!(hinted.nodes_ready > 0, "nodes stood ready: {measured:?}");
        assert!(hinted.room <= CHUNKS, "{measured:?}");
        let most = JOBS.max(hinted.room).div_ceil(A_NODE);
        assert!(hinted.nodes <= most, "no node comes twice for the same worker: {measured:?}");
    }
}

/// One place's burst, from before it is expected until nothing is left of it.
async fn play(place: &Place, due: f64) -> Measured {
    let forecast = place.until_expected(due).await;
    let (mut wanted_ahead, mut room) = (None, 0);
    while now() < due {
        if place.hint() > 0 {
            wanted_ahead.get_or_insert_with(|| due - now());
        }
        room = place.chunks().await.expect("the API server answers").max(room);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    assert!(
        wanted_ahead.is_some_and(|ahead| (WANTED_AHEAD[0]..WANTED_AHEAD[1]).contains(&ahead)),
        "of {forecast} room was wanted {wanted_ahead:?} s before it"
    );
    assert!(place.jobs_made().is_empty(), "no Job is made for work that is not there");

    let nodes_ready = place.nodes().iter().filter(|node| node.ready.is_some()).count();
    let submitted = now();
    place.jobs.submit(JOBS, Work::Run(RUN)).await;
    let outcome = place.jobs.until_all_ended(LONG).await;
    outcome.each_ran_once();
    let cold = place.until_cold_start_is_known().await;
    let node = f64::from(REGISTRATION_DELAY);
    assert!((0.8 * node..2.0 * node).contains(&cold), "a node takes {node} s and a start on it {cold:.0} s");
    eventually("everything is given back", LONG, async || {
        let nodes = place.nodes().iter().filter(|node| node.went.is_none()).count();
        let chunks = place.chunks().await?;
        if nodes == 0 && chunks == 0 { Ok(()) } else { Err(format!("{nodes} nodes, {chunks} chunks")) }
    })
    .await;

    let ready = place.workers().into_iter().filter_map(|worker| worker.ready);
    let lasted = place.nodes().into_iter().map(|node| node.went.map_or(0.0, |went| went - node.came));
    Measured {
        hints: place.hints,
        asked_ahead: wanted_ahead.filter(|_| room > 0),
        room,
        nodes_ready,
        nodes: place.nodes().len(),
        last_ready: ready.fold(submitted, f64::max) - submitted,
        last_start: outcome.waits().longest,
        node_seconds: lasted.sum(),
    }
}
