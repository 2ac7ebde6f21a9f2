//! What the process says of itself: logs and metrics.

mod metrics;

pub use metrics::{Described, HintsMetrics, KubernetesMetrics, Metrics, StateMetrics, TlsRefusal};

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For eyes.
    Plain,
}

/// Starts logging to standard error. `level` is a filter such as `info` or `foresail=debug,warn`.
///
/// # Errors
/// Says what is wrong with the filter.
pub fn start_logging(format: LogFormat, level: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(level).map_err(|error| format!("log level {level:?}: {error}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(io::stderr)).try_init()
        }
        LogFormat::Plain => registry
            .with(fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr))
            .try_init(),
    };
    started.map_err(|error| error.to_string())
}
