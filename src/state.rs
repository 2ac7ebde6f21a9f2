//! What was learned, kept over restarts.
//!
//! The engine hands out copies, a portion a tick; a thread of its own encodes and writes them. So neither a tick nor
//! an answer waits for a disk or a server, and what cannot be kept stops nothing.
//!
//! - [`Record`]: what is kept of one queue or ref, as bytes with a checksum
//! - [`Shelf`]: the records of queues and refs that nobody asks for now
//! - [`keeper`]: the thread that writes
//! - [`mod@file`]: the store that is a file

pub mod file;
pub mod keeper;
mod record;
mod shelf;

use std::sync::Arc;

pub use record::{BadRecord, Name, Piece, Record, RefName};
pub use shelf::Shelf;

/// What a store held.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What can be used of it; of two with one name the later one counts.
    pub records: Vec<Record>,
    /// Why some or all of it cannot be used.
    pub fault: Option<String>,
}

/// Where records are kept. A round of writing is any number of [`Store::put`] and one [`Store::commit`]; a store of
/// which one of them failed may be given a new round.
pub trait Store: Send {
    /// What is called in messages.
    fn place(&self) -> String;

    /// Reads everything.
    ///
    /// # Errors
    /// Where it cannot be known what was kept.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Writes some records of a round.
    fn put(&mut self, records: &[Arc<Record>]) -> Result<(), StoreError>;

    /// Ends a round: from now on it is what [`Store::load`] reads. What was last asked for before `forget_before`
    /// (Unix seconds) may go.
    fn commit(&mut self, forget_before: f64) -> Result<(), StoreError>;
}

/// Why a store could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);
