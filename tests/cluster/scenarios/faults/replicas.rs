//! Several Foresails behind one address: the one that answers goes, and the next has not seen what it saw.
//!
//! In each scenario three workers are busy with long jobs, and idle ones are kept for the work to come. The next
//! replica cannot know of these from the stores: it starts from the replicas that are there.

use std::time::{Duration, Instant};

use super::{
    Cluster, Foresail, LONG, Scenario,
    jobs::{
        begin, change, create_table, end, insert, pop_plain, postgres_source, push, push_plain, redis_source,
    },
    measured,
    scaled::{Scaled, Worker},
    until_asked,
};
use crate::{
    proxy::Proxy,
    scenarios::scenarios,
    support::{postgres::PostgresServer, process::wait_until, redis::RedisServer},
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![Ci:
        faults::of_three_replicas_two_are_killed_and_no_worker_goes,
        faults::two_replicas_are_rolled_and_no_worker_goes,
        faults::a_frozen_replica_is_killed_by_its_probe_and_no_worker_goes,
    ]
}

/// Workers that are wanted in the end: five that popped their jobs; three busy and five idle; four and two.
const WANTED: [(&str, i32); 3] = [("plain", 5), ("reliable", 8), ("table", 6)];

async fn of_three_replicas_two_are_killed_and_no_worker_goes(cluster: &Cluster) {
    let scene = Scene::of_busy_workers(cluster, "three-replicas").await;
    let mut first = scene.foresail("first").await;
    scene.service.lead_to(first.grpc);
    let workers = scene.busy_workers().await;

    let second = scene.foresail("second").await;
    let killed = Instant::now();
    scene.service.lead_to(second.grpc);
    first.kill();
    scene.until_answered_by(&second, "three replicas, one killed", killed).await;

    // This one has seen nothing at all when it is asked.
    let third = scene.foresail("third").await;
    let killed_again = Instant::now();
    scene.service.lead_to(third.grpc);
    drop(second);
    scene.until_answered_by(&third, "three replicas, two killed", killed_again).await;

    no_worker_went(&workers, killed);
    scene.more_work_means_more_workers(&workers).await;
}

async fn two_replicas_are_rolled_and_no_worker_goes(cluster: &Cluster) {
    let scene = Scene::of_busy_workers(cluster, "rolled").await;
    let (mut old, mut other_old) = (scene.foresail("old").await, scene.foresail("other-old").await);
    scene.service.lead_to(old.grpc);
    let workers = scene.busy_workers().await;

    // As a Deployment does it with maxSurge 1: a new one is ready, then an old one goes.
    let rolled = Instant::now();
    let new = scene.foresail("new").await;
    scene.service.lead_to(other_old.grpc);
    old.stop();
    scene.until_answered_by(&other_old, "rolled, first", rolled).await;
    let _other_new = scene.foresail("other-new").await;
    scene.service.lead_to(new.grpc);
    let last_stopped = Instant::now();
    other_old.stop();
    scene.until_answered_by(&new, "rolled, second", last_stopped).await;

    no_worker_went(&workers, rolled);
    scene.more_work_means_more_workers(&workers).await;
}

async fn a_frozen_replica_is_killed_by_its_probe_and_no_worker_goes(cluster: &Cluster) {
    let scene = Scene::of_busy_workers(cluster, "frozen").await;
    let mut first = scene.foresail("first").await;
    let second = scene.foresail("second").await;
    scene.service.lead_to(first.grpc);
    let workers = scene.busy_workers().await;

    let frozen = Instant::now();
    first.freeze();
    // KEDA sets no deadline: its loops hang on the old connection whatever the Service leads to.
    let probe =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(1))).build().new_agent();
    for _ in 0..3 {
        assert!(probe.get(&first.url("/livez")).call().is_err(), "a frozen process answers nobody");
        no_worker_went(&workers, frozen);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    scene.service.lead_to(second.grpc);
    first.kill();
    let killed = Instant::now();
    scene.until_answered_by(&second, "frozen, then killed", killed).await;

    no_worker_went(&workers, frozen);
    scene.more_work_means_more_workers(&workers).await;
}

/// One address, the stores, and a worker of each layout.
pub(super) struct Scene<'a> {
    cluster: &'a Cluster,
    pub(super) namespace: String,
    /// What the triggers say.
    pub(super) address: String,
    service: Proxy,
    redis: RedisServer,
    postgres: PostgresServer,
}

impl<'a> Scene<'a> {
    pub(super) async fn of_busy_workers(cluster: &'a Cluster, name: &str) -> Self {
        let (namespace, service, redis, postgres) = tokio::join!(
            cluster.namespace(name),
            Proxy::before(None),
            RedisServer::start(),
            PostgresServer::start()
        );
        create_table(&postgres).await;
        Self { cluster, namespace, address: service.address(), service, redis, postgres }
    }

    /// One replica; all are configured alike.
    async fn foresail(&self, name: &str) -> Foresail {
        let kubeconfig = self.cluster.stack.kubeconfig.display().to_string();
        Foresail::start_as(name, &self.cluster.logs, &self.config(&kubeconfig)).await
    }

    /// What every replica is started with, beside its listeners.
    pub(super) fn config(&self, kubeconfig: &str) -> String {
        format!(
            "sources:{}{}kubernetes: {{ addresses: [\"{}\"], kubeconfig: {kubeconfig} }}\n\
             policies: {{ default: {{ keep_alive: 10m }} }}\n",
            redis_source(self.redis.port()),
            postgres_source(self.postgres.port()),
            self.address,
        )
    }

    /// Gives all work, and lets workers begin it and end some of it: [`WANTED`] stay.
    pub(super) async fn busy_workers(&self) -> [Worker<'a>; 3] {
        let apply =
            async |layout| Scaled::of(layout, &self.address).apply(self.cluster, &self.namespace).await;
        push_plain(&self.redis, 5).await;
        push(&self.redis, 8).await;
        insert(&self.postgres, 6).await;
        let [(plain, _), (reliable, _), (table, _)] = WANTED;
        let workers: [Worker<'_>; 3] = tokio::join!(apply(plain), apply(reliable), apply(table)).into();
        for (worker, (_, wanted)) in workers.iter().zip(WANTED) {
            worker.replicas.until_wanted(wanted, LONG).await;
            worker.until_all_ready(wanted).await;
        }
        pop_plain(&self.redis, 5).await;
        begin(&self.redis, 8).await;
        end(&self.redis, 5).await;
        change(&self.postgres, "queued", "running", 6).await;
        change(&self.postgres, "running", "done", 2).await;
        workers
    }

    /// Waits until KEDA has asked this replica, and it has told each worker a number.
    async fn until_answered_by(&self, foresail: &Foresail, what: &str, since: Instant) {
        let asked = until_asked(foresail).await;
        for (name, wanted) in WANTED {
            let told = format!("the next replica tells {name} {wanted}");
            wait_until(&told, LONG, async || self.told(foresail, name) == Some(wanted)).await;
        }
        // Some polls, and some syncs of the HPA.
        let count = || foresail.metric(r#"foresail_grpc_requests_total{code="OK",method="GetMetrics"}"#);
        let before = count().unwrap_or(0.0);
        wait_until("KEDA goes on asking", LONG, async || count() >= Some(before + 12.0)).await;
        let after = asked.saturating_duration_since(since).as_secs_f64();
        measured(what, &format!("KEDA asked the next replica after {after:.1} s"));
    }

    /// The target that this replica has for a worker.
    fn told(&self, foresail: &Foresail, name: &str) -> Option<i32> {
        let page = foresail.page("/metrics");
        let labels = format!(r#"namespace="{}",scaled_object="{name}""#, self.namespace);
        let mut targets = page.lines().filter(|line| line.starts_with("foresail_ref_target{"));
        targets.find(|line| line.contains(&labels))?.rsplit(' ').next()?.parse().ok()
    }

    /// That nothing fell is worth something only where what should rise still rises.
    pub(super) async fn more_work_means_more_workers(&self, workers: &[Worker<'_>]) {
        push_plain(&self.redis, 9).await;
        push(&self.redis, 9).await;
        insert(&self.postgres, 9).await;
        for (worker, wanted) in workers.iter().zip([9, 3 + 9, 4 + 9]) {
            worker.replicas.until_wanted(wanted, LONG).await;
        }
    }
}

/// Never fewer than [`WANTED`] since `since`.
pub(super) fn no_worker_went(workers: &[Worker<'_>], since: Instant) {
    for (worker, (name, wanted)) in workers.iter().zip(WANTED) {
        let (fewest, _) = worker.replicas.wanted_since(since);
        assert_eq!(fewest, wanted, "{name}: {}", worker.replicas.history(since));
    }
}
