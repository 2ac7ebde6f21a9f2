//! Foresail, a KEDA external scaler for scientific job queues.

pub mod series;
pub mod sim;
pub mod sizing;

pub mod config;
pub mod source;

pub mod commands;
