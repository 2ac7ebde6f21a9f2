//! The controller manager: the HPA, `ReplicaSet`s, Jobs, garbage collection, and the health of nodes.

use std::process::Command;

use super::{Options, Place, pki::Pki, until_listening};
use crate::{
    support::process::{Process, free_port},
    tools::tool,
};

pub(super) async fn start(place: &Place, pki: &Pki, options: &Options) -> Process {
    let port = free_port();
    let kubeconfig = pki.kubeconfig("controller-manager");
    let mut command = Command::new(tool("kube-controller-manager"));
    command
        .args(["--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false"])
        .arg(format!("--secure-port={port}"))
        .arg(format!("--cert-dir={}", place.folder.display()))
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg("--use-service-account-credentials=true")
        .arg(format!("--service-account-private-key-file={}", pki.file("service-accounts.key").display()))
        .arg(format!("--root-ca-file={}", pki.file("ca.crt").display()))
        // Nodes have no addresses to hand out here, and no cloud stands behind a Service.
        .arg("--controllers=*,-node-ipam-controller,-service-lb-controller")
        .arg(format!("--horizontal-pod-autoscaler-sync-period={}ms", options.hpa_sync.as_millis()))
        .arg(format!(
            "--horizontal-pod-autoscaler-downscale-stabilization={}ms",
            options.downscale_stabilization.as_millis()
        ))
        // A hundred objects and their pods come and go within seconds.
        .args([
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--concurrent-horizontal-pod-autoscaler-syncs=20",
        ]);
    let mut process = place.spawn("kube-controller-manager", &mut command);
    until_listening(place, &mut process, port).await;
    process
}
