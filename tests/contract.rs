//! KEDA's contract with an external scaler, statement by statement (`cNN_` is the statement's number).
//!
//! The whole serving path runs: sampler, engine, published table, the real gRPC server over loopback,
//! a real client. Only the store is scripted and the clock is turned by the test, so that seconds are
//! exact. With real KEDA, in tests/cluster: 23 (two replicas), the restart in 32, 37 (KEDA's own end-to-end
//! scenarios), 38 (gone for five minutes). Open until their parts exist: 5 (TLS files replaced while serving),
//! the forecast in 21.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]
#![allow(clippy::float_cmp, reason = "the values compared are whole numbers of workers")]

mod contract {
    mod activity;
    mod groups;
    mod harness;
    mod metric_spec;
    mod metrics;
    mod operations;
    mod safety;
    mod streams;
    mod wire;
}
mod support;
