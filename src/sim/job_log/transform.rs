//! What is done to a log before it is played: cut, thinned, scaled, expanded.

mod parse;

use std::{collections::HashSet, num::NonZeroU32};

use rand::{RngExt as _, SeedableRng as _, seq::SliceRandom as _};
use rand_pcg::Pcg64Mcg;

use super::{Job, JobLog, JobLogBuilder, build::Pushed};

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// One step from a log to another. How it is written as text (`FromStr`, `Display`) stands in brackets.
#[derive(Clone, Debug, PartialEq)]
pub enum Transform {
    /// The jobs submitted within a window (`window=10..40`, `window=2017-10-02..2017-12-15`).
    Window(Window),
    /// The shortest run of whole days, counted from the first submission, that holds this share of the jobs:
    /// above 0, at most 1 (`dense=0.9`). The earliest, where several are as short.
    Dense(f64),
    /// Run times and estimates multiplied so that the median run time becomes so many seconds (`median=5m`). A
    /// log whose median is 0 stays as it is.
    MedianRun(f64),
    /// Run times and estimates above so many seconds become that (`cap=4h`).
    CapRun(f64),
    /// A part of the log, chosen by a seed (`thin=owners/4`, `thin=jobs/10@7`).
    Thin {
        /// What is chosen.
        by: ThinBy,
        /// One in how many stays.
        one_in: NonZeroU32,
        /// The same seed chooses the same.
        seed: u64,
    },
    /// Time since the first submission, run times and estimates multiplied by this, above 0 (`time=0.1`).
    ScaleTime(f64),
    /// Each job becomes an array of tasks that run as long as it did, one for each of its processors or GPUs,
    /// submitted at once (`tasks=cpus`, `tasks=gpus/8`: at most 8). What the job needs is shared among them,
    /// rounded up, but for GPUs among `cpus`: there a task gets one only where there is one for each. What
    /// waited for the job waits for all of them.
    Expand {
        /// What each task has one of.
        unit: Unit,
        /// Most tasks of one job.
        cap: Option<NonZeroU32>,
    },
    /// Only the jobs of these queues (`queue=batch,long`).
    Queues(Vec<String>),
    /// Only the jobs of these owners (`owner=ann,zoe`).
    Owners(Vec<String>),
    /// Without the jobs whose run time is 0: those that failed at once, and those whose run time is unknown
    /// (`with-run`).
    WithRun,
    /// Shifted so that the first submission is at this Unix second (`start=2024-01-01`).
    Start(f64),
    /// Parents forgotten: each job is submitted when the last of its parents would have ended, had none of them
    /// waited for a worker (`released`).
    Released,
}

/// A span of submissions, its start included, its end excluded; open where there is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    /// Its start.
    pub from: Option<Bound>,
    /// Its end.
    pub to: Option<Bound>,
}

/// One end of a [`Window`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Days after the first submission, 0 or more.
    Day(f64),
    /// Unix seconds.
    Date(f64),
}

/// What [`Transform::Thin`] chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinBy {
    /// Owners with all their jobs: exactly one in so many, rounded up. Bursts stay whole.
    Owners,
    /// Single jobs, each with the same chance.
    Jobs,
}

/// What [`Transform::Expand`] makes tasks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Processors.
    Cpus,
    /// GPUs.
    Gpus,
}

/// Why a transform cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// The text is none.
    #[error("`{text}` is no transform of a job log: {expected}")]
    Text {
        /// What was written.
        text: String,
        /// What can be.
        expected: String,
    },
    /// A date was given, and the log has none.
    #[error("{transform}: the log does not say when it was taken; give days after its start (window=10..40)")]
    Undated {
        /// As text.
        transform: String,
    },
    /// Owners were to be chosen, and the log has none.
    #[error("{transform}: the log does not say who submitted a job; choose jobs (thin=jobs/4)")]
    NoOwners {
        /// As text.
        transform: String,
    },
    /// All jobs are gone.
    #[error("{transform} leaves no job of {log}")]
    NothingLeft {
        /// As text.
        transform: String,
        /// What there was.
        log: String,
    },
}

impl Transform {
    /// The log that this makes of another.
    ///
    /// # Errors
    /// Where the log lacks what this asks for, or where it had jobs and none is left.
    pub fn apply(&self, log: &JobLog) -> Result<JobLog, TransformError> {
        let made = match self {
            Self::Window(window) => {
                if log.about().undated && window.has_date() {
                    return Err(TransformError::Undated { transform: self.to_string() });
                }
                let (from, to) = window.of(log);
                log.window(from, to)
            }
            Self::Dense(share) => dense(log, *share),
            Self::MedianRun(median) => with_median_run(log, *median),
            Self::CapRun(cap) => with_capped_runs(log, *cap),
            Self::Thin { by: ThinBy::Owners, one_in, seed } => {
                if log.jobs().iter().all(|job| job.owner.is_none()) && !log.jobs().is_empty() {
                    return Err(TransformError::NoOwners { transform: self.to_string() });
                }
                one_owner_in(log, *one_in, *seed)
            }
            Self::Thin { by: ThinBy::Jobs, one_in, seed } => {
                let mut rng = Pcg64Mcg::seed_from_u64(*seed);
                log.filter(|_, _| rng.random_range(0..one_in.get()) == 0)
            }
            Self::ScaleTime(factor) => scale_time(log, *factor),
            Self::Expand { unit, cap } => expand(log, *unit, *cap),
            Self::Queues(names) => {
                log.filter(|_, job| job.queue.is_some_and(|queue| named(names, log.queue(queue))))
            }
            Self::Owners(names) => {
                log.filter(|_, job| job.owner.is_some_and(|owner| named(names, log.owner(owner))))
            }
            Self::WithRun => log.filter(|_, job| job.run > 0.0),
            Self::Start(at) => {
                let shift = at - first(log);
                log.map(|job| Job { submit: job.submit + shift, ..*job })
            }
            Self::Released => released(log),
        };
        if made.jobs().is_empty() && !log.jobs().is_empty() {
            return Err(TransformError::NothingLeft { transform: self.to_string(), log: log.to_string() });
        }
        Ok(made)
    }

    /// Applies several, one after the other.
    pub fn apply_all<'a>(
        transforms: impl IntoIterator<Item = &'a Self>,
        log: JobLog,
    ) -> Result<JobLog, TransformError> {
        transforms.into_iter().try_fold(log, |log, transform| transform.apply(&log))
    }
}

impl Window {
    /// Its bounds in a log, Unix seconds.
    fn of(self, log: &JobLog) -> (f64, f64) {
        let place = |bound| match bound {
            Bound::Day(day) => first(log) + day * DAY,
            Bound::Date(time) => time,
        };
        (self.from.map_or(f64::NEG_INFINITY, place), self.to.map_or(f64::INFINITY, place))
    }

    fn has_date(self) -> bool {
        [self.from, self.to].iter().any(|bound| matches!(bound, Some(Bound::Date(_))))
    }
}

pub(super) fn with_median_run(log: &JobLog, median: f64) -> JobLog {
    let factor = log.median_run().filter(|&was| was > 0.0).map_or(1.0, |was| median / was);
    log.map(|job| with_run(job, |run| run * factor))
}

pub(super) fn with_capped_runs(log: &JobLog, cap: f64) -> JobLog {
    log.map(|job| with_run(job, |run| run.min(cap)))
}

/// Changes the run time, and the estimate alike.
fn with_run(job: &Job, change: impl Fn(f64) -> f64) -> Job {
    #[expect(clippy::cast_possible_truncation, reason = "an estimate need not be exact")]
    let estimate = job.estimate.map(|estimate| change(f64::from(estimate)) as f32);
    Job { run: change(job.run), estimate, ..*job }
}

fn first(log: &JobLog) -> f64 {
    log.jobs().first().map_or(0.0, |job| job.submit)
}

fn named(names: &[String], name: &str) -> bool {
    names.iter().any(|wanted| wanted == name)
}

fn dense(log: &JobLog, share: f64) -> JobLog {
    let start = first(log);
    let days: Vec<f64> = log.jobs().iter().map(|job| ((job.submit - start) / DAY).floor()).collect();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is 1 to the number of jobs"
    )]
    let wanted = ((share * days.len() as f64).ceil().max(1.0) as usize).min(days.len());
    let spans = days.iter().zip(days.iter().skip(wanted.saturating_sub(1)));
    let shortest = spans.min_by(|(a, b), (c, d)| (*b - *a).total_cmp(&(*d - *c)));
    shortest.map_or_else(
        || log.clone(),
        |(from, last)| log.window(start + from * DAY, start + (last + 1.0) * DAY),
    )
}

fn one_owner_in(log: &JobLog, one_in: NonZeroU32, seed: u64) -> JobLog {
    let mut known = HashSet::new();
    let mut owners = Vec::new();
    for owner in log.jobs().iter().filter_map(|job| job.owner) {
        if known.insert(owner) {
            owners.push(owner);
        }
    }
    owners.shuffle(&mut Pcg64Mcg::seed_from_u64(seed));
    owners.truncate(owners.len().div_ceil(one_in.get() as usize));
    let kept: HashSet<_> = owners.into_iter().collect();
    log.filter(|_, job| job.owner.is_some_and(|owner| kept.contains(&owner)))
}

fn scale_time(log: &JobLog, factor: f64) -> JobLog {
    let start = first(log);
    log.map(|job| Job { submit: start + (job.submit - start) * factor, ..with_run(job, |run| run * factor) })
}

fn expand(log: &JobLog, unit: Unit, cap: Option<NonZeroU32>) -> JobLog {
    let mut builder = JobLogBuilder::like(log);
    let mut arrays: Vec<Vec<Pushed>> = Vec::with_capacity(log.jobs().len());
    for (at, job) in log.jobs().iter().enumerate() {
        let of = match unit {
            Unit::Cpus => job.cpus,
            Unit::Gpus => job.gpus,
        };
        let tasks = of.map_or(NonZeroU32::MIN, |count| cap.map_or(count, |cap| count.min(cap)));
        let share = |count: NonZeroU32| count.get().div_ceil(tasks.get());
        let task = Job {
            cpus: job.cpus.map(share).and_then(NonZeroU32::new),
            gpus: match unit {
                Unit::Cpus => job.gpus.and_then(|gpus| NonZeroU32::new(gpus.get() / tasks)),
                Unit::Gpus => job.gpus.map(share).and_then(NonZeroU32::new),
            },
            memory: job.memory.map(|bytes| bytes.div_ceil(tasks.into())),
            ..*job
        };
        let parents: Vec<Pushed> =
            log.parents(at).iter().flat_map(|&parent| &arrays[parent as usize]).copied().collect();
        arrays.push((0..tasks.get()).map(|_| builder.push_after(task, &parents)).collect());
    }
    builder.build()
}

fn released(log: &JobLog) -> JobLog {
    if !log.has_parents() {
        return log.clone();
    }
    let mut builder = JobLogBuilder::like(log);
    let mut ends: Vec<f64> = Vec::with_capacity(log.jobs().len());
    for (at, job) in log.jobs().iter().enumerate() {
        let submit = log.parents(at).iter().map(|&parent| ends[parent as usize]).fold(job.submit, f64::max);
        ends.push(submit + job.run);
        builder.push(Job { submit, ..*job });
    }
    builder.build()
}
