//! The runner itself, by its workers: what it makes of a pod is what a kubelet makes of it.

mod pods;

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};

use super::{Cluster, Scenario, scenarios};
use crate::{
    api::{Replicas, eventually},
    jobs::{Jobs, Outcome},
    support::{postgres::PostgresServer, redis::RedisServer},
    worker::store::Work,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = scenarios![Ci:
        runner::a_deployment_of_workers_gets_ready_and_runs_each_job_once,
        runner::a_deleted_worker_finishes_its_job_within_its_grace_period,
        runner::a_deleted_worker_may_give_its_job_to_another_instead,
        runner::a_worker_that_hangs_is_killed_after_its_grace_period,
        runner::the_pods_of_a_job_take_one_job_each_from_postgres,
    ];
    all.extend(pods::scenarios());
    all
}

const SOON: Duration = Duration::from_mins(1);

async fn a_deployment_of_workers_gets_ready_and_runs_each_job_once(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let namespace = workers(cluster, &redis, 4, 30).await;
    let jobs = Jobs::at(&redis.url(), "work").await;
    jobs.submit(40, Work::Run(0.05)).await;
    let outcome = jobs.until_all_ended(SOON).await;
    outcome.each_ran_once();
    assert_eq!(outcome.pods().len(), 4, "each worker took its share: {:?}", outcome.pods());
    assert!(outcome.busy_seconds() >= 40.0 * 0.05, "{outcome}");
    assert!(cluster.runner().await.ends(&namespace).is_empty(), "no worker has ended");
}

async fn a_deleted_worker_finishes_its_job_within_its_grace_period(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let namespace = workers(cluster, &redis, 1, 30).await;
    let jobs = Jobs::at(&redis.url(), "work").await;
    jobs.submit(1, Work::Run(1.5)).await;
    let pod = until_running(&jobs).await;

    pods(cluster, &namespace).delete(&pod, &DeleteParams::default()).await.unwrap();
    let outcome = jobs.until_all_ended(SOON).await;
    outcome.each_ran_once();
    let end = until_ended(cluster, &namespace, &pod).await;
    assert_eq!((end.exit_code, end.killed), (0, false), "{end:?}");
    until_gone(cluster, &namespace, &pod).await;
}

async fn a_deleted_worker_may_give_its_job_to_another_instead(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let namespace = workers_with(cluster, &redis, 1, 30, ", --on-term, requeue").await;
    let jobs = Jobs::at(&redis.url(), "work").await;
    jobs.submit(1, Work::Run(600.0)).await;
    let pod = until_running(&jobs).await;

    pods(cluster, &namespace).delete(&pod, &DeleteParams::default()).await.unwrap();
    let again = |outcome: &Outcome| outcome.fates["job-00000"].starts.len() == 2;
    let outcome = jobs.until("the job is started again", SOON, again).await;
    let fate = &outcome.fates["job-00000"];
    assert_eq!((fate.requeues.len(), fate.requeues[0].1.as_str()), (1, pod.as_str()), "{fate}");
    assert_ne!(fate.starts[1].1, pod, "its successor has it: {fate}");
    assert_eq!(until_ended(cluster, &namespace, &pod).await.exit_code, 0);
}

async fn a_worker_that_hangs_is_killed_after_its_grace_period(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let namespace = workers(cluster, &redis, 1, 2).await;
    let jobs = Jobs::at(&redis.url(), "work").await;
    jobs.submit(1, Work::Hang).await;
    let pod = until_running(&jobs).await;

    pods(cluster, &namespace).delete(&pod, &DeleteParams::default()).await.unwrap();
    let end = until_ended(cluster, &namespace, &pod).await;
    assert_eq!((end.exit_code, end.killed), (137, true), "{end:?}");
    until_gone(cluster, &namespace, &pod).await;
    let held = jobs.held_by(&pod).await;
    assert_eq!(held.len(), 1, "its job is still in flight, with nobody behind it");
    jobs.requeue_all_of(&pod).await;
    assert!(jobs.held_by(&pod).await.is_empty(), "a reaper has put it back");
}

async fn the_pods_of_a_job_take_one_job_each_from_postgres(cluster: &Cluster) {
    cluster.runner().await;
    let postgres = PostgresServer::start().await;
    let url = postgres.url("postgres", "postgres");
    let jobs = Jobs::at(&url, "renders").await;
    jobs.submit(2, Work::Run(0.2)).await;
    jobs.submit(1, Work::Fail).await;
    let namespace = cluster.namespace("jobs").await;
    cluster.apply(&namespace, &JOB.replace("STORE", &url)).await;

    let outcome = jobs.until_all_ended(SOON).await;
    assert_eq!((outcome.done(), outcome.fates["job-00002"].failures.len()), (2, 1), "{outcome}");
    let ended = eventually("three pods have ended", SOON, async || {
        let list = pods(cluster, &namespace).list(&ListParams::default()).await;
        let pods = list.map_err(|error| error.to_string())?.items;
        let mut ends: Vec<(String, i32)> = pods
            .iter()
            .filter_map(|pod| Some((pod.status.as_ref()?.phase.clone()?, terminated(pod)?.exit_code)))
            .collect();
        ends.sort();
        if ends.len() == 3 { Ok(ends) } else { Err(format!("{ends:?}")) }
    })
    .await;
    let expected = [("Failed", 1), ("Succeeded", 0), ("Succeeded", 0)];
    assert_eq!(ended, expected.map(|(phase, code)| (phase.to_owned(), code)));
}

/// A Deployment of workers on the queue `work`, all Ready; its namespace.
async fn workers(cluster: &Cluster, redis: &RedisServer, replicas: usize, grace: u64) -> String {
    workers_with(cluster, redis, replicas, grace, "").await
}

async fn workers_with(
    cluster: &Cluster,
    redis: &RedisServer,
    replicas: usize,
    grace: u64,
    arguments: &str,
) -> String {
    cluster.runner().await;
    let namespace = cluster.namespace("runner").await;
    let yaml = WORKERS
        .replace("REPLICAS", &replicas.to_string())
        .replace("GRACE", &grace.to_string())
        .replace("MORE", arguments)
        .replace("STORE", &redis.url());
    cluster.apply(&namespace, &yaml).await;
    let seen = Replicas::watch(cluster.client(), &namespace, "worker").await;
    seen.until_ready(i32::try_from(replicas).unwrap(), SOON).await;
    namespace
}

/// The worker that runs the only job.
async fn until_running(jobs: &Jobs) -> String {
    let outcome = jobs.until("the job runs", SOON, |outcome| outcome.running() == 1).await;
    outcome.fates["job-00000"].starts[0].1.clone()
}

async fn until_ended(cluster: &Cluster, namespace: &str, pod: &str) -> crate::runner::End {
    let runner = cluster.runner().await;
    eventually(&format!("{pod} has ended"), SOON, async || {
        let ends = runner.ends(namespace);
        ends.iter().find(|end| end.pod == pod).cloned().ok_or_else(|| format!("{ends:?}"))
    })
    .await
}

async fn until_gone(cluster: &Cluster, namespace: &str, pod: &str) {
    let pods = pods(cluster, namespace);
    eventually(&format!("pod {pod} is gone"), SOON, async || {
        match pods.get_opt(pod).await.map_err(|error| error.to_string())? {
            None => Ok(()),
            Some(pod) => Err(format!("{:?}", pod.status)),
        }
    })
    .await;
}

fn pods(cluster: &Cluster, namespace: &str) -> Api<Pod> {
    Api::namespaced(cluster.client().clone(), namespace)
}

fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()?.state.as_ref()?.terminated.as_ref()
}

const WORKERS: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: worker }
spec:
  replicas: REPLICAS
  selector: { matchLabels: { app: worker } }
  template:
    metadata: { labels: { app: worker } }
    spec:
      terminationGracePeriodSeconds: GRACE
      automountServiceAccountToken: false
      containers:
      - name: worker
        image: foresail-worker:test
        args: [--store, $(STORE_URL), --queue, workMORE]
        env:
        - { name: STORE_URL, value: "STORE" }
        - { name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
"#;

const JOB: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: { name: worker }
spec:
  completions: 3
  parallelism: 3
  # One that fails is not tried again, and takes none of the others with it.
  completionMode: Indexed
  backoffLimitPerIndex: 0
  template:
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      containers:
      - name: worker
        image: foresail-worker:test
        args: [--one, --store, "STORE", --queue, renders]
        env: [{ name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]
"#;
