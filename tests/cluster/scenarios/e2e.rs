//! KEDA's own end-to-end tests of external scalers with their numbers, and a queue where theirs has a switch.
//!
//! Their scaler counts to a number that the test posts; here that many jobs wait in a Redis list, and their
//! `metricThreshold` is `slots`.

mod int_only;

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job as KubeJob;
use kube::{Api, api::ListParams};

use self::int_only::IntOnly;
use super::{Cluster, Scenario, scenarios};
use crate::{
    api::{Replicas, eventually},
    foresail::Foresail,
    jobs::Jobs,
    manifests::{deployment, scaled_object, trigger, worker},
    support::redis::RedisServer,
    worker::store::Work,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![Ci:
        e2e::a_scaled_object_follows_its_queue_to_two_replicas_and_to_none,
        e2e::a_pushed_scaled_object_follows_its_queue_to_three_replicas,
        e2e::a_keda_that_reads_integers_only_sees_the_same,
        e2e::a_scaled_job_makes_three_jobs_and_none_remains,
    ]
}

/// KEDA's `metricThreshold`: jobs that one worker takes.
const THRESHOLD: usize = 10;

async fn a_scaled_object_follows_its_queue_to_two_replicas_and_to_none(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let foresail = Foresail::start(&cluster.logs, &config(&redis)).await;
    let trigger = Trigger { kind: "external", address: &foresail.address() };
    let (_, replicas) = idle_worker(cluster, "external-scaler-so", &trigger, 2).await;
    follows_the_queue(&redis, &replicas).await;
}

async fn a_pushed_scaled_object_follows_its_queue_to_three_replicas(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let foresail = Foresail::start(&cluster.logs, &config(&redis)).await;
    let trigger = Trigger { kind: "external-push", address: &foresail.address() };
    let (namespace, replicas) = idle_worker(cluster, "external-push", &trigger, 3).await;
    follows_the_queue(&redis, &replicas).await;

    // Theirs is 22.222 with a threshold of 6.111.
    cluster.apply(&namespace, &trigger.scaled_object(6, 3)).await;
    fill(&redis, 22).await;
    replicas.until_wanted(3, Duration::from_mins(2)).await;
}

async fn a_keda_that_reads_integers_only_sees_the_same(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let foresail = Foresail::start(&cluster.logs, &config(&redis)).await;
    let old = IntOnly::before(&foresail.address()).await;
    let trigger = Trigger { kind: "external-push", address: old.address() };
    let (_, replicas) = idle_worker(cluster, "external-push-old-proto", &trigger, 3).await;
    follows_the_queue(&redis, &replicas).await;
}

async fn a_scaled_job_makes_three_jobs_and_none_remains(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let foresail = Foresail::start(&cluster.logs, &config(&redis)).await;
    let namespace = cluster.namespace("external-scaler-sj").await;
    cluster.runner().await;
    let worker = worker(&redis.url(), "work", &["--one"]);
    cluster.apply(&namespace, &scaled_job(&worker, &foresail.address())).await;

    let jobs = Jobs::at(&redis.url(), "work").await;
    jobs.submit(3, Work::Run(10.0)).await;
    until_jobs(cluster, &namespace, 3, Duration::from_mins(1)).await;
    until_jobs(cluster, &namespace, 0, Duration::from_mins(2)).await;
    jobs.outcome().await.each_ran_once();
}

/// Waits until the namespace has so many Kubernetes Jobs.
async fn until_jobs(cluster: &Cluster, namespace: &str, wanted: usize, deadline: Duration) {
    let api: Api<KubeJob> = Api::namespaced(cluster.client().clone(), namespace);
    eventually(&format!("there are {wanted} Jobs"), deadline, async || {
        let seen = api.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items.len();
        if seen == wanted { Ok(()) } else { Err(format!("{seen}")) }
    })
    .await;
}

/// A Deployment without replicas, and its `ScaledObject`.
async fn idle_worker(cluster: &Cluster, name: &str, trigger: &Trigger<'_>, max: usize) -> (String, Replicas) {
    let namespace = cluster.namespace(name).await;
    cluster.apply(&namespace, &deployment(0, "{ name: worker, image: busy-elsewhere }")).await;
    cluster.apply(&namespace, &trigger.scaled_object(THRESHOLD, max)).await;
    let replicas = Replicas::watch(cluster.client(), &namespace, "worker").await;
    replicas.until_wanted(0, Duration::from_mins(1)).await;
    (namespace, replicas)
}

/// What all their tests of `ScaledObject`s do, with their deadlines.
async fn follows_the_queue(redis: &RedisServer, replicas: &Replicas) {
    fill(redis, THRESHOLD).await;
    replicas.until_wanted(1, Duration::from_mins(1)).await;

    fill(redis, 2 * THRESHOLD).await;
    replicas.until_wanted(2, Duration::from_mins(2)).await;

    fill(redis, 0).await;
    replicas.until_wanted(0, Duration::from_mins(2)).await;
}

/// Makes so many jobs wait.
async fn fill(redis: &RedisServer, jobs: usize) {
    let waiting: usize = redis.command(&["LLEN", "work"]).await;
    if jobs < waiting {
        redis.command::<()>(&["LTRIM", "work", "1", "0"]).await;
        return;
    }
    for job in waiting..jobs {
        redis.command::<()>(&["LPUSH", "work", &format!("job-{job}")]).await;
    }
}

fn config(redis: &RedisServer) -> String {
    format!(
        r#"
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {} }}
    namespaces: {{ "*": ["*"] }}
    sample_every: 500ms
    layouts:
      reliable: {{ preset: redis-list, processing: "{{queue}}:processing:{{worker}}" }}
policies:
  # What falls shall fall at once here, as KEDA's own scaler does.
  default: {{ keep_alive: 0s, tenant_may: {{ slots: any }} }}
"#,
        redis.port()
    )
}

/// How KEDA reaches Foresail.
struct Trigger<'a> {
    kind: &'a str,
    address: &'a str,
}

impl Trigger<'_> {
    /// KEDA's own: polling 5 s, cooldown 10 s, idle 0, min 1.
    fn scaled_object(&self, threshold: usize, max: usize) -> String {
        let max = format!("maxReplicaCount: {max}");
        let metadata = format!("layout: reliable, queue: work, slots: \"{threshold}\"");
        scaled_object(
            "worker",
            &["pollingInterval: 5", "cooldownPeriod: 10", "idleReplicaCount: 0", "minReplicaCount: 1", &max],
            &trigger(self.kind, self.address, &metadata),
        )
    }
}

/// KEDA's own: polling 5 s, at most 3.
fn scaled_job(container: &str, address: &str) -> String {
    format!(
        r#"
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {{ name: worker }}
spec:
  pollingInterval: 5
  maxReplicaCount: 3
  successfulJobsHistoryLimit: 0
  jobTargetRef:
    template:
      spec:
        restartPolicy: Never
        containers:
          - {container}
  triggers:
    - type: external
      metadata: {{ scalerAddress: "{address}", layout: reliable, queue: work, mode: jobs }}
"#
    )
}
