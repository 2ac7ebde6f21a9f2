//! The scheduler, as it comes.

use std::process::Command;

use super::{Place, pki::Pki, until_listening};
use crate::{
    support::process::{Process, free_port},
    tools::tool,
};

pub(super) async fn start(place: &Place, pki: &Pki) -> Process {
    let port = free_port();
    let kubeconfig = pki.kubeconfig("scheduler");
    let mut command = Command::new(tool("kube-scheduler"));
    command
        .args(["--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false"])
        .arg(format!("--secure-port={port}"))
        .arg(format!("--cert-dir={}", place.folder.display()))
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .args(["--kube-api-qps=200", "--kube-api-burst=400"]);
    let mut process = place.spawn("kube-scheduler", &mut command);
    until_listening(place, &mut process, port).await;
    process
}
