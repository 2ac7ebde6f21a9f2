//! How the process ends: the first signal drains, the second cuts.

use std::{io, process};

use tokio::signal::unix::{SignalKind, signal};

/// Exit code of a process that a second signal cut short.
const CUT_SHORT: i32 = 130;

/// Resolves at SIGTERM (Kubernetes) or SIGINT (Ctrl-C). A second one from then on ends the process.
///
/// # Errors
/// When the system refuses to deliver signals.
pub async fn requested() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("a second signal: ending at once");
        process::exit(CUT_SHORT);
    });
    Ok(())
}
