//! The jobs that wait.

use std::collections::{BTreeSet, VecDeque};

/// Where a job goes whose worker was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Requeue {
    /// Before all others.
    #[default]
    Head,
    /// Behind all others.
    Tail,
}

/// Jobs that wait, in the order in which they are taken. They are known by the order in which they came to the queue
/// for the first time.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    /// Jobs before this one have been taken at least once: new jobs are taken in the order in which they came.
    untaken: u32,
    /// Those that wait again.
    again: BTreeSet<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) job: u32,
    /// Since when it waits this time.
    pub(super) since: f64,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Puts in a new job.
    pub(super) fn arrive(&mut self, job: u32, now: f64) {
        self.waiting.push_back(Waiting { job, since: now });
    }

    /// Puts a job in once more.
    pub(super) fn requeue(&mut self, job: u32, now: f64, to: Requeue) {
        self.again.insert(job);
        let waiting = Waiting { job, since: now };
        match to {
            Requeue::Head => self.waiting.push_front(waiting),
            Requeue::Tail => self.waiting.push_back(waiting),
        }
    }

    /// Takes the first one.
    pub(super) fn take(&mut self) -> Option<Waiting> {
        let first = self.waiting.pop_front()?;
        if first.job == self.untaken {
            self.untaken += 1;
        } else {
            self.again.remove(&first.job);
        }
        Some(first)
    }

    /// The one that came first, of `arrived` jobs.
    pub(super) fn oldest(&self, arrived: u32) -> Option<u32> {
        let new = (self.untaken < arrived).then_some(self.untaken);
        new.into_iter().chain(self.again.first().copied()).min()
    }
}
