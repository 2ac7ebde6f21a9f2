//! What the chart lets Foresail write, as a real API server judges it.

use std::{collections::BTreeSet, time::Duration};

use super::{Cluster, Helm, Scenario, install, left, may, restricted_namespace};
use crate::{api::eventually, scenarios::scenarios};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All:
        rights::each_part_of_hints_may_write_what_it_must_and_nothing_more,
        rights::the_lease_is_one_name_in_one_namespace,
    ]
}

const SOON: Duration = Duration::from_secs(20);

const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// All that Foresail could have to do with, and what it never has.
const RESOURCES: [(&str, &str); 19] = [
    ("", "pods"),
    ("", "pods/eviction"),
    ("", "podtemplates"),
    ("", "events"),
    ("", "secrets"),
    ("", "configmaps"),
    ("", "nodes"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("autoscaling.x-k8s.io", "capacitybuffers"),
    ("batch", "jobs"),
    ("coordination.k8s.io", "leases"),
    ("events.k8s.io", "events"),
    ("karpenter.sh", "nodeclaims"),
    ("karpenter.sh", "nodepools"),
    ("keda.sh", "scaledjobs"),
    ("keda.sh", "scaledobjects"),
    ("node.k8s.io", "runtimeclasses"),
    ("rbac.authorization.k8s.io", "clusterroles"),
];

/// What is watched, and so may be read whatever is written.
const READ: [&str; 6] = [
    "apps/deployments",
    "apps/statefulsets",
    "batch/jobs",
    "keda.sh/scaledjobs",
    "keda.sh/scaledobjects",
    "pods",
];

async fn each_part_of_hints_may_write_what_it_must_and_nothing_more(cluster: &Cluster) {
    let buffers = "autoscaling.x-k8s.io/capacitybuffers";
    let events: &[(&str, &[&str])] = &[("events.k8s.io/events", &["create", "patch"])];
    let victims: &[(&str, &[&str])] = &[("pods", &["patch"])];
    let capacity_buffer: &[(&str, &[&str])] =
        &[(buffers, &["get", "list", "create", "patch"]), ("podtemplates", &["get", "create", "patch"])];
    let adopt: &[(&str, &[&str])] = &[(buffers, &["get", "list", "patch"])];
    let placeholder: &[(&str, &[&str])] = &[("apps/deployments", &["get", "list", "create", "patch"])];
    let pools: &[(&str, &[&str])] =
        &[("karpenter.sh/nodepools", &["list"]), ("node.k8s.io/runtimeclasses", &["get"])];
    let claims: &[(&str, &[&str])] = &[("karpenter.sh/nodeclaims", &["get", "list", "watch"])];
    let class = format!("hints.priorityClass={}", cluster.namespace("placeholder").await);
    for (values, parts) in [
        (&["hints.victims=off"][..], &[][..]),
        (&["kubernetes.nodeClaims=true"], &[claims]),
        (&["hints.events=true"], &[events]),
        (&["hints.victims=deletion-cost"], &[victims]),
        (&["hints.mode=capacity-buffer", "hints.events=true"], &[capacity_buffer, events]),
        (&["hints.mode=adopt"], &[adopt]),
        (&["hints.mode=placeholder", &class, "hints.nodePools=true"], &[placeholder, pools]),
    ] {
        let wanted: Allowed =
            READ.iter()
                .flat_map(|resource| ["get", "list", "watch"].map(|verb| format!("{verb} {resource}")))
                .chain(
                    parts.iter().copied().flatten().flat_map(|(resource, verbs)| {
                        verbs.iter().map(move |verb| format!("{verb} {resource}"))
                    }),
                )
                .collect();
        in_all_namespaces(cluster, values, &wanted).await;
        // Pools, claims and classes are of no namespace, and so are rights to them.
        let of_no_namespace =
            |right: &&String| ["karpenter.sh", "node.k8s.io"].iter().any(|group| right.contains(group));
        let wanted_in_one = wanted.iter().filter(|right| !of_no_namespace(right)).cloned().collect();
        let of_cluster = &wanted - &wanted_in_one;
        in_one_namespace(cluster, values, &wanted, &of_cluster).await;
    }
}

async fn the_lease_is_one_name_in_one_namespace(cluster: &Cluster) {
    let client = cluster.client();
    let (namespace, other) = (restricted_namespace(cluster).await, cluster.namespace("other").await);
    let helm = Helm::of(cluster.stack.kubeconfig.clone());
    install(&helm, &namespace, &["hints.events=true"]).await;
    let account = format!("system:serviceaccount:{namespace}:foresail");
    let lease = async |verb: &'static str, place: &str, name: Option<&str>| {
        super::may_with(client, &account, verb, "coordination.k8s.io", "leases", Some(place), name).await
    };
    eventually("the role is there", SOON, async || {
        if lease("get", &namespace, Some("foresail")).await { Ok(()) } else { Err(String::new()) }
    })
    .await;
    assert!(lease("update", &namespace, Some("foresail")).await);
    assert!(lease("create", &namespace, None).await);
    for (verb, place, name) in [
        ("get", &namespace, Some("another")),
        ("update", &namespace, Some("another")),
        ("patch", &namespace, Some("foresail")),
        ("delete", &namespace, Some("foresail")),
        ("list", &namespace, None),
        ("get", &other, Some("foresail")),
        ("create", &other, None),
    ] {
        assert!(!lease(verb, place, name).await, "{verb} {name:?} in {place}");
    }
    // Nothing runs here, and so nothing has to be given up.
    helm.run(&["uninstall", "foresail", "--namespace", &namespace, "--wait", "--no-hooks"]).await;
    assert_eq!(left(client, &namespace).await, Vec::<String>::new());
}

/// Rights, as `VERB GROUP/RESOURCE`.
type Allowed = BTreeSet<String>;

async fn in_all_namespaces(cluster: &Cluster, values: &[&str], wanted: &Allowed) {
    let (namespace, other) = (cluster.namespace("foresail").await, cluster.namespace("other").await);
    let helm = Helm::of(cluster.stack.kubeconfig.clone());
    install(&helm, &namespace, values).await;
    until_allowed(cluster, &namespace, &other, wanted, values).await;
    // Nothing runs here, and so nothing has to be given up.
    helm.run(&["uninstall", "foresail", "--namespace", &namespace, "--wait", "--no-hooks"]).await;
    assert_eq!(left(cluster.client(), &namespace).await, Vec::<String>::new());
}

async fn in_one_namespace(cluster: &Cluster, values: &[&str], wanted: &Allowed, of_cluster: &Allowed) {
    let (namespace, served) = (cluster.namespace("foresail").await, cluster.namespace("served").await);
    let other = cluster.namespace("other").await;
    let helm = Helm::of(cluster.stack.kubeconfig.clone());
    let serve = format!("kubernetes.namespaces[0]={served}");
    let values = [values, &[&serve]].concat();
    install(&helm, &namespace, &values).await;
    until_allowed(cluster, &namespace, &served, wanted, &values).await;
    assert_eq!(allowed(cluster, &namespace, &other).await, *of_cluster, "{values:?}");
    // Nothing runs here, and so nothing has to be given up.
    helm.run(&["uninstall", "foresail", "--namespace", &namespace, "--wait", "--no-hooks"]).await;
    assert_eq!(left(cluster.client(), &namespace).await, Vec::<String>::new());
}

/// Roles take a moment to be heard of.
async fn until_allowed(cluster: &Cluster, release: &str, place: &str, wanted: &Allowed, values: &[&str]) {
    eventually(&format!("{values:?} gives what it should"), SOON, async || {
        let allowed = allowed(cluster, release, place).await;
        if allowed == *wanted {
            return Ok(());
        }
        Err(format!("too much: {:?}; missing: {:?}", &allowed - wanted, wanted - &allowed))
    })
    .await;
}

/// All that the release's account may do in a namespace.
async fn allowed(cluster: &Cluster, release: &str, place: &str) -> Allowed {
    let account = format!("system:serviceaccount:{release}:foresail");
    let all = RESOURCES.iter().flat_map(|resource| VERBS.map(|verb| (verb, resource)));
    let judged = all.map(async |(verb, (group, resource))| {
        let may = may(cluster.client(), &account, verb, group, resource, Some(place)).await;
        let slash = if group.is_empty() { "" } else { "/" };
        may.then(|| format!("{verb} {group}{slash}{resource}"))
    });
    futures_util::future::join_all(judged).await.into_iter().flatten().collect()
}
