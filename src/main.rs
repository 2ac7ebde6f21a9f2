//! The `foresail` binary.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    foresail::commands::Cli::parse().run()
}
