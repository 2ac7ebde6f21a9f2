//! The checked form of `history:`: what remembers the jobs of a layout.

use super::{promql::PromQl, secret::Secret};

/// What remembers the jobs of a layout.
#[derive(Debug, Clone, PartialEq)]
pub enum History {
    /// Its own table.
    Table(TableHistory),
    /// A Prometheus that has watched.
    Prometheus(PrometheusHistory),
}

/// What a table remembers.
#[derive(Debug, Clone, PartialEq)]
pub struct TableHistory {
    /// One SQL statement that returns a row a job.
    pub query: String,
    /// Seconds that are looked back.
    pub span: f64,
    /// Rows at most, the latest.
    pub rows: u32,
    /// Seconds that the server may take.
    pub timeout: f64,
}

/// What a Prometheus remembers.
#[derive(Debug, Clone, PartialEq)]
pub struct PrometheusHistory {
    /// Address, without credentials.
    pub url: String,
    /// The value of the header `Authorization`.
    pub authorization: Option<Secret>,
    /// What is asked. Each question has a place for the queue's name, or `queue` is given.
    pub series: Series<PromQl>,
    /// The one queue that all of it is about; any where absent.
    pub queue: Option<String>,
    /// Seconds that are looked back.
    pub span: f64,
    /// Seconds between two points.
    pub step: f64,
    /// Jobs at most, the latest.
    pub jobs: u32,
    /// Seconds that one request may take.
    pub timeout: f64,
}

/// Which series tell of jobs; `Q` is a question in PromQL.
#[derive(Debug, Clone, PartialEq)]
pub enum Series<Q> {
    /// Counters of submitted jobs, each for itself.
    Counter {
        /// The counters.
        jobs: Q,
        /// How long the jobs ran.
        run: Run<Q>,
    },
    /// The number of waiting jobs; what came and was taken between two points is not seen.
    Depth {
        /// One series.
        waiting: Q,
        /// How long the jobs ran.
        run: Run<Q>,
    },
    /// The number of waiting jobs and that of busy workers, who take one each run time.
    Flow {
        /// One series.
        waiting: Q,
        /// One series.
        busy: Q,
        /// Seconds that a job runs.
        run: f64,
    },
}

/// How long jobs ran.
#[derive(Debug, Clone, PartialEq)]
pub enum Run<Q> {
    /// So many seconds each.
    Known(f64),
    /// As long as all workers were busy, divided by the jobs: the number of busy workers, one series.
    Busy(Q),
}

impl<Q> Series<Q> {
    /// The series that are given; `run` is in seconds.
    ///
    /// # Errors
    /// Says what is missing, or too much.
    pub fn of(
        counter: Option<Q>,
        depth: Option<Q>,
        run: Option<f64>,
        busy: Option<Q>,
    ) -> Result<Self, &'static str> {
        match (counter, depth, run, busy) {
            (Some(_), Some(_), ..) => Err("give one of counter and depth, not both"),
            (None, None, ..) => Err("a series is needed: counter or depth"),
            (_, _, None, None) => Err("a run time is needed: run or busy"),
            (Some(_), None, Some(_), Some(_)) => {
                Err("beside a counter, run and busy both say how long jobs ran: give one of them")
            }
            (Some(jobs), None, Some(run), None) => Ok(Self::Counter { jobs, run: Run::Known(run) }),
            (Some(jobs), None, None, Some(busy)) => Ok(Self::Counter { jobs, run: Run::Busy(busy) }),
            (None, Some(waiting), Some(run), None) => Ok(Self::Depth { waiting, run: Run::Known(run) }),
            (None, Some(waiting), None, Some(busy)) => Ok(Self::Depth { waiting, run: Run::Busy(busy) }),
            (None, Some(waiting), Some(run), Some(busy)) => Ok(Self::Flow { waiting, busy, run }),
        }
    }

    /// The same with other questions.
    pub fn map<R>(&self, mut other: impl FnMut(&Q) -> R) -> Series<R> {
        match self {
            Self::Counter { jobs, run } => Series::Counter { jobs: other(jobs), run: run.map(other) },
            Self::Depth { waiting, run } => Series::Depth { waiting: other(waiting), run: run.map(other) },
            Self::Flow { waiting, busy, run } => {
                Series::Flow { waiting: other(waiting), busy: other(busy), run: *run }
            }
        }
    }
}

impl<Q> Run<Q> {
    fn map<R>(&self, mut other: impl FnMut(&Q) -> R) -> Run<R> {
        match self {
            Self::Known(seconds) => Run::Known(*seconds),
            Self::Busy(busy) => Run::Busy(other(busy)),
        }
    }
}
