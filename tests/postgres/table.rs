//! The preset pg-table: every parameter, with numbers that are counted by hand.

use foresail::series::{Holder, Quality};

use crate::{
    fixture::{assert_says, error, read, read_batch, sample, source, table},
    support::postgres::PostgresServer,
};

/// A table as workers with SKIP LOCKED use it.
const JOBS: &str = "CREATE TABLE jobs (
    id bigserial PRIMARY KEY, queue text NOT NULL, status text NOT NULL DEFAULT 'queued',
    run_at timestamptz, created_at timestamptz DEFAULT now(), started_at timestamptz,
    lease_expires_at timestamptz, worker text, tenant text DEFAULT 'a')";

fn holder(worker: &str, jobs: u32, stuck: u32) -> Holder {
    Holder { worker: worker.into(), jobs, stuck }
}

#[tokio::test]
async fn states_are_counted_by_queue() {
    let server = PostgresServer::start().await;
    server.execute(JOBS).await;
    server
        .execute(
            "INSERT INTO jobs (queue, status) SELECT 'md', 'queued' FROM generate_series(1, 5)
             UNION ALL SELECT 'md', 'running' FROM generate_series(1, 2)
             UNION ALL SELECT 'md', 'done' FROM generate_series(1, 50)
             UNION ALL SELECT 'qc', 'queued' FROM generate_series(1, 3)",
        )
        .await;
    let source = source(&server, vec![table(&[])]);
    let samples = read(&source, &["qc", "md", "typo"]).await;
    let samples: Vec<_> = samples.into_iter().map(|sample| sample.expect("all can be read")).collect();
    let counts = |at: usize| (samples[at].waiting, samples[at].in_flight, samples[at].seen);
    assert_eq!(counts(0), (Some(3), Some(0), true));
    assert_eq!(counts(1), (Some(5), Some(2), true));
    assert_eq!(counts(2), (Some(0), Some(0), false));
    let unknown = (samples[1].scheduled, samples[1].stuck, &samples[1].holders, samples[1].oldest_age);
    assert_eq!(unknown, (None, None, &None, None));
    assert_eq!(samples[1].quality, Quality::Exact);
}
