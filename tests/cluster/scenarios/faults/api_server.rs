//! The API server goes and comes back: Foresail goes on answering, and says that it sees no workloads.

use std::time::{Duration, Instant};

use foresail::scaler::pb::ScaledObjectRef;
use serde_json::Value;

use super::{
    Cluster, Foresail, LONG, Scenario,
    jobs::{QUEUE, begin, end, push, redis_source},
    measured,
    scaled::{Scaled, Worker},
};
use crate::{api::eventually, scenarios::scenarios, stack::Options, support::redis::RedisServer};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All, on Options::default();
        faults::a_frozen_api_server_delays_no_answer_and_no_worker_goes,
        faults::a_killed_api_server_delays_no_answer_and_no_worker_goes,
    ]
}

/// No answer may take longer: none waits for Kubernetes.
const PROMPT: Duration = Duration::from_millis(500);

async fn a_frozen_api_server_delays_no_answer_and_no_worker_goes(cluster: &Cluster) {
    let scene = Scene::start(cluster).await;
    let frozen = Instant::now();
    cluster.stack.api_server.lock().await.freeze();
    scene.until_out_of_sight("frozen API server", frozen).await;
    cluster.stack.api_server.lock().await.go_on();
    scene.until_right_again("frozen API server", frozen).await;
}

async fn a_killed_api_server_delays_no_answer_and_no_worker_goes(cluster: &Cluster) {
    let scene = Scene::start(cluster).await;
    let killed = Instant::now();
    cluster.stack.api_server.lock().await.kill();
    scene.until_out_of_sight("killed API server", killed).await;
    cluster.stack.api_server.lock().await.start_again().await;
    scene.until_right_again("killed API server", killed).await;
}

/// Four workers, one of which has nothing to do and is kept for the work to come.
struct Scene<'a> {
    redis: RedisServer,
    foresail: Foresail,
    worker: Worker<'a>,
    object: ScaledObjectRef,
}

impl<'a> Scene<'a> {
    async fn start(cluster: &'a Cluster) -> Self {
        let redis = RedisServer::start().await;
        let foresail = Foresail::start(&cluster.logs, &config(cluster, &redis)).await;
        let namespace = cluster.namespace("no-api-server").await;
        let address = foresail.address();
        let scaled = Scaled { kind: "external-push", ..Scaled::of("reliable", &address) };
        let worker = scaled.apply(cluster, &namespace).await;
        push(&redis, 4).await;
        worker.replicas.until_wanted(4, LONG).await;
        worker.until_all_ready(4).await;
        begin(&redis, 4).await;
        end(&redis, 1).await;
        // As KEDA asks for it.
        let metadata = [
            ("scalerAddress", address.as_str()),
            ("source", scaled.source),
            ("layout", scaled.layout),
            ("queue", QUEUE),
        ];
        let object = ScaledObjectRef {
            name: scaled.name.to_owned(),
            namespace,
            scaler_metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        };
        let scene = Self { redis, foresail, worker, object };
        eventually("its workers are seen", LONG, async || {
            let row = scene.only_row();
            if row["workload"]["ready"] == 4 { Ok(()) } else { Err(row.to_string()) }
        })
        .await;
        scene
    }

    /// Asks all the while, until Foresail says that it sees nothing; then for new work.
    async fn until_out_of_sight(&self, scenario: &str, since: Instant) {
        let mut longest = Duration::ZERO;
        eventually("Kubernetes is out of sight", LONG, async || {
            self.tells(4.0, &mut longest).await;
            match self.foresail.metric("foresail_kubernetes_in_sight") {
                Some(0.0) => Ok(()),
                other => Err(format!("in sight: {other:?}")),
            }
        })
        .await;
        let unseen = since.elapsed();
        let row = self.only_row();
        assert!(row["workload"].is_null(), "{row}");
        assert!(row["why"].as_str().is_some_and(|why| why.contains("workers=?")), "{row}");

        self.tells(4.0, &mut longest).await;
        push(&self.redis, 3).await;
        self.foresail.until_value(&self.object, 6.0).await;
        measured(
            scenario,
            &format!(
                "out of sight after {:.0} s, the longest answer took {:.0} ms",
                unseen.as_secs_f64(),
                longest.as_secs_f64() * 1000.0
            ),
        );
    }

    /// What Foresail answers now, and that at once.
    async fn tells(&self, wanted: f64, longest: &mut Duration) {
        let asked = Instant::now();
        assert_eq!(self.foresail.value(&self.object).await.expect("it is answered"), wanted);
        let took = asked.elapsed();
        assert!(took < PROMPT, "an answer took {took:?}");
        *longest = took.max(*longest);
    }

    /// Waits until what was asked for meanwhile is there, and is seen.
    async fn until_right_again(&self, scenario: &str, since: Instant) {
        let back = Instant::now();
        eventually("Kubernetes is in sight again", LONG, async || {
            let row = self.only_row();
            if row["workload"].is_object() { Ok(()) } else { Err(row.to_string()) }
        })
        .await;
        let seen = back.elapsed();
        // The controller manager's own watches back off: until they are back, its HPA controller writes from an
        // old copy, and every write is a conflict.
        self.worker.replicas.until_wanted(6, 2 * LONG).await;
        let right = back.elapsed();
        eventually("what was done meanwhile is seen", LONG, async || {
            let row = self.only_row();
            if row["workload"]["replicas"] == 6 { Ok(()) } else { Err(row.to_string()) }
        })
        .await;
        measured(
            scenario,
            &format!(
                "when it was back, it was seen after {:.1} s, and replicas were right after {:.1} s",
                seen.as_secs_f64(),
                right.as_secs_f64()
            ),
        );
        let (fewest, _) = self.worker.replicas.wanted_since(since);
        assert_eq!(fewest, 4, "{}", self.worker.replicas.history(since));
    }

    fn only_row(&self) -> Value {
        let page = self.foresail.page(&format!("/api/refs/{}/{}", self.object.namespace, self.object.name));
        let rows: Value = serde_json::from_str(&page).unwrap_or_default();
        rows[0].clone()
    }
}

fn config(cluster: &Cluster, redis: &RedisServer) -> String {
    format!(
        "sources:{}policies: {{ default: {{ keep_alive: 10m }} }}\n\
         kubernetes: {{ addresses: [\"{}\"], kubeconfig: {} }}\n",
        redis_source(redis.port()),
        Foresail::ADDRESS,
        cluster.stack.kubeconfig.display(),
    )
}
