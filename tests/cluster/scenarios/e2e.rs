//! KEDA's own end-to-end tests of external scalers with their numbers, and a queue where theirs has a switch.
//!
//! Their scaler counts to a number that the test posts; here that many jobs wait in a Redis list, and their
//! `metricThreshold` is `slots`.

use std::time::Duration;

use super::{Cluster, Scenario, scenarios};
use crate::{api::Replicas, foresail::Foresail, support::redis::RedisServer};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![Ci: e2e::a_scaled_object_follows_its_queue_to_two_replicas_and_to_none]
}

/// KEDA's `metricThreshold`: jobs that one worker takes.
const THRESHOLD: usize = 10;

async fn a_scaled_object_follows_its_queue_to_two_replicas_and_to_none(cluster: &Cluster) {
    let redis = RedisServer::start().await;
    let foresail = Foresail::start(&cluster.logs, &config(&redis)).await;
    let namespace = cluster.namespace("external-scaler-so").await;
    cluster.apply(&namespace, &deployment()).await;
    cluster.apply(&namespace, &scaled_object("external", &foresail.address(), THRESHOLD, 2)).await;
    let replicas = Replicas::watch(cluster.client(), &namespace, "worker").await;
    replicas.until_wanted(0, Duration::from_mins(1)).await;

    fill(&redis, THRESHOLD).await;
    replicas.until_wanted(1, Duration::from_mins(1)).await;

    fill(&redis, 2 * THRESHOLD).await;
    replicas.until_wanted(2, Duration::from_mins(2)).await;

    fill(&redis, 0).await;
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
      reliable: {{ preset: redis-list, processing: "{{queue}}:busy" }}
policies:
  # What falls shall fall at once here, as KEDA's own scaler does.
  default: {{ keep_alive: 0s, tenant_may: {{ slots: any }} }}
"#,
        redis.port()
    )
}

fn deployment() -> String {
    r"
apiVersion: apps/v1
kind: Deployment
metadata: { name: worker }
spec:
  replicas: 0
  selector: { matchLabels: { app: worker } }
  template:
    metadata: { labels: { app: worker } }
    spec: { containers: [{ name: worker, image: worker }] }
"
    .to_owned()
}

/// KEDA's own: polling 5 s, cooldown 10 s, idle 0, min 1.
fn scaled_object(trigger: &str, address: &str, threshold: usize, max: usize) -> String {
    format!(
        r#"
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{ name: worker }}
spec:
  scaleTargetRef: {{ name: worker }}
  pollingInterval: 5
  cooldownPeriod: 10
  idleReplicaCount: 0
  minReplicaCount: 1
  maxReplicaCount: {max}
  triggers:
    - type: {trigger}
      metadata: {{ scalerAddress: "{address}", layout: reliable, queue: work, slots: "{threshold}" }}
"#
    )
}
