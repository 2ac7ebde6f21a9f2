//! KEDA: its operator, and its metrics adapter behind an aggregated API.

use std::{path::PathBuf, process::Command};

use k8s_openapi::ByteString;
use kube::Client;
use serde_json::json;

use super::{Options, Place, pki::Pki};
use crate::{
    api,
    support::process::{Process, free_port},
    tools::{crds, tool},
};

/// Where KEDA believes to live.
pub(crate) const NAMESPACE: &str = "keda";

const EXTERNAL_METRICS: &str = "v1beta1.external.metrics.k8s.io";

/// Both programs, and what starts the operator again.
#[derive(Debug)]
pub(crate) struct Keda {
    operator: Process,
    adapter: Process,
    place: Place,
    certificates: PathBuf,
    kubeconfig: PathBuf,
    arguments: Vec<String>,
    ports: OperatorPorts,
}

#[derive(Debug, Clone, Copy)]
struct OperatorPorts {
    metrics_service: u16,
    prometheus: u16,
    probes: u16,
}

/// Defines KEDA's kinds and its place, which the operator wants to find.
pub(super) async fn install(client: &Client) {
    api::apply_files(client, &crds("keda")).await;
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    api::apply_objects(client, None, vec![namespace]).await;
    api::until_crds_served(client).await;
}

pub(super) async fn start(place: &Place, pki: &Pki, options: &Options, client: &Client) -> Keda {
    let ports = OperatorPorts { metrics_service: free_port(), prometheus: free_port(), probes: free_port() };
    let kubeconfig = pki.kubeconfig("admin");
    let operator = spawn_operator(place, &pki.keda(), &kubeconfig, ports, &options.keda_args);
    let (adapter, adapter_port) = spawn_adapter(place, pki, ports.metrics_service);
    let mut keda = Keda {
        operator,
        adapter,
        place: place.clone(),
        certificates: pki.keda(),
        kubeconfig,
        arguments: options.keda_args.clone(),
        ports,
    };
    announce(client, pki, adapter_port).await;
    keda.until_ready().await;
    let patience = place.patience;
    keda.adapter
        .until_ready_within(patience, async || api::is_api_available(client, EXTERNAL_METRICS).await)
        .await;
    keda
}

impl Keda {
    /// SIGKILL for the operator; Kubernetes keeps what it has written so far.
    pub(crate) fn kill_operator(&mut self) {
        self.operator.kill();
    }

    /// Starts the operator on the ports of the last one, with these arguments besides the stack's own.
    pub(crate) async fn start_operator(&mut self, more: &[&str]) {
        let arguments = [self.arguments.clone(), more.iter().map(|&word| word.to_owned()).collect()].concat();
        self.operator =
            spawn_operator(&self.place, &self.certificates, &self.kubeconfig, self.ports, &arguments);
        self.until_ready().await;
    }

    /// The operator's process, for what it costs.
    pub(crate) fn operator_id(&self) -> u32 {
        self.operator.id()
    }

    /// What the operator has logged since the stack began.
    pub(crate) fn operator_log(&self) -> String {
        self.operator.output()
    }

    /// The operator's own metrics, as text.
    pub(crate) fn operator_metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.ports.prometheus);
        let page = ureq::get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
        page.unwrap_or_else(|error| panic!("KEDA's metrics cannot be read: {error}"))
    }

    async fn until_ready(&mut self) {
        let url = format!("http://127.0.0.1:{}/readyz", self.ports.probes);
        self.operator.until_ready_within(self.place.patience, async || ureq::get(&url).call().is_ok()).await;
    }
}

fn spawn_operator(
    place: &Place,
    certificates: &std::path::Path,
    kubeconfig: &std::path::Path,
    ports: OperatorPorts,
    more: &[String],
) -> Process {
    let mut command = program("keda-operator", kubeconfig);
    command
        .args(["--leader-elect=false", "--enable-cert-rotation=false"])
        .args(["--enable-apiservice-patching=false", "--enable-webhook-patching=false"])
        .arg(format!("--cert-dir={}", certificates.display()))
        .arg(format!("--ca-dir={}", certificates.display()))
        .arg(format!("--metrics-service-bind-address=127.0.0.1:{}", ports.metrics_service))
        .arg(format!("--metrics-bind-address=127.0.0.1:{}", ports.prometheus))
        .arg(format!("--health-probe-bind-address=127.0.0.1:{}", ports.probes))
        .args(["--zap-encoder=console", "--zap-time-encoding=rfc3339nano"])
        .args(more);
    place.spawn("keda-operator", &mut command)
}

fn spawn_adapter(place: &Place, pki: &Pki, metrics_service: u16) -> (Process, u16) {
    let (port, prometheus) = (free_port(), free_port());
    let kubeconfig = pki.kubeconfig("admin");
    let mut command = program("keda-adapter", &kubeconfig);
    for key in ["lister-kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"] {
        command.arg(format!("--{key}={}", kubeconfig.display()));
    }
    let front_proxy = pki.file("front-proxy-ca.crt");
    command
        .args(["--bind-address=127.0.0.1"])
        .arg(format!("--secure-port={port}"))
        .arg(format!("--port={prometheus}"))
        .arg(format!("--cert-dir={}", pki.keda().display()))
        .arg(format!("--tls-cert-file={}", pki.keda().join("tls.crt").display()))
        .arg(format!("--tls-private-key-file={}", pki.keda().join("tls.key").display()))
        .arg(format!("--client-ca-file={}", front_proxy.display()))
        .arg(format!("--requestheader-client-ca-file={}", front_proxy.display()))
        .arg(format!("--requestheader-allowed-names={}", super::pki::FRONT_PROXY))
        .arg("--requestheader-username-headers=X-Remote-User")
        .arg("--requestheader-group-headers=X-Remote-Group")
        .arg("--requestheader-extra-headers-prefix=X-Remote-Extra-")
        .arg(format!("--metrics-service-address=localhost:{metrics_service}"))
        .arg("--metrics-service-grpc-authority=localhost")
        .args(["--client-qps=200", "--client-burst=400"]);
    (place.spawn("keda-adapter", &mut command), port)
}

fn program(name: &str, kubeconfig: &std::path::Path) -> Command {
    let mut command = Command::new(tool(name));
    command
        .env("KUBECONFIG", kubeconfig)
        .env("POD_NAMESPACE", NAMESPACE)
        .env("KEDA_CLUSTER_OBJECT_NAMESPACE", NAMESPACE)
        .env("WATCH_NAMESPACE", "");
    command
}

/// Tells the API server where external metrics are. An `EndpointSlice` may not hold a loopback address, an
/// `ExternalName` may.
async fn announce(client: &Client, pki: &Pki, port: u16) {
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "keda-metrics-apiserver", "namespace": NAMESPACE },
        "spec": { "type": "ExternalName", "externalName": "localhost", "ports": [{ "port": port }] },
    });
    let api_service = json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": { "name": EXTERNAL_METRICS },
        "spec": {
            "group": "external.metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": { "name": "keda-metrics-apiserver", "namespace": NAMESPACE, "port": port },
            "caBundle": ByteString(pki.ca_pem().as_bytes().to_vec()),
        },
    });
    api::apply_objects(client, None, vec![service, api_service]).await;
}
