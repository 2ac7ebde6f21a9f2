//! Keys, certificates and tokens of one stack, made anew for each.

use std::{
    fs,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use serde_json::json;

/// Common name of the API server's client certificate towards aggregated APIs.
pub(crate) const FRONT_PROXY: &str = "front-proxy-client";

/// Everything is a file below one folder, since the programs read files.
#[derive(Debug)]
pub(crate) struct Pki {
    folder: PathBuf,
    ca_pem: String,
    admin: String,
    controller_manager: String,
    scheduler: String,
}

impl Pki {
    pub(crate) fn generate(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("the stack's folder can be written");
        let pki = Self {
            folder: folder.to_owned(),
            ca_pem: String::new(),
            admin: random_name(),
            controller_manager: random_name(),
            scheduler: random_name(),
        };

        let ca = authority("foresail cluster");
        pki.write("ca.crt", &ca.pem());
        pki.signed(
            &ca,
            "apiserver",
            &["localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc"],
        );

        let front_proxy = authority("foresail cluster front proxy");
        pki.write("front-proxy-ca.crt", &front_proxy.pem());
        pki.signed(&front_proxy, FRONT_PROXY, &[]);

        let service_accounts = key();
        pki.write("service-accounts.key", &service_accounts.serialize_pem());
        pki.write("service-accounts.pub", &service_accounts.public_key_pem());

        // KEDA looks for these names in one folder.
        fs::create_dir_all(pki.keda()).expect("the stack's folder can be written");
        pki.write("keda/ca.crt", &ca.pem());
        pki.signed(
            &ca,
            "keda/tls",
            &["localhost", "keda-operator.keda.svc", "keda-metrics-apiserver.keda.svc", "127.0.0.1"],
        );

        let line = |token: &str, user: &str, group: &str| format!("{token},{user},{user},\"{group}\"\n");
        pki.write(
            "tokens.csv",
            &[
                line(&pki.admin, "admin", "system:masters"),
                line(&pki.controller_manager, "system:kube-controller-manager", "system:authenticated"),
                line(&pki.scheduler, "system:kube-scheduler", "system:authenticated"),
            ]
            .concat(),
        );
        Self { ca_pem: ca.pem(), ..pki }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder with KEDA's `ca.crt`, `tls.crt` and `tls.key`.
    pub(crate) fn keda(&self) -> PathBuf {
        self.file("keda")
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Writes a kubeconfig for each user of `server`.
    pub(crate) fn write_kubeconfigs(&self, server: &str) {
        let users = [
            ("admin", &self.admin),
            ("controller-manager", &self.controller_manager),
            ("scheduler", &self.scheduler),
        ];
        for (name, token) in users {
            let config = json!({
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{
                    "name": "foresail",
                    "cluster": { "server": server, "certificate-authority": self.file("ca.crt") },
                }],
                "users": [{ "name": name, "user": { "token": token } }],
                "contexts": [{ "name": "foresail", "context": { "cluster": "foresail", "user": name } }],
                "current-context": "foresail",
            });
            self.write(&format!("{name}.kubeconfig"), &config.to_string());
        }
    }

    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.file(&format!("{user}.kubeconfig"))
    }

    /// Writes `NAME.crt` and `NAME.key`, good for servers and for clients.
    fn signed(&self, authority: &CertifiedIssuer<'_, KeyPair>, name: &str, names: &[&str]) {
        let mut parameters = parameters(name, names);
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = key();
        let certificate = parameters.signed_by(&key, authority).expect("the authority signs");
        self.write(&format!("{name}.crt"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).expect("the stack's folder can be written");
    }
}

/// Eight letters and digits that nobody else has.
pub(crate) fn random_name() -> String {
    // Each `RandomState` has keys of its own from the system's randomness.
    format!("{:016x}", RandomState::new().build_hasher().finish())[..8].to_owned()
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = parameters(name, &[]);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, key()).expect("the authority signs itself")
}

fn parameters(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut parameters = CertificateParams::new(names).expect("the names are plain ASCII");
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}
