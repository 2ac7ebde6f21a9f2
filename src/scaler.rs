//! KEDA's gRPC service. It never waits for a backend: it reads the published table.

mod server;
mod service;
mod stream;
mod tls;

pub use server::{Health, ServeError, Server};
pub use service::Scaler;

/// KEDA's protocol, generated from `proto/externalscaler.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "generated code"
)]
pub mod pb {
    tonic::include_proto!("externalscaler");

    /// The protocol's descriptor, for gRPC reflection.
    pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/externalscaler.bin"));
}
