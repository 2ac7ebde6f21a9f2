//! Foresail as the chart installs it: its pods, started from their own spec, answer KEDA for real workers.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use foresail::workloads::{COST_MANAGER, DELETION_COST};
use k8s_openapi::api::{core::v1::Pod, rbac::v1::RoleBinding};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::LONG;
use crate::{
    api::{Replicas, eventually},
    helm::{Helm, chart},
    jobs::Jobs,
    manifests::{RECOMMENDED, deployment, scaled_object, trigger, worker},
    runner::proxy::ServiceProxy,
    scenarios::{Cluster, Scenario, scenarios},
    support::redis::RedisServer,
    worker::store::Work,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All:
        chart::its_own_pods_bring_the_workers_that_jobs_wait_for,
        chart::upgraded_under_load_it_loses_no_job_and_no_worker,
        chart::with_a_role_in_each_namespace_its_pods_see_those_and_say_which_they_may_not,
        chart::what_it_has_written_is_given_up_before_it_is_uninstalled,
    ]
}

/// Workers at most, in the first two scenarios.
const MAX: i32 = 12;

/// From the end of an upgrade to replicas that are right: a poll of KEDA's, a sync of the HPA's, and what a busy
/// machine adds.
const RIGHT_WITHIN: Duration = Duration::from_secs(20);

async fn its_own_pods_bring_the_workers_that_jobs_wait_for(cluster: &Cluster) {
    let installed = Installed::start(cluster, &[]).await;
    installed.workers().await;
    installed.jobs.submit(40, Work::Run(0.5)).await;
    let outcome = installed.jobs.until_all_ended(2 * LONG).await;
    outcome.each_ran_once();
    assert!(outcome.pods().len() > 1, "one worker alone was asked for: {outcome}");
    installed.no_pod_has_failed().await;
}

async fn upgraded_under_load_it_loses_no_job_and_no_worker(cluster: &Cluster) {
    let installed = Installed::start(cluster, &[]).await;
    let workers = installed.workers().await;
    // Two who end before the upgrade, and are kept for the work to come; four who outlast it.
    installed.jobs.submit(2, Work::Run(3.0)).await;
    installed.jobs.submit(4, Work::Run(60.0)).await;
    workers.until_ready(6, 2 * LONG).await;
    let ended = |done| move |outcome: &crate::jobs::Outcome| outcome.done() == done;
    installed.jobs.until("the short ones are done", LONG, ended(2)).await;
    let old = installed.pods();

    let upgraded = Instant::now();
    let rolled = installed.upgrade(&["podAnnotations.rolled=once"]);
    let mut arrive = tokio::time::interval(Duration::from_millis(700));
    tokio::pin!(rolled);
    loop {
        tokio::select! {
            () = &mut rolled => break,
            _ = arrive.tick() => { installed.jobs.submit(1, Work::Run(1.5)).await; }
        }
    }
    let took = upgraded.elapsed();
    installed.service.until_ready(2, LONG).await;
    assert!(old.is_disjoint(&installed.pods()), "both pods are new: {old:?}, {:?}", installed.pods());
    let outcome = installed.jobs.outcome().await;
    assert!(outcome.running() >= 4, "the upgrade took longer than the work did: {took:?}, {outcome}");

    let right = Instant::now();
    installed.jobs.submit(usize::try_from(MAX).unwrap(), Work::Run(5.0)).await;
    workers.until_wanted(MAX, RIGHT_WITHIN).await;
    eprintln!(
        "measured: upgrade under load: {:.1} s for two pods, new work answered {:.1} s after it",
        took.as_secs_f64(),
        right.elapsed().as_secs_f64()
    );
    installed.jobs.until_all_ended(2 * LONG).await.each_ran_once();
    let seen = workers.since(upgraded);
    let fell = seen.windows(2).any(|pair| pair[1].wanted < pair[0].wanted);
    assert!(!fell && seen[0].wanted == 6, "{}", workers.history(upgraded));
    installed.no_pod_has_failed().await;
}

async fn with_a_role_in_each_namespace_its_pods_see_those_and_say_which_they_may_not(cluster: &Cluster) {
    let (served, shut) = (cluster.namespace("served").await, cluster.namespace("shut").await);
    let namespaces = [format!("kubernetes.namespaces={{{served},{shut}}}")];
    let installed = Installed::start(cluster, &namespaces.each_ref().map(String::as_str)).await;
    let bindings: Api<RoleBinding> = Api::namespaced(cluster.client().clone(), &shut);
    let name = format!("{}:foresail", installed.namespace);
    let mut binding = bindings.get(&name).await.unwrap();
    bindings.delete(&name, &DeleteParams::default()).await.unwrap();
    // A watch that is open stays open: the next pods are those that may not.
    let old = installed.pods();
    let pods: Api<Pod> = Api::namespaced(cluster.client().clone(), &installed.namespace);
    pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    eventually("the pods are new", LONG, async || {
        let new = installed.pods();
        if new.len() == 2 && old.is_disjoint(&new) { Ok(()) } else { Err(format!("{new:?}")) }
    })
    .await;

    let workers = worker(&installed.redis.url(), "work", &[]);
    for namespace in [&served, &shut] {
        cluster.apply(namespace, &deployment(3, &workers)).await;
        let replicas = Replicas::watch(cluster.client(), namespace, "worker").await;
        replicas.until_ready(3, LONG).await;
        cluster.apply(namespace, &installed.scaled_object()).await;
    }
    installed
        .until_each_pod("sees what it may", async |pod| {
            let row = pod.only_ref(&served)?;
            let page = pod.page("/metrics")?;
            let refused =
                |kind| format!(r#"foresail_kubernetes_refused{{kind="{kind}",namespace="{shut}"}} 1"#);
            let says =
                ["ScaledObject", "Deployment", "Pod"].map(refused).iter().all(|line| page.contains(line));
            let in_sight = page.contains("\nforesail_kubernetes_in_sight 1\n");
            let right = row["workload"]["replicas"] == 3 && says && in_sight;
            if right { Ok(()) } else { Err(format!("{row}, in sight: {in_sight}, refused: {says}")) }
        })
        .await;
    // Only KEDA tells of the other: to the pod that it asks.
    eventually("KEDA is answered without what may not be seen", LONG, async || {
        let rows: Vec<_> = installed.each_pod().filter_map(|pod| pod.only_ref(&shut).ok()).collect();
        let row = rows.first().ok_or("KEDA has not asked")?;
        let why = row["why"].as_str().unwrap_or_default();
        if row["workload"].is_null() && why.contains("workers=?") { Ok(()) } else { Err(row.to_string()) }
    })
    .await;

    binding.metadata.resource_version = None;
    binding.metadata.uid = None;
    bindings.create(&PostParams::default(), &binding).await.unwrap();
    installed
        .until_each_pod("sees the other too", async |pod| {
            let row = pod.only_ref(&shut)?;
            let page = pod.page("/metrics")?;
            let right =
                row["workload"]["replicas"].is_number() && !page.contains("foresail_kubernetes_refused{");
            if right { Ok(()) } else { Err(row.to_string()) }
        })
        .await;
}

async fn what_it_has_written_is_given_up_before_it_is_uninstalled(cluster: &Cluster) {
    let installed = Installed::start(cluster, &["hints.victims=deletion-cost"]).await;
    let namespace = &installed.namespace;
    let one = deployment(1, "{ name: worker, image: busy-elsewhere }");
    cluster.apply(namespace, &one.replace("worker", "ranked")).await;
    let pods: Api<Pod> = Api::namespaced(cluster.client().clone(), namespace);
    let ranked = ListParams::default().labels("app=ranked");
    let pod = eventually("there is a pod", LONG, async || {
        let all = pods.list(&ranked).await.map_err(|error| error.to_string())?;
        all.items.first().map(kube::ResourceExt::name_any).ok_or_else(String::new)
    })
    .await;
    // As one that was here before has left it: nobody scales these pods, so nobody who runs takes it back.
    let patch = json!({ "metadata": { "annotations": { DELETION_COST: "-1" } } });
    let by_us = PatchParams { field_manager: Some(COST_MANAGER.to_owned()), ..PatchParams::default() };
    pods.patch(&pod, &by_us, &Patch::Merge(patch)).await.unwrap();

    installed.helm.run(&["uninstall", "foresail", "--namespace", namespace, "--wait"]).await;
    let left = pods.get(&pod).await.unwrap();
    assert!(!left.annotations().contains_key(DELETION_COST), "{:?}", left.annotations());
}

/// The chart in a namespace, its two pods ready behind their Service, and a Redis.
struct Installed<'a> {
    cluster: &'a Cluster,
    namespace: String,
    service: ServiceProxy,
    helm: Helm,
    redis: RedisServer,
    jobs: Jobs,
}

impl<'a> Installed<'a> {
    async fn start(cluster: &'a Cluster, values: &[&str]) -> Self {
        cluster.runner().await;
        let redis = RedisServer::start().await;
        let jobs = Jobs::at(&redis.url(), "work").await;
        let namespace = cluster.namespace("foresail").await;
        let service = ServiceProxy::start(cluster.client().clone(), &namespace, "foresail", 6000).await;
        let helm = Helm::of(cluster.stack.kubeconfig.clone());
        let installed = Self { cluster, namespace, service, helm, redis, jobs };

        let file = cluster.logs.join("values.yaml");
        let text = VALUES.replace("ADDRESS", &installed.address());
        fs::write(&file, text.replace("PORT", &installed.redis.port().to_string())).unwrap();
        let file = file.display().to_string();
        installed.helm(&["install", "--values", &file], values).await;
        // Their probes are gRPC, and they watch Kubernetes with the token of their volume.
        installed.service.until_ready(2, LONG).await;
        installed
    }

    /// Other values on top of those that are; comes back when no pod of before is left.
    async fn upgrade(&self, values: &[&str]) {
        self.helm(&["upgrade", "--reuse-values", "--wait", "--timeout", "2m"], values).await;
    }

    async fn helm(&self, words: &[&str], values: &[&str]) {
        let chart = chart();
        let mut arguments = [words, &["foresail", &chart, "--namespace", &self.namespace]].concat();
        arguments.extend(values.iter().flat_map(|value| ["--set", value]));
        self.helm.run(&arguments).await;
    }

    fn address(&self) -> String {
        self.service.address().to_string()
    }

    /// The pods that KEDA may be led to.
    fn pods(&self) -> BTreeSet<SocketAddr> {
        self.service.ready().into_iter().collect()
    }

    fn each_pod(&self) -> impl Iterator<Item = FoundPod> {
        self.service.ready().into_iter().map(|address| FoundPod(SocketAddr::new(address.ip(), 8080)))
    }

    async fn until_each_pod(&self, what: &str, look: impl AsyncFn(FoundPod) -> Result<(), String>) {
        eventually(&format!("each pod {what}"), 2 * LONG, async || {
            for pod in self.each_pod() {
                look(pod).await?;
            }
            Ok(())
        })
        .await;
    }

    /// Real workers, none yet, and their `ScaledObject`.
    async fn workers(&self) -> Replicas {
        let workers = deployment(0, &worker(&self.redis.url(), "work", &[]));
        self.cluster.apply(&self.namespace, &workers).await;
        self.cluster.apply(&self.namespace, &self.scaled_object()).await;
        Replicas::watch(self.cluster.client(), &self.namespace, "worker").await
    }

    fn scaled_object(&self) -> String {
        let max = format!("maxReplicaCount: {MAX}");
        let spec = ["pollingInterval: 5", &max, RECOMMENDED];
        let metadata = "source: jobs, layout: reliable, queue: work";
        scaled_object("worker", &spec, &trigger("external-push", &self.address(), metadata))
    }

    /// All that have ended were told to, and went in time.
    async fn no_pod_has_failed(&self) {
        let ends = self.cluster.runner().await.ends(&self.namespace);
        let well = ends.iter().all(|end| end.reason == "Deleted" && end.exit_code == 0 && !end.killed);
        assert!(well, "something has failed meanwhile: {ends:?}");
    }
}

/// Where one pod's pages are.
struct FoundPod(SocketAddr);

impl FoundPod {
    fn page(&self, path: &str) -> Result<String, String> {
        let page = ureq::get(format!("http://{}{path}", self.0)).call();
        page.and_then(|mut page| page.body_mut().read_to_string()).map_err(|error| error.to_string())
    }

    /// The ref of `worker` in a namespace.
    fn only_ref(&self, namespace: &str) -> Result<Value, String> {
        let page = self.page(&format!("/api/refs/{namespace}/worker"))?;
        let rows: Value = serde_json::from_str(&page).map_err(|error| error.to_string())?;
        rows.get(0).cloned().ok_or_else(|| "it knows no such ref".to_owned())
    }
}

const VALUES: &str = r#"
bind: podIP
kubernetes: { addresses: ["ADDRESS"] }
config:
  sources:
    jobs:
      redis: { host: 127.0.0.1, port: PORT }
      namespaces: { "*": ["*"] }
      layouts:
        reliable: { preset: redis-list, processing: "{queue}:processing:{worker}" }
  policies:
    default: { keep_alive: 10m }
"#;
