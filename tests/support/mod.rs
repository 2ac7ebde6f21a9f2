//! Real servers for the tests: each starts on a free port in a temp dir, and is gone when its guard drops.

#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(unreachable_pub, reason = "the modules are shared between binaries, and read like a library")]

pub mod process;

pub mod browser;

pub mod certificates;

pub mod redis;

pub mod postgres;

pub mod prometheus;
