//! The model of KEDA, the HPA, workers and job logs.

#[path = "sim/closed_loop.rs"]
mod closed_loop;
