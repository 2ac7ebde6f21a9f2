//! Redis: pipelined reads of any number of queues over one connection a node.

use serde::Deserialize;

/// What a preset reads from Redis.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {}
