//! What a run cost and how long its jobs waited.

/// Running totals.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    waits: Vec<Option<f64>>,
    gone: f64,
    starting: f64,
    idle: f64,
    busy: f64,
    lost: f64,
    requeued: usize,
    told_to_go: usize,
    told_to_go_busy: usize,
    peak: usize,
    direction: Option<Direction>,
    reversals: usize,
}

/// Worker-seconds, from being asked for to being gone, and what they went into.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkerSeconds {
    /// All of them: the sum over the workers.
    pub total: f64,
    /// Of workers that were not ready yet.
    pub starting: f64,
    /// Of ready workers without a job.
    pub idle: f64,
    /// Of workers with a job, terminating ones included.
    pub busy: f64,
    /// Of the busy ones, those whose job was lost.
    pub lost: f64,
}

/// How a run has gone. Waits are in seconds from submission to start, plus what a lost job waited again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Jobs that have been started.
    pub started: usize,
    /// Jobs that are done.
    pub completed: usize,
    /// Jobs that still wait.
    pub waiting: usize,
    /// Jobs that still run.
    pub in_flight: usize,
    /// How often a job was lost and had to wait again.
    pub requeued: usize,
    /// Workers told to go, whatever they did.
    pub told_to_go: usize,
    /// Of those, the ones that had a job.
    pub told_to_go_busy: usize,
    /// Mean wait.
    pub wait_mean: f64,
    /// Median wait.
    pub wait_p50: f64,
    /// The wait that 95 % of the jobs did not exceed.
    pub wait_p95: f64,
    /// Longest wait.
    pub wait_max: f64,
    /// What the workers' time went into.
    pub worker_seconds: WorkerSeconds,
    /// Most workers that were to stay at one time.
    pub peak_replicas: usize,
    /// How often the replicas turned from growing to shrinking or back.
    pub reversals: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Accounts {
    pub(super) fn new(jobs: usize) -> Self {
        Self {
            waits: vec![None; jobs],
            gone: 0.0,
            starting: 0.0,
            idle: 0.0,
            busy: 0.0,
            lost: 0.0,
            requeued: 0,
            told_to_go: 0,
            told_to_go_busy: 0,
            peak: 0,
            direction: None,
            reversals: 0,
        }
    }

    /// So many workers spent these seconds so.
    pub(super) fn pass(&mut self, seconds: f64, starting: usize, idle: usize, busy: usize) {
        self.starting += seconds * starting as f64;
        self.idle += seconds * idle as f64;
        self.busy += seconds * busy as f64;
    }

    pub(super) fn note_wait(&mut self, job: usize, seconds: f64) {
        let wait = &mut self.waits[job];
        *wait = Some(wait.unwrap_or(0.0) + seconds);
    }

    pub(super) fn note_lost(&mut self, seconds: f64) {
        self.lost += seconds;
        self.requeued += 1;
    }

    pub(super) fn note_told_to_go(&mut self, busy: bool) {
        self.told_to_go += 1;
        self.told_to_go_busy += usize::from(busy);
    }

    pub(super) fn note_gone(&mut self, lifetime: f64) {
        self.gone += lifetime;
    }

    pub(super) fn note_scaling(&mut self, from: usize, to: usize) {
        self.peak = self.peak.max(to);
        if from == to {
            return;
        }
        let direction = if to > from { Direction::Up } else { Direction::Down };
        if self.direction.is_some_and(|before| before != direction) {
            self.reversals += 1;
        }
        self.direction = Some(direction);
    }

    /// `living`: the seconds so far of the workers that are not gone.
    pub(super) fn worker_seconds(&self, living: f64) -> WorkerSeconds {
        let Self { gone, starting, idle, busy, lost, .. } = *self;
        WorkerSeconds { total: gone + living, starting, idle, busy, lost }
    }

    pub(super) fn summary(
        &self,
        worker_seconds: WorkerSeconds,
        completed: usize,
        waiting: usize,
        in_flight: usize,
    ) -> Summary {
        let mut waits: Vec<f64> = self.waits.iter().copied().flatten().collect();
        waits.sort_by(f64::total_cmp);
        Summary {
            started: waits.len(),
            completed,
            waiting,
            in_flight,
            requeued: self.requeued,
            told_to_go: self.told_to_go,
            told_to_go_busy: self.told_to_go_busy,
            wait_mean: waits.iter().sum::<f64>() / (waits.len().max(1) as f64),
            wait_p50: percentile(&waits, 50),
            wait_p95: percentile(&waits, 95),
            wait_max: percentile(&waits, 100),
            worker_seconds,
            peak_replicas: self.peak,
            reversals: self.reversals,
        }
    }
}

impl Summary {
    /// Worker-hours, from being asked for to being gone.
    pub fn worker_hours(&self) -> f64 {
        self.worker_seconds.total / 3600.0
    }
}

/// The smallest value that at least so many per cent of the (sorted) values do not exceed; 0 of none.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let waits: Vec<f64> = (1..=20).map(f64::from).collect();
        let found = [50, 95, 100].map(|percent| percentile(&waits, percent));
        assert_eq!(found.map(|wait| format!("{wait}")), ["10", "19", "20"]);
        assert!(percentile(&[], 95) <= 0.0);
    }

    #[test]
    fn a_turn_of_direction_is_counted_once() {
        let mut accounts = Accounts::new(0);
        for (from, to) in [(0, 3), (3, 5), (5, 5), (5, 2), (2, 1), (1, 4)] {
            accounts.note_scaling(from, to);
        }
        assert_eq!((accounts.reversals, accounts.peak), (2, 5));
    }
}
