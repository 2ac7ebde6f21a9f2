//! Jobs that wait for other jobs: who is free to be queued, and when.

use super::JobLog;

/// Which jobs of a log still wait for parents. A simulator tells it who ended, and hears who is released.
#[derive(Clone, Debug)]
pub struct Releases {
    /// Parents that have not ended.
    missing: Vec<u32>,
    /// Where the children of each job begin in `children`, and the end; empty where nobody waits.
    first_child: Vec<u32>,
    children: Vec<u32>,
}

impl Releases {
    /// Nobody has ended yet.
    pub fn of(log: &JobLog) -> Self {
        if !log.has_parents() {
            return Self { missing: Vec::new(), first_child: Vec::new(), children: Vec::new() };
        }
        let jobs = log.jobs().len();
        let mut first_child = vec![0_u32; jobs + 1];
        let parents = (0..jobs).map(|job| log.parents(job));
        for &parent in parents.clone().flatten() {
            first_child[parent as usize + 1] += 1;
        }
        for at in 0..jobs {
            first_child[at + 1] += first_child[at];
        }
        let mut next = first_child.clone();
        let mut children = vec![0; next[jobs] as usize];
        for (job, parents) in (0..).zip(parents.clone()) {
            for &parent in parents {
                let place = &mut next[parent as usize];
                children[*place as usize] = job;
                *place += 1;
            }
        }
        let missing = parents.map(|parents| u32::try_from(parents.len()).unwrap_or(u32::MAX)).collect();
        Self { missing, first_child, children }
    }

    /// Whether a job waits for nobody, so that it may be queued from its submission on.
    pub fn is_free(&self, job: usize) -> bool {
        self.missing.get(job).is_none_or(|&missing| missing == 0)
    }

    /// Notes that a job has ended (once, whatever became of it), and hands each job that is released by that to
    /// `released`.
    pub fn ended(&mut self, job: usize, mut released: impl FnMut(usize)) {
        let place = |at: usize| self.first_child.get(at).map_or(0, |&at| at as usize);
        for &child in &self.children[place(job)..place(job + 1)] {
            let missing = &mut self.missing[child as usize];
            *missing -= 1;
            if *missing == 0 {
                released(child as usize);
            }
        }
    }
}
