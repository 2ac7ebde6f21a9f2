//! The `foresail` binary.

use std::process::ExitCode;

use clap::Parser as _;

/// Many small answers on one thread: the system's allocator is slower at that, musl's by far.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    foresail::commands::Cli::parse().run()
}
