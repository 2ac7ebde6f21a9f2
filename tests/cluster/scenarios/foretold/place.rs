//! One place of three: its queue with a past, its nodes, its workers and its Foresail.

use std::time::Duration;

use kube::{Api, Client, api::ApiResource, core::GroupVersionKind};
use serde_json::Value;

use super::{
    CHUNKS, JOBS, RUN as RUN_SECONDS,
    lives::{Life, Lives, now},
};
use crate::{
    api::{self, eventually},
    foresail::Foresail,
    jobs::Jobs,
    manifests::{RECOMMENDED, scaled_object, trigger, worker},
    runner::{RUN, START_DELAY},
    scenarios::Cluster,
    support::postgres::PostgresServer,
};

/// Days on which the burst came.
const DAYS: u32 = 14;

/// Seconds that a node takes to come, and after which an empty one goes: above the 45 s and a start for which
/// chunks fall with the target.
pub(super) const REGISTRATION_DELAY: u32 = 60;
const CONSOLIDATE_AFTER: u32 = 120;

/// Seconds that a worker has for the job at hand: more than a job runs.
const GRACE_PERIOD: u32 = 60;

/// For the past to be read.
const SOON: Duration = Duration::from_mins(1);

/// Of the placeholders.
pub(super) const PRIORITY_CLASS: &str = "
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: { name: foresail-placeholder }
value: -10
preemptionPolicy: Never
";

/// How room is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hints {
    Observe,
    CapacityBuffer,
    Placeholder,
}

/// What runs the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Workload {
    ScaledJob,
    ScaledObject,
}

pub(super) struct Place {
    pub(super) hints: Hints,
    client: Client,
    namespace: String,
    pub(super) jobs: Jobs,
    foresail: Foresail,
    workers: Lives,
    kube_jobs: Lives,
    nodes: Lives,
}

impl Hints {
    /// As the configuration has it.
    pub(super) fn mode(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::CapacityBuffer => "capacity-buffer",
            Self::Placeholder => "placeholder",
        }
    }
}

impl Workload {
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::ScaledJob => "ScaledJob",
            Self::ScaledObject => "ScaledObject",
        }
    }
}

impl Place {
    /// Starts everything; the burst is due at `due`, Unix seconds.
    pub(super) async fn prepare(
        cluster: &Cluster,
        postgres: &PostgresServer,
        workload: Workload,
        hints: Hints,
        due: f64,
    ) -> Self {
        let namespace = cluster.namespace(hints.mode()).await;
        let store = postgres.url("postgres", "postgres");
        let jobs = Jobs::at(&store, &namespace).await;
        postgres.execute(&past(&namespace, due)).await;
        cluster.apply(&namespace, &node_pool(&namespace)).await;
        let config = config(cluster, &store, hints, &namespace);
        let foresail = Foresail::start_as(hints.mode(), &cluster.logs, &config).await;
        let (pods, kube_jobs) = (resource("", "v1", "Pod"), resource("batch", "v1", "Job"));
        let claims = resource("karpenter.sh", "v1", "NodeClaim");
        let client = cluster.client().clone();
        let place = Self {
            hints,
            jobs,
            workers: Lives::watch(
                Api::namespaced_with(client.clone(), &namespace, &pods),
                "app=worker",
                "Ready",
            ),
            kube_jobs: Lives::watch(
                Api::namespaced_with(client.clone(), &namespace, &kube_jobs),
                "",
                "Complete",
            ),
            nodes: Lives::watch(
                Api::all_with(client.clone(), &claims),
                &format!("karpenter.sh/nodepool={namespace}"),
                "Initialized",
            ),
            foresail,
            client,
            namespace,
        };
        let address = place.foresail.address();
        for manifest in workload.manifests(&place.namespace, &store, &address) {
            cluster.apply(&place.namespace, &manifest).await;
        }
        place
    }

    /// Waits until the burst is expected for `due`; what is expected.
    pub(super) async fn until_expected(&self, due: f64) -> Value {
        eventually("the burst is expected", SOON, async || {
            let learned = self.learned()?;
            let bursts = &learned["queue"]["forecast"]["bursts"];
            let burst = &bursts[0];
            let off = burst["due_in"].as_f64().map(|seconds| now() + seconds - due);
            let sure = burst["chance"].as_f64().is_some_and(|chance| chance > 0.8);
            let expected = sure && off.is_some_and(|off| off.abs() < 20.0);
            if expected { Ok(burst.clone()) } else { Err(format!("{bursts}")) }
        })
        .await
    }

    /// What Foresail tells of its only ref.
    fn learned(&self) -> Result<Value, String> {
        let page = self.foresail.page("/api/refs");
        let refs: Value = serde_json::from_str(&page).map_err(|error| format!("{error}: {page}"))?;
        Ok(refs[0].clone())
    }

    /// Waits until Foresail has learned what a start takes on a node that is yet to come, whether or not a pod had to
    /// wait for one; the median, seconds.
    pub(super) async fn until_cold_start_is_known(&self) -> f64 {
        eventually("it is known how long a node takes", SOON, async || {
            let cold = self.learned()?["lead"]["cold"].clone();
            let known = cold["starts"].as_f64().is_some_and(|starts| starts > 0.0);
            cold["median"].as_f64().filter(|_| known).ok_or_else(|| cold.to_string())
        })
        .await
    }

    /// Spare pods that are wanted, whether or not they are asked for.
    pub(super) fn hint(&self) -> usize {
        self.foresail.metric("foresail_ref_hint{").map_or(0, whole)
    }

    /// Chunks that are asked for: the replicas of what Foresail has written.
    pub(super) async fn chunks(&self) -> Result<usize, String> {
        let kind = match self.hints {
            Hints::Observe => return Ok(0),
            Hints::CapacityBuffer => "autoscaling.x-k8s.io/v1beta1/namespaces/{}/capacitybuffers",
            Hints::Placeholder => "apps/v1/namespaces/{}/deployments",
        };
        let path = format!("/apis/{}?labelSelector=foresail/for", kind.replace("{}", &self.namespace));
        let list = api::get(&self.client, &path).await?;
        let replicas = list["items"].as_array().into_iter().flatten().map(|item| &item["spec"]["replicas"]);
        Ok(replicas.filter_map(Value::as_f64).map(whole).sum())
    }

    /// Pods that take jobs.
    pub(super) fn workers(&self) -> Vec<Life> {
        self.workers.all()
    }

    /// Kubernetes's Jobs.
    pub(super) fn jobs_made(&self) -> Vec<Life> {
        self.kube_jobs.all()
    }

    /// Nodes, from when they were asked for until they are paid for no more.
    pub(super) fn nodes(&self) -> Vec<Life> {
        self.nodes.all()
    }
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful of pods")]
fn whole(value: f64) -> usize {
    value as usize
}

/// The burst of the last two weeks, at the time of day of `due` and up to 5 s off.
fn past(queue: &str, due: f64) -> String {
    format!(
        "INSERT INTO jobs (queue, id, status, payload, created_at, started_at, finished_at)
        SELECT '{queue}', 'past-' || day || '-' || job, 'done', '', came, came + interval '90 s',
            came + interval '90 s' + make_interval(secs => {RUN_SECONDS})
        FROM generate_series(1, {DAYS}) AS day, generate_series(1, {JOBS}) AS job,
            LATERAL (SELECT to_timestamp({due}) - make_interval(days => day)
                + make_interval(secs => day * 37 % 11 - 5 + job * 0.2)) AS at (came)"
    )
}

fn config(cluster: &Cluster, store: &str, hints: Hints, namespace: &str) -> String {
    format!(
        r#"
sources:
  jobs:
    postgres: {{ url: "{store}" }}
    namespaces: {{ "*": ["*"] }}
    sample_every: 500ms
    layouts:
      rows:
        preset: pg-table
        worker: worker
        history:
          query: >
            SELECT queue, created_at AS submit, started_at AS start, finished_at AS "end" FROM jobs
            WHERE status = 'done'
policies:
  default: {{ keep_alive: 5s }}
kubernetes: {{ addresses: ["{address}"], namespaces: [{namespace}], kubeconfig: {kubeconfig}, node_claims: true }}
hints: {{ mode: {mode}, chunks: {CHUNKS}, step: {CHUNKS}, lease: {{ namespace: {namespace} }} }}
"#,
        address = Foresail::ADDRESS,
        kubeconfig = cluster.stack.kubeconfig.display(),
        mode = hints.mode(),
    )
}

/// Nodes of four cores for the workers of this place alone.
fn node_pool(name: &str) -> String {
    format!(
        r"
apiVersion: karpenter.kwok.sh/v1alpha1
kind: KWOKNodeClass
metadata: {{ name: {name} }}
spec: {{ nodeRegistrationDelay: {REGISTRATION_DELAY}s }}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {{ name: {name} }}
spec:
  disruption: {{ consolidationPolicy: WhenEmpty, consolidateAfter: {CONSOLIDATE_AFTER}s }}
  template:
    spec:
      nodeClassRef: {{ group: karpenter.kwok.sh, kind: KWOKNodeClass, name: {name} }}
      taints: [{{ key: {name}, effect: NoSchedule }}]
      requirements:
        - {{ key: node.kubernetes.io/instance-type, operator: In, values: [c-4x-amd64-linux] }}
        - {{ key: karpenter.sh/capacity-type, operator: In, values: [on-demand] }}
"
    )
}

impl Workload {
    fn manifests(self, namespace: &str, store: &str, address: &str) -> Vec<String> {
        let queue = format!("queue: {namespace}");
        match self {
            Self::ScaledJob => {
                let pod = pod(namespace, "restartPolicy: Never, ", &worker(store, namespace, &["--one"]));
                let metadata = format!("{queue}, mode: jobs, strategy: default");
                let trigger = trigger("external", address, &metadata);
                vec![format!(
                    "
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {{ name: worker }}
spec:
  pollingInterval: 5
  maxReplicaCount: 20
  scalingStrategy: {{ strategy: default }}
  jobTargetRef: {{ backoffLimit: 0, template: {pod} }}
  triggers: [{trigger}]
"
                )]
            }
            Self::ScaledObject => {
                let pod = pod(namespace, "", &worker(store, namespace, &[]));
                let deployment = format!(
                    "
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: worker }}
spec: {{ replicas: 0, selector: {{ matchLabels: {{ app: worker }} }}, template: {pod} }}
"
                );
                let spec = ["maxReplicaCount: 20", "cooldownPeriod: 15", RECOMMENDED];
                let trigger = trigger("external-push", address, &queue);
                vec![deployment, scaled_object("worker", &spec, &trigger)]
            }
        }
    }
}

/// The template of a pod of which four fit a node of `pool`, on one line; `more` are further fields of its spec.
fn pod(pool: &str, more: &str, container: &str) -> String {
    let container = container.replace("100m", "900m");
    format!(
        "{{ metadata: {{ labels: {{ app: worker }}, annotations: {{ {RUN}: \"true\", {START_DELAY}: 2s }} }}, \
         spec: {{ {more}terminationGracePeriodSeconds: {GRACE_PERIOD}, \
         nodeSelector: {{ karpenter.sh/nodepool: {pool} }}, \
         tolerations: [{{ key: {pool}, operator: Exists }}], containers: [{container}] }} }}"
    )
}
