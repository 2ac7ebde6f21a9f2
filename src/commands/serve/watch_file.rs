//! Takes up a changed configuration, at SIGHUP or when the file's content changes.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    commands::serve::{Shared, sources::Sources},
    config::Config,
    engine::Event,
};

/// How often the file is looked at. Kubernetes swaps a link to change a mounted file, which a look at
/// the content sees and a watch on the file does not.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks until the process ends.
pub(super) async fn run(path: PathBuf, shared: Arc<Shared>, mut sources: Sources) {
    let mut hang_up = match signal(SignalKind::hangup()) {
        Ok(signal) => signal,
        Err(error) => {
            tracing::error!(%error, "SIGHUP cannot be heard: the configuration is not reloaded");
            return;
        }
    };
    let mut known = std::fs::read(&path).ok();
    loop {
        let asked = tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = hang_up.recv() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        let now = std::fs::read(&path).ok();
        if !asked && (now == known || now.is_none()) {
            continue;
        }
        known = now;
        let result = reload(&path, &shared, &mut sources).await;
        let word = if result.is_ok() { "ok" } else { "error" };
        shared.metrics.reloads.with_label_values(&[word]).inc();
        match result {
            Ok(()) => tracing::info!("the configuration was taken up"),
            Err(error) => tracing::error!(%error, "the new configuration is not taken up: the old one holds"),
        }
    }
}

async fn reload(path: &Path, shared: &Shared, sources: &mut Sources) -> anyhow::Result<()> {
    let config = Arc::new(Config::load(path)?);
    let before = shared.config.load_full();
    if (&config.grpc, &config.http) != (&before.grpc, &before.http) {
        tracing::warn!("grpc and http are taken up at a restart only");
    }
    let prepared = sources.prepare(&config)?;
    sources.stop_changed(&config).await;
    shared.config.store(config.clone());
    let (done, taken_up) = mpsc::channel();
    shared.events.send(Event::Reload(config.clone(), done))?;
    let interests = tokio::task::spawn_blocking(move || taken_up.recv()).await??;
    sources.start(prepared, &interests);
    Ok(())
}
