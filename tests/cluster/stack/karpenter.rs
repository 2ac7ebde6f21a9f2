//! Karpenter with its kwok provider: real decisions about nodes that cost nothing.

use std::process::Command;

use kube::Client;

use super::{Place, pki::Pki};
use crate::{
    api,
    support::process::{Process, free_port},
    tools::{crds, tool},
};

pub(super) async fn start(place: &Place, pki: &Pki, client: &Client) -> Process {
    api::apply_files(client, &crds("karpenter")).await;
    api::until_crds_served(client).await;
    let (metrics, probes) = (free_port(), free_port());
    let mut command = Command::new(tool("karpenter"));
    command
        .env("KUBECONFIG", pki.kubeconfig("admin"))
        .env("SYSTEM_NAMESPACE", "kube-system")
        .env("KUBERNETES_MIN_VERSION", "1.19.0-0")
        .arg("--disable-leader-election")
        .arg(format!("--metrics-port={metrics}"))
        .arg(format!("--health-probe-port={probes}"))
        .arg("--feature-gates=CapacityBuffer=true,StaticCapacity=true");
    let mut process = place.spawn("karpenter", &mut command);
    let health = format!("http://127.0.0.1:{probes}/readyz");
    process.until_ready_within(place.patience, async || ureq::get(&health).call().is_ok()).await;
    process
}
