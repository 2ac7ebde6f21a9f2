//! Real Redis: one server, a Sentinel set, or a Cluster.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use redis::{Client, FromRedisValue, RedisResult, TlsCertificates, aio::MultiplexedConnection};
use tempfile::TempDir;

use super::{
    certificates::{CertificateFiles, Certificates},
    process::{PATIENCE, Process, binary, free_port, temp_dir, wait_until},
};

/// The name that [`SentinelSet`] gives its primary.
pub const PRIMARY_NAME: &str = "jobs";

/// One `redis-server` on 127.0.0.1. It writes nothing to disk unless told to.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    dir: TempDir,
    port: u16,
    password: Option<String>,
    tls: Option<Tls>,
}

#[derive(Debug)]
struct Tls {
    certificates: Certificates,
    files: CertificateFiles,
}

/// What [`RedisServer::builder`] starts.
#[derive(Debug, Default)]
pub struct RedisBuilder {
    lines: Vec<String>,
    password: Option<String>,
    tls: Option<(Certificates, bool)>,
    sentinel: bool,
}

impl RedisBuilder {
    /// One line of `redis.conf`.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// An ACL user beside the default one, in Redis's words: `reader on >secret ~jobs:* +@read`.
    #[must_use]
    pub fn user(self, rules: &str) -> Self {
        self.line(format!("user {rules}"))
    }

    /// The default user's password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.line(format!("requirepass {password}"))
    }

    /// TLS only: the plain port is off. Clients need no certificate.
    #[must_use]
    pub fn tls(self) -> Self {
        self.tls_with(Certificates::generate())
    }

    /// TLS only, with these certificates.
    #[must_use]
    pub fn tls_with(mut self, certificates: Certificates) -> Self {
        self.tls = Some((certificates, false));
        self
    }

    /// TLS only, and clients must show a certificate of the same authority.
    #[must_use]
    pub fn mutual_tls(mut self) -> Self {
        self.tls = Some((Certificates::generate(), true));
        self
    }

    /// A replica of `primary` (one without TLS or password).
    #[must_use]
    pub fn replica_of(self, primary: &RedisServer) -> Self {
        self.line(format!("replicaof 127.0.0.1 {}", primary.port))
    }

    /// Starts it, and waits until it answers.
    pub async fn start(self) -> RedisServer {
        let dir = temp_dir();
        let port = free_port();
        let mut config = vec![format!("bind 127.0.0.1\ndir {}", dir.path().display())];
        let tls = self.tls.map(|(certificates, clients_too)| {
            let files = certificates.write(dir.path());
            config.push(format!(
                "port 0\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients {}",
                files.server.display(),
                files.server_key.display(),
                files.ca.display(),
                if clients_too { "yes" } else { "no" },
            ));
            Tls { certificates, files }
        });
        if tls.is_none() {
            config.push(format!("port {port}"));
        }
        if !self.sentinel {
            config.push("save \"\"\nappendonly no\nrepl-diskless-sync-delay 0".to_owned());
        }
        config.extend(self.lines);
        config.push(String::new());
        fs::write(dir.path().join("redis.conf"), config.join("\n")).expect("the temp dir can be written");

        let process = spawn(&dir, self.sentinel);
        let mut server = RedisServer { process, dir, port, password: self.password, tls };
        server.until_answering().await;
        server
    }
}

impl RedisServer {
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// A plain server: no TLS, no password, nothing on disk.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// As the default user.
    pub fn url(&self) -> String {
        let login = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        self.url_with(&login)
    }

    /// As another user.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        self.url_with(&format!("{user}:{password}@"))
    }

    fn url_with(&self, login: &str) -> String {
        match self.tls {
            Some(_) => format!("rediss://{login}localhost:{}/", self.port),
            None => format!("redis://{login}127.0.0.1:{}/", self.port),
        }
    }

    /// Where the certificates are. Panics without TLS.
    pub fn certificate_files(&self) -> &CertificateFiles {
        &self.tls.as_ref().expect("this server was started with tls()").files
    }

    /// A client as the default user, with the certificates that it needs.
    pub fn client(&self) -> Client {
        let client = match &self.tls {
            None => Client::open(self.url()),
            Some(Tls { certificates, .. }) => Client::build_with_tls(
                self.url(),
                TlsCertificates {
                    client_tls: Some(redis::ClientTlsConfig {
                        client_cert: certificates.client.clone().into_bytes(),
                        client_key: certificates.client_key.clone().into_bytes(),
                    }),
                    root_cert: Some(certificates.ca.clone().into_bytes()),
                },
            ),
        };
        client.expect("the URL that we wrote is right")
    }

    pub async fn try_connection(&self) -> RedisResult<MultiplexedConnection> {
        let patient = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(5)))
            .set_response_timeout(Some(Duration::from_secs(10)));
        self.client().get_multiplexed_async_connection_with_config(&patient).await
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        self.try_connection().await.unwrap_or_else(|error| {
            panic!("no connection to Redis: {error}; it printed:\n{}", self.process.output())
        })
    }

    pub async fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut self.try_connection().await?).await
    }

    /// Runs one command as the default user, on a connection of its own: `&["RPUSH", "md", "a job"]`.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words).await.unwrap_or_else(|error| panic!("{}: {error}", words.join(" ")))
    }

    /// The value of one field of INFO, such as `run_id`.
    pub async fn info(&self, field: &str) -> String {
        let info: String = self.command(&["INFO", "everything"]).await;
        info.lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .unwrap_or_else(|| panic!("INFO has no field {field}"))
            .to_owned()
    }

    /// SIGKILL: connections break, nothing is saved.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// After [`Self::kill`]: the same port, the same dir, whatever was on disk.
    pub async fn start_again(&mut self) {
        self.kill();
        self.process = spawn(&self.dir, false);
        self.until_answering().await;
    }

    /// Restarts with all its keys, as a server with persistence does.
    pub async fn restart_with_data(&mut self) {
        self.command::<()>(&["SAVE"]).await;
        self.start_again().await;
    }

    /// Restarts empty, as a server without persistence does.
    pub async fn restart_empty(&mut self) {
        self.kill();
        let _ = fs::remove_file(self.dir.path().join("dump.rdb"));
        let _ = fs::remove_dir_all(self.dir.path().join("appendonlydir"));
        self.start_again().await;
    }

    /// From now on it accepts connections, and never answers.
    pub fn pause(&self) {
        self.process.signal("STOP");
    }

    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Waits until a replica holds what its primary holds.
    pub async fn until_in_sync(&self) {
        wait_until("the replica has its primary's data", PATIENCE, async || {
            self.info("master_link_status").await == "up"
        })
        .await;
    }

    async fn until_answering(&mut self) {
        let client = self.client();
        self.process
            .until_ready(async || match client.get_multiplexed_async_connection().await {
                Ok(mut connection) => redis::cmd("PING").exec_async(&mut connection).await.is_ok(),
                Err(_) => false,
            })
            .await;
    }
}

/// One primary, one replica and some sentinels that watch them under [`PRIMARY_NAME`].
#[derive(Debug)]
pub struct SentinelSet {
    pub primary: RedisServer,
    pub replica: RedisServer,
    pub sentinels: Vec<RedisServer>,
}

impl SentinelSet {
    /// Starts them, and waits until the sentinels know the replica and each other.
    ///
    /// A primary that is silent for half a second is failed over once most sentinels agree.
    pub async fn start(sentinels: usize) -> Self {
        let primary = RedisServer::start().await;
        let replica = RedisServer::builder().replica_of(&primary).start().await;
        replica.until_in_sync().await;
        let quorum = sentinels / 2 + 1;
        let mut set = Self { primary, replica, sentinels: Vec::new() };
        for _ in 0..sentinels {
            let sentinel = RedisBuilder { sentinel: true, ..RedisBuilder::default() }
                .line(format!("sentinel monitor {PRIMARY_NAME} 127.0.0.1 {} {quorum}", set.primary.port))
                .line(format!("sentinel down-after-milliseconds {PRIMARY_NAME} 500"))
                .line(format!("sentinel failover-timeout {PRIMARY_NAME} 3000"))
                .start()
                .await;
            set.sentinels.push(sentinel);
        }
        for sentinel in &set.sentinels {
            wait_until("the sentinel knows the replica and the other sentinels", PATIENCE, async || {
                let state: std::collections::HashMap<String, String> =
                    sentinel.command(&["SENTINEL", "MASTER", PRIMARY_NAME]).await;
                state["num-slaves"] == "1"
                    && state["num-other-sentinels"] == (sentinels - 1).to_string()
                    && state["flags"] == "master"
            })
            .await;
        }
        set
    }

    /// URLs of the sentinels.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// The port of the server that the first sentinel holds for the primary.
    pub async fn primary_port(&self) -> u16 {
        let (_, port): (String, u16) =
            self.sentinels[0].command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", PRIMARY_NAME]).await;
        port
    }

    /// Kills the primary, and waits until the replica has been made the primary.
    pub async fn kill_primary(&mut self) {
        self.primary.kill();
        wait_until("the sentinels promote the replica", PATIENCE, async || {
            self.primary_port().await == self.replica.port && self.replica.info("role").await == "master"
        })
        .await;
    }
}

/// A Redis Cluster of primaries without replicas, every slot assigned.
#[derive(Debug)]
pub struct RedisCluster {
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Slots of every Redis Cluster.
    const SLOTS: usize = 16_384;

    /// Three primaries, ready for work.
    pub async fn start() -> Self {
        Self::of(RedisServer::builder).await
    }

    /// Three primaries, each from a builder of its own.
    pub async fn of(builder: impl Fn() -> RedisBuilder) -> Self {
        const NODES: usize = 3;
        let mut nodes = Vec::new();
        for index in 0..NODES {
            let node = builder()
                .line("cluster-enabled yes")
                .line("cluster-config-file nodes.conf")
                .line("cluster-node-timeout 2000")
                .start()
                .await;
            let first = (index * Self::SLOTS / NODES).to_string();
            let last = ((index + 1) * Self::SLOTS / NODES - 1).to_string();
            node.command::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            node.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]).await;
            nodes.push(node);
        }
        for node in &nodes[1..] {
            nodes[0].command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string()]).await;
        }
        for node in &nodes {
            wait_until("every node sees the whole cluster", PATIENCE, async || {
                let info: String = node.command(&["CLUSTER", "INFO"]).await;
                info.contains("cluster_state:ok")
                    && info.contains(&format!("cluster_known_nodes:{NODES}"))
                    && info.contains(&format!("cluster_size:{NODES}"))
            })
            .await;
        }
        Self { nodes }
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// The node that holds `key`.
    pub async fn node_of(&self, key: &str) -> &RedisServer {
        let slot: usize = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]).await;
        let count = self.nodes.len();
        let index = (0..count).find(|index| slot < (index + 1) * Self::SLOTS / count);
        &self.nodes[index.expect("a slot is below the number of slots")]
    }

    /// Runs a command whose second word is a key, on the node that holds this key.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.node_of(words[1]).await.command(words).await
    }
}

fn spawn(dir: &TempDir, sentinel: bool) -> Process {
    let mut command = Command::new(program());
    command.current_dir(dir.path()).arg(dir.path().join("redis.conf"));
    if sentinel {
        command.arg("--sentinel");
    }
    Process::spawn("redis-server", &mut command, &dir.path().join("output.log"))
}

fn program() -> PathBuf {
    binary("redis-server", &["/usr/sbin".into()], "apt-get install redis-server")
}
