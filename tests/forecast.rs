//! The forecast against other people's implementations, against its own promises, and on real job logs.

#![allow(clippy::float_cmp, reason = "where two runs must agree they agree exactly")]

mod forecast {
    mod calendar;
    mod oracles;
    mod properties;
    mod public_logs;
    mod service;
    mod state;
}
