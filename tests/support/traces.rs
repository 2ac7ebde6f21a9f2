//! Where the public job logs are: they are too large and too differently licensed for the repository.
//!
//! `FORESAIL_TRACES` names the folder; without it, `../shared/traces` beside the repository is looked at.

#![allow(unreachable_pub, reason = "the module is shared between binaries, and reads like a library")]

use std::{env, fs::File, path::PathBuf};

use foresail::sim::job_log::JobLog;

/// `None` where nobody has the logs; a folder that was named must be there.
pub fn folder() -> Option<PathBuf> {
    if let Some(named) = env::var_os("FORESAIL_TRACES") {
        let named = PathBuf::from(named);
        assert!(named.is_dir(), "FORESAIL_TRACES is no folder: {}", named.display());
        return Some(named);
    }
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    beside.is_dir().then_some(beside)
}

/// The log of this file; `None` where nobody has the logs.
pub fn read(name: &str) -> Option<JobLog> {
    let file = File::open(folder()?.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Some(JobLog::read(name, file).unwrap_or_else(|error| panic!("{name}: {error}")))
}
