//! The chart through real Helm: what it renders, what it refuses, and what a real API server says of it.

mod installed;
mod rights;

use std::time::Duration;

use foresail::config::Config;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};

use super::{Cluster, Scenario, scenarios};
use crate::{
    api::{apply_objects, documents, eventually, get},
    helm::{Helm, chart, rendered_config, value_files},
};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = scenarios![All:
        chart::every_set_of_values_passes_lint_and_renders_as_recorded,
        chart::foresail_takes_every_configuration_that_the_chart_writes,
        chart::values_that_mean_nothing_are_refused_by_name,
        chart::what_the_server_reads_at_its_start_rolls_the_pods_and_nothing_else_does,
        chart::restricted_pods_are_made_and_may_read_what_is_scaled_and_nothing_more,
        chart::a_role_in_each_namespace_opens_that_namespace_only,
    ];
    all.extend(installed::scenarios());
    all.extend(rights::scenarios());
    all
}

/// Long enough for a controller on a busy machine.
const LONG: Duration = Duration::from_mins(1);

async fn every_set_of_values_passes_lint_and_renders_as_recorded(_: &Cluster) {
    for (name, file) in sets_of_values() {
        let values: &[&str] = if file.is_empty() { &[] } else { &["--values", &file] };
        Helm::offline().run(&[&["lint", "--strict", &chart()], values].concat()).await;
        let rendered = render(values).await;
        insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("chart-{name}"), rendered);
        });
    }
}

async fn foresail_takes_every_configuration_that_the_chart_writes(_: &Cluster) {
    for (name, file) in sets_of_values() {
        let values: &[&str] = if file.is_empty() { &[] } else { &["--values", &file] };
        let config = rendered_config(&render(values).await);
        Config::from_yaml(&name, &config).unwrap_or_else(|error| panic!("{error}\n{config}"));
    }
}

async fn values_that_mean_nothing_are_refused_by_name(_: &Cluster) {
    for (wrong, named) in [
        ("replica=3", "'replica' not allowed"),
        ("replicas=two", "/replicas"),
        ("image.digest=sha256:1234", "/image/digest"),
        ("image.tag=latest", "/image/tag"),
        ("bind=localhost", "/bind"),
        ("config.grpc.listen=0.0.0.0:7000", "'listen' not allowed"),
        ("config.kubernetes.addresses[0]=foresail:6000", "'kubernetes' not allowed"),
        ("secrets[0]=jobs", "/secrets/0"),
        ("service.grpc.port=0", "/service/grpc/port"),
        ("persistence.enabled=true,persistence.accessModes={ReadWriteOnce}", "more than one replica needs"),
        ("config.hints.mode=adopt", "'hints' not allowed"),
        ("hints.mode=karpenter", "/hints/mode"),
        ("hints.events=true,kubernetes.enabled=false", "what is not seen cannot be written to"),
    ] {
        let said = Helm::offline().try_run(&["template", "foresail", &chart(), "--set", wrong]).await;
        let said = said.expect_err(wrong);
        assert!(said.contains(named), "{wrong}: {said}");
    }
}

async fn what_the_server_reads_at_its_start_rolls_the_pods_and_nothing_else_does(_: &Cluster) {
    let template = async |set: &[&str]| {
        let mut arguments = vec!["template".to_owned(), "foresail".to_owned(), chart()];
        arguments.extend(set.iter().flat_map(|value| ["--set".to_owned(), (*value).to_owned()]));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let objects = documents(&Helm::offline().run(&arguments).await);
        let deployment = objects.into_iter().find(|object| object["kind"] == "Deployment");
        deployment.expect("there is a Deployment")["spec"]["template"].clone()
    };
    let before = template(&[]).await;
    for quiet in ["config.policies.default.max=7", "config.sources.jobs.redis.host=redis", "replicas=3"] {
        assert_eq!(
            template(&[quiet]).await,
            before,
            "{quiet} restarts Foresail, which takes it up by itself"
        );
    }
    for loud in
        ["config.grpc.reflection=true", "bind=::", "kubernetes.addresses[0]=other:6000", "hints.events=true"]
    {
        assert_ne!(template(&[loud]).await, before, "{loud} is never taken up");
    }
}

async fn restricted_pods_are_made_and_may_read_what_is_scaled_and_nothing_more(cluster: &Cluster) {
    let client = cluster.client();
    let namespace = restricted_namespace(cluster).await;
    let (helm, secret) = (
        Helm::of(cluster.stack.kubeconfig.clone()),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "lab-db" }, "stringData": { "password": "x" },
        }),
    );
    apply_objects(client, Some(&namespace), vec![secret]).await;
    let values = ["secrets[0].name=lab-db", "bind=podIP"];
    let notes = install(&helm, &namespace, &values).await;
    assert!(notes.contains(&format!("scalerAddress: foresail.{namespace}:6000")), "{notes}");

    let pods = eventually("both pods are made", LONG, async || {
        let pods = list(client, &format!("/api/v1/namespaces/{namespace}/pods")).await?;
        if pods.len() == 2 { Ok(pods) } else { Err(events(client, &namespace).await) }
    })
    .await;
    for pod in &pods {
        assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        let tokens = volumes.iter().filter(|volume| volume.get("projected").is_some()).count();
        assert_eq!(tokens, 1, "one token, and that by the chart: {volumes:?}");
    }

    let account = format!("system:serviceaccount:{namespace}:foresail");
    for (group, resource) in READ {
        for verb in ["get", "list", "watch"] {
            assert!(may(client, &account, verb, group, resource, None).await, "{verb} {resource}");
        }
        for verb in ["create", "update", "patch", "delete"] {
            assert!(!may(client, &account, verb, group, resource, None).await, "{verb} {resource}");
        }
    }
    for (group, resource) in [("", "secrets"), ("", "configmaps"), ("apps", "replicasets"), ("", "nodes")] {
        assert!(!may(client, &account, "get", group, resource, None).await, "get {resource}");
    }

    helm.run(&["uninstall", "foresail", "--namespace", &namespace, "--wait"]).await;
    assert_eq!(left(client, &namespace).await, Vec::<String>::new());
}

async fn a_role_in_each_namespace_opens_that_namespace_only(cluster: &Cluster) {
    let client = cluster.client();
    let namespace = restricted_namespace(cluster).await;
    let (served, other) = (cluster.namespace("served").await, cluster.namespace("other").await);
    let helm = Helm::of(cluster.stack.kubeconfig.clone());
    install(&helm, &namespace, &[&format!("kubernetes.namespaces[0]={served}")]).await;
    let account = format!("system:serviceaccount:{namespace}:foresail");
    for (group, resource) in READ {
        assert!(may(client, &account, "watch", group, resource, Some(&served)).await, "{resource}");
        assert!(!may(client, &account, "watch", group, resource, Some(&other)).await, "{resource}");
        assert!(!may(client, &account, "watch", group, resource, None).await, "{resource}");
    }
    helm.run(&["uninstall", "foresail", "--namespace", &namespace, "--wait"]).await;
    assert_eq!(left(client, &namespace).await, Vec::<String>::new());
}

/// The chart's own defaults (without a file), and each of its examples.
fn sets_of_values() -> Vec<(String, String)> {
    let mut sets = value_files();
    sets.push(("default".to_owned(), String::new()));
    sets
}

/// What the chart makes of these arguments.
async fn render(arguments: &[&str]) -> String {
    let template = ["template", "foresail", &chart(), "--namespace", "foresail"];
    Helm::offline().run(&[&template, arguments].concat()).await
}

/// What the server watches.
const READ: [(&str, &str); 6] = [
    ("keda.sh", "scaledobjects"),
    ("keda.sh", "scaledjobs"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("batch", "jobs"),
    ("", "pods"),
];

/// A namespace of the scenario that takes only pods of Pod Security `restricted`.
async fn restricted_namespace(cluster: &Cluster) -> String {
    let name = cluster.namespace("foresail").await;
    let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    apply_objects(cluster.client(), None, vec![namespace]).await;
    name
}

/// Installs the chart as `foresail`; what Helm prints.
async fn install(helm: &Helm, namespace: &str, values: &[&str]) -> String {
    let chart = chart();
    let mut arguments = vec!["install", "foresail", &chart, "--namespace", namespace];
    arguments.extend(values.iter().flat_map(|value| ["--set", value]));
    helm.run(&arguments).await
}

/// Whether the API server would let `user` do that; in all namespaces where none is given.
async fn may(
    client: &Client,
    user: &str,
    verb: &str,
    group: &str,
    resource: &str,
    namespace: Option<&str>,
) -> bool {
    may_with(client, user, verb, group, resource, namespace, None).await
}

/// As [`may`], with the object of this name.
async fn may_with(
    client: &Client,
    user: &str,
    verb: &str,
    group: &str,
    resource: &str,
    namespace: Option<&str>,
    name: Option<&str>,
) -> bool {
    let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(a, b)| (a, Some(b)));
    let attributes = ResourceAttributes {
        verb: Some(verb.to_owned()),
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    let spec = SubjectAccessReviewSpec {
        user: Some(user.to_owned()),
        resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await;
    answer.expect("the API server judges").status.expect("it says").allowed
}

/// Every object of the release that is still there, as KIND/NAME.
async fn left(client: &Client, namespace: &str) -> Vec<String> {
    let mut left = Vec::new();
    let own = format!("namespaces/{namespace}");
    for path in [
        format!("/api/v1/{own}/configmaps"),
        format!("/api/v1/{own}/services"),
        format!("/api/v1/{own}/serviceaccounts"),
        format!("/apis/apps/v1/{own}/deployments"),
        format!("/apis/policy/v1/{own}/poddisruptionbudgets"),
        "/apis/rbac.authorization.k8s.io/v1/roles".to_owned(),
        "/apis/rbac.authorization.k8s.io/v1/rolebindings".to_owned(),
        "/apis/rbac.authorization.k8s.io/v1/clusterroles".to_owned(),
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings".to_owned(),
    ] {
        let objects = list(client, &format!("{path}?labelSelector=app.kubernetes.io%2Fname=foresail")).await;
        for object in objects.expect("the API server lists") {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            // Cluster-wide ones may be another scenario's.
            if path.contains(&own) || name.starts_with(&format!("{namespace}:")) {
                left.push(format!("{path}/{name}"));
            }
        }
    }
    left
}

async fn list(client: &Client, path: &str) -> Result<Vec<Value>, String> {
    Ok(get(client, path).await?["items"].as_array().cloned().unwrap_or_default())
}

/// What the controllers complain of.
async fn events(client: &Client, namespace: &str) -> String {
    let events = list(client, &format!("/api/v1/namespaces/{namespace}/events")).await.unwrap_or_default();
    let messages: Vec<String> = events.iter().map(|event| event["message"].to_string()).collect();
    messages.join("; ")
}
