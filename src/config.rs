//! What the operator writes: raw serde structs become checked types here, once.

mod check;
pub mod hints;
pub mod history;
mod locate;
pub mod policy;
pub mod promql;
mod raw;
pub mod secret;
pub mod source;
pub mod text;

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::{
    config::{hints::HintsConfig, policy::PolicyConfig, source::SourceConfig, text::Glob},
    sizing::{Pin, group::GroupLimits},
};

/// The whole configuration, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where KEDA calls.
    pub grpc: GrpcConfig,
    /// Where metrics, probes and the API are served.
    pub http: HttpConfig,
    /// The stores, by name.
    pub sources: BTreeMap<String, SourceConfig>,
    /// The policies, by name; there is always a `default`.
    pub policies: BTreeMap<String, PolicyConfig>,
    /// The caps that refs share, by name.
    pub groups: BTreeMap<String, GroupLimits>,
    /// Where Kubernetes is watched; not at all where absent.
    pub kubernetes: Option<KubernetesConfig>,
    /// What holds in an incident; the first that fits a ref wins.
    pub overrides: Vec<Override>,
    /// Where what was learned is kept; nowhere where absent.
    pub state: Option<StateConfig>,
    /// What is written to Kubernetes; nothing by default.
    pub hints: HintsConfig,
}

/// Where KEDA calls.
#[derive(Debug, Clone, PartialEq)]
pub struct GrpcConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// TLS; plain text where absent.
    pub tls: Option<ServerTls>,
    /// Whether gRPC reflection is served.
    pub reflection: bool,
    /// Seconds after which a connection is asked to go and its streams end; never where absent.
    pub max_connection_age: Option<f64>,
}

/// The server's certificate, and whose clients it takes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// Certificate chain (PEM).
    pub cert_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
    /// CAs of client certificates; where given, a client without one is refused.
    pub client_ca_file: Option<PathBuf>,
}

/// Where metrics, probes and the API are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address and port.
    pub listen: SocketAddr,
}

/// What is watched in Kubernetes; all of it is only read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesConfig {
    /// The `scalerAddress` values of triggers that mean this Foresail, in lower case; at least one.
    pub addresses: Vec<String>,
    /// Namespaces that are watched; all where empty.
    pub namespaces: Vec<String>,
    /// Whose cluster; in a pod the cluster that it runs in where absent, else what `KUBECONFIG` says.
    pub kubeconfig: Option<PathBuf>,
    /// Whether Karpenter's NodeClaims are watched too.
    pub node_claims: bool,
}

/// Where and how what was learned is kept over restarts.
#[derive(Debug, Clone, PartialEq)]
pub struct StateConfig {
    /// Where.
    pub place: StatePlace,
    /// Seconds between two writes.
    pub every: f64,
    /// Seconds after which a queue or ref that nobody asked for is forgotten.
    pub forget_after: f64,
}

/// Where what was learned is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum StatePlace {
    /// A file; its folder must be there.
    File(PathBuf),
}

/// One line of `override`.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// `namespace/name`, in which `*` stands for any text; `*` alone is every ref.
    pub pattern: Glob,
    /// What holds for it.
    pub pin: Pin,
}

/// Where a configuration is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// The text is not the YAML that is wanted.
    #[error("{file}: {what}")]
    Syntax {
        /// The file's name.
        file: String,
        /// Line, field and what is wrong.
        what: String,
    },
    /// A field's value makes no sense.
    #[error("{file}:{line}: {path}: {what}")]
    Field {
        /// The file's name.
        file: String,
        /// Line of the field, from 1; 0 where it is not written at all.
        line: u64,
        /// Path of the field.
        path: String,
        /// What is wrong, and what would be right.
        what: String,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Names file, line and field.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::from_yaml(&path.display().to_string(), &Self::read(path)?)
    }

    /// The text of a file, unchecked.
    ///
    /// # Errors
    /// Names the file.
    pub fn read(path: &Path) -> Result<String, ConfigError> {
        fs::read_to_string(path)
            .map_err(|error| ConfigError::File { path: path.to_owned(), error: error.to_string() })
    }

    /// Checks the text of a file called `file`.
    ///
    /// # Errors
    /// Names file, line and field.
    pub fn from_yaml(file: &str, text: &str) -> Result<Self, ConfigError> {
        let raw = if text.trim().is_empty() {
            raw::RawConfig::default()
        } else {
            parse(text).map_err(|what| ConfigError::Syntax { file: file.to_owned(), what })?
        };
        check::config(raw).map_err(|wrong| ConfigError::Field {
            file: file.to_owned(),
            line: locate::line_of(text, &wrong.path).unwrap_or(0),
            path: wrong.path,
            what: wrong.what,
        })
    }

    /// The override that holds for a ref, if any.
    pub fn pin_for(&self, namespace: &str, name: &str) -> Option<Pin> {
        let full = format!("{namespace}/{name}");
        self.overrides.iter().find(|line| line.pattern.matches(&full)).map(|line| line.pin)
    }
}

/// Parses YAML; the error never shows an excerpt, which may hold a password.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}
