//! The file as written: shapes only, nothing checked but names and types.

use std::{collections::BTreeMap, fmt, marker::PhantomData, path::PathBuf};

use serde::{
    Deserialize, Deserializer,
    de::{self, Unexpected},
};

use crate::config::{
    ServerTls,
    source::{MissingQueue, PgTlsMode, TlsConfig},
    text::{Text, Texts},
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) grpc: RawGrpc,
    pub(super) http: RawHttp,
    pub(super) sources: BTreeMap<String, RawSource>,
    pub(super) policies: BTreeMap<String, RawPolicy>,
    pub(super) groups: BTreeMap<String, RawGroup>,
    pub(super) kubernetes: Option<RawKubernetes>,
    #[serde(rename = "override")]
    pub(super) overrides: Vec<RawOverride>,
    pub(super) state: Option<NoneOr<RawState>>,
    pub(super) hints: RawHints,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGrpc {
    pub(super) listen: String,
    pub(super) tls: Option<ServerTls>,
    pub(super) reflection: bool,
    pub(super) max_connection_age: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHttp {
    pub(super) listen: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKubernetes {
    pub(super) addresses: Texts,
    pub(super) namespaces: Option<Texts>,
    pub(super) kubeconfig: Option<PathBuf>,
    #[serde(default)]
    pub(super) node_claims: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    pub(super) redis: Option<RawRedis>,
    pub(super) postgres: Option<RawPostgres>,
    #[serde(default)]
    pub(super) namespaces: BTreeMap<String, Texts>,
    pub(super) sample_every: Option<Text>,
    pub(super) stale_after: Option<Text>,
    pub(super) distrust: Option<Text>,
    #[serde(default)]
    pub(super) layouts: BTreeMap<String, RawLayout>,
    #[serde(default)]
    pub(super) watch: Vec<RawWatch>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRedis {
    pub(super) url: Option<String>,
    pub(super) url_file: Option<PathBuf>,
    pub(super) url_env: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) username: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) password_env: Option<String>,
    pub(super) database: Option<i64>,
    pub(super) sentinel: Option<RawSentinel>,
    pub(super) cluster: Option<Texts>,
    pub(super) tls: Option<TlsConfig>,
    #[serde(default)]
    pub(super) replica: bool,
    pub(super) timeout: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSentinel {
    pub(super) master: String,
    pub(super) nodes: Texts,
    pub(super) username: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) password_env: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPostgres {
    pub(super) url: Option<String>,
    pub(super) url_file: Option<PathBuf>,
    pub(super) url_env: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) password_env: Option<String>,
    pub(super) database: Option<String>,
    #[serde(default)]
    pub(super) tls: RawPgTls,
    #[serde(default)]
    pub(super) replica: bool,
    pub(super) timeout: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPgTls {
    pub(super) mode: Option<PgTlsMode>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) cert_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
}

/// A layout's own keys, and in `parameters` those of its preset.
#[derive(Debug, Deserialize)]
pub(super) struct RawLayout {
    pub(super) preset: Option<String>,
    pub(super) query: Option<String>,
    #[serde(default)]
    pub(super) missing_queue: MissingQueue,
    pub(super) max_run: Option<Text>,
    pub(super) stuck_after: Option<Text>,
    pub(super) worker_pod: Option<String>,
    pub(super) history: Option<RawHistory>,
    #[serde(flatten)]
    pub(super) parameters: BTreeMap<String, Texts>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHistory {
    pub(super) query: Option<String>,
    pub(super) span: Option<Text>,
    pub(super) rows: Option<u32>,
    pub(super) timeout: Option<Text>,
    pub(super) prometheus: Option<RawPrometheus>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrometheus {
    pub(super) url: String,
    pub(super) counter: Option<String>,
    pub(super) depth: Option<String>,
    pub(super) run: Option<Text>,
    pub(super) busy: Option<String>,
    pub(super) queue: Option<String>,
    pub(super) span: Option<Text>,
    pub(super) step: Option<Text>,
    pub(super) jobs: Option<u32>,
    pub(super) auth_file: Option<PathBuf>,
    pub(super) auth_env: Option<String>,
    pub(super) timeout: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWatch {
    pub(super) layout: String,
    pub(super) queue: Texts,
    pub(super) policy: Option<String>,
    pub(super) workload: String,
}

/// The keys of one policy as text; `tenant_may` apart.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RawPolicy {
    #[serde(default)]
    pub(super) tenant_may: BTreeMap<String, Texts>,
    #[serde(flatten)]
    pub(super) keys: BTreeMap<String, Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGroup {
    pub(super) max: Option<Text>,
    pub(super) max_spend: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOverride {
    #[serde(rename = "match")]
    pub(super) pattern: String,
    pub(super) mode: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawState {
    pub(super) file: Option<PathBuf>,
    pub(super) every: Option<Text>,
    pub(super) forget_after: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHints {
    pub(super) mode: String,
    pub(super) victims: Text,
    pub(super) events: Text,
    pub(super) chunks: Option<u32>,
    pub(super) total: Option<u32>,
    pub(super) step: Option<u32>,
    pub(super) hold: Option<Text>,
    pub(super) sidecar: RawSidecar,
    pub(super) priority_class: Option<String>,
    pub(super) lease: RawLease,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSidecar {
    pub(super) cpu: Option<Text>,
    pub(super) memory: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLease {
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
}

/// The word `none`, or a map.
#[derive(Debug)]
pub(super) struct NoneOr<T>(pub(super) Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NoneOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NoneOrMap<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for NoneOrMap<T> {
            type Value = NoneOr<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("none, or a map")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<NoneOr<T>, E> {
                if word == "none" {
                    Ok(NoneOr(None))
                } else {
                    Err(E::invalid_value(Unexpected::Str(word), &self))
                }
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<NoneOr<T>, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(|map| NoneOr(Some(map)))
            }
        }
        deserializer.deserialize_any(NoneOrMap(PhantomData))
    }
}

impl Default for RawGrpc {
    fn default() -> Self {
        Self { listen: "0.0.0.0:6000".to_owned(), tls: None, reflection: false, max_connection_age: None }
    }
}

impl Default for RawHttp {
    fn default() -> Self {
        Self { listen: "0.0.0.0:8080".to_owned() }
    }
}

impl Default for RawHints {
    fn default() -> Self {
        let off = || Text("off".to_owned());
        Self {
            mode: "observe".to_owned(),
            victims: off(),
            events: off(),
            chunks: None,
            total: None,
            step: None,
            hold: None,
            sidecar: RawSidecar::default(),
            priority_class: None,
            lease: RawLease::default(),
        }
    }
}
