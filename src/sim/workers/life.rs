//! What happens to workers: they come, work, crash and go.

use super::event::{Event, Kind};
use super::queue::Waiting;
use super::slots::Running;
use super::{Ask, NodeId, Nodes, Removal, Requeue, Start, State, Worker, WorkerPool};

/// Seconds without a node after which a worker must have waited for one.
const NO_ROOM: f64 = 5.0;

impl WorkerPool {
    /// A job of the log is submitted.
    pub(super) fn submit(&mut self) {
        if let Some(job) = self.release.submit() {
            self.arrive(job);
            self.hand_out();
        }
    }

    pub(super) fn happen(&mut self, Event { worker: id, kind, restarts, .. }: Event) {
        let worker = &self.workers[id as usize];
        if worker.restarts != restarts {
            return;
        }
        match (worker.state, kind) {
            (State::Ready | State::Draining, Kind::JobDone(slot)) => self.job_done(id, slot),
            (State::Pending, Kind::Retry) => self.retry(id),
            (State::Starting, Kind::Ready) => self.become_ready(id),
            (State::Ready, Kind::Crash) => {
                self.accounts.count().crashed += 1;
                self.start_again(id);
            }
            (State::Draining, Kind::Crash) => {
                self.accounts.count().crashed += 1;
                self.leave(id);
                self.make_use_of_room();
            }
            (State::Draining, Kind::GraceOver) => {
                self.leave(id);
                self.make_use_of_room();
            }
            // An event of a worker that has left, or of a slot whose worker is going.
            _ => {}
        }
    }

    pub(super) fn nodes_happen(&mut self) {
        let (now, pending) = (self.now, self.crew.pending);
        let Some(nodes) = &mut self.nodes else { return };
        nodes.happen(now, pending);
        if nodes.has_grown() {
            self.back_off();
        }
        while let Some(node) = self.nodes.as_mut().and_then(Nodes::next_evicted) {
            let there: Vec<u32> = self.active.iter().copied().filter(|&id| self.is_on(id, node)).collect();
            for id in there {
                self.accounts.count().evicted += 1;
                // Nobody replaces the pod of a Job: its job waits again, and whoever made the one makes another.
                self.wanted -= usize::from(self.workers[id as usize].one_job);
                self.tell_to_go(id);
            }
        }
        while let Some(node) = self.nodes.as_mut().and_then(Nodes::next_killed) {
            let there: Vec<u32> = self.draining.iter().copied().filter(|&id| self.is_on(id, node)).collect();
            for id in there {
                self.leave(id);
            }
        }
        self.fill_up();
        self.make_use_of_room();
    }

    /// Starts as many workers as are missing.
    pub(super) fn fill_up(&mut self) {
        let missing = self.wanted.saturating_sub(self.active.len());
        for _ in 0..missing {
            self.create(false);
        }
        if missing > 0 {
            self.find_room();
        }
    }

    /// Those that wait are tried some time after a new node is there.
    fn back_off(&mut self) {
        for _ in 0..self.pending.len() {
            let Some(id) = self.pending.pop_front() else { return };
            let Worker { state, retry_delay, .. } = self.workers[id as usize];
            if state == State::Pending && retry_delay > 0.0 {
                self.expect(self.now + retry_delay, id, Kind::Retry);
            } else {
                self.pending.push_back(id);
            }
        }
    }

    fn retry(&mut self, id: u32) {
        self.pending.push_back(id);
        self.find_room();
    }

    /// Puts workers on nodes, and asks for nodes where there is no room.
    pub(super) fn find_room(&mut self) {
        self.bind();
        let now = self.now;
        if let Some(nodes) = &mut self.nodes
            && !self.pending.is_empty()
        {
            nodes.want_nodes(now);
        }
    }

    /// Puts workers on nodes that have room, those first that were asked for first.
    pub(super) fn bind(&mut self) {
        while self.crew.pending > 0
            && let Some(&id) = self.pending.front()
        {
            if self.workers[id as usize].state != State::Pending {
                self.pending.pop_front();
                continue;
            }
            let now = self.now;
            let Some((node, image)) = self.nodes.as_mut().and_then(|nodes| nodes.place(now)) else { return };
            self.pending.pop_front();
            self.bind_to(id, Some(node), image);
        }
        if self.crew.pending == 0 {
            self.pending.clear();
        }
    }

    /// Tells a worker to go that is to stay.
    pub(super) fn tell_to_go(&mut self, id: u32) {
        let worker = self.workers[id as usize];
        self.leave_active(id);
        if worker.jobs == 0 || self.spec.removal == Removal::Kill {
            self.leave(id);
            return;
        }
        self.workers[id as usize].state = State::Draining;
        self.workers[id as usize].place = place(&self.draining);
        self.draining.push(id);
        self.crew.draining += 1;
        self.in_flight_draining += worker.jobs as usize;
        let over = self.now + self.spec.grace_period;
        self.expect(over, id, Kind::GraceOver);
    }

    /// Gives the job that stands first to the slot that has asked longest.
    pub(super) fn hand_out(&mut self) {
        while self.queue.len() > 0 {
            let Some(ask) = self.next_asking() else { return };
            let Some(job) = self.queue.take() else { return };
            self.begin(ask, job);
        }
    }

    /// A job comes to the queue.
    fn arrive(&mut self, job: u32) {
        self.queue.arrive(place(&self.arrived), self.now);
        self.arrived.push(job);
    }

    /// Nodes or slots may have become free.
    pub(super) fn make_use_of_room(&mut self) {
        self.bind();
        self.hand_out();
    }

    /// Asks for a worker; `one_job`: it leaves after its first job.
    pub(super) fn create(&mut self, one_job: bool) {
        let id = place(&self.workers);
        let behind = if self.nodes.is_some() { self.line.join(self.now) } else { 0.0 };
        self.workers.push(Worker {
            created: self.now,
            behind,
            bound: f64::INFINITY,
            ready: f64::INFINITY,
            start_delay: self.start_delays.next(),
            retry_delay: self.retry_delays.next(),
            state: State::Pending,
            place: place(&self.active),
            node: None,
            row: 0,
            jobs: 0,
            busy_since: f64::INFINITY,
            restarts: 0,
            deletion_cost: 0,
            cold: true,
            one_job,
        });
        self.active.push(id);
        self.crew.pending += 1;
        self.accounts.count().launched += 1;
        if self.nodes.is_some() {
            self.pending.push_back(id);
        } else {
            self.bind_to(id, None, self.now);
        }
    }

    /// Starts a worker on its node, where its image is there from `image` on.
    fn bind_to(&mut self, id: u32, node: Option<NodeId>, image: f64) {
        let worker = &mut self.workers[id as usize];
        worker.state = State::Starting;
        worker.bound = self.now;
        self.line.leave(worker.created);
        worker.node = node;
        worker.row = self.slots.take();
        let ready = image + worker.start_delay;
        self.crew.pending -= 1;
        self.crew.starting += 1;
        self.expect(ready, id, Kind::Ready);
    }

    fn become_ready(&mut self, id: u32) {
        self.crew.starting -= 1;
        self.crew.ready += 1;
        let worker = &mut self.workers[id as usize];
        worker.state = State::Ready;
        worker.ready = self.now;
        worker.cold = true;
        let Worker { created, bound, behind, .. } = *worker;
        let seconds = self.now - created;
        self.starts.push(Start { seconds, waited_for_node: bound - created > NO_ROOM, behind });
        let worker = &mut self.workers[id as usize];
        let restarts = worker.restarts;
        self.asking.extend(self.slots.each().map(|slot| Ask { worker: id, slot, restarts }));
        let crash = self.now + self.crashes.seconds_until(self.spec.crash);
        self.expect(crash, id, Kind::Crash);
        self.hand_out();
        self.leave_if_done(id);
    }

    /// A ready worker has crashed and starts again on its node.
    fn start_again(&mut self, id: u32) {
        self.crew.ready -= 1;
        self.crew.busy -= u32::from(self.workers[id as usize].jobs > 0);
        self.crew.starting += 1;
        self.lose_jobs(id);
        let ready = self.now + self.restart_delays.next();
        let worker = &mut self.workers[id as usize];
        worker.state = State::Starting;
        worker.restarts += 1;
        self.expect(ready, id, Kind::Ready);
        self.hand_out();
    }

    fn begin(&mut self, Ask { worker: id, slot, restarts }: Ask, Waiting { job, since }: Waiting) {
        let now = self.now;
        let in_log = self.arrived[job as usize];
        self.accounts.note_wait(in_log, now - since);
        let worker = &mut self.workers[id as usize];
        if worker.jobs == 0 {
            self.crew.busy += 1;
            worker.busy_since = now;
        }
        worker.jobs += 1;
        let cold = if worker.cold { self.spec.warm_cache } else { 0.0 };
        worker.cold = false;
        *self.slots.at(worker.row, slot) = Some(Running { job, since: now });
        self.in_flight += 1;
        let done = now + self.release.run(in_log) + cold;
        self.events.expect(done, Event { worker: id, kind: Kind::JobDone(slot), restarts });
    }

    fn job_done(&mut self, id: u32, slot: u32) {
        let worker = &mut self.workers[id as usize];
        worker.jobs -= 1;
        let Worker { jobs, row, state, restarts, one_job, .. } = *worker;
        let ended = self.slots.at(row, slot).take();
        self.in_flight -= 1;
        self.completed += 1;
        self.accounts.count().completed += 1;
        if let Some(Running { job, .. }) = ended {
            self.release_children(job);
        }
        if state == State::Ready {
            self.crew.busy -= u32::from(jobs == 0);
            if !one_job {
                self.asking.push_back(Ask { worker: id, slot, restarts });
            }
            self.hand_out();
            self.leave_if_done(id);
        } else {
            self.in_flight_draining -= 1;
            if jobs == 0 {
                self.leave(id);
                self.bind();
            }
            self.hand_out();
        }
    }

    /// A job has ended: children of it may come to the queue.
    fn release_children(&mut self, job: u32) {
        for child in self.release.children_of(self.arrived[job as usize]) {
            if let Some(child) = self.release.parent_ended(child, self.now) {
                self.arrive(child);
            }
        }
    }

    pub(super) fn next_asking(&mut self) -> Option<Ask> {
        while let Some(ask) = self.asking.pop_front() {
            let worker = &self.workers[ask.worker as usize];
            if worker.state == State::Ready && worker.restarts == ask.restarts {
                return Some(ask);
            }
        }
        None
    }

    /// Takes a worker out of those that are to stay.
    pub(super) fn leave_active(&mut self, id: u32) {
        let Worker { state, place, jobs, node, .. } = self.workers[id as usize];
        match state {
            State::Pending => self.crew.pending -= 1,
            State::Starting => self.crew.starting -= 1,
            State::Ready | State::Draining | State::Gone => {
                self.crew.ready -= 1;
                self.crew.busy -= u32::from(jobs > 0);
            }
        }
        self.active.swap_remove(place as usize);
        if let Some(&moved) = self.active.get(place as usize) {
            self.workers[moved as usize].place = place;
        }
        if let (Some(nodes), Some(node)) = (&mut self.nodes, node) {
            nodes.told_to_go(node, self.now);
        }
    }

    /// A worker that is no more among those that are to stay is gone. Its jobs wait again.
    pub(super) fn leave(&mut self, id: u32) {
        let Worker { state, place, jobs, node, bound, row, .. } = self.workers[id as usize];
        if state == State::Draining {
            self.crew.draining -= 1;
            self.in_flight_draining -= jobs as usize;
            self.draining.swap_remove(place as usize);
            if let Some(&moved) = self.draining.get(place as usize) {
                self.workers[moved as usize].place = place;
            }
        }
        self.lose_jobs(id);
        self.workers[id as usize].state = State::Gone;
        if state != State::Pending {
            self.slots.give_back(row);
            self.accounts.note_gone(bound, self.now, &self.spec.billing);
        }
        if let (Some(nodes), Some(node)) = (&mut self.nodes, node) {
            nodes.left(node, self.now);
        }
    }

    /// The work of a worker is lost; its jobs wait again, in the order in which they began.
    fn lose_jobs(&mut self, id: u32) {
        let Worker { row, jobs, .. } = self.workers[id as usize];
        if jobs == 0 {
            return;
        }
        let mut lost: Vec<Running> =
            self.slots.each().filter_map(|slot| self.slots.at(row, slot).take()).collect();
        lost.sort_by(|a, b| a.since.total_cmp(&b.since).then(a.job.cmp(&b.job)));
        if self.spec.requeue == Requeue::Head {
            lost.reverse();
        }
        for Running { job, since } in lost {
            self.accounts.note_lost(self.now - since);
            self.queue.requeue(job, self.now, self.spec.requeue);
        }
        self.in_flight -= jobs as usize;
        self.workers[id as usize].jobs = 0;
    }

    fn is_on(&self, id: u32, node: NodeId) -> bool {
        self.workers[id as usize].node == Some(node)
    }

    fn expect(&mut self, at: f64, worker: u32, kind: Kind) {
        let restarts = self.workers[worker as usize].restarts;
        self.events.expect(at, Event { worker, kind, restarts });
    }
}

/// The place of what is put at the end.
fn place<T>(all: &[T]) -> u32 {
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}
