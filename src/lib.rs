//! Foresail, a KEDA external scaler for scientific job queues.

pub mod forecast;
pub mod nodes;
pub mod series;
pub mod sim;
pub mod sizing;
pub mod victims;

pub mod answers;
pub mod clock;
pub mod config;
pub mod engine;
pub mod hints;
pub mod history;
pub mod http;
pub mod refs;
pub mod sampler;
pub mod scaler;
pub mod shutdown;
pub mod source;
pub mod state;
pub mod telemetry;
pub mod workloads;

pub mod commands;
