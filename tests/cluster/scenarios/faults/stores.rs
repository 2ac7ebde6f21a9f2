//! Stores go, hang, are slow, are not the primary, are not the ones they were.
//!
//! KEDA sees errors then, never a zero: what it was told last stands.

use std::time::{Duration, Instant};

use super::{
    Cluster, Foresail, LONG, Scenario,
    jobs::{begin, change, create_table, insert, postgres_source, push, redis_source},
    measured,
    scaled::{Scaled, Worker},
};
use crate::{
    proxy::Proxy,
    scenarios::scenarios,
    support::{postgres::PostgresServer, process::wait_until, redis::RedisServer},
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![Ci:
        faults::killed_stores_are_errors_and_the_replicas_stay,
        faults::hung_stores_are_errors_and_the_replicas_stay,
        faults::slow_stores_are_read_less_often_and_beyond_their_timeout_are_errors,
        faults::read_only_replicas_are_errors_and_the_replicas_stay,
        faults::another_redis_in_its_place_lowers_nothing_until_it_is_trusted,
        faults::fallback_is_what_the_object_says_and_its_trap_is_reported,
    ]
}

/// Workers in each scenario: a job in flight and three that wait, for each store.
const WORKERS: i32 = 4;

/// From a store that is read again to replicas that are right: two samples, a poll, an HPA sync, and what a busy
/// machine adds. Where that first read took long, the next one rests for twenty times as long.
const RIGHT_WITHIN: Duration = Duration::from_secs(20);

async fn killed_stores_are_errors_and_the_replicas_stay(cluster: &Cluster) {
    let mut scene = Scene::start(cluster, "killed-stores").await;
    scene.redis.command::<()>(&["SAVE"]).await;
    let killed = Instant::now();
    scene.redis.kill();
    scene.postgres.kill();
    scene.until_keda_is_told_errors("killed stores", killed).await;
    scene.redis.start_again().await;
    scene.postgres.start_again().await;
    scene.until_right_again("killed stores", killed).await;
}

async fn hung_stores_are_errors_and_the_replicas_stay(cluster: &Cluster) {
    let scene = Scene::start(cluster, "hung-stores").await;
    let hung = Instant::now();
    scene.redis.pause();
    scene.postgres.pause();
    scene.until_keda_is_told_errors("hung stores", hung).await;
    scene.redis.resume();
    scene.postgres.resume();
    scene.until_right_again("hung stores", hung).await;
}

async fn slow_stores_are_read_less_often_and_beyond_their_timeout_are_errors(cluster: &Cluster) {
    let scene = Scene::start(cluster, "slow-stores").await;
    let slow = Instant::now();
    let (to_redis, to_postgres) = &scene.ways;
    to_redis.delay(Duration::from_millis(100));
    to_postgres.delay(Duration::from_millis(30));
    scene.until_metric("foresail_source_read_guarded", 1.0).await;
    push(&scene.redis, 1).await;
    insert(&scene.postgres, 1).await;
    for worker in &scene.workers {
        worker.replicas.until_wanted(WORKERS + 1, LONG).await;
    }
    for way in [to_redis, to_postgres] {
        way.delay(Duration::from_secs(2));
    }
    scene.until_keda_is_told_errors("slow stores", slow).await;
    for way in [to_redis, to_postgres] {
        way.delay(Duration::ZERO);
    }
    scene.until_right_again("slow stores", slow).await;
}

/// After a failover an address may lead to the wrong one for a while.
async fn read_only_replicas_are_errors_and_the_replicas_stay(cluster: &Cluster) {
    let mut scene = Scene::start(cluster, "read-only-replicas").await;
    let replica = RedisServer::builder().replica_of(&scene.redis).start().await;
    replica.until_in_sync().await;

    let failed_over = Instant::now();
    scene.ways.0.lead_to(replica.port());
    scene.redis.kill();
    scene.postgres.restart_as_standby().await;
    scene.until_keda_is_told_errors("read-only replicas", failed_over).await;

    replica.command::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    scene.redis = replica;
    scene.postgres.promote().await;
    scene.until_right_again("read-only replicas", failed_over).await;
}

async fn another_redis_in_its_place_lowers_nothing_until_it_is_trusted(cluster: &Cluster) {
    /// `distrust` in the source's configuration.
    const DISTRUST: Duration = Duration::from_secs(10);

    let mut scene = Scene::start(cluster, "another-redis").await;
    let worker = &scene.workers[0];
    let replaced = Instant::now();
    scene.redis.restart_empty().await;
    worker.replicas.until_wanted(0, LONG).await;
    let held = replaced.elapsed();
    measured("another Redis in its place", &format!("replicas fell after {:.1} s", held.as_secs_f64()));
    assert!(held >= DISTRUST, "fell after {held:?}: {}", worker.replicas.history(replaced));
}

async fn fallback_is_what_the_object_says_and_its_trap_is_reported(cluster: &Cluster) {
    let mut scene = Scene::start(cluster, "fallback").await;
    let address = scene.foresail.address();
    let plain = Scaled::of("reliable", &address);
    let with = |name, fallback| Scaled { name, fallback, ..plain.clone() };
    let mut workers = Vec::new();
    for object in [
        with("static", "{ failureThreshold: 2, replicas: 7 }"),
        with("higher", "{ failureThreshold: 2, replicas: 3, behavior: currentReplicasIfHigher }"),
        with("trap", "{ failureThreshold: 2, replicas: 0 }"),
    ] {
        workers.push(object.apply(cluster, &scene.namespace).await);
    }
    for worker in &workers {
        worker.replicas.until_wanted(WORKERS, LONG).await;
    }
    let [fixed, higher, trap] = &workers[..] else { unreachable!("three were made") };
    let without = &scene.workers[0];
    scene.until_trap_is_reported(trap).await;

    scene.redis.command::<()>(&["SAVE"]).await;
    let killed = Instant::now();
    scene.redis.kill();
    without.until_keda_complains().await;
    fixed.replicas.until_wanted(7, LONG).await;
    let fell_back = killed.elapsed().as_secs_f64();
    for worker in &workers {
        worker.until_condition("Fallback", "True").await;
    }
    // To the one that an HPA leaves, or none: by whether the HPA or KEDA's own poll comes first.
    trap.replicas.until("the trap has closed", LONG, |seen| seen.wanted <= 1).await;
    let trapped = killed.elapsed().as_secs_f64();

    // Where Foresail cannot be reached KEDA counts no failures, so nothing falls back that has not yet; but what
    // `replicas: 0` does needs no count.
    scene.foresail.kill();
    trap.replicas.until_wanted(0, LONG).await;
    without.until_keda_fails(3.0).await;
    assert_eq!(fixed.replicas.now().wanted, 7);

    scene.redis.start_again().await;
    scene.foresail.start_again().await;
    let mended = Instant::now();
    for worker in &workers {
        worker.replicas.until_wanted(WORKERS, LONG).await;
        worker.until_condition("Fallback", "False").await;
    }
    let right = mended.elapsed().as_secs_f64();
    for worker in [fixed, higher, without] {
        let (fewest, _) = worker.replicas.wanted_since(killed);
        assert_eq!(fewest, WORKERS, "{}: {}", worker.name, worker.replicas.history(killed));
    }
    assert_eq!(higher.replicas.wanted_since(killed), (WORKERS, WORKERS));
    measured(
        "fallback",
        &format!(
            "static replicas after {fell_back:.1} s, the trap closed after {trapped:.1} s, right again after {right:.1} s"
        ),
    );
}

/// A worker for each store, both busy, and a Foresail that reaches the stores by ways that can be changed.
struct Scene<'a> {
    namespace: String,
    foresail: Foresail,
    /// Of Redis, and of Postgres.
    workers: [Worker<'a>; 2],
    ways: (Proxy, Proxy),
    redis: RedisServer,
    postgres: PostgresServer,
}

impl<'a> Scene<'a> {
    async fn start(cluster: &'a Cluster, name: &str) -> Self {
        let (namespace, redis, postgres) =
            tokio::join!(cluster.namespace(name), RedisServer::start(), PostgresServer::start());
        create_table(&postgres).await;
        let jobs = usize::try_from(WORKERS).expect("a small number");
        push(&redis, jobs).await;
        begin(&redis, 1).await;
        insert(&postgres, jobs).await;
        change(&postgres, "queued", "running", 1).await;
        let ways = (Proxy::before(Some(redis.port())).await, Proxy::before(Some(postgres.port())).await);
        let config = format!(
            "sources:{}{}kubernetes: {{ addresses: [\"{}\"], kubeconfig: {} }}\n\
             policies: {{ default: {{ keep_alive: 0s }} }}\n",
            redis_source(ways.0.port()),
            postgres_source(ways.1.port()),
            Foresail::ADDRESS,
            cluster.stack.kubeconfig.display(),
        );
        let foresail = Foresail::start(&cluster.logs, &config).await;
        let address = foresail.address();
        let workers = ["reliable", "table"].map(|layout| Scaled::of(layout, &address));
        let workers =
            [workers[0].apply(cluster, &namespace).await, workers[1].apply(cluster, &namespace).await];
        for worker in &workers {
            worker.replicas.until_wanted(WORKERS, LONG).await;
        }
        Self { namespace, foresail, workers, ways, redis, postgres }
    }

    /// Waits until KEDA is told UNAVAILABLE by both refs, and has met that often enough to act on it.
    async fn until_keda_is_told_errors(&self, what: &str, since: Instant) {
        self.until_metric("foresail_source_up", 0.0).await;
        for worker in &self.workers {
            worker.until_keda_complains().await;
        }
        measured(what, &format!("KEDA saw errors after {:.1} s", since.elapsed().as_secs_f64()));
        for worker in &self.workers {
            worker.until_keda_fails(3.0).await;
        }
        let errors =
            self.foresail.metric(r#"foresail_grpc_requests_total{code="UNAVAILABLE",method="GetMetrics"}"#);
        assert!(errors >= Some(2.0), "{errors:?}");
    }

    /// Gives both a job more, and waits until it is seen; nothing fell since `since`.
    async fn until_right_again(&self, what: &str, since: Instant) {
        let mended = Instant::now();
        let before = self.workers.each_ref().map(|worker| worker.replicas.now().wanted);
        push(&self.redis, 1).await;
        insert(&self.postgres, 1).await;
        self.until_metric("foresail_source_up", 1.0).await;
        let read = mended.elapsed();
        for (worker, before) in self.workers.iter().zip(before) {
            worker.replicas.until_wanted(before + 1, RIGHT_WITHIN).await;
        }
        measured(
            what,
            &format!(
                "both read again after {:.1} s, replicas right after {:.1} s",
                read.as_secs_f64(),
                mended.elapsed().as_secs_f64()
            ),
        );
        for worker in &self.workers {
            let (fewest, _) = worker.replicas.wanted_since(since);
            assert_eq!(fewest, WORKERS, "{}: {}", worker.name, worker.replicas.history(since));
        }
    }

    /// Waits until Foresail has found `fallback.replicas: 0`, and has said so.
    async fn until_trap_is_reported(&self, trap: &Worker<'_>) {
        const TRAP: &str = "fallback-to-zero";

        let metric = |name: &str| {
            let object = format!(r#"namespace="{}",scaled_object="{name}""#, self.namespace);
            self.foresail.metric(&format!(r#"foresail_object_traps{{{object},trap="{TRAP}"}}"#))
        };
        wait_until("the trap is in the metrics", LONG, async || metric(&trap.name) == Some(1.0)).await;
        assert_eq!(metric("static"), None);
        assert_eq!(metric("higher"), None);
        let log = self.foresail.log();
        assert!(log.lines().any(|line| line.contains(TRAP) && line.contains(&self.namespace)), "{log}");
    }

    /// Waits until a metric of both sources has this value.
    async fn until_metric(&self, metric: &str, value: f64) {
        for source in ["jobs", "lab"] {
            let name = format!(r#"{metric}{{source="{source}"}}"#);
            wait_until(&format!("{name} is {value}"), LONG, async || {
                self.foresail.metric(&name) == Some(value)
            })
            .await;
        }
    }
}
