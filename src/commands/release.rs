//! `foresail release`: gives up what a Foresail has written to Kubernetes, before it is taken out of the cluster.

use std::{path::Path, process::ExitCode};

use anyhow::{Result, bail};
use tokio::runtime;

use crate::{
    clock::WallClock,
    config::Config,
    hints::{self, Released},
    workloads,
};

/// Says what was given up. What could not be ends it in failure.
#[expect(clippy::print_stdout, reason = "what a command says")]
pub(super) fn run(path: &Path) -> Result<ExitCode> {
    let config = Config::load(path)?;
    let Some(kubernetes) = &config.kubernetes else {
        bail!("{}: kubernetes is not watched, so nothing was ever written to it", path.display());
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let Released { done, failed } = runtime.block_on(async {
        let client = workloads::connect(kubernetes).await?;
        let clock = WallClock::new();
        let released = hints::release(client, &config.hints, &kubernetes.namespaces, &clock).await;
        released.map_err(anyhow::Error::msg)
    })?;
    for line in &done {
        println!("{line}");
    }
    if done.is_empty() {
        println!("there was nothing to give up");
    }
    if failed.is_empty() { Ok(ExitCode::SUCCESS) } else { bail!("{}", failed.join("; ")) }
}
