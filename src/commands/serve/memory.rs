//! From `state:` to the thread that keeps what is learned.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{
    commands::state_store,
    config::StateConfig,
    engine::{Engine, Keep},
    state::keeper::Keeper,
    telemetry::Metrics,
};

/// How long the last copy of what was learned may take to be written.
const LAST_WRITE: Duration = Duration::from_secs(3);

/// Reads what was kept, starts the thread that keeps what is learned, and gives the engine both; with nothing
/// configured, nothing.
pub(super) fn open(
    engine: Engine,
    config: Option<&StateConfig>,
    metrics: &Metrics,
) -> Result<(Engine, Option<Keeper>)> {
    let Some(config) = config else { return Ok((engine, None)) };
    let counted = metrics.state.clone();
    let (keeper, shelf, outlet) = Keeper::start(state_store::open(config), move |ok| counted.wrote(ok))
        .context("cannot start the thread that keeps the state")?;
    let keep = Keep::new(shelf, outlet, config.every, config.forget_after);
    Ok((engine.keeping(keep), Some(keeper)))
}

/// Waits until all is written; the engine has ended.
pub(super) fn finish(keeper: Option<Keeper>) {
    if keeper.is_some_and(|keeper| !keeper.finish(LAST_WRITE)) {
        tracing::warn!("what was learned last could not be kept in time");
    }
}
