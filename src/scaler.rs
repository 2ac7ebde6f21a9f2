//! KEDA's gRPC service. It never waits for a backend: it reads the published table.

mod server;
mod service;
mod stream;

pub use server::{ServeError, Server};
pub use service::Scaler;

/// KEDA's protocol, generated from `proto/externalscaler.proto`.
#[expect(missing_docs, clippy::pedantic, unreachable_pub, reason = "generated code")]
pub mod pb {
    tonic::include_proto!("externalscaler");

    /// The protocol's descriptor, for gRPC reflection.
    pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/externalscaler.bin"));
}
