//! Holds the documentation against the code: tables, keys, examples, commands, links, printed output.
//!
//! `FORESAIL_BLESS=1 cargo test --test docs` writes the generated tables anew.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]

mod docs {
    mod api;
    mod commands;
    mod defaults;
    mod examples;
    mod generated;
    mod keys;
    mod links;
    mod loads;
    mod output;
    mod pages;
    mod promql;
}
#[path = "serve/foresail.rs"]
#[allow(
    dead_code,
    clippy::float_cmp,
    reason = "shared with the tests of `foresail serve`, which use more of it"
)]
mod foresail_process;
mod support;
