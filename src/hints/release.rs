//! The end of it all, before a Foresail is taken out of a cluster: room is given up, deletion costs are taken back.
//!
//! Whoever writes is stopped first: this takes the Lease away from it, keeps it, and waits until it must have noticed.
//! When this has ended the Lease is free again after 15 s: by then the Foresails that contend for it are to be gone.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, ListParams, PartialObjectMeta},
};
use tokio::time::timeout;

use super::{
    Leadership,
    buffers::{self, Asking},
    costs, late, lease,
};
use crate::{
    clock::Clock,
    config::hints::HintsConfig,
    workloads::{COST_MANAGER, DELETION_COST},
};

/// Pods in one answer to a list.
const PAGE: u32 = 500;

/// How long a list may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Released {
    /// What was given up, in words.
    pub done: Vec<String>,
    /// What could not be, and why.
    pub failed: Vec<String>,
}

/// Takes the Lease, then writes 0 to all room that this Foresail has asked for, and takes its deletion costs back.
/// `namespaces` are those that it watches; none means all.
///
/// # Errors
/// Where the Lease cannot be had: then whoever holds it goes on writing.
pub async fn release(
    client: Client,
    config: &HintsConfig,
    namespaces: &[String],
    clock: &dyn Clock,
) -> Result<Released, String> {
    let me = Leadership::default();
    lease::take(client.clone(), &config.lease, me.me(), clock).await?;
    let mut released = Released::default();
    for asking in Asking::all(&client, config) {
        give_room_up(&client, asking, config, namespaces, &mut released).await;
    }
    if config.victims {
        take_costs_back(&client, namespaces, &mut released).await;
    }
    Ok(released)
}

async fn give_room_up(
    client: &Client,
    asking: Asking,
    config: &HintsConfig,
    namespaces: &[String],
    released: &mut Released,
) {
    let found = match asking.list(client, namespaces.iter().cloned().collect()).await {
        Ok(found) => found,
        // Of what the mode does not write, nothing may be known: another right, another kind.
        Err(why) if asking.is_of(config.mode) => return released.failed.push(why),
        Err(_) => return,
    };
    for object in found.iter().filter(|object| buffers::asks_for_us(object)) {
        let name = named(object);
        match asking.zero(client, object).await {
            Ok(()) => released.done.push(format!("{name}: asks for no room any more")),
            Err(why) => released.failed.push(why),
        }
    }
}

fn named(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("object", |types| types.kind.as_str());
    format!("{kind} {}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

async fn take_costs_back(client: &Client, namespaces: &[String], released: &mut Released) {
    let all: BTreeSet<Option<&str>> = match namespaces {
        [] => BTreeSet::from([None]),
        some => some.iter().map(|namespace| Some(namespace.as_str())).collect(),
    };
    for namespace in all {
        let pods: Api<Pod> = match namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        match ranked(&pods).await {
            Ok(ranked) => {
                for pod in ranked {
                    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
                    match costs::write(client.clone(), &namespace, &name, None).await {
                        Ok(()) => {
                            released.done.push(format!("Pod {namespace}/{name}: bears no cost any more"));
                        }
                        Err(why) => released.failed.push(format!("Pod {namespace}/{name}: {why}")),
                    }
                }
            }
            Err(why) => released.failed.push(format!("pods cannot be listed: {why}")),
        }
    }
}

/// Pods that bear a cost of ours.
async fn ranked(pods: &Api<Pod>) -> Result<Vec<PartialObjectMeta<Pod>>, String> {
    let (mut found, mut params) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let page = timeout(PATIENCE, pods.list_metadata(&params)).await;
        let page = page.map_err(|_| late(PATIENCE))?.map_err(|error| error.to_string())?;
        let next = page.metadata.continue_.clone().filter(|token| !token.is_empty());
        let ours = |pod: &PartialObjectMeta<Pod>| {
            let by_us = |manager: Option<&str>| manager == Some(COST_MANAGER);
            pod.annotations().contains_key(DELETION_COST)
                && pod.managed_fields().iter().any(|fields| by_us(fields.manager.as_deref()))
        };
        found.extend(page.items.into_iter().filter(ours));
        match next {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests;
