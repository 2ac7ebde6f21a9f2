//! The API server: RBAC, tokens from a file, aggregation for KEDA's metrics.

use std::{fs, net::SocketAddr, process::Command};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::{
    Options, Place,
    etcd::Etcd,
    pki::{FRONT_PROXY, Pki},
};
use crate::{
    support::process::{Process, free_port},
    tools::tool,
};

/// Where the audit log is, among the logs of the stack.
pub(crate) const AUDIT_LOG: &str = "audit.jsonl";

const NAME: &str = "kube-apiserver";

/// The API server, which runs unless it was killed.
pub(crate) struct ApiServer {
    process: Process,
    command: Command,
    place: Place,
    pub(super) address: SocketAddr,
    /// The administrator's.
    pub(super) client: Client,
}

/// Starts it, and writes the kubeconfigs.
pub(super) async fn start(place: &Place, pki: &Pki, etcd: &Etcd, options: &Options) -> ApiServer {
    let port = free_port();
    let file = |name: &str| pki.file(name).display().to_string();
    let mut command = Command::new(tool(NAME));
    command
        .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
        .arg(format!("--secure-port={port}"))
        .arg(format!("--etcd-servers={}", etcd.url))
        .arg(format!("--cert-dir={}", place.folder.display()))
        .arg(format!("--tls-cert-file={}", file("apiserver.crt")))
        .arg(format!("--tls-private-key-file={}", file("apiserver.key")))
        .args(["--authorization-mode=RBAC", "--allow-privileged=true", "--profiling=false"])
        .arg(format!("--token-auth-file={}", file("tokens.csv")))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(format!("--service-account-key-file={}", file("service-accounts.pub")))
        .arg(format!("--service-account-signing-key-file={}", file("service-accounts.key")))
        .arg("--service-cluster-ip-range=10.96.0.0/16")
        // The `kubernetes` Service would have a loopback address, which Endpoints must not have.
        .arg("--endpoint-reconciler-type=none")
        // No aggregator routing: KEDA's adapter is an ExternalName, which only the Service's own port reaches.
        .arg(format!("--requestheader-client-ca-file={}", file("front-proxy-ca.crt")))
        .arg(format!("--requestheader-allowed-names={FRONT_PROXY}"))
        .arg("--requestheader-username-headers=X-Remote-User")
        .arg("--requestheader-group-headers=X-Remote-Group")
        .arg("--requestheader-extra-headers-prefix=X-Remote-Extra-")
        .arg(format!("--proxy-client-cert-file={}", file(&format!("{FRONT_PROXY}.crt"))))
        .arg(format!("--proxy-client-key-file={}", file(&format!("{FRONT_PROXY}.key"))));
    if options.audit {
        let policy = place.folder.join("audit-policy.yaml");
        fs::write(&policy, AUDIT_POLICY).expect("the stack's folder can be written");
        command
            .arg(format!("--audit-policy-file={}", policy.display()))
            .arg(format!("--audit-log-path={}", place.logs().join(AUDIT_LOG).display()));
    }
    let mut process = place.spawn(NAME, &mut command);

    pki.write_kubeconfigs(&format!("https://127.0.0.1:{port}"));
    let kubeconfig = Kubeconfig::read_from(pki.kubeconfig("admin")).expect("a kubeconfig was written");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("the kubeconfig is whole");
    let client = Client::try_from(config).expect("the kubeconfig makes a client");
    process.until_ready_within(place.patience, async || is_ready(&client).await).await;
    ApiServer { process, command, place: place.clone(), address: ([127, 0, 0, 1], port).into(), client }
}

impl ApiServer {
    /// SIGSTOP: connections stay and are taken, nothing answers.
    pub(crate) fn freeze(&self) {
        self.process.freeze();
    }

    /// Ends [`Self::freeze`].
    pub(crate) fn go_on(&self) {
        self.process.signal("CONT");
    }

    /// SIGKILL: connections are refused.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// After [`Self::kill`]: at the same address, with what etcd has kept.
    pub(crate) async fn start_again(&mut self) {
        self.process = self.place.spawn(NAME, &mut self.command);
        let client = self.client.clone();
        self.process.until_ready_within(self.place.patience, async || is_ready(&client).await).await;
    }
}

async fn is_ready(client: &Client) -> bool {
    let request = http_get("/readyz");
    client.request_text(request).await.is_ok()
}

/// A plain GET of a path of the API server.
pub(crate) fn http_get(path: &str) -> axum::http::Request<Vec<u8>> {
    axum::http::Request::get(path).body(Vec::new()).expect("a path makes a request")
}

const AUDIT_POLICY: &str = r"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: Metadata
    verbs: [get, list]
    resources: [{ group: external.metrics.k8s.io }]
  - level: RequestResponse
    verbs: [update, patch]
    resources: [{ group: apps, resources: [deployments/scale] }]
  - level: None
";
