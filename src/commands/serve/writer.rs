//! The writing to Kubernetes, on the io runtime: nothing of it where the configuration asks for none.

use std::{sync::Arc, time::Duration};

use crate::{
    commands::serve::Shared,
    config::{Config, KubernetesConfig, hints::HintsConfig},
    hints::{self, Leadership, Part},
    workloads,
};

/// How long to rest before a kubeconfig or token that could not be read is read again.
const REST: Duration = Duration::from_secs(10);

/// Writes until the process stops, and gives up what is held then.
pub(super) async fn run(config: Arc<Config>, shared: Arc<Shared>) {
    let Some(kubernetes) = &config.kubernetes else { return };
    if config.hints.writes() {
        write(kubernetes, config.hints.clone(), &shared).await;
    }
}

async fn write(kubernetes: &KubernetesConfig, hints: HintsConfig, shared: &Shared) {
    let client = loop {
        match workloads::connect(kubernetes).await {
            Ok(client) => break client,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "Kubernetes cannot be written to");
            }
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(REST) => {}
        }
    };
    let part = Part {
        client,
        answers: shared.answers.clone(),
        clock: shared.clock.clone(),
        config: hints,
        leadership: Leadership::default(),
        metrics: shared.metrics.clone(),
        stop: shared.stop.child_token(),
    };
    hints::run(part).await;
}
