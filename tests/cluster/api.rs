//! What scenarios do with the API server: apply YAML, look at objects, wait for what they should become.

mod replicas;
mod wait;

use std::{fs, path::PathBuf};

use futures_util::future::{join_all, try_join_all};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    discovery,
};
use serde_json::{Value, json};

pub(crate) use self::{replicas::Replicas, wait::eventually};
use crate::stack::{http_get, pki::random_name};

/// Who applies, for the API server's book-keeping.
const MANAGER: &str = "foresail-tests";

/// Makes a namespace called `PREFIX-RANDOM` and gives its name.
pub(crate) async fn create_namespace(client: &Client, prefix: &str) -> String {
    let name = format!("{prefix}-{}", random_name());
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    apply_objects(client, None, vec![namespace]).await;
    name
}

/// Applies every document of a YAML text, in `namespace` where it names none.
pub(crate) async fn apply(client: &Client, namespace: &str, yaml: &str) {
    apply_objects(client, Some(namespace), documents(yaml)).await;
}

pub(crate) async fn apply_files(client: &Client, files: &[PathBuf]) {
    let texts = files.iter().map(|file| fs::read_to_string(file).expect("a file of the tools can be read"));
    let objects = texts.flat_map(|text| documents(&text)).collect();
    apply_objects(client, None, objects).await;
}

/// Server-side apply, all at once where there are many; an object that the server refuses is a panic with the
/// server's words.
pub(crate) async fn apply_objects(client: &Client, namespace: Option<&str>, objects: Vec<Value>) {
    let applied = objects.into_iter().map(async |object| {
        try_apply(client, namespace, &object)
            .await
            .map_err(|error| format!("{error}; the object was {object}"))
    });
    if let Err(error) = try_join_all(applied).await {
        panic!("the API server refuses an object: {error}");
    }
}

/// As [`apply`] for one object; the server's refusal is the error.
pub(crate) async fn try_apply(client: &Client, namespace: Option<&str>, object: &Value) -> kube::Result<()> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (group, version) = match text("/apiVersion").split_once('/') {
        Some((group, version)) => (group.to_owned(), version.to_owned()),
        None => (String::new(), text("/apiVersion")),
    };
    let kind = GroupVersionKind { group, version, kind: text("/kind") };
    let (resource, capabilities) = discovery::pinned_kind(client, &kind).await?;
    let own_namespace = text("/metadata/namespace");
    let namespace = if own_namespace.is_empty() { namespace } else { Some(own_namespace.as_str()) };
    let api: Api<DynamicObject> = match (capabilities.scope, namespace) {
        (discovery::Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
        (discovery::Scope::Namespaced, None) => Api::default_namespaced_with(client.clone(), &resource),
        (discovery::Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
    };
    api.patch(&text("/metadata/name"), &PatchParams::apply(MANAGER).force(), &Patch::Apply(object)).await?;
    Ok(())
}

/// Waits until the server serves every custom resource that it was told of.
pub(crate) async fn until_crds_served(client: &Client) {
    eventually("every custom resource is served", wait::START, async || {
        let list: Value = get(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions").await?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let waiting: Vec<&Value> = items
            .iter()
            .filter(|item| !has_condition(item, "Established"))
            .map(|item| &item["metadata"]["name"])
            .collect();
        if waiting.is_empty() { Ok(()) } else { Err(format!("{waiting:?} are not yet")) }
    })
    .await;
}

/// Whether an aggregated API answers, as the API server sees it.
pub(crate) async fn is_api_available(client: &Client, name: &str) -> bool {
    let path = format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}");
    get(client, &path).await.is_ok_and(|service| has_condition(&service, "Available"))
}

/// Any path of the API server, as JSON; the error is what is to be said of it.
pub(crate) async fn get(client: &Client, path: &str) -> Result<Value, String> {
    client.request(http_get(path)).await.map_err(|error| format!("{path}: {error}"))
}

/// Asks for these namespaces to be deleted; what is in them goes with them, later.
pub(crate) async fn delete_namespaces(client: &Client, names: &[String]) {
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    join_all(names.iter().map(async |name| api.delete(name, &kube::api::DeleteParams::default()).await))
        .await;
}

/// Whether a condition of an object's status is `True`.
pub(crate) fn has_condition(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == kind && one["status"] == "True"))
}

/// The documents of a YAML text as JSON; empty ones are left out.
pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("no YAML: {error}\n{yaml}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}
