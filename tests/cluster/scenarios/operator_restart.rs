//! KEDA's operator starts anew with 1,000 ScaledObjects: everything asks at once, and the stores must not notice.

use std::time::{Duration, Instant};

use super::{Cluster, Scenario, scenarios};
use crate::{
    api::eventually,
    cost,
    crowd::{Crowd, Load, Observer, Scaler, Store, Stores},
    foresail::Foresail,
    metrics,
    stack::Options,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All, on Options::default();
        operator_restart::a_thousand_scaled_objects_are_served_again_after_keda_restarts]
}

const OBJECTS: usize = 1000;

/// Of each store; so 25 objects share one.
const QUEUES: usize = 20;

/// Jobs wait in every so many-th queue, so a fourth of the Deployments is at work.
const BUSY: usize = 4;

/// Seconds; KEDA's default.
const POLLING: u32 = 30;

/// KEDA's own defaults: what it may ask of the API server in a second.
const DEFAULT_QPS: [&str; 2] = ["--kube-api-qps=20", "--kube-api-burst=30"];
const RAISED_QPS: [&str; 2] = ["--kube-api-qps=200", "--kube-api-burst=400"];

/// For how long reads are counted.
const WINDOW: Duration = Duration::from_secs(30);

/// Foresail may hold this much (a debug build, 1,000 refs over 40 queues).
const FORESAIL_MEMORY: u64 = 96 << 20;

async fn a_thousand_scaled_objects_are_served_again_after_keda_restarts(cluster: &Cluster) {
    let stores = Stores::start(QUEUES, 100).await;
    let foresail = Foresail::start(&cluster.logs, &stores.sections()).await;
    let busy: Vec<_> = stores.all().step_by(BUSY).collect();
    stores.enqueue(&busy, 1).await;
    let namespace = cluster.namespace("crowd").await;
    let scaler = Scaler::Foresail { address: foresail.address() };
    let crowd = Crowd::create(cluster.client(), &namespace, OBJECTS, &stores, &scaler, POLLING).await;
    crowd.until_ready(Duration::from_mins(5)).await;
    let wanted = |index| u64::from(busy.contains(&stores.queue(index)));
    crowd.until_wanted(wanted, Duration::from_mins(5)).await;
    let mut observer = stores.observer().await;
    reads_are_batched(&foresail, &mut observer).await;
    let memory = Memory::of(cluster, &foresail).await;
    let failed = failed_calls(&foresail);
    eprintln!("before: {memory}");

    for (limits, deadline) in [(DEFAULT_QPS, Duration::from_mins(15)), (RAISED_QPS, Duration::from_mins(5))] {
        let served = restart(cluster, &foresail, &limits, deadline).await;
        eprintln!(
            "with {}: every object was served again after {:.0} s",
            limits.join(" "),
            served.as_secs_f64()
        );
        reads_are_batched(&foresail, &mut observer).await;
        crowd.until_wanted(wanted, Duration::from_mins(1)).await;
        assert_eq!(failed_calls(&foresail), failed, "calls failed at the restart");
        no_errors(cluster, &foresail).await;
        let after = Memory::of(cluster, &foresail).await;
        eprintln!("after: {after}");
        assert!(after.foresail < FORESAIL_MEMORY, "Foresail holds {after} after the restart");
        assert!(
            after.operator < 2 * memory.operator,
            "KEDA's operator held {memory} before, and {after} after"
        );
    }
}

/// Kills KEDA's operator and starts it with these limits; how long it took until it had asked for each object and
/// held a stream for each.
async fn restart(cluster: &Cluster, foresail: &Foresail, limits: &[&str], deadline: Duration) -> Duration {
    let mut keda = cluster.stack.keda.lock().await;
    keda.kill_operator();
    eventually("the streams of the old operator are gone", Duration::from_secs(30), async || {
        let streams = metrics::sum(&foresail.page("/metrics"), "foresail_grpc_streams", |_| true);
        if streams == 0.0 { Ok(()) } else { Err(format!("{streams} are open")) }
    })
    .await;
    let started = Instant::now();
    keda.start_operator(limits).await;
    eventually("every object is served", deadline, async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let since = started.elapsed().as_secs_f64();
        let page = foresail.page("/metrics");
        let asked =
            metrics::series(&page, "foresail_ref_last_asked_seconds").filter(|(_, age)| *age < since).count();
        let streams =
            metrics::sum(&page, "foresail_grpc_streams", |labels| labels.contains("StreamIsActive"));
        if asked == OBJECTS && streams == OBJECTS as f64 {
            Ok(())
        } else {
            Err(format!("{asked} were asked for, {streams} streams are open"))
        }
    })
    .await;
    started.elapsed()
}

/// However many refs there are: one connection to each store, and one batched read of it in an interval.
async fn reads_are_batched(foresail: &Foresail, observer: &mut Observer<'_>) {
    for store in [Store::Redis, Store::Postgres] {
        let reads = || {
            let page = foresail.page("/metrics");
            let label = format!("source=\"{}\"", Stores::source(store));
            metrics::sum(&page, "foresail_source_reads_total", |labels| labels.contains(&label))
        };
        let (before, reads_before, started) = (observer.load(store).await, reads(), Instant::now());
        tokio::time::sleep(WINDOW).await;
        let (after, reads_after, took) = (observer.load(store).await, reads(), started.elapsed());
        let done = reads_after - reads_before;
        // One a second, and the edges of the window.
        assert!(
            done >= 1.0 && done <= took.as_secs_f64() + 2.0,
            "{store:?} was read {done} times in {took:?}"
        );
        let rounds = Load::since(&before, &after).rounds as f64;
        // A read is a round or two; the observer's own look is one, and a large pipeline arrives in pieces.
        let most = 2.0 * (done + 2.0);
        assert!(rounds <= most, "{store:?}: {rounds} rounds for {done} reads, at most {most} are right");
        assert_eq!(after.connections, 1, "{store:?} has one connection of Foresail's");
    }
}

/// Calls that Foresail has answered with an error since its start.
fn failed_calls(foresail: &Foresail) -> f64 {
    metrics::sum(&foresail.page("/metrics"), "foresail_grpc_requests_total", |labels| {
        // A call whose operator is killed is cancelled: that is the operator's doing.
        !labels.contains("code=\"OK\"") && !labels.contains("code=\"CANCELLED\"")
    })
}

/// Neither reads of ours nor calls of KEDA's have failed.
async fn no_errors(cluster: &Cluster, foresail: &Foresail) {
    let page = foresail.page("/metrics");
    let failed_reads: Vec<_> = metrics::series(&page, "foresail_source_reads_total")
        .filter(|(labels, value)| !labels.contains("result=\"ok\"") && *value > 0.0)
        .collect();
    assert!(failed_reads.is_empty(), "reads failed: {failed_reads:?}");

    let keda = cluster.stack.keda.lock().await.operator_metrics();
    for name in ["keda_scaler_detail_errors_total", "keda_scaled_object_errors_total"] {
        let errors: Vec<_> = metrics::series(&keda, name).filter(|(_, value)| *value > 0.0).collect();
        assert!(errors.is_empty(), "KEDA counts errors: {name}: {errors:?}");
    }
}

/// Bytes of each process.
struct Memory {
    foresail: u64,
    operator: u64,
}

impl Memory {
    async fn of(cluster: &Cluster, foresail: &Foresail) -> Self {
        let operator = cluster.stack.keda.lock().await.operator_id();
        Self { foresail: cost::of(foresail.process.id()).memory, operator: cost::of(operator).memory }
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Foresail {} MiB, KEDA's operator {} MiB", self.foresail >> 20, self.operator >> 20)
    }
}
