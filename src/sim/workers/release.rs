//! When the jobs of a log come to the queue: when they are submitted, and their parents have ended.

use super::super::job_log::JobLog;

/// The jobs of a log, by their places in it, and what is still to come of them.
#[derive(Clone, Debug)]
pub(super) struct Release {
    jobs: Vec<Job>,
    /// Those before this one have been submitted.
    submitted: usize,
    /// By job: parents that have not ended. Empty where no job has any, as are the children.
    parents: Vec<u32>,
    /// By job, where its children begin in `children`; the end as well.
    first_child: Vec<u32>,
    children: Vec<u32>,
}

/// What of a job matters here.
#[derive(Clone, Copy, Debug)]
struct Job {
    /// When it came to the queue, once it has; before, when it is submitted.
    came: f64,
    run: f64,
}

impl Release {
    pub(super) fn new(log: &JobLog) -> Self {
        let jobs = log.jobs().iter().map(|job| Job { came: job.submit, run: job.run }).collect();
        let (parents, first_child, children) =
            if log.has_parents() { family(log) } else { Default::default() };
        Self { jobs, submitted: 0, parents, first_child, children }
    }

    pub(super) const fn len(&self) -> usize {
        self.jobs.len()
    }

    /// When the next job is submitted; infinite after the last.
    pub(super) fn next(&self) -> f64 {
        self.jobs.get(self.submitted).map_or(f64::INFINITY, |job| job.came)
    }

    /// Jobs that are still to be submitted, up to this time.
    pub(super) fn before(&self, until: f64) -> usize {
        self.jobs[self.submitted..].partition_point(|job| job.came <= until)
    }

    /// The next job is submitted. It comes to the queue, unless it waits for parents.
    pub(super) fn submit(&mut self) -> Option<u32> {
        let job = self.submitted;
        self.submitted += 1;
        let waits = self.parents.get(job).is_some_and(|&parents| parents > 0);
        (!waits).then_some(place(job))
    }

    /// Where in [`Self::child`] the children of a job that has ended stand.
    pub(super) fn children_of(&self, job: u32) -> std::ops::Range<usize> {
        let at = |job: usize| self.first_child.get(job).map_or(0, |&at| at as usize);
        at(job as usize)..at(job as usize + 1)
    }

    /// One parent of this child has ended. The child comes to the queue, if that was the last one and it has been
    /// submitted.
    pub(super) fn parent_ended(&mut self, child: usize, now: f64) -> Option<u32> {
        let job = self.children[child];
        let parents = &mut self.parents[job as usize];
        *parents -= 1;
        let comes = *parents == 0 && (job as usize) < self.submitted;
        if comes {
            self.jobs[job as usize].came = now;
        }
        comes.then_some(job)
    }

    /// When this job came to the queue.
    pub(super) fn came(&self, job: u32) -> f64 {
        self.jobs[job as usize].came
    }

    pub(super) fn run(&self, job: u32) -> f64 {
        self.jobs[job as usize].run
    }
}

/// How many parents each job has, and its children.
fn family(log: &JobLog) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let all = || (0..log.jobs().len()).map(|job| (job, log.parents(job)));
    let parents: Vec<u32> = all().map(|(_, parents)| place(parents.len())).collect();
    let mut first_child = vec![0_u32; log.jobs().len() + 1];
    for &parent in all().flat_map(|(_, parents)| parents) {
        first_child[parent as usize + 1] += 1;
    }
    for job in 1..first_child.len() {
        first_child[job] += first_child[job - 1];
    }
    let mut next = first_child.clone();
    let mut children = vec![0_u32; all().map(|(_, parents)| parents.len()).sum()];
    for (child, parents) in all() {
        for &parent in parents {
            let at = &mut next[parent as usize];
            children[*at as usize] = place(child);
            *at += 1;
        }
    }
    (parents, first_child, children)
}

/// A place in the log as a number of 32 bits: a log has fewer jobs.
fn place(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
