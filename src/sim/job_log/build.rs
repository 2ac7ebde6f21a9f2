//! How a log comes together: jobs in any order, names as numbers, parents before their children.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

use super::{About, Job, JobLog, OwnerId, QueueId};

/// Collects the jobs of a log.
#[derive(Debug, Default)]
pub struct JobLogBuilder {
    jobs: Vec<Job>,
    /// Child and parent, by their places in `jobs`.
    edges: Vec<(u32, u32)>,
    owners: Names,
    queues: Names,
    about: About,
}

/// A job in a builder, for its children to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed(u32);

impl JobLogBuilder {
    /// A builder that knows the names of another log already, by the same numbers.
    pub(super) fn like(log: &JobLog) -> Self {
        Self {
            owners: Names::of(&log.owners),
            queues: Names::of(&log.queues),
            about: log.about.clone(),
            ..Self::default()
        }
    }

    /// Says what the head of the log said.
    pub fn about(&mut self, about: About) {
        self.about = about;
    }

    /// The number of an owner's name.
    pub fn owner(&mut self, name: &str) -> OwnerId {
        OwnerId(self.owners.number(name))
    }

    /// The number of a queue's name.
    pub fn queue(&mut self, name: &str) -> QueueId {
        QueueId(self.queues.number(name))
    }

    /// Adds a job.
    pub fn push(&mut self, job: Job) -> Pushed {
        let place = u32::try_from(self.jobs.len()).expect("a log has fewer jobs than memory has bytes for");
        self.jobs.push(job);
        Pushed(place)
    }

    /// Adds a job that is released once all of `parents` have ended. It is submitted no earlier than they are.
    pub fn push_after(&mut self, job: Job, parents: &[Pushed]) -> Pushed {
        let submits = parents.iter().map(|parent| self.jobs[parent.0 as usize].submit);
        let submit = submits.fold(job.submit, f64::max);
        let pushed = self.push(Job { submit, ..job });
        self.edges.extend(parents.iter().map(|parent| (pushed.0, parent.0)));
        pushed
    }

    /// Gives every queue the name that `rename` has for it.
    pub(super) fn rename_queues(&mut self, rename: impl FnMut(&str) -> String) {
        self.queues.names = self.queues.names.iter().map(String::as_str).map(rename).collect();
    }

    /// Moves all jobs by so many seconds.
    pub(super) fn shift(&mut self, seconds: f64) {
        for job in &mut self.jobs {
            job.submit += seconds;
        }
    }

    /// The log, sorted by submission; jobs of one instant keep their order.
    pub fn build(self) -> JobLog {
        let Self { jobs, mut edges, owners, queues, about } = self;
        let mut order: Vec<u32> = (0..).take(jobs.len()).collect();
        order.sort_by(|&a, &b| jobs[a as usize].submit.total_cmp(&jobs[b as usize].submit));
        let first_parent = if edges.is_empty() {
            Vec::new()
        } else {
            let mut place = vec![0; jobs.len()];
            for (at, &job) in (0..).zip(&order) {
                place[job as usize] = at;
            }
            for (child, parent) in &mut edges {
                (*child, *parent) = (place[*child as usize], place[*parent as usize]);
            }
            edges.sort_unstable();
            edges.dedup();
            let starts = 0..=u32::try_from(jobs.len()).unwrap_or(u32::MAX);
            starts.map(|job| place_of(edges.partition_point(|&(child, _)| child < job))).collect()
        };
        JobLog {
            jobs: order.iter().map(|&job| jobs[job as usize]).collect(),
            first_parent,
            parents: edges.into_iter().map(|(_, parent)| parent).collect(),
            owners: owners.names.into(),
            queues: queues.names.into(),
            about,
        }
    }
}

impl JobLog {
    /// The jobs that `keep` says, by their place. What waited for a job that goes waits for that job's parents.
    pub(super) fn filter(&self, mut keep: impl FnMut(usize, &Job) -> bool) -> Self {
        if !self.has_parents() {
            let mut place = 0..;
            let kept = |job: &&Job| place.next().is_some_and(|at| keep(at, job));
            return self.with_jobs(self.jobs.iter().filter(kept).copied().collect());
        }
        let mut builder = JobLogBuilder::like(self);
        let mut stands_for: Vec<Vec<Pushed>> = Vec::with_capacity(self.jobs.len());
        for (at, job) in self.jobs.iter().enumerate() {
            let mut parents: Vec<Pushed> = Vec::new();
            for &parent in self.parents(at) {
                parents.extend(&stands_for[parent as usize]);
            }
            parents.sort_unstable_by_key(|parent| parent.0);
            parents.dedup();
            stands_for.push(if keep(at, job) { vec![builder.push_after(*job, &parents)] } else { parents });
        }
        builder.build()
    }

    /// The same log with every job changed; their order of submission must stay.
    pub(super) fn map(&self, change: impl Fn(&Job) -> Job) -> Self {
        Self {
            first_parent: self.first_parent.clone(),
            parents: self.parents.clone(),
            ..self.with_jobs(self.jobs.iter().map(change).collect())
        }
    }

    fn with_jobs(&self, jobs: Vec<Job>) -> Self {
        Self {
            jobs,
            first_parent: Vec::new(),
            parents: Vec::new(),
            owners: Arc::clone(&self.owners),
            queues: Arc::clone(&self.queues),
            about: self.about.clone(),
        }
    }
}

/// Names in the order of their first use; the n-th has number n.
#[derive(Debug, Default)]
struct Names {
    names: Vec<String>,
    numbers: HashMap<String, NonZeroU32>,
}

impl Names {
    fn of(names: &[String]) -> Self {
        let mut all = Self::default();
        for name in names {
            all.number(name);
        }
        all
    }

    fn number(&mut self, name: &str) -> NonZeroU32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        self.names.push(name.to_owned());
        let number = NonZeroU32::new(place_of(self.names.len())).unwrap_or(NonZeroU32::MAX);
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

fn place_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
