//! kwok: keeps the nodes alive that Karpenter makes, and plays the pods on them that no runner takes.

use std::{fs, process::Command};

use serde_json::{Value, json};

use super::{Place, pki::Pki};
use crate::{
    api,
    runner::RUN,
    support::process::{Process, free_port},
    tools::{crds, tool},
};

pub(super) async fn start(place: &Place, pki: &Pki) -> Process {
    let stages: Vec<String> = crds("kwok")
        .iter()
        .flat_map(|file| api::documents(&fs::read_to_string(file).expect("a file of the tools can be read")))
        .map(|stage| without_run_pods(stage).to_string())
        .collect();
    let file = place.folder.join("kwok-stages.yaml");
    fs::write(&file, stages.join("\n---\n")).expect("the stack's folder can be written");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(tool("kwok"));
    command
        .arg(format!("--kubeconfig={}", pki.kubeconfig("admin").display()))
        .arg(format!("--config={}", file.display()))
        .arg("--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake")
        .arg("--node-lease-duration-seconds=40")
        .arg(format!("--server-address={address}"));
    let mut process = place.spawn("kwok", &mut command);
    let health = format!("http://{address}/healthz");
    process.until_ready_within(place.patience, async || ureq::get(&health).call().is_ok()).await;
    process
}

/// The stage for pods but those with [`RUN`]: they have a process of their own, and are none of kwok's business.
fn without_run_pods(mut stage: Value) -> Value {
    if stage["spec"]["resourceRef"]["kind"] == "Pod" {
        let none = json!({ "key": format!(".metadata.annotations[\"{RUN}\"]"), "operator": "DoesNotExist" });
        match &mut stage["spec"]["selector"]["matchExpressions"] {
            Value::Array(expressions) => expressions.push(none),
            other => *other = json!([none]),
        }
    }
    stage
}
