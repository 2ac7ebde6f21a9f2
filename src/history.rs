//! Jobs of the past, out of what kept them: series in a Prometheus. Those of a Postgres table are read by
//! [`source::postgres::history`](crate::source::postgres::history), log files by
//! [`JobLog::read`](crate::sim::job_log::JobLog::read).

pub mod prometheus;
mod series;

use std::path::PathBuf;

use secrecy::SecretString;

use crate::{
    config::secret::Secret,
    sim::job_log::{JobLog, duration, time},
};

/// A log, and what it cannot tell.
#[derive(Debug)]
pub struct Past {
    /// The jobs.
    pub log: JobLog,
    /// What is not in them, in words.
    pub losses: Vec<String>,
}

/// The value of a secret that stands in a file or in a variable of the environment.
///
/// # Errors
/// Names the file or variable.
pub fn secret(file: Option<&PathBuf>, variable: Option<&String>) -> anyhow::Result<Option<SecretString>> {
    let place = match (file, variable) {
        (Some(file), _) => Secret::File(file.clone()),
        (None, Some(variable)) => Secret::Env(variable.clone()),
        (None, None) => return Ok(None),
    };
    Ok(Some(place.read()?))
}

fn parse_time(text: &str) -> Result<f64, String> {
    time(text).ok_or_else(|| "write a date (2024-01-01, 2024-01-01T08:00:00Z) or Unix seconds".to_owned())
}

fn parse_duration(text: &str) -> Result<f64, String> {
    duration(text)
        .filter(|seconds| *seconds > 0.0)
        .ok_or_else(|| "write seconds (90) or units (90s, 2m, 1h 30m), above 0".to_owned())
}
