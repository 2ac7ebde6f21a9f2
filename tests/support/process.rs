//! Child processes that never outlive the test, free ports, and waiting for a condition.

use std::{
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    ops::Range,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a server may take to start, stop or fail over. Generous: CI machines are slow and shared.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(5);

/// A running child in a process group of its own; killed and reaped on drop.
///
/// A small watcher beside it kills the group when the test process itself dies (Ctrl-C, SIGKILL).
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    watcher: Watcher,
    output: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints is appended to `output`.
    pub fn spawn(name: &str, command: &mut Command, output: &Path) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(output)
            .unwrap_or_else(|error| panic!("{name}: cannot write {}: {error}", output.display()));
        let copy = file.try_clone().expect("a file handle can be copied");
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error} ({command:?})"));
        let watcher = Watcher::of_group(child.id());
        Self { name: name.to_owned(), child, watcher, output: output.to_owned() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What the child has printed so far.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_else(|error| format!("(no output: {error})"))
    }

    /// Sends a signal, named as `kill -s` names it, to the child alone.
    pub fn signal(&self, signal: &str) {
        send(signal, &self.child.id().to_string());
    }

    /// SIGSTOP, and returns when every thread of the child has stopped: the signal alone comes a moment later.
    pub fn freeze(&self) {
        self.signal("STOP");
        wait_until_blocking("stopped by SIGSTOP", PATIENCE, || has_stopped(self.child.id()));
    }

    /// Sends a signal to the child's process group.
    pub fn signal_group(&self, signal: &str) {
        send(signal, &format!("-{}", self.child.id()));
    }

    /// SIGKILL, then reaps.
    pub fn kill(&mut self) {
        if self.is_running() {
            self.signal_group("KILL");
            let _ = self.child.wait();
        }
        self.watcher.dismiss();
    }

    /// Sends `signal` and waits for the end; SIGKILL where that takes too long.
    pub fn stop(&mut self, signal: &str) {
        let deadline = Instant::now() + Duration::from_secs(5);
        if self.is_running() {
            self.signal(signal);
        }
        while self.is_running() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        self.kill();
    }

    /// Waits until `ready` says so; panics with the child's output when it ends first or takes too long.
    pub async fn until_ready(&mut self, ready: impl AsyncFnMut() -> bool) {
        self.until_ready_within(PATIENCE, ready).await;
    }

    /// As [`Self::until_ready`], for what takes longer to start.
    pub async fn until_ready_within(&mut self, patience: Duration, mut ready: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + patience;
        loop {
            assert!(self.is_running(), "{} ended while starting; it printed:\n{}", self.name, self.output());
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, ready()).await.unwrap_or(false) {
                return;
            }
            assert!(
                !left.is_zero(),
                "{} was not ready after {patience:?}; it printed:\n{}",
                self.name,
                self.output()
            );
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until `condition` holds; panics after `deadline`, saying what was awaited.
pub async fn wait_until(what: &str, deadline: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    loop {
        let left = deadline.saturating_sub(started.elapsed());
        if tokio::time::timeout(left, condition()).await.unwrap_or(false) {
            return;
        }
        assert!(!left.is_zero(), "waited {deadline:?} in vain until {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// As [`wait_until`], for tests without a runtime.
pub fn wait_until_blocking(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < deadline, "waited {deadline:?} in vain until {what}");
        std::thread::sleep(POLL);
    }
}

/// A TCP port on 127.0.0.1 that nothing listens on, and that no other process of these tests is handed.
///
/// Between 10000 and 19999: below the range that the kernel takes for outgoing connections, and so that a
/// Redis Cluster's bus (port + 10000) is free of them too.
pub fn free_port() -> u16 {
    static BLOCKS: LazyLock<Mutex<PortBlocks>> = LazyLock::new(|| Mutex::new(PortBlocks::default()));
    BLOCKS.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// Ports that this process may hand out. Of each block it listens on the first port for as long as it lives:
/// so two test processes never race for one port, and the kernel gives the block back at its end.
#[derive(Debug, Default)]
struct PortBlocks {
    marks: Vec<TcpListener>,
    left: Range<u16>,
}

impl PortBlocks {
    const FIRST: u16 = 10_000;
    const BUS: u16 = 10_000;
    const BLOCK: u16 = 50;
    const BLOCKS: u16 = 200;

    fn next(&mut self) -> u16 {
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        loop {
            if let Some(port) = self.left.find(|&port| free(port) && free(port + Self::BUS)) {
                return port;
            }
            self.take_block();
        }
    }

    fn take_block(&mut self) {
        // Starts anywhere, so that processes which start together do not all try the same blocks.
        let start = u16::try_from(std::process::id() % u32::from(Self::BLOCKS)).unwrap_or(0);
        let mark = (0..Self::BLOCKS)
            .map(|step| Self::FIRST + (start + step) % Self::BLOCKS * Self::BLOCK)
            .find_map(|first| TcpListener::bind(("127.0.0.1", first)).ok().map(|mark| (first, mark)));
        let (first, mark) = mark.expect("some block of ports between 10000 and 19999 is free");
        self.marks.push(mark);
        self.left = first + 1..first + Self::BLOCK;
    }
}

/// Where a program is: on `PATH`, or in one of `folders`. Panics with the command that installs it.
pub fn binary(name: &str, folders: &[PathBuf], install: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(folders.iter().cloned())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: install it with `{install}`"))
}

/// A new directory that goes away with its guard.
pub fn temp_dir() -> TempDir {
    tempfile::Builder::new().prefix("foresail-").tempdir().expect("a temp dir can be made")
}

/// Runs `command` to its end; panics with all that it printed where it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?} failed ({}):\n{stdout}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}

/// The account that servers run as which refuse root: `Some((user, group))` where this process is root.
pub fn unprivileged() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> u32 {
        let printed = run(Command::new("id").args(arguments));
        printed.trim().parse().unwrap_or_else(|_| panic!("`id` printed {printed:?}, not a number"))
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", "nobody"]), id(&["-g", "nobody"])))
}

/// Gives a file or folder (not what is in it) to the [`unprivileged`] account; as that account, nothing.
pub fn give_away(path: &Path) {
    if let Some((user, group)) = unprivileged() {
        std::os::unix::fs::chown(path, Some(user), Some(group))
            .unwrap_or_else(|error| panic!("cannot give {} away: {error}", path.display()));
    }
}

/// A command that runs as the [`unprivileged`] account, in `folder` (which that account may enter).
pub fn unprivileged_command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group);
    }
    command
}

/// Waits on a pipe from this process; when that breaks, this process is gone, and so shall the group be.
#[derive(Debug)]
struct Watcher {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Watcher {
    fn of_group(group: u32) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", &format!("read -r dismissed || kill -s KILL -- -{group}")])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let pipe = shell.stdin.take();
        Self { shell, pipe }
    }

    /// Ends the watcher without a signal to the group, whose number may by now be another's.
    fn dismiss(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(b"dismissed\n");
            let _ = self.shell.wait();
        }
    }
}

/// Sends a signal, named as `kill -s` names it, to one process; nothing where it is gone.
pub fn signal(id: u32, signal: &str) {
    let _ = Command::new("sh").args(["-c", &format!("kill -s {signal} -- {id} 2>/dev/null")]).status();
}

/// As [`signal`], to all processes of a group.
pub fn signal_group(group: u32, signal: &str) {
    let _ = Command::new("sh").args(["-c", &format!("kill -s {signal} -- -{group} 2>/dev/null")]).status();
}

/// Whether all threads of a process have been stopped by a signal (state `T` in proc(5)).
fn has_stopped(id: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { return false };
    threads.flatten().all(|thread| {
        let state = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        state.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}

fn send(signal: &str, target: &str) {
    let _ = run(Command::new("sh").args(["-c", &format!("kill -s {signal} -- {target}")]));
}
