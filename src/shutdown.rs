//! How the process ends: the first signal drains, the second cuts.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a process that a second signal cut short.
const CUT_SHORT: i32 = 130;

/// The signals that end the process, heard from the moment that this is made.
#[derive(Debug)]
pub struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    /// Hears SIGTERM (Kubernetes) and SIGINT (Ctrl-C), on the runtime that it is called on.
    ///
    /// # Errors
    /// When the system refuses to deliver signals.
    pub fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves at the first signal. A second one from then on ends the process.
    pub async fn requested(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => tracing::info!("SIGTERM: draining"),
            _ = self.interrupt.recv() => tracing::info!("SIGINT: draining"),
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            tracing::warn!("a second signal: ending at once");
            process::exit(CUT_SHORT);
        });
    }
}
