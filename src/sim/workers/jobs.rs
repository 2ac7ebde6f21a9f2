//! Workers that leave by themselves: pods of Jobs after their job, idle workers that retire.
//!
//! Nobody replaces them: the replicas fall with them.

use super::{EventKind, State, Worker, WorkerPool};

impl WorkerPool {
    /// Starts so many pods of Jobs. Each takes one job when it is ready and leaves when that is done; it leaves
    /// at once where none waits.
    pub fn start_jobs(&mut self, pods: u32) {
        let before = self.replicas();
        for _ in 0..pods {
            self.start_worker(true);
        }
        self.accounts.note_scaling(before, self.replicas());
    }

    /// Lets up to so many idle workers leave, those first that have been idle longest.
    pub fn retire_idle(&mut self, workers: usize) {
        let before = self.replicas();
        for _ in 0..workers {
            let Some(id) = self.next_asking() else { break };
            self.leave_ready(id);
        }
        self.accounts.note_scaling(before, self.replicas());
    }

    /// Asks for a worker; `one_job`: it leaves after its first job.
    pub(super) fn start_worker(&mut self, one_job: bool) {
        let id = self.workers.len();
        self.workers.push(Worker { asked: self.now, state: State::Starting, one_job });
        self.starting.insert(id);
        let delay = self.start_delays.next();
        self.expect(self.now + delay, id, EventKind::Ready);
    }

    /// What a worker does that has become ready or has done a job.
    pub(super) fn go_on(&mut self, id: usize) {
        let Worker { one_job, state, .. } = self.workers[id];
        let has_done_a_job = matches!(state, State::Busy { .. });
        if one_job && (has_done_a_job || self.waiting.is_empty()) {
            self.leave_ready(id);
        } else {
            self.ask_for_work(id);
        }
    }

    fn leave_ready(&mut self, id: usize) {
        if let Some(place) = self.ready.iter().position(|&ready| ready == id) {
            self.ready.remove(place);
        }
        self.leave(id);
    }
}
