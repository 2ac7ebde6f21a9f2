//! Foresail as the chart installs it: its pods, started from their own spec, answer KEDA for real workers.

use std::{fs, time::Duration};

use super::{SOON, WORKERS};
use crate::{
    helm::{Helm, chart},
    jobs::Jobs,
    runner::proxy::ServiceProxy,
    scenarios::{Cluster, Scenario, scenarios},
    support::redis::RedisServer,
    worker::store::Work,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All: runner::the_charts_own_pods_bring_the_workers_that_jobs_wait_for]
}

async fn the_charts_own_pods_bring_the_workers_that_jobs_wait_for(cluster: &Cluster) {
    cluster.runner().await;
    let redis = RedisServer::start().await;
    let jobs = Jobs::at(&redis.url(), "work").await;
    let namespace = cluster.namespace("foresail").await;
    let service = ServiceProxy::start(cluster.client().clone(), &namespace, "foresail", 6000).await;
    let address = service.address().to_string();

    let values = cluster.logs.join("values.yaml");
    let text = VALUES.replace("ADDRESS", &address).replace("PORT", &redis.port().to_string());
    fs::write(&values, text).unwrap();
    let helm = Helm::of(cluster.stack.kubeconfig.clone());
    let (chart, values) = (chart(), values.display().to_string());
    helm.run(&["install", "foresail", &chart, "--namespace", &namespace, "--values", &values]).await;
    // Their probes are gRPC, and they watch Kubernetes with the token of their volume.
    service.until_ready(2, SOON).await;

    let workers = WORKERS.replace("REPLICAS", "0").replace("GRACE", "30").replace("MORE", "");
    cluster.apply(&namespace, &workers.replace("STORE", &redis.url())).await;
    cluster.apply(&namespace, &SCALED_OBJECT.replace("ADDRESS", &address)).await;
    jobs.submit(40, Work::Run(0.5)).await;
    let outcome = jobs.until_all_ended(Duration::from_mins(2)).await;
    outcome.each_ran_once();
    assert!(outcome.pods().len() > 1, "one worker alone was asked for: {outcome}");
    let ends = cluster.runner().await.ends(&namespace);
    assert!(ends.iter().all(|end| end.reason == "Deleted"), "something has failed meanwhile: {ends:?}");
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
"#;

const SCALED_OBJECT: &str = r#"
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: { name: worker }
spec:
  scaleTargetRef: { name: worker }
  pollingInterval: 5
  maxReplicaCount: 5
  triggers:
  - type: external-push
    metadata: { scalerAddress: "ADDRESS", source: jobs, layout: reliable, queue: work }
"#;
