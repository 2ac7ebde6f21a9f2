//! Foresail, a KEDA external scaler for scientific job queues.

pub mod sim;
