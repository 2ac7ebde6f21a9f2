//! The `foresail` binary.

fn main() {}
