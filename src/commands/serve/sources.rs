//! The samplers of all sources, started and stopped as the configuration changes.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use anyhow::Result;
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    commands::{connect, serve::Shared},
    config::{Config, source::SourceConfig},
    engine::Interests,
    sampler::{self, Pace},
    source::Source,
};

/// One sampler task a source.
pub(super) struct Sources {
    shared: Arc<Shared>,
    io: Handle,
    running: BTreeMap<String, Running>,
}

struct Running {
    config: SourceConfig,
    source: Arc<dyn Source>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A source that is made and not read yet.
pub(super) struct Prepared {
    config: SourceConfig,
    source: Arc<dyn Source>,
}

impl Sources {
    pub(super) fn new(shared: Arc<Shared>, io: Handle) -> Self {
        Self { shared, io, running: BTreeMap::new() }
    }

    /// Makes the sources of a configuration that do not run yet as it says. None connects before its
    /// first read, so a layout that cannot be read is found while the old configuration still holds.
    /// One that only changes its pace is the old one, with its connection and all that it remembers.
    pub(super) fn prepare(&self, config: &Config) -> Result<Vec<Prepared>> {
        let prepare = |config: &SourceConfig| {
            let same = self.running.get(&config.name).filter(|running| reads_alike(&running.config, config));
            let source = match same {
                Some(running) => running.source.clone(),
                None => connect::source(config)?,
            };
            Ok(Prepared { config: config.clone(), source })
        };
        config.sources.values().filter(|source| !self.runs(source)).map(prepare).collect()
    }

    /// Stops the samplers whose source has changed or gone, before the engine takes the new
    /// configuration: a sampler must not read by the layouts of another.
    pub(super) async fn stop_changed(&mut self, config: &Config) {
        let stays = |name: &String| config.sources.get(name).is_some_and(|source| self.runs(source));
        let names: Vec<_> = self.running.keys().filter(|name| !stays(name)).cloned().collect();
        for name in names {
            if let Some(running) = self.running.remove(&name) {
                running.stop.cancel();
                if let Err(error) = running.task.await {
                    tracing::error!(source = name, %error, "a sampler ended badly");
                }
            }
        }
    }

    /// Starts samplers; `interests` are the engine's under the configuration that they are of.
    pub(super) fn start(&mut self, prepared: Vec<Prepared>, interests: &Interests) {
        for Prepared { config, source } in prepared {
            let Some(interest) = interests.get(&config.name).cloned() else { continue };
            if config.layouts.iter().any(|layout| layout.history.is_some()) {
                self.shared.metrics.expect_history(&config.name);
            }
            let stop = self.shared.stop.child_token();
            let seed = RandomState::new().hash_one(&config.name);
            let task = self.io.spawn(sampler::run(
                config.name.as_str().into(),
                source.clone(),
                Pace::new(config.sample_every, self.shared.clock.now(), seed),
                interest,
                self.shared.clock.clone(),
                self.shared.clone(),
                stop.clone(),
            ));
            self.running.insert(config.name.clone(), Running { config, source, stop, task });
        }
    }

    /// Whether a sampler reads what `config` says at its pace. All else of it is the engine's.
    fn runs(&self, config: &SourceConfig) -> bool {
        self.running.get(&config.name).is_some_and(|running| {
            reads_alike(&running.config, config)
                && running.config.sample_every.to_bits() == config.sample_every.to_bits()
        })
    }
}

/// Whether the same source serves both.
fn reads_alike(one: &SourceConfig, other: &SourceConfig) -> bool {
    one.store == other.store && one.layouts == other.layouts
}
