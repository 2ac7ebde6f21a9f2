//! Real Postgres, and `PgBouncer` in front of it. Both refuse root, so they run as `nobody` where we are root.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, PgConnection,
    postgres::{PgConnectOptions, PgRow, PgSslMode},
};
use tempfile::TempDir;

use super::{
    certificates::{CertificateFiles, Certificates},
    process::{
        Process, binary, free_port, give_away, run, signal, temp_dir, unprivileged, unprivileged_command,
    },
};

/// One Postgres on 127.0.0.1, with a cluster of its own. The superuser is `postgres`; nobody needs a password
/// unless [`PostgresBuilder::access`] says so. It listens to a socket in its temp dir too.
#[derive(Debug)]
pub struct PostgresServer {
    process: Process,
    dir: TempDir,
    port: u16,
    tls: Option<CertificateFiles>,
}

/// What [`PostgresServer::builder`] starts.
#[derive(Debug, Default)]
pub struct PostgresBuilder {
    settings: Vec<String>,
    access: Vec<String>,
    tls: Option<Certificates>,
    standby: bool,
}

impl PostgresBuilder {
    /// One line of `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// One line of `pg_hba.conf`; all that are given stand in place of "every host connection is trusted".
    #[must_use]
    pub fn access(mut self, line: &str) -> Self {
        self.access.push(line.to_owned());
        self
    }

    /// TLS on, with a certificate for `localhost` and `127.0.0.1`; plain connections stay possible, unless
    /// `access` has `hostssl` lines only.
    #[must_use]
    pub fn tls(self) -> Self {
        self.tls_with(Certificates::generate())
    }

    #[must_use]
    pub fn tls_with(mut self, certificates: Certificates) -> Self {
        self.tls = Some(certificates);
        self
    }

    /// Stays in recovery, as a standby does: it can be read, and is not the primary.
    #[must_use]
    pub fn standby(mut self) -> Self {
        self.standby = true;
        self
    }

    /// Starts it, and waits until it answers.
    pub async fn start(self) -> PostgresServer {
        let dir = temp_dir();
        let port = free_port();
        give_away(dir.path());
        let data = dir.path().join("data");
        run(Command::new("cp").arg("-a").arg(template()).arg(&data));

        let mut settings = self.settings;
        let tls = self.tls.map(|certificates| certificates.write(dir.path()));
        if let Some(files) = &tls {
            settings.push(format!(
                "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\nssl_ca_file = '{}'",
                files.server.display(),
                files.server_key.display(),
                files.ca.display(),
            ));
        }
        let access =
            if self.access.is_empty() { vec!["host all all all trust".to_owned()] } else { self.access };
        write(&dir.path().join("extra.conf"), &settings.join("\n"));
        write(&dir.path().join("access.conf"), &format!("local all all trust\n{}\n", access.join("\n")));
        if self.standby {
            write(&data.join("standby.signal"), "");
        }

        let process = spawn(&dir, port);
        let mut server = PostgresServer { process, dir, port, tls };
        server.until_answering().await;
        server
    }
}

impl PostgresServer {
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    pub async fn start() -> Self {
        Self::builder().start().await
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The postmaster's process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Without TLS, over TCP.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Without TLS, over TCP, with a password.
    pub fn url_with_password(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Where the certificates are. Panics without TLS.
    pub fn certificate_files(&self) -> &CertificateFiles {
        self.tls.as_ref().expect("this server was started with tls()")
    }

    /// A connection as the superuser, over the socket.
    pub async fn try_connection(&self, database: &str) -> sqlx::Result<PgConnection> {
        PgConnectOptions::new_without_pgpass()
            .socket(self.dir.path())
            .port(self.port)
            .username("postgres")
            .database(database)
            .ssl_mode(PgSslMode::Disable)
            .disable_statement_logging()
            .connect()
            .await
    }

    pub async fn connection(&self, database: &str) -> PgConnection {
        self.try_connection(database).await.unwrap_or_else(|error| {
            panic!("no connection to Postgres: {error}; it printed:\n{}", self.process.output())
        })
    }

    /// Runs statements as the superuser in the database `postgres`.
    pub async fn execute(&self, sql: &str) {
        self.execute_in("postgres", sql).await;
    }

    /// Runs statements as the superuser in `database`.
    pub async fn execute_in(&self, database: &str, sql: &str) {
        let mut connection = self.connection(database).await;
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await {
            panic!("{sql}: {error}");
        }
    }

    /// Runs one query as the superuser in the database `postgres`.
    pub async fn rows(&self, sql: &str) -> Vec<PgRow> {
        let mut connection = self.connection("postgres").await;
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// SIGKILL: connections break, and the next start has to recover.
    pub fn kill(&mut self) {
        self.resume();
        let children = self.children();
        self.process.kill();
        // They notice by themselves, and hold the shared memory that a next start asks for until then.
        for child in children {
            super::process::wait_until_blocking(
                "Postgres's children are gone",
                super::process::PATIENCE,
                || !Path::new(&format!("/proc/{child}")).exists(),
            );
        }
    }

    /// After [`Self::kill`]: the same port, the same data.
    pub async fn start_again(&mut self) {
        self.process = spawn(&self.dir, self.port);
        self.until_answering().await;
    }

    /// A fast stop (clients are told) and a start: the same port, the same data.
    pub async fn restart(&mut self) {
        self.process.stop("INT");
        self.start_again().await;
    }

    /// Restarts on the same port with a new, empty cluster: another system identifier.
    pub async fn restart_as_another_cluster(&mut self) {
        self.process.stop("INT");
        let data = self.dir.path().join("data");
        fs::remove_dir_all(&data).expect("the data dir is ours");
        initdb(self.dir.path(), &data);
        self.start_again().await;
    }

    /// A fast stop, and a start that stays in recovery: the same port, the same data, not the primary any more.
    pub async fn restart_as_standby(&mut self) {
        self.process.stop("INT");
        write(&self.dir.path().join("data/standby.signal"), "");
        self.start_again().await;
    }

    /// Ends the recovery of a standby: it is the primary again.
    pub async fn promote(&self) {
        self.execute("SELECT pg_promote()").await;
    }

    /// From now on it accepts connections, and neither old nor new ones are answered.
    pub fn pause(&self) {
        self.process.signal("STOP");
        for child in self.children() {
            signal(child, "STOP");
        }
    }

    pub fn resume(&self) {
        for child in self.children() {
            signal(child, "CONT");
        }
        // It may have been killed.
        signal(self.process.id(), "CONT");
    }

    /// The postmaster's children; each is in a process group of its own.
    fn children(&self) -> Vec<u32> {
        children_of(self.process.id())
    }

    async fn until_answering(&mut self) {
        // Taken apart, since the condition needs the rest of the server while the process waits.
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self.dir.path())
            .port(self.port)
            .username("postgres")
            .database("postgres")
            .ssl_mode(PgSslMode::Disable);
        self.process.until_ready(async || options.connect().await.is_ok()).await;
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // An immediate shutdown gives the shared memory back; SIGKILL would leave it behind.
        self.resume();
        self.process.stop("QUIT");
    }
}

/// How `PgBouncer` shares its server connections.
#[derive(Debug, Clone, Copy)]
pub enum PoolMode {
    Session,
    Transaction,
}

/// A `PgBouncer` that lets every user of its server in, and rejects the start-up parameters that it does not
/// know, as it does by default.
#[derive(Debug)]
pub struct PgBouncer {
    process: Process,
    _dir: TempDir,
    port: u16,
}

impl PgBouncer {
    /// Users that are made after this are not known to it.
    pub async fn start(server: &PostgresServer, pool_mode: PoolMode) -> Self {
        use sqlx::Row as _;

        let dir = temp_dir();
        give_away(dir.path());
        let port = free_port();
        let users = server.rows("SELECT usename::text FROM pg_user").await;
        let users: Vec<String> =
            users.iter().map(|row| format!("\"{}\" \"\"", row.get::<String, _>(0))).collect();
        write(&dir.path().join("users.txt"), &format!("{}\n", users.join("\n")));
        let config = dir.path().join("pgbouncer.ini");
        write(
            &config,
            &format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = users.txt\n\
                 pool_mode = {}\ndefault_pool_size = 2\n",
                server.port,
                match pool_mode {
                    PoolMode::Session => "session",
                    PoolMode::Transaction => "transaction",
                },
            ),
        );
        let program = binary("pgbouncer", &["/usr/sbin".into()], "apt-get install pgbouncer");
        let mut command = unprivileged_command(&program, dir.path());
        command.arg(&config);
        let mut process = Process::spawn("pgbouncer", &mut command, &dir.path().join("output.log"));
        process.until_ready(async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        Self { process, _dir: dir, port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// What it has logged: rejected parameters, lost servers.
    pub fn output(&self) -> String {
        self.process.output()
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }
}

fn spawn(dir: &TempDir, port: u16) -> Process {
    let dir = dir.path();
    let mut command = unprivileged_command(&program("postgres"), dir);
    command.arg("-D").arg(dir.join("data"));
    for setting in [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", dir.display()),
        format!("hba_file={}", dir.join("access.conf").display()),
        "fsync=off".to_owned(),
        "shared_buffers=16MB".to_owned(),
        "autovacuum=off".to_owned(),
    ] {
        command.args(["-c", &setting]);
    }
    Process::spawn("postgres", &mut command, &dir.join("output.log"))
}

/// A fresh cluster to copy: `initdb` takes most of a second, a copy of what it made hardly any time. It stays
/// in cargo's target dir for the next run.
fn template() -> PathBuf {
    let version = run(Command::new(program("postgres")).arg("--version"));
    let version: String = version.trim().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let user = unprivileged().map_or("self".to_owned(), |(user, _)| user.to_string());
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let template = cache.join(format!("{version}-for-{user}"));
    if !template.is_dir() {
        fs::create_dir_all(cache).expect("the target dir can be written");
        let dir = temp_dir();
        give_away(dir.path());
        let data = dir.path().join("data");
        initdb(dir.path(), &data);
        let mine = tempfile::Builder::new().tempdir_in(cache).expect("the target dir can be written");
        let copy = mine.path().join("data");
        run(Command::new("cp").arg("-a").arg(&data).arg(&copy));
        // In one step, so that nobody copies half of it. A template that came first is as good.
        if let Err(error) = fs::rename(&copy, &template) {
            assert!(template.is_dir(), "cannot keep {}: {error}", template.display());
        }
    }
    template
}

fn initdb(folder: &Path, data: &Path) {
    let mut command = unprivileged_command(&program("initdb"), folder);
    command.arg("-D").arg(data).args([
        "--no-sync",
        "-A",
        "trust",
        "-U",
        "postgres",
        "-E",
        "UTF8",
        "--locale=C",
    ]);
    run(&mut command);
    let config = data.join("postgresql.conf");
    let text = fs::read_to_string(&config).expect("initdb has written postgresql.conf");
    write(&config, &format!("{text}\ninclude_if_exists '../extra.conf'\n"));
}

/// On `PATH`, or where Debian puts them; the newest version first.
fn program(name: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    folders.sort();
    folders.reverse();
    binary(name, &folders, "apt-get install postgresql")
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    give_away(path);
}

fn children_of(parent: u32) -> Vec<u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // "id (name) state parent ...", where the name may hold anything.
            let (_, after_name) = stat.rsplit_once(") ")?;
            let its_parent: u32 = after_name.split(' ').nth(1)?.parse().ok()?;
            (its_parent == parent).then_some(id)
        })
        .collect()
}
