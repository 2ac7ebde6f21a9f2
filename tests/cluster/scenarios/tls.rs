//! TLS between KEDA and Foresail, its certificates out of a Secret through a `TriggerAuthentication`.

use std::time::Instant;

use serde_json::{Value, json};

use super::{
    Cluster, Scenario,
    fixture::{Lists, SOON, recommended, scale, until_condition},
    scenarios,
};
use crate::{
    api::{self, Replicas, eventually},
    support::{
        certificates::{CertificateFiles, Certificates},
        process::temp_dir,
    },
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![Ci:
        tls::with_a_trigger_authentication_keda_scales_over_tls,
        tls::over_mutual_tls_only_our_own_client_is_served_and_the_others_are_told_of,
    ]
}

/// Foresail shows a certificate and asks for none.
async fn with_a_trigger_authentication_keda_scales_over_tls(cluster: &Cluster) {
    let (folder, ours, strangers) = (temp_dir(), Certificates::generate(), Certificates::generate());
    let lists = Lists::start_as(cluster, "foresail", &server(&ours.write(folder.path()), false)).await;
    let namespace = cluster.namespace("tls").await;
    authenticate(cluster, &namespace, "trusts-us", &[("caCert", &ours.ca)]).await;
    authenticate(cluster, &namespace, "trusts-others", &[("caCert", &strangers.ca)]).await;

    lists.set("work", 3).await;
    let trusts_us = start(cluster, &lists, &namespace, "trusts-us").await;
    let trusts_others = start(cluster, &lists, &namespace, "trusts-others").await;
    trusts_us.until_wanted(3, SOON).await;
    until_condition(cluster, &namespace, "trusts-others", "Ready", "False").await;
    until_refused(&lists, "by_client").await;
    assert_eq!(trusts_others.now().wanted, 1, "it knows nothing, so it changes nothing");

    // The switch alone: KEDA then trusts the authorities of its own machine only.
    let unsafely = json!({ "enableTLS": "true", "unsafeSsl": "true" });
    let unsafely = start_with(cluster, &lists, &namespace, "unsafely", unsafely, None).await;
    unsafely.until_wanted(3, SOON).await;
}

/// The wrong ones: a certificate of another authority, none at all, and no TLS.
async fn over_mutual_tls_only_our_own_client_is_served_and_the_others_are_told_of(cluster: &Cluster) {
    let (folder, ours, strangers) = (temp_dir(), Certificates::generate(), Certificates::generate());
    let lists = Lists::start_as(cluster, "foresail", &server(&ours.write(folder.path()), true)).await;
    let namespace = cluster.namespace("mutual-tls").await;
    let client = |of: &Certificates| [of.client.clone(), of.client_key.clone()];
    let [certificate, key] = client(&ours);
    let own = [("caCert", ours.ca.as_str()), ("tlsClientCert", &certificate), ("tlsClientKey", &key)];
    authenticate(cluster, &namespace, "own", &own).await;
    let [certificate, key] = client(&strangers);
    let foreign = [("caCert", ours.ca.as_str()), ("tlsClientCert", &certificate), ("tlsClientKey", &key)];
    authenticate(cluster, &namespace, "foreign", &foreign).await;
    authenticate(cluster, &namespace, "nameless", &[("caCert", &ours.ca)]).await;

    lists.set("work", 4).await;
    let refused = [
        ("certificate", start(cluster, &lists, &namespace, "foreign").await),
        ("no_certificate", start(cluster, &lists, &namespace, "nameless").await),
        ("not_tls", start_with(cluster, &lists, &namespace, "plain", json!({}), None).await),
    ];
    let own = start(cluster, &lists, &namespace, "own").await;
    own.until_wanted(4, SOON).await;
    for name in ["foreign", "nameless", "plain"] {
        until_condition(cluster, &namespace, name, "Ready", "False").await;
    }
    for (reason, replicas) in &refused {
        until_refused(&lists, reason).await;
        assert_eq!(replicas.now().wanted, 1, "{reason}: it knows nothing, so it changes nothing");
        let logged = format!("\"reason\":\"{reason}\"");
        eventually("the log says so", SOON, async || match lists.foresail.log() {
            log if log.contains(&logged) => Ok(()),
            log => Err(log),
        })
        .await;
    }
    let log = lists.foresail.log();
    assert!(!log.contains("BEGIN "), "no certificate and no key stands in the log: {log}");

    // The good one is not disturbed by the others, which try again and again.
    let from = Instant::now();
    lists.set("work", 6).await;
    own.until_wanted(6, SOON).await;
    assert_eq!(own.wanted_since(from), (4, 6), "{}", own.history(from));
}

/// The `tls` of Foresail's `grpc`.
fn server(files: &CertificateFiles, is_mutual: bool) -> String {
    let client = if is_mutual { format!(", client_ca_file: {}", files.ca.display()) } else { String::new() };
    let (certificate, key) = (files.server.display(), files.server_key.display());
    format!("tls: {{ cert_file: {certificate}, key_file: {key}{client} }}")
}

/// A Secret and a `TriggerAuthentication` that hands all of it to a trigger, both called `name`.
async fn authenticate(cluster: &Cluster, namespace: &str, name: &str, parameters: &[(&str, &str)]) {
    let texts: serde_json::Map<String, Value> =
        parameters.iter().map(|&(key, pem)| (key.to_owned(), json!(pem))).collect();
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name },
        "stringData": texts,
    });
    let references: Vec<Value> =
        parameters.iter().map(|(key, _)| json!({ "parameter": key, "name": name, "key": key })).collect();
    let authentication = json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": { "name": name },
        "spec": { "secretTargetRef": references },
    });
    api::apply_objects(cluster.client(), Some(namespace), vec![secret, authentication]).await;
}

/// A workload of one replica on the queue `work`, with the `TriggerAuthentication` of its name.
async fn start(cluster: &Cluster, lists: &Lists, namespace: &str, name: &str) -> Replicas {
    start_with(cluster, lists, namespace, name, json!({}), Some(name)).await
}

async fn start_with(
    cluster: &Cluster,
    lists: &Lists,
    namespace: &str,
    name: &str,
    metadata: Value,
    authentication: Option<&str>,
) -> Replicas {
    let mut trigger = lists.trigger("work");
    for (key, value) in metadata.as_object().into_iter().flatten() {
        trigger["metadata"][key] = value.clone();
    }
    if let Some(authentication) = authentication {
        trigger["authenticationRef"] = json!({ "name": authentication });
    }
    let spec = json!({
        "maxReplicaCount": 20,
        "pollingInterval": 2,
        "advanced": recommended(),
        "triggers": [trigger],
    });
    scale(cluster, namespace, name, 1, spec).await
}

/// Waits until Foresail has counted a refused connection for this reason.
async fn until_refused(lists: &Lists, reason: &str) {
    let series = format!("foresail_grpc_tls_refused_total{{reason=\"{reason}\"}}");
    eventually(&format!("a connection is refused: {reason}"), SOON, async || {
        match lists.foresail.metric(&series) {
            Some(refused) if refused >= 1.0 => Ok(()),
            refused => Err(format!("{refused:?} are")),
        }
    })
    .await;
}
