//! From `state:` to the store that it names.

use crate::{
    config::{StateConfig, StatePlace},
    state::{Store, file::FileStore},
};

/// The store; nothing is read or connected to yet.
pub(super) fn open(config: &StateConfig) -> Box<dyn Store> {
    match &config.place {
        StatePlace::File(path) => Box::new(FileStore::new(path.clone())),
    }
}
