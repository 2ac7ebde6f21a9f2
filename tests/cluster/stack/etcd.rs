//! etcd, without fsync: the stack's folder goes away with it.

use std::process::Command;

use super::Place;
use crate::{
    support::process::{Process, free_port},
    tools::tool,
};

#[derive(Debug)]
pub(crate) struct Etcd {
    _process: Process,
    pub(crate) url: String,
}

pub(super) async fn start(place: &Place) -> Etcd {
    let url = format!("http://127.0.0.1:{}", free_port());
    let peers = format!("http://127.0.0.1:{}", free_port());
    let mut command = Command::new(tool("etcd"));
    command
        .arg(format!("--data-dir={}", place.folder.join("etcd").display()))
        .arg(format!("--listen-client-urls={url}"))
        .arg(format!("--advertise-client-urls={url}"))
        .arg(format!("--listen-peer-urls={peers}"))
        .arg(format!("--initial-advertise-peer-urls={peers}"))
        .arg(format!("--initial-cluster=default={peers}"))
        .args(["--unsafe-no-fsync", "--log-level=warn"]);
    let mut process = place.spawn("etcd", &mut command);
    let health = format!("{url}/health");
    process.until_ready_within(place.patience, async || ureq::get(&health).call().is_ok()).await;
    Etcd { _process: process, url }
}
