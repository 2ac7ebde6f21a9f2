//! Very many ScaledObjects on one Redis and one Postgres, and what the two stores see of it.

mod objects;
mod stores;

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject, PostParams},
    core::GroupVersionKind,
};
use serde_json::Value;

pub(crate) use self::stores::{Load, Observer, Queue, Store, Stores};
use crate::api::{eventually, has_condition};

/// What scales the crowd's Deployments.
#[derive(Debug, Clone)]
pub(crate) enum Scaler {
    /// Foresail at this address, by `external-push`.
    Foresail { address: String },
    /// KEDA's own `redis` and `postgresql`.
    Keda,
}

/// So many objects are created at once: the API server shares its cores with everything that it sets in motion.
const AT_ONCE: usize = 16;

/// Deployments, each with a ScaledObject; every second one's queue is in Postgres.
pub(crate) struct Crowd {
    client: Client,
    namespace: String,
    size: usize,
}

impl Crowd {
    /// Creates `size` of both in `namespace`, on the queues of `stores` in turn; KEDA polls every `polling`
    /// seconds.
    pub(crate) async fn create(
        client: &Client,
        namespace: &str,
        size: usize,
        stores: &Stores,
        scaler: &Scaler,
        polling: u32,
    ) -> Self {
        let crowd = Self { client: client.clone(), namespace: namespace.to_owned(), size };
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        let built = (0..size).map(|index| objects::deployment(&name(index)));
        create_all(
            &deployments,
            built.map(|value| serde_json::from_value(value).expect("it is a Deployment")),
        )
        .await;
        if matches!(scaler, Scaler::Keda) {
            let (secret, authentication) = objects::postgres_access(stores);
            crate::api::apply_objects(client, Some(namespace), vec![secret, authentication]).await;
        }
        let trigger = |index| objects::trigger(stores.queue(index), stores, scaler);
        let built = (0..size).map(|index| objects::scaled_object(&name(index), &trigger(index), polling));
        create_all(
            &crowd.scaled_objects(),
            built.map(|value| serde_json::from_value(value).expect("it is an object")),
        )
        .await;
        crowd
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Waits until KEDA says of every ScaledObject that it is ready; how long that took.
    pub(crate) async fn until_ready(&self, deadline: Duration) -> Duration {
        let started = Instant::now();
        let path = self.path("apis/keda.sh/v1alpha1", "scaledobjects");
        eventually("KEDA takes care of every ScaledObject", deadline, async || {
            self.until_all(&path, |object| has_condition(object, "Ready")).await
        })
        .await;
        started.elapsed()
    }

    /// Waits until every Deployment wants as many replicas as `wanted` says of its index.
    pub(crate) async fn until_wanted(&self, wanted: impl Fn(usize) -> u64, deadline: Duration) -> Duration {
        let started = Instant::now();
        let path = self.path("apis/apps/v1", "deployments");
        eventually("every Deployment has the replicas that its queue wants", deadline, async || {
            self.until_all(&path, |object| {
                let index = object["metadata"]["name"].as_str().and_then(index_of);
                index.is_none_or(|index| object["spec"]["replicas"] == wanted(index))
            })
            .await
        })
        .await;
        started.elapsed()
    }

    async fn until_all(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Result<(), String> {
        // A list of a thousand objects is work for the API server too.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let list = crate::api::get(&self.client, path).await?;
        let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let done = items.iter().filter(|object| fits(object)).count();
        if done == self.size { Ok(()) } else { Err(format!("{done} of {} are", self.size)) }
    }

    fn path(&self, group: &str, kind: &str) -> String {
        format!("/{group}/namespaces/{}/{kind}", self.namespace)
    }

    fn scaled_objects(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject");
        Api::namespaced_with(self.client.clone(), &self.namespace, &ApiResource::from_gvk(&kind))
    }
}

async fn create_all<K>(api: &Api<K>, objects: impl Iterator<Item = K>)
where
    K: kube::Resource + Clone + serde::Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let created = stream::iter(objects)
        .map(async |object| {
            api.create(&PostParams::default(), &object).await.map_err(|error| (object.name_any(), error))
        })
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |_| Ok(()))
        .await;
    if let Err((name, error)) = created {
        panic!("the API server refuses {name}: {error}");
    }
}

/// The name of a ScaledObject and its Deployment.
pub(crate) fn name(index: usize) -> String {
    format!("worker-{index}")
}

/// The index in a name that [`name`] has made.
fn index_of(name: &str) -> Option<usize> {
    name.strip_prefix("worker-")?.parse().ok()
}
