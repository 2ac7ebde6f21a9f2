//! The forecast against other people's implementations, against its own promises, and on real job logs.

#![allow(clippy::float_cmp, reason = "where two runs must agree they agree exactly")]
#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]

#[path = "support/traces.rs"]
mod traces;

mod forecast {
    mod calendar;
    mod history;
    mod lead;
    mod oracles;
    mod properties;
    mod public_logs;
    mod service;
    mod state;
}
