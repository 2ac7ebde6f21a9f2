//! SIGTERM, remembered.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Whether the process has been told to go.
#[derive(Debug)]
pub(super) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    pub(super) fn listen() -> Self {
        let mut signals = signal(SignalKind::terminate()).expect("a handler for SIGTERM can be set");
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            signals.recv().await;
            tell.send_replace(true);
        });
        Self(told)
    }

    pub(super) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once SIGTERM has come, however long ago.
    pub(super) async fn asked(&mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
