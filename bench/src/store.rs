//! Real stores for the time of a measure: `redis-server` and `postgres` on free ports, in a folder of
//! their own.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

/// How long a store may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store that runs; it ends with this value.
pub(crate) struct Store {
    child: Child,
    _folder: TempDir,
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
}

impl Store {
    /// A Redis that writes nothing to disk.
    pub(crate) fn redis() -> anyhow::Result<Self> {
        let program = find("redis-server", &[], "apt-get install redis-server")?;
        let (folder, port) = (folder()?, free_port()?);
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]);
        Self::start(command.arg(folder.path()), folder, port)
    }

    /// A Postgres with a fresh cluster, whose superuser `postgres` needs no password. It does not run as
    /// root: where this process does, it runs as `nobody`.
    pub(crate) fn postgres() -> anyhow::Result<Self> {
        let install = "apt-get install postgresql";
        let (server, initdb) =
            (find("postgres", &debian_folders(), install)?, find("initdb", &debian_folders(), install)?);
        let (folder, port) = (folder()?, free_port()?);
        let account = nobody()?;
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let data = folder.path().join("data");
        let unprivileged = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir(folder.path());
            if let Some((user, group)) = account {
                command.uid(user).gid(group);
            }
            command
        };
        let made = unprivileged(&initdb)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()?;
        if !made.status.success() {
            bail!("initdb: {}", String::from_utf8_lossy(&made.stderr).trim());
        }
        let mut command = unprivileged(&server);
        command.arg("-D").arg(&data).args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        command.args(["-c", "unix_socket_directories=", "-c", &format!("port={port}")]);
        Self::start(&mut command, folder, port)
    }

    fn start(command: &mut Command, folder: TempDir, port: u16) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child, _folder: folder, port })
    }

    /// Tries `ready` until it succeeds.
    pub(crate) async fn until<T, E: std::error::Error + Send + Sync + 'static>(
        &mut self,
        mut ready: impl AsyncFnMut() -> Result<T, E>,
    ) -> anyhow::Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            match ready().await {
                Ok(value) => return Ok(value),
                Err(error) if Instant::now() > end => return Err(error).context("the store does not start"),
                Err(error) => {
                    if let Some(status) = self.child.try_wait()? {
                        return Err(error).context(format!("the store ended while starting: {status}"));
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SIGINT ends both at once and lets Postgres end its own processes.
        let _ = Command::new("kill").args(["-s", "INT", &self.child.id().to_string()]).status();
        let end = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn find(name: &str, folders: &[PathBuf], install: &str) -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(folders.iter().cloned())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("{name} is missing: install it with `{install}`"))
}

/// Debian keeps the programs of each version of Postgres apart, and off the path.
fn debian_folders() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin")).collect()
}

fn folder() -> anyhow::Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("foresail-bench-").tempdir()?)
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// User and group of `nobody`, where this process is root.
fn nobody() -> anyhow::Result<Option<(u32, u32)>> {
    let id = |arguments: &[&str]| -> anyhow::Result<u32> {
        let output = Command::new("id").args(arguments).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
    };
    Ok(if id(&["-u"])? == 0 { Some((id(&["-u", "nobody"])?, id(&["-g", "nobody"])?)) } else { None })
}
