//! `foresail serve`, `check` and `explain` as a user runs them: the binary, real stores, real signals.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]
#![allow(clippy::float_cmp, reason = "the values compared are whole numbers of workers")]

mod serve {
    mod api;
    mod bad_days;
    mod commands;
    mod foresail;
    mod groups;
    mod kubernetes;
    mod learn;
    mod life;
    mod past;
    mod state;
}
mod support;
