//! Nodes that come with the pods: Karpenter with its kwok provider.

use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::{Api, ResourceExt as _, api::ListParams};

use super::{Cluster, Scenario, scenarios};
use crate::{
    api::{Replicas, eventually},
    jobs::Jobs,
    stack::Options,
    support::redis::RedisServer,
    worker::store::Work,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All, on Options::with_karpenter();
        nodes::a_pending_worker_gets_a_node_of_its_own_from_karpenter,
        nodes::a_worker_on_such_a_node_is_a_real_process_where_it_asks_for_one,
    ]
}

async fn a_pending_worker_gets_a_node_of_its_own_from_karpenter(cluster: &Cluster) {
    let namespace = cluster.namespace("nodes").await;
    cluster.apply(&namespace, NODE_POOL).await;
    cluster.apply(&namespace, WORKER).await;
    let replicas = Replicas::watch(cluster.client(), &namespace, "worker").await;
    replicas.until_ready(1, Duration::from_mins(2)).await;
    let nodes: Api<Node> = Api::all(cluster.client().clone());
    eventually("there is one node, of the pool", Duration::from_secs(10), async || {
        let all = nodes.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let pools: Vec<_> =
            all.iter().map(|node| node.labels().get("karpenter.sh/nodepool").cloned()).collect();
        if pools == [Some("workers".to_owned())] { Ok(()) } else { Err(format!("{pools:?}")) }
    })
    .await;
}

async fn a_worker_on_such_a_node_is_a_real_process_where_it_asks_for_one(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let jobs = Jobs::at(&redis.url(), "work").await;
    jobs.submit(3, Work::Run(0.1)).await;
    cluster.runner().await;
    let namespace = cluster.namespace("nodes").await;
    cluster.apply(&namespace, NODE_POOL).await;
    cluster.apply(&namespace, &REAL_WORKER.replace("STORE", &redis.url())).await;
    jobs.until_all_ended(Duration::from_mins(2)).await.each_ran_once();
}

const NODE_POOL: &str = r"
apiVersion: karpenter.kwok.sh/v1alpha1
kind: KWOKNodeClass
metadata: { name: workers }
spec: { nodeRegistrationDelay: 5s }
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: { name: workers }
spec:
  template:
    spec:
      nodeClassRef: { group: karpenter.kwok.sh, kind: KWOKNodeClass, name: workers }
      requirements: [{ key: kubernetes.io/arch, operator: In, values: [amd64] }]
";

const WORKER: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: worker }
spec:
  replicas: 1
  selector: { matchLabels: { app: worker } }
  template:
    metadata: { labels: { app: worker } }
    spec: { containers: [{ name: worker, image: worker, resources: { requests: { cpu: "1" } } }] }
"#;

const REAL_WORKER: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: worker }
spec:
  replicas: 1
  selector: { matchLabels: { app: worker } }
  template:
    metadata:
      labels: { app: worker }
      annotations: { runner.foresail.invalid/run: "true" }
    spec:
      automountServiceAccountToken: false
      containers:
      - name: worker
        image: foresail-worker:test
        args: [--store, "STORE", --queue, work]
        env: [{ name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]
        resources: { requests: { cpu: "1" } }
"#;
