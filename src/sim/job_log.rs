//! Job logs: who submitted what when, and for how long it ran.

mod csv;

use std::io::Read;

use flate2::read::GzDecoder;

pub use csv::{Columns, JobLogError};

/// One job of a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Job {
    /// When it was submitted, Unix seconds.
    pub submit: f64,
    /// How long it runs, seconds, 0 or more.
    pub run: f64,
    /// Processors that it needs, where the log says so.
    pub cpus: Option<u32>,
    /// GPUs that it needs, where the log says so.
    pub gpus: Option<u32>,
    /// Who submitted it, where the log says so: a number for [`JobLog::owner`].
    pub owner: Option<u32>,
}

/// Jobs in the order of their submission.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobLog {
    jobs: Vec<Job>,
    owners: Vec<String>,
}

/// The bundled week; source, licence and changes are in the README beside it.
const BUNDLED: &[u8] = include_bytes!("data/philly-2017-10.csv.gz");

impl JobLog {
    /// A log of these jobs, sorted by submission (jobs of one instant keep their order).
    pub fn new(mut jobs: Vec<Job>, owners: Vec<String>) -> Self {
        jobs.sort_by(|a, b| a.submit.total_cmp(&b.submit));
        Self { jobs, owners }
    }

    /// The bundled log: 10,465 jobs of a GPU cluster, 2017-10-09 to 2017-10-15.
    pub fn bundled() -> Result<Self, JobLogError> {
        Self::from_csv_gz(BUNDLED, &Columns::PHILLY)
    }

    /// Reads CSV text whose first line names the columns.
    pub fn from_csv(reader: impl Read, columns: &Columns<'_>) -> Result<Self, JobLogError> {
        csv::read(reader, columns)
    }

    /// Reads the same, compressed with gzip.
    pub fn from_csv_gz(reader: impl Read, columns: &Columns<'_>) -> Result<Self, JobLogError> {
        csv::read(GzDecoder::new(reader), columns)
    }

    /// The jobs, in the order of their submission.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The name of an owner.
    pub fn owner(&self, number: u32) -> Option<&str> {
        self.owners.get(usize::try_from(number).ok()?).map(String::as_str)
    }

    /// The jobs submitted in `[from, to)`, Unix seconds.
    #[must_use]
    pub fn window(&self, from: f64, to: f64) -> Self {
        let jobs = self.jobs.iter().filter(|job| from <= job.submit && job.submit < to).copied().collect();
        Self { jobs, owners: self.owners.clone() }
    }

    /// The same jobs with run times multiplied so that their median becomes `median`, and then cut to `cap`
    /// (seconds both). A log whose median is 0 stays as it is but for the cut.
    #[must_use]
    pub fn with_run_times(&self, median: f64, cap: f64) -> Self {
        let factor = self.median_run().filter(|&was| was > 0.0).map_or(1.0, |was| median / was);
        let scale = |job: &Job| Job { run: (job.run * factor).min(cap), ..*job };
        Self { jobs: self.jobs.iter().map(scale).collect(), owners: self.owners.clone() }
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
