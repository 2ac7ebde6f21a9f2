//! From zero and back: a burst of real jobs, real workers for them, and nothing left afterwards.

use std::{
    fmt,
    time::{Duration, Instant},
};

use k8s_openapi::api::batch::v1::Job as KubeJob;
use kube::{Api, api::ListParams};

use super::{Cluster, Scenario, scenarios};
use crate::{
    api::Replicas,
    foresail::Foresail,
    jobs::{Jobs, Outcome},
    manifests::{RECOMMENDED, deployment, scaled_object, trigger, worker},
    support::{postgres::PostgresServer, redis::RedisServer},
    worker::store::Work,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = scenarios![Ci:
        from_zero::workers_of_a_scaled_object_run_two_hundred_jobs_on_redis_and_go,
        from_zero::workers_of_a_scaled_object_run_two_hundred_jobs_on_postgres_and_go,
        from_zero::a_scaled_job_makes_the_missing_jobs,
        from_zero::a_scaled_job_makes_the_missing_jobs_accurately,
        from_zero::a_scaled_job_makes_the_missing_jobs_eagerly,
    ];
    all.extend(scenarios![All:
        from_zero::a_scaled_job_makes_two_hundred_jobs_on_redis,
        from_zero::a_scaled_job_makes_two_hundred_jobs_on_postgres,
        from_zero::a_scaled_job_makes_two_hundred_jobs_accurately,
        from_zero::a_scaled_job_makes_two_hundred_jobs_eagerly,
    ]);
    all
}

const JOBS: usize = 200;

/// What a `ScaledJob` gets in `make test-cluster`: each of its jobs is a pod with a process of its own.
const FEW_JOBS: usize = 40;

/// `maxReplicaCount` of the `ScaledJob`s.
const JOBS_AT_ONCE: usize = 30;

/// For one whole burst, on a machine that runs several.
const LONG: Duration = Duration::from_mins(4);

async fn workers_of_a_scaled_object_run_two_hundred_jobs_on_redis_and_go(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    a_scaled_object_runs_a_burst(cluster, &Store::redis(&redis)).await;
}

async fn workers_of_a_scaled_object_run_two_hundred_jobs_on_postgres_and_go(cluster: &Cluster) {
    let postgres = PostgresServer::start().await;
    a_scaled_object_runs_a_burst(cluster, &Store::postgres(&postgres)).await;
}

async fn a_scaled_job_makes_the_missing_jobs(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    a_scaled_job_runs_a_burst(cluster, &Store::redis(&redis), "default", FEW_JOBS).await;
}

async fn a_scaled_job_makes_the_missing_jobs_accurately(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    a_scaled_job_runs_a_burst(cluster, &Store::redis(&redis), "accurate", FEW_JOBS).await;
}

async fn a_scaled_job_makes_the_missing_jobs_eagerly(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    a_scaled_job_runs_a_burst(cluster, &Store::redis(&redis), "eager", FEW_JOBS).await;
}

async fn a_scaled_job_makes_two_hundred_jobs_on_redis(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    a_scaled_job_runs_a_burst(cluster, &Store::redis(&redis), "default", JOBS).await;
}

async fn a_scaled_job_makes_two_hundred_jobs_on_postgres(cluster: &Cluster) {
    let postgres = PostgresServer::start().await;
    a_scaled_job_runs_a_burst(cluster, &Store::postgres(&postgres), "default", JOBS).await;
}

async fn a_scaled_job_makes_two_hundred_jobs_accurately(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    a_scaled_job_runs_a_burst(cluster, &Store::redis(&redis), "accurate", JOBS).await;
}

async fn a_scaled_job_makes_two_hundred_jobs_eagerly(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    a_scaled_job_runs_a_burst(cluster, &Store::redis(&redis), "eager", JOBS).await;
}

async fn a_scaled_object_runs_a_burst(cluster: &Cluster, store: &Store) {
    cluster.runner().await;
    let jobs = Jobs::at(&store.url, "burst").await;
    let foresail = Foresail::start(&cluster.logs, &store.config).await;
    let namespace = cluster.namespace("from-zero").await;
    cluster.apply(&namespace, &deployment(0, &worker(&store.url, "burst", &[]))).await;
    cluster.apply(&namespace, &burst(&foresail.address())).await;
    let replicas = Replicas::watch(cluster.client(), &namespace, "worker").await;
    replicas.until_wanted(0, Duration::from_mins(1)).await;

    let began = Instant::now();
    jobs.submit(JOBS, Work::Run(1.0)).await;
    let outcome = jobs.until_all_ended(LONG).await;
    let (took, ended) = (began.elapsed(), Instant::now());
    outcome.each_ran_once();
    replicas.until("nobody is left", LONG, |seen| seen.wanted == 0 && seen.current == 0).await;
    Burst { outcome, took, worker_seconds: replicas.ready_seconds(began) }.tell(cluster);

    let (_, most) = replicas.wanted_since(began);
    assert_eq!(most, MAX, "of {JOBS} jobs, {MAX} at a time: {}", replicas.history(began));
    assert_eq!(replicas.now().wanted, 0, "it woke again: {}", replicas.history(ended));
}

async fn a_scaled_job_runs_a_burst(cluster: &Cluster, store: &Store, strategy: &str, wanted: usize) {
    cluster.runner().await;
    let jobs = Jobs::at(&store.url, "burst").await;
    let foresail = Foresail::start(&cluster.logs, &store.config).await;
    let namespace = cluster.namespace(&format!("from-zero-{strategy}")).await;
    cluster.apply(&namespace, &scaled_job(strategy, &store.url, &foresail.address())).await;

    let began = Instant::now();
    jobs.submit(wanted, Work::Run(1.0)).await;
    let outcome = jobs.until_all_ended(LONG).await;
    let took = began.elapsed();
    outcome.each_ran_once();
    assert_eq!(outcome.pods().len(), wanted, "a Job's pod takes one job");

    let made = jobs_made(cluster, &namespace).await;
    let worker_seconds = outcome.busy_seconds();
    Burst { outcome, took, worker_seconds }.tell(cluster);
    if strategy == "default" {
        assert_eq!(made, wanted, "Jobs that were made");
    } else {
        // What waits is all that these two are told, and a job waits until its worker has started: KEDA counts it
        // again where it calls the pod running (accurate) or fills free places (eager). Such Jobs find nothing.
        assert!((wanted..wanted + JOBS_AT_ONCE).contains(&made), "{made} Jobs were made for {wanted} jobs");
    }
}

/// All Jobs that KEDA has ever made in a namespace: the `ScaledJob` keeps them all.
async fn jobs_made(cluster: &Cluster, namespace: &str) -> usize {
    let api: Api<KubeJob> = Api::namespaced(cluster.client().clone(), namespace);
    api.list(&ListParams::default()).await.unwrap().items.len()
}

/// What a burst came to.
struct Burst {
    outcome: Outcome,
    took: Duration,
    worker_seconds: f64,
}

impl Burst {
    /// Into the scenario's log, and where everybody sees it.
    fn tell(&self, cluster: &Cluster) {
        let line = self.to_string();
        eprintln!("{}: {line}", cluster.name);
        std::fs::write(cluster.logs.join("burst.txt"), line).unwrap();
    }
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waits = self.outcome.waits();
        write!(
            f,
            "{} jobs in {:.0} s; waits {:.1} s on average, {:.1} s for 95 %, {:.1} s at most; {:.0} worker-seconds, \
             {:.0} of them busy",
            self.outcome.fates.len(),
            self.took.as_secs_f64(),
            waits.mean,
            waits.p95,
            waits.longest,
            self.worker_seconds,
            self.outcome.busy_seconds(),
        )
    }
}

/// Where the jobs are, and what Foresail is told of it.
struct Store {
    url: String,
    config: String,
}

impl Store {
    fn redis(server: &RedisServer) -> Self {
        Self {
            url: server.url(),
            config: config(
                &format!("redis: {{ host: 127.0.0.1, port: {} }}", server.port()),
                r#"{ preset: redis-list, processing: "{queue}:processing:{worker}" }"#,
            ),
        }
    }

    fn postgres(server: &PostgresServer) -> Self {
        let url = server.url("postgres", "postgres");
        let config =
            config(&format!("postgres: {{ url: \"{url}\" }}"), "{ preset: pg-table, worker: worker }");
        Self { url, config }
    }
}

fn config(store: &str, layout: &str) -> String {
    format!(
        r#"
sources:
  jobs:
    {store}
    namespaces: {{ "*": ["*"] }}
    sample_every: 200ms
    layouts: {{ work: {layout} }}
policies:
  default: {{ keep_alive: 5s }}
"#
    )
}

/// Workers at a time.
const MAX: i32 = 20;

fn burst(address: &str) -> String {
    let max = format!("maxReplicaCount: {MAX}");
    let spec = ["pollingInterval: 5", "cooldownPeriod: 5", &max, RECOMMENDED];
    scaled_object("worker", &spec, &trigger("external-push", address, "queue: burst"))
}

fn scaled_job(strategy: &str, store: &str, address: &str) -> String {
    format!(
        r#"
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {{ name: worker }}
spec:
  pollingInterval: 5
  maxReplicaCount: {JOBS_AT_ONCE}
  successfulJobsHistoryLimit: 1000
  failedJobsHistoryLimit: 1000
  scalingStrategy: {{ strategy: {strategy} }}
  jobTargetRef:
    backoffLimit: 0
    template:
      spec:
        restartPolicy: Never
        containers:
          - {container}
  triggers:
    - type: external
      metadata: {{ scalerAddress: "{address}", queue: burst, mode: jobs, strategy: {strategy} }}
"#,
        container = worker(store, "burst", &["--one"])
    )
}
