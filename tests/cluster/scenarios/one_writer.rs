//! What is written to Kubernetes, and by which of several replicas.

use std::time::{Duration, Instant};

use foresail::scaler::pb::ScaledObjectRef;
use serde_json::Value;

use super::{Cluster, Scenario, scenarios};
use crate::{
    api::{eventually, get},
    foresail::Foresail,
    manifests::{deployment, scaled_object, trigger},
    stack::Options,
    support::redis::RedisServer,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = scenarios![Ci:
        one_writer::one_of_two_writes_and_the_other_when_it_is_killed,
    ];
    all.extend(scenarios![All, on Options::default();
        one_writer::a_frozen_api_server_ends_the_writing_and_delays_no_answer,
    ]);
    all
}

const PATIENCE: Duration = Duration::from_mins(1);

/// No answer may take longer: none waits for the Lease.
const PROMPT: Duration = Duration::from_millis(500);

async fn one_of_two_writes_and_the_other_when_it_is_killed(cluster: &Cluster) {
    let scene = Scene::start(cluster, "two-replicas").await;
    let one = scene.replica("one", None).await;
    let two = scene.replica("two", Some(&one.address())).await;
    let object = scene.object_in_traps(&one.address()).await;
    let first_leads = eventually("one of them is the one that writes", PATIENCE, async || {
        match [is_leader(&one), is_leader(&two)] {
            [true, false] => Ok(true),
            [false, true] => Ok(false),
            other => Err(format!("{other:?}")),
        }
    });
    let (mut leader, mut second) = if first_leads.await { (one, two) } else { (two, one) };
    let holder = scene.holder().await;

    let wanted = ["Cooldown", "ScaleDownWindow", "ScaleUpPolicy", "Tolerance"];
    let said = eventually("every trap is an Event of the object", PATIENCE, async || {
        let said = scene.events().await?;
        if reasons(&said) == wanted { Ok(said) } else { Err(format!("{:?}", reasons(&said))) }
    })
    .await;
    let uid =
        get(cluster.client(), &scene.object_path()).await.expect("it is there")["metadata"]["uid"].clone();
    assert!(
        said.iter().all(|event| event["regarding"]["uid"] == uid && event["series"].is_null()),
        "{said:?}"
    );

    leader.kill();
    let killed = Instant::now();
    eventually("the other writes", PATIENCE, async || {
        let asked = Instant::now();
        assert_eq!(second.value(&object).await.expect("it is answered"), 4.0);
        assert!(asked.elapsed() < PROMPT, "an answer took {:?}", asked.elapsed());
        if is_leader(&second) { Ok(()) } else { Err(scene.holder().await) }
    })
    .await;
    let took = killed.elapsed();
    // The last renewal may be 5 s old; a second for a busy machine.
    assert!((Duration::from_secs(9)..Duration::from_secs(21)).contains(&took), "{took:?}");
    eprintln!("measured: the Lease changed hands {:.1} s after its holder was killed", took.as_secs_f64());
    assert_ne!(scene.holder().await, holder);

    eventually("it has said the same again", PATIENCE, async || {
        let again = scene.events().await?;
        let series = again.iter().filter(|event| event["series"]["count"] == 2).count();
        assert_eq!(again.len(), wanted.len(), "by no Event that is new: {again:?}");
        if series == wanted.len() { Ok(()) } else { Err(format!("{series} of them")) }
    })
    .await;

    second.stop();
    assert_eq!(scene.holder().await, "", "it is given up at the end");
}

async fn a_frozen_api_server_ends_the_writing_and_delays_no_answer(cluster: &Cluster) {
    let scene = Scene::start(cluster, "frozen-api-server").await;
    let foresail = scene.replica("foresail", None).await;
    let object = scene.object_in_traps(&foresail.address()).await;
    eventually(
        "it writes",
        PATIENCE,
        async || if is_leader(&foresail) { Ok(()) } else { Err(String::new()) },
    )
    .await;
    foresail.until_value(&object, 4.0).await;

    cluster.stack.api_server.lock().await.freeze();
    let frozen = Instant::now();
    eventually("it writes no more", PATIENCE, async || {
        let asked = Instant::now();
        assert_eq!(foresail.value(&object).await.expect("it is answered"), 4.0);
        assert!(asked.elapsed() < PROMPT, "an answer took {:?}", asked.elapsed());
        if is_leader(&foresail) { Err(format!("after {:?}", frozen.elapsed())) } else { Ok(()) }
    })
    .await;
    let took = frozen.elapsed();
    assert!(took < Duration::from_secs(15), "another could have the Lease by now: {took:?}");
    cluster.stack.api_server.lock().await.go_on();
    eventually("it writes again", PATIENCE, async || {
        if is_leader(&foresail) { Ok(()) } else { Err(scene.holder().await) }
    })
    .await;
}

/// A queue of four jobs, and replicas of a Foresail for it that write to the scenario's namespace.
struct Scene<'a> {
    cluster: &'a Cluster,
    redis: RedisServer,
    namespace: String,
}

impl<'a> Scene<'a> {
    async fn start(cluster: &'a Cluster, name: &str) -> Self {
        let redis = RedisServer::start().await;
        redis.command::<()>(&["LPUSH", "work", "a", "b", "c", "d"]).await;
        Self { cluster, redis, namespace: cluster.namespace(name).await }
    }

    /// One replica; `address` is the triggers' where that is not its own.
    async fn replica(&self, name: &str, address: Option<&str>) -> Foresail {
        let sections = format!(
            r#"
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {} }}
    namespaces: {{ "*": ["*"] }}
    sample_every: 500ms
    layouts:
      reliable: {{ preset: redis-list, processing: "{{queue}}:busy" }}
kubernetes: {{ addresses: ["{}"], namespaces: [{namespace}], kubeconfig: {} }}
hints: {{ events: on, lease: {{ namespace: {namespace} }} }}
"#,
            self.redis.port(),
            address.unwrap_or(Foresail::ADDRESS),
            self.cluster.stack.kubeconfig.display(),
            namespace = self.namespace,
        );
        Foresail::start_as(name, &self.cluster.logs, &sections).await
    }

    /// A `ScaledObject` with the HPA's defaults; gives it as KEDA asks for it.
    async fn object_in_traps(&self, address: &str) -> ScaledObjectRef {
        let container = "{ name: worker, image: worker }";
        self.cluster.apply(&self.namespace, &deployment(0, container)).await;
        let metadata = "layout: reliable, queue: work";
        let object =
            scaled_object("worker", &["maxReplicaCount: 9"], &trigger("external-push", address, metadata));
        self.cluster.apply(&self.namespace, &object).await;
        let metadata = [("scalerAddress", address), ("layout", "reliable"), ("queue", "work")];
        ScaledObjectRef {
            name: "worker".to_owned(),
            namespace: self.namespace.clone(),
            scaler_metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        }
    }

    fn object_path(&self) -> String {
        format!("/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects/worker", self.namespace)
    }

    /// Whose the Lease is, as the API server has it.
    async fn holder(&self) -> String {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/foresail", self.namespace);
        let lease = get(self.cluster.client(), &path).await.unwrap_or_default();
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    /// What Foresail has said of objects here.
    async fn events(&self) -> Result<Vec<Value>, String> {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", self.namespace);
        let all = get(self.cluster.client(), &path).await?["items"].as_array().cloned().unwrap_or_default();
        Ok(all.into_iter().filter(|event| event["reportingController"] == "foresail").collect())
    }
}

fn reasons(events: &[Value]) -> Vec<&str> {
    let mut reasons: Vec<_> = events.iter().filter_map(|event| event["reason"].as_str()).collect();
    reasons.sort_unstable();
    reasons
}

fn is_leader(foresail: &Foresail) -> bool {
    foresail.metric("foresail_leader") == Some(1.0)
}
