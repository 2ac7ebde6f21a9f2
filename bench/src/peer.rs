//! The servers that are measured, as processes.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context as _, anyhow, bail};

/// The word before the address in a server's first line.
const LISTENING: &str = "listening";

/// A kernel's tick in `/proc/PID/stat`: Linux shows 100 a second to every program.
const CLOCK_TICKS: f64 = 100.0;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Foresail with everything that serving needs.
    Foresail,
    /// tonic, answering constants.
    Bare,
    /// grpc-go, answering constants.
    GrpcGo,
}

impl Kind {
    /// All, Foresail first.
    pub(crate) const ALL: [Self; 3] = [Self::Foresail, Self::Bare, Self::GrpcGo];

    /// What it is called in a table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Foresail => "foresail",
            Self::Bare => "bare tonic, constants",
            Self::GrpcGo => "grpc-go, constants",
        }
    }
}

/// A server that runs; it ends with this value.
pub(crate) struct Peer {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// Tells whoever started this process where it listens.
pub(crate) fn announce(address: SocketAddr) {
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    {
        println!("{LISTENING} {address}");
    }
}

impl Peer {
    /// Starts a server and waits until it listens.
    pub(crate) fn start(kind: Kind) -> anyhow::Result<Self> {
        let itself = env::current_exe()?;
        match kind {
            Kind::Foresail => Self::spawn(Command::new(itself).arg("serve-foresail")),
            Kind::Bare => Self::spawn(Command::new(itself).arg("serve-bare")),
            Kind::GrpcGo => {
                static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
                let built = BUILT.get_or_init(|| grpc_go(&itself).map_err(|error| format!("{error:#}")));
                Self::spawn(&mut Command::new(built.as_ref().map_err(|error| anyhow!(error.clone()))?))
            }
        }
    }

    fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start")?;
        let stdout = child.stdout.take().context("the server's output is not there")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix(LISTENING).map(|rest| rest.trim().parse());
        let Some(Ok(address)) = address else {
            // It is of no use; whether it still runs does not matter.
            let _ = child.kill();
            let _ = child.wait();
            bail!("the server said {line:?} instead of where it listens");
        };
        Ok(Self { child, address })
    }

    /// Seconds of processor time so far, of all its threads.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The program's name in parentheses may hold spaces; utime and stime are the 12th and 13th after it.
        let after = text.rsplit_once(')').context("an odd /proc/PID/stat")?.1;
        let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / CLOCK_TICKS)
    }

    /// Bytes resident now.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input would end it too, but only after its connections have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the grpc-go server beside this program.
fn grpc_go(itself: &Path) -> anyhow::Result<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/grpc-go");
    let binary = itself.with_file_name("grpc-go-peer");
    let built = Command::new("go")
        .args(["build", "-trimpath", "-buildvcs=false", "-o"])
        .arg(&binary)
        .arg(".")
        .current_dir(module)
        .output()
        .context("go is not installed (1.26 or newer, https://go.dev/dl)")?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        bail!("go build: {}", said.lines().last().unwrap_or("failed without a word"));
    }
    Ok(binary)
}
