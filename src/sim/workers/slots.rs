//! What runs in the slots of workers.

use std::num::NonZeroU32;

/// Rows of as many slots as a worker has; those of workers that are gone are used again.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    width: u32,
    rows: u32,
    running: Vec<Option<Running>>,
    free: Vec<u32>,
}

/// A job that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) job: u32,
    pub(super) since: f64,
}

impl Slots {
    pub(super) const fn new(width: NonZeroU32) -> Self {
        Self { width: width.get(), rows: 0, running: Vec::new(), free: Vec::new() }
    }

    /// The slots of a worker.
    pub(super) fn each(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.width
    }

    /// A row for a worker.
    pub(super) fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.running.extend(self.each().map(|_| None));
            self.rows += 1;
            self.rows - 1
        })
    }

    /// The worker of this row is gone, and nothing runs there any more.
    pub(super) fn give_back(&mut self, row: u32) {
        self.free.push(row);
    }

    pub(super) fn at(&mut self, row: u32, slot: u32) -> &mut Option<Running> {
        &mut self.running[row as usize * self.width as usize + slot as usize]
    }
}
