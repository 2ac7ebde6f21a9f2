//! What `foresail check` says about a Postgres.

use super::PostgresSource;
use crate::source::{Finding, Level};

pub(super) async fn inspect(_source: &PostgresSource) -> Vec<Finding> {
    let _ = Level::Note;
    Vec::new()
}
