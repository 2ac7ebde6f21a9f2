//! Job logs: who submitted what when, what it needed, and for how long it ran.
//!
//! - readers: [`JobLog::read`] (by the name of the file), [`JobLog::from_swf`], [`JobLog::from_csv`],
//!   [`Workflows::read`]; all of them unpack gzip by themselves
//! - [`Transform`]: cut, thinned, scaled, expanded; also as text (`window=10..40`)
//! - [`Summary`]: a log in one line
//! - [`Releases`]: jobs that wait for other jobs

mod build;
mod csv;
mod error;
mod read;
mod release;
mod summary;
mod swf;
mod text;
mod transform;
mod workflow;

use std::{
    fmt,
    io::Read,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
};

pub use self::{
    build::{JobLogBuilder, Pushed},
    csv::{Column, Columns, RunTime, USUAL},
    error::JobLogError,
    release::Releases,
    summary::Summary,
    text::{duration, shown_date, shown_duration, time},
    transform::{Bound, ThinBy, Transform, TransformError, Unit, Window},
    workflow::{Placement, Workflows},
};

/// One job of a log: 48 bytes, since logs have hundreds of thousands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Job {
    /// When it was submitted, Unix seconds. A job with parents is released later: when the last of them ended.
    pub submit: f64,
    /// How long it runs, seconds; 0 where the log does not know, or where it failed at once.
    pub run: f64,
    /// Memory that it needs, bytes for the whole job, where the log says so.
    pub memory: Option<NonZeroU64>,
    /// The submitter's own estimate of `run`, seconds, where the log has one.
    pub estimate: Option<f32>,
    /// Processors that it needs, where the log says so.
    pub cpus: Option<NonZeroU32>,
    /// GPUs that it needs; `None` of a job that needs none, and where the log does not say.
    pub gpus: Option<NonZeroU32>,
    /// Who submitted it, where the log says so.
    pub owner: Option<OwnerId>,
    /// Queue that it was submitted to, where the log says so.
    pub queue: Option<QueueId>,
}

/// Number of an owner in its log; [`JobLog::owner`] has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(NonZeroU32);

/// Number of a queue in its log; [`JobLog::queue`] has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(NonZeroU32);

/// Jobs in the order of their submission.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobLog {
    jobs: Vec<Job>,
    /// Where the parents of each job begin in `parents`, and the end; empty where no job has any.
    first_parent: Vec<u32>,
    parents: Vec<u32>,
    owners: Arc<[String]>,
    queues: Arc<[String]>,
    about: About,
}

/// What the head of a log says of the machine that it was taken on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Processors of the machine.
    pub processors: Option<u32>,
    /// Its time zone, as the log writes it.
    pub time_zone: Option<String>,
    /// Whether submissions count from an unknown instant, written as Unix second 0: such a log has no dates,
    /// and its hour of the day is known only up to a shift.
    pub undated: bool,
}

/// The bundled week; source, licence and changes are in the README beside it.
const BUNDLED: &[u8] = include_bytes!("data/philly-2017-10.csv.gz");

impl Job {
    /// A job of which nothing else is known. Unix seconds; seconds, 0 or more.
    pub const fn new(submit: f64, run: f64) -> Self {
        Self { submit, run, memory: None, estimate: None, cpus: None, gpus: None, owner: None, queue: None }
    }
}

impl JobLog {
    /// A log of these jobs, sorted by submission (jobs of one instant keep their order). They have neither
    /// owners nor queues nor parents: those come with [`JobLogBuilder`].
    pub fn new(jobs: Vec<Job>) -> Self {
        let mut builder = JobLogBuilder::default();
        for job in jobs {
            builder.push(Job { owner: None, queue: None, ..job });
        }
        builder.build()
    }

    /// The bundled log: 10,465 jobs of a GPU cluster, 2017-10-09 to 2017-10-15.
    pub fn bundled() -> Result<Self, JobLogError> {
        Self::from_csv(BUNDLED, &Columns::PHILLY)
    }

    /// Reads a log in the format that the file's name says: `.swf` or `.swf.gz` is SWF, everything else CSV,
    /// whose columns are found by the names that are usual (see [`Columns::usual`]). CSV with the columns
    /// `instance`, `task` and `parents` holds workflows; they are placed an hour apart.
    pub fn read(name: &str, reader: impl Read) -> Result<Self, JobLogError> {
        let name = name.to_ascii_lowercase();
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        if plain.rsplit('.').next() == Some("swf") { Self::from_swf(reader) } else { csv::read_usual(reader) }
    }

    /// Reads the Standard Workload Format, version 2.2.
    ///
    /// Submissions are Unix seconds where the head has `UnixStartTime`. Processors are field 5, else field 8;
    /// memory is what was asked for, else what was used, of all processors together; the queue is field 15,
    /// else the partition, by the name that the head gives it. A job of unknown run time has run time 0.
    pub fn from_swf(reader: impl Read) -> Result<Self, JobLogError> {
        swf::read(reader)
    }

    /// Reads CSV text whose first line names the columns.
    pub fn from_csv(reader: impl Read, columns: &Columns<'_>) -> Result<Self, JobLogError> {
        csv::read(reader, columns)
    }

    /// Writes CSV that [`JobLog::read`] reads: the same jobs, owners and queues.
    ///
    /// # Errors
    /// Those of `out`, and for a log whose jobs have parents: CSV has no place for them.
    pub fn write_csv(&self, out: impl std::io::Write) -> std::io::Result<()> {
        csv::write(self, out)
    }

    /// The jobs, in the order of their submission.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The places in [`JobLog::jobs`] of the jobs that must have ended before this one is released; they stand
    /// before it.
    pub fn parents(&self, job: usize) -> &[u32] {
        let place = |index: usize| self.first_parent.get(index).map_or(0, |&at| at as usize);
        &self.parents[place(job)..place(job + 1)]
    }

    /// Whether some job waits for another.
    pub const fn has_parents(&self) -> bool {
        !self.parents.is_empty()
    }

    /// The name of an owner.
    pub fn owner(&self, owner: OwnerId) -> &str {
        name(&self.owners, owner.0)
    }

    /// The name of a queue.
    pub fn queue(&self, queue: QueueId) -> &str {
        name(&self.queues, queue.0)
    }

    /// Names of all owners, those of jobs that were cut off included.
    pub fn owners(&self) -> &[String] {
        &self.owners
    }

    /// Names of all queues, those of jobs that were cut off included.
    pub fn queues(&self) -> &[String] {
        &self.queues
    }

    /// What the head of the log said.
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// The jobs submitted in `[from, to)`, Unix seconds.
    #[must_use]
    pub fn window(&self, from: f64, to: f64) -> Self {
        self.filter(|_, job| from <= job.submit && job.submit < to)
    }

    /// The same jobs with run times multiplied so that their median becomes `median`, and then cut to `cap`
    /// (seconds both). A log whose median is 0 stays as it is but for the cut.
    #[must_use]
    pub fn with_run_times(&self, median: f64, cap: f64) -> Self {
        transform::with_capped_runs(&transform::with_median_run(self, median), cap)
    }

    /// The median run time, seconds; `None` of no jobs.
    pub fn median_run(&self) -> Option<f64> {
        let mut runs: Vec<f64> = self.jobs.iter().map(|job| job.run).collect();
        runs.sort_by(f64::total_cmp);
        let upper = *runs.get(runs.len() / 2)?;
        let lower = runs[(runs.len() - 1) / 2];
        Some(f64::midpoint(lower, upper))
    }

    /// Worker-seconds of all jobs.
    pub fn work(&self) -> f64 {
        self.jobs.iter().map(|job| job.run).sum()
    }
}

fn name(names: &[String], number: NonZeroU32) -> &str {
    names.get(number.get() as usize - 1).map_or("?", String::as_str)
}

impl fmt::Display for JobLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Summary::of(self).fmt(f)
    }
}
