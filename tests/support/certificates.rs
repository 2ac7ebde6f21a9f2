//! A certificate authority with one server and one client certificate, made anew for each test.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

use super::process::give_away;

/// PEM texts. A second [`Certificates::generate`] gives an authority that the first one's peers do not trust.
#[derive(Debug, Clone)]
pub struct Certificates {
    pub ca: String,
    /// For `localhost` and `127.0.0.1`.
    pub server: String,
    pub server_key: String,
    /// For the common name `foresail`.
    pub client: String,
    pub client_key: String,
}

/// Where [`Certificates::write`] put them.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    pub ca: PathBuf,
    pub server: PathBuf,
    pub server_key: PathBuf,
    pub client: PathBuf,
    pub client_key: PathBuf,
}

impl Certificates {
    pub fn generate() -> Self {
        Self::generate_for(&["localhost", "127.0.0.1"])
    }

    /// With a server certificate for other names, to see them refused.
    pub fn generate_for(server_names: &[&str]) -> Self {
        let mut authority = parameters(&[], "Foresail tests");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, key()).expect("the authority signs itself");

        let mut server = parameters(server_names, server_names[0]);
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server_key = key();
        let mut client = parameters(&[], "foresail");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client_key = key();

        Self {
            ca: authority.pem(),
            server: server.signed_by(&server_key, &authority).expect("the authority signs").pem(),
            server_key: server_key.serialize_pem(),
            client: client.signed_by(&client_key, &authority).expect("the authority signs").pem(),
            client_key: client_key.serialize_pem(),
        }
    }

    /// Writes five files into `folder`, readable by the servers (and only by them where they are keys).
    pub fn write(&self, folder: &Path) -> CertificateFiles {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).expect("the folder can be written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
            give_away(&path);
            path
        };
        CertificateFiles {
            ca: write("ca.pem", &self.ca),
            server: write("server.pem", &self.server),
            server_key: write("server.key", &self.server_key),
            client: write("client.pem", &self.client),
            client_key: write("client.key", &self.client_key),
        }
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}

fn parameters(names: &[&str], common_name: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut parameters = CertificateParams::new(names).expect("the names are plain ASCII");
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters
}
