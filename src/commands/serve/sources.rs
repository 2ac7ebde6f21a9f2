//! The samplers of all sources, started and stopped as the configuration changes.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use anyhow::Result;
use tokio::{runtime::Handle, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    commands::{connect, serve::Shared},
    config::{Config, source::SourceConfig},
    engine::Interests,
    sampler::{self, Interest, Pace},
};

/// One sampler task a source.
pub(super) struct Sources {
    shared: Arc<Shared>,
    io: Handle,
    running: BTreeMap<String, Running>,
}

struct Running {
    config: SourceConfig,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Sources {
    pub(super) fn new(shared: Arc<Shared>, io: Handle) -> Self {
        Self { shared, io, running: BTreeMap::new() }
    }

    /// Stops the samplers whose source has changed or gone, before the engine takes the new
    /// configuration: a sampler must not read by the layouts of another.
    pub(super) async fn stop_changed(&mut self, config: &Config) {
        let changed = |running: &Running| config.sources.get(&running.config.name) != Some(&running.config);
        let names: Vec<_> =
            self.running.values().filter(|r| changed(r)).map(|r| r.config.name.clone()).collect();
        for name in names {
            if let Some(running) = self.running.remove(&name) {
                running.stop.cancel();
                if let Err(error) = running.task.await {
                    tracing::error!(source = name, %error, "a sampler ended badly");
                }
            }
        }
    }

    /// Starts the samplers that are not running; `interests` are the engine's under this configuration.
    pub(super) fn start_missing(&mut self, interests: &Interests, config: &Config) -> Result<()> {
        for (name, source) in &config.sources {
            if let (false, Some(interest)) = (self.running.contains_key(name), interests.get(name)) {
                self.start(source, interest.clone())?;
            }
        }
        Ok(())
    }

    fn start(&mut self, config: &SourceConfig, interest: watch::Receiver<Interest>) -> Result<()> {
        let source = connect::source(config)?;
        let stop = self.shared.stop.child_token();
        let seed = RandomState::new().hash_one(&config.name);
        let pace = Pace::new(config.sample_every, self.shared.clock.now(), seed);
        let task = self.io.spawn(sampler::run(
            config.name.as_str().into(),
            source,
            pace,
            interest,
            self.shared.clock.clone(),
            self.shared.clone(),
            stop.clone(),
        ));
        self.running.insert(config.name.clone(), Running { config: config.clone(), stop, task });
        Ok(())
    }
}
