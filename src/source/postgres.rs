//! Postgres: one statement a table and interval, read-only.

use serde::Deserialize;

/// What a preset reads from Postgres.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {}
