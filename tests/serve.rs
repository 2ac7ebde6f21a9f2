//! `foresail serve`, `check` and `explain` as a user runs them: the binary, real stores, real signals.

mod serve {
    mod bad_days;
    mod commands;
    mod foresail;
    mod life;
}
mod support;
