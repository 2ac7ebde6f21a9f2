//! The checked form of `sources:`.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use regex::Regex;

use crate::{
    config::{history::History, secret::Secret, text::Glob},
    source::preset::Preset,
};

/// One Redis or Postgres, and what may be read in it by whom.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceConfig {
    /// Its name, which refs give as `source`.
    pub name: String,
    /// How to reach it.
    pub store: StoreConfig,
    /// Who may use which queues.
    pub access: Access,
    /// Seconds between two reads; the read guard may make it longer.
    pub sample_every: f64,
    /// Seconds that a last good sample still counts; then the answer is UNAVAILABLE.
    pub stale_after: f64,
    /// Seconds after a change of the store's identity in which no target falls.
    pub distrust: f64,
    /// The layouts by place: those configured, then every preset that needs no parameter.
    pub layouts: Vec<Layout>,
    /// Refs without KEDA.
    pub watch: Vec<Watch>,
}

impl SourceConfig {
    /// The layout of this name.
    pub fn layout(&self, name: &str) -> Option<&Layout> {
        self.layouts.iter().find(|layout| layout.name == name)
    }

    /// What remembers the jobs of a layout.
    pub fn history(&self, layout: &str) -> Option<&History> {
        self.layout(layout)?.history.as_ref()
    }
}

/// How to reach a store.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreConfig {
    /// A Redis.
    Redis(RedisConfig),
    /// A Postgres.
    Postgres(PostgresConfig),
    /// The job log that the demo plays; no file can name it.
    Replay,
}

impl StoreConfig {
    /// Seconds for one connect or one read; none for what is no store.
    pub fn timeout(&self) -> f64 {
        match self {
            Self::Redis(redis) => redis.timeout,
            Self::Postgres(postgres) => postgres.timeout,
            Self::Replay => 0.0,
        }
    }
}

/// How to reach a Redis.
#[derive(Debug, Clone, PartialEq)]
pub struct RedisConfig {
    /// One server, a Sentinel set or a Cluster.
    pub topology: RedisTopology,
    /// ACL user; the default user where absent.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Database number (0 in a Cluster).
    pub database: i64,
    /// TLS; plain text where absent. A `rediss://` URL turns it on with the system's roots.
    pub tls: Option<TlsConfig>,
    /// Whether a replica may be read, with its lag.
    pub replica: bool,
    /// Seconds for one connect or one read.
    pub timeout: f64,
}

/// The shapes of a Redis installation.
#[derive(Debug, Clone, PartialEq)]
pub enum RedisTopology {
    /// `redis://` or `rediss://`, read at each connect since it may hold the password.
    Url(Secret),
    /// One server.
    Standalone(Address),
    /// Sentinels that know the primary.
    Sentinel {
        /// Name of the primary.
        master: String,
        /// The sentinels.
        nodes: Vec<Address>,
        /// ACL user of the sentinels.
        username: Option<String>,
        /// Its password.
        password: Option<Secret>,
    },
    /// Nodes of a Cluster, from which the others are found.
    Cluster(Vec<Address>),
}

/// How to reach a Postgres.
#[derive(Debug, Clone, PartialEq)]
pub struct PostgresConfig {
    /// Address and user, or a URL that holds them.
    pub target: PostgresTarget,
    /// How the connection is protected.
    pub tls_mode: PgTlsMode,
    /// CA and client certificate.
    pub tls: TlsConfig,
    /// Whether a standby may be read, with its lag.
    pub replica: bool,
    /// Seconds for one connect or one read; also the `statement_timeout`.
    pub timeout: f64,
}

/// Where a Postgres is.
#[derive(Debug, Clone, PartialEq)]
pub enum PostgresTarget {
    /// `postgres://user:password@host:port/database?sslmode=...`, read at each connect. An `sslmode`
    /// in it counts where the configuration gives none.
    Url(Secret),
    /// The parts.
    Parts {
        /// Host and port.
        address: Address,
        /// Role.
        user: String,
        /// Its password.
        password: Option<Secret>,
        /// Database.
        database: String,
    },
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PgTlsMode {
    /// What the URL says; `prefer` where it says nothing.
    #[serde(skip)]
    FromUrl,
    /// Plain text.
    Disable,
    /// TLS where the server offers it.
    Prefer,
    /// TLS, whoever the server is.
    Require,
    /// TLS, certificate signed by the CA.
    VerifyCa,
    /// TLS, certificate signed by the CA for this host.
    VerifyFull,
}

/// Files of a TLS client.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// CA certificates (PEM); the system's roots where absent.
    pub ca_file: Option<PathBuf>,
    /// Client certificate (PEM).
    pub cert_file: Option<PathBuf>,
    /// Its key (PEM).
    pub key_file: Option<PathBuf>,
}

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// How queues lie in the store.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Its name, which refs give as `layout`.
    pub name: String,
    /// Whether nobody configured it: a preset that needs no parameter, under its own name.
    pub implied: bool,
    /// A preset with its parameters, or the operator's own query.
    pub read: LayoutRead,
    /// What a queue is that the store does not know.
    pub missing_queue: MissingQueue,
    /// Seconds that waiting must have been 0 before a target falls, where in flight cannot be seen.
    pub max_run: f64,
    /// Seconds after which a job in flight counts as stuck; never where absent.
    pub stuck_after: Option<f64>,
    /// Finds the pod's name in a worker's name: group 1, or the whole match.
    pub worker_pod: Option<Regex>,
    /// What remembers its jobs; nothing is asked where absent.
    pub history: Option<History>,
}

/// What a layout reads.
#[derive(Debug, Clone)]
pub enum LayoutRead {
    /// A preset with all its parameters.
    Preset {
        /// The preset.
        preset: &'static Preset,
        /// Its parameters, defaults filled in.
        parameters: Parameters,
    },
    /// One SQL statement that returns a row a queue.
    Query(String),
    /// What [`StoreConfig::Replay`] holds; no file can name it.
    Embedded,
}

/// What a queue is that the store does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingQueue {
    /// An empty queue: most frameworks remove the key of a queue that has run dry.
    #[default]
    Empty,
    /// An error.
    Error,
}

/// Parameters of a preset: each one value or a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(pub BTreeMap<String, Vec<String>>);

impl Parameters {
    /// The single value of a parameter.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    /// All values of a parameter; empty where it is not given.
    pub fn many(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Who may use which queues: namespace patterns, each with queue patterns. The default is nobody.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Access(pub Vec<(Glob, Vec<Glob>)>);

impl Access {
    /// Whether refs of `namespace` may use `queue`.
    pub fn allows(&self, namespace: &str, queue: &str) -> bool {
        self.0.iter().any(|(ns, queues)| ns.matches(namespace) && queues.iter().any(|q| q.matches(queue)))
    }
}

/// A ref that is kept without KEDA asking (shadow mode).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The layout's name.
    pub layout: String,
    /// The queue, or several joined by commas.
    pub queue: String,
    /// The policy's name.
    pub policy: String,
    /// What would be scaled.
    pub workload: WorkloadName,
}

/// Something in Kubernetes that refers to workers or is scaled: `Kind/namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkloadName {
    /// Kind, such as Deployment.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

impl Layout {
    /// The pod that a worker's name stands for: what `worker_pod` finds in it, else the name itself.
    pub fn pod_of<'a>(&self, worker: &'a str) -> &'a str {
        let found = self.worker_pod.as_ref().and_then(|regex| regex.captures(worker));
        found.map_or(worker, |found| {
            found.get(1).or_else(|| found.get(0)).map_or(worker, |part| part.as_str())
        })
    }
}

impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        let pattern = |layout: &Self| layout.worker_pod.as_ref().map(|regex| regex.as_str().to_owned());
        self.name == other.name
            && self.implied == other.implied
            && self.read == other.read
            && self.missing_queue == other.missing_queue
            && self.max_run.to_bits() == other.max_run.to_bits()
            && self.stuck_after == other.stuck_after
            && self.history == other.history
            && pattern(self) == pattern(other)
    }
}

impl PartialEq for LayoutRead {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Query(a), Self::Query(b)) => a == b,
            (Self::Embedded, Self::Embedded) => true,
            (Self::Preset { preset: p, parameters: a }, Self::Preset { preset: q, parameters: b }) => {
                p.preset == q.preset && a == b
            }
            _ => false,
        }
    }
}
