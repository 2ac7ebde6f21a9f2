//! From a source's configuration to the room that reads it.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::{
    config::source::{SourceConfig, StoreConfig},
    source::{Source, postgres::PostgresSource, redis::RedisSource},
};

/// A source that connects at its first read.
pub(super) fn source(config: &SourceConfig) -> Result<Arc<dyn Source>> {
    let layouts = config.layouts.clone();
    let source: Arc<dyn Source> = match &config.store {
        StoreConfig::Redis(redis) => Arc::new(
            RedisSource::new(redis.clone(), layouts).with_context(|| format!("source {}", config.name))?,
        ),
        StoreConfig::Postgres(postgres) => Arc::new(
            PostgresSource::new(postgres.clone(), layouts)
                .with_context(|| format!("source {}", config.name))?,
        ),
        StoreConfig::Replay => {
            anyhow::bail!("source {}: the embedded log is for the demo alone", config.name)
        }
    };
    Ok(source)
}
