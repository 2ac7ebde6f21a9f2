//! Workers that leave by themselves: pods of Jobs after their job, idle workers that retire.
//!
//! Nobody replaces them: the replicas fall with them.

use super::{State, WorkerPool};

impl WorkerPool {
    /// Starts so many pods of Jobs. Each takes one job (as many as it has slots) when it is ready and leaves when
    /// that is done; it leaves at once where none waits.
    pub fn start_jobs(&mut self, pods: u32) {
        let before = self.replicas();
        for _ in 0..pods {
            self.create(true);
        }
        self.wanted += pods as usize;
        self.accounts.note_scaling(before, self.wanted);
        if pods > 0 {
            self.find_room();
        }
    }

    /// Lets up to so many idle workers leave, those first that have been idle longest.
    pub fn retire_idle(&mut self, workers: usize) {
        let before = self.replicas();
        let mut still_busy = Vec::new();
        let mut left = workers;
        while left > 0
            && let Some(ask) = self.next_asking()
        {
            if self.workers[ask.worker as usize].jobs > 0 {
                still_busy.push(ask);
            } else {
                self.leave_by_itself(ask.worker);
                left -= 1;
            }
        }
        for ask in still_busy.into_iter().rev() {
            self.asking.push_front(ask);
        }
        self.accounts.note_scaling(before, self.replicas());
        self.make_use_of_room();
    }

    /// Lets a pod of a Job leave that has nothing to do any more.
    pub(super) fn leave_if_done(&mut self, id: u32) {
        let worker = &self.workers[id as usize];
        if worker.one_job && worker.jobs == 0 && worker.state == State::Ready {
            self.leave_by_itself(id);
            self.make_use_of_room();
        }
    }

    fn leave_by_itself(&mut self, id: u32) {
        self.wanted = self.wanted.saturating_sub(1);
        self.leave_active(id);
        self.leave(id);
    }
}
