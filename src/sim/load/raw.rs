//! A load as it is written, and what may be wrong with it.

use std::num::{NonZeroU32, NonZeroU64};

use serde::Deserialize;

use super::{Load, Needs, Part, RunLaw, Shape, Span, Times, Work, run::LONGEST};
use crate::sim::job_log::{duration, time};

/// Monday 2024-01-01, Unix seconds: where a load begins that does not say.
const A_MONDAY: f64 = 1_704_067_200.0;

/// Seconds of an hour: rates are written in jobs an hour.
const HOUR: f64 = 3600.0;

/// Jobs that a load may have, by expectation: more is a slip of the pen, and would fill the memory.
const MOST_JOBS: f64 = 10e6;

/// What is wrong with a load: where, and what should stand there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct LoadError {
    /// Path of the field, as in `parts[2].poisson.rate`.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

type Checked<T> = Result<T, LoadError>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLoad {
    start: Option<Scalar>,
    length: Scalar,
    parts: Vec<RawPart>,
}

/// A number, or text that says one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(in crate::sim) enum Scalar {
    Number(f64),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawPart {
    Poisson(Poisson),
    Array(Array),
    Diurnal(Diurnal),
    TrickleToZero(Poisson),
    SelfExciting(SelfExciting),
    Pipeline(Pipeline),
    OneLongJob(OneLongJob),
    Silence(Silence),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Poisson {
    rate: f64,
    from: Option<Scalar>,
    to: Option<Scalar>,
    run: RawRun,
    #[serde(default)]
    job: RawJob,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Array {
    at: Scalar,
    every: Option<Scalar>,
    jitter: Option<Scalar>,
    size: u32,
    over: Option<Scalar>,
    run: RawRun,
    #[serde(default)]
    job: RawJob,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Diurnal {
    rate: f64,
    depth: Option<f64>,
    peak: Option<Scalar>,
    weekend: Option<f64>,
    from: Option<Scalar>,
    to: Option<Scalar>,
    run: RawRun,
    #[serde(default)]
    job: RawJob,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SelfExciting {
    rate: f64,
    branching: f64,
    decay: Scalar,
    from: Option<Scalar>,
    to: Option<Scalar>,
    run: RawRun,
    #[serde(default)]
    job: RawJob,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pipeline {
    at: Scalar,
    every: Option<Scalar>,
    jitter: Option<Scalar>,
    stages: Vec<RawStage>,
    #[serde(default)]
    job: RawJob,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStage {
    jobs: u32,
    run: RawRun,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneLongJob {
    at: Scalar,
    run: Scalar,
    #[serde(default)]
    job: RawJob,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Silence {
    from: Option<Scalar>,
    to: Option<Scalar>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawRun {
    Fixed(Scalar),
    Exponential { mean: Scalar },
    Lognormal { median: Scalar, sigma: f64 },
    Empirical(Vec<Scalar>),
}

/// What is true of each job of a part.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJob {
    cpus: Option<NonZeroU32>,
    gpus: Option<NonZeroU32>,
    memory_gib: Option<f64>,
    owner: Option<String>,
    queue: Option<String>,
}

impl TryFrom<RawLoad> for Load {
    type Error = LoadError;

    fn try_from(RawLoad { start, length, parts }: RawLoad) -> Checked<Self> {
        let start = match start {
            None => A_MONDAY,
            Some(start) => start.time("start")?,
        };
        let length = length.above_zero("length")?;
        let mut load = Self { start, length, parts: Vec::new(), silences: Vec::new() };
        let mut expected = 0.0;
        for (place, part) in parts.into_iter().enumerate() {
            let at = format!("parts[{place}]");
            match part.check(&at, length)? {
                CheckedPart::Silence(span) => load.silences.push(span),
                CheckedPart::Part(part) => {
                    expected += part.work.expected(length);
                    load.parts.push(part);
                }
            }
            if expected > MOST_JOBS {
                let what = format!("so far that makes {expected:.0} jobs; a load has at most {MOST_JOBS:.0}");
                return Err(LoadError { path: at, what });
            }
        }
        Ok(load)
    }
}

enum CheckedPart {
    Part(Part),
    Silence(Span),
}

impl RawPart {
    fn check(self, at: &str, length: f64) -> Checked<CheckedPart> {
        let (work, job, at) = match self {
            Self::Silence(Silence { from, to }) => {
                let during = span(&format!("{at}.silence"), from.as_ref(), to.as_ref(), length)?;
                return Ok(CheckedPart::Silence(during));
            }
            Self::Poisson(Poisson { rate, from, to, run, job }) => {
                let at = format!("{at}.poisson");
                let shape = Shape::Poisson {
                    rate: per_hour(&at, rate)?,
                    during: span(&at, from.as_ref(), to.as_ref(), length)?,
                };
                (Work::Jobs(shape, run.check(&at)?), job, at)
            }
            Self::TrickleToZero(Poisson { rate, from, to, run, job }) => {
                let at = format!("{at}.trickle_to_zero");
                let shape = Shape::TrickleToZero {
                    rate: per_hour(&at, rate)?,
                    during: span(&at, from.as_ref(), to.as_ref(), length)?,
                };
                (Work::Jobs(shape, run.check(&at)?), job, at)
            }
            Self::Array(Array { at: first, every, jitter, size, over, run, job }) => {
                let at = format!("{at}.array");
                let shape = Shape::Array {
                    times: times(&at, &first, every.as_ref(), jitter.as_ref())?,
                    size: count(&format!("{at}.size"), size)?,
                    over: seconds_or(&format!("{at}.over"), over.as_ref(), 0.0)?,
                };
                (Work::Jobs(shape, run.check(&at)?), job, at)
            }
            Self::Diurnal(Diurnal { rate, depth, peak, weekend, from, to, run, job }) => {
                let at = format!("{at}.diurnal");
                let shape = Shape::Diurnal {
                    rate: per_hour(&at, rate)?,
                    depth: within(&format!("{at}.depth"), depth.unwrap_or(0.8), 0.0, 1.0)?,
                    peak: seconds_or(&format!("{at}.peak"), peak.as_ref(), 14.0 * HOUR)?,
                    weekend: within(&format!("{at}.weekend"), weekend.unwrap_or(1.0), 0.0, 100.0)?,
                    during: span(&at, from.as_ref(), to.as_ref(), length)?,
                };
                (Work::Jobs(shape, run.check(&at)?), job, at)
            }
            Self::SelfExciting(SelfExciting { rate, branching, decay, from, to, run, job }) => {
                let at = format!("{at}.self_exciting");
                let shape = Shape::SelfExciting {
                    rate: per_hour(&at, rate)?,
                    branching: within(&format!("{at}.branching"), branching, 0.0, 0.99)?,
                    decay: decay.above_zero(&format!("{at}.decay"))?,
                    during: span(&at, from.as_ref(), to.as_ref(), length)?,
                };
                (Work::Jobs(shape, run.check(&at)?), job, at)
            }
            Self::OneLongJob(OneLongJob { at: instant, run, job }) => {
                let at = format!("{at}.one_long_job");
                let shape = Shape::One { at: instant.seconds(&format!("{at}.at"))? };
                let law = RunLaw::Fixed(run.run_time(&format!("{at}.run"))?);
                (Work::Jobs(shape, law), job, at)
            }
            Self::Pipeline(Pipeline { at: first, every, jitter, stages, job }) => {
                let at = format!("{at}.pipeline");
                let times = times(&at, &first, every.as_ref(), jitter.as_ref())?;
                if stages.is_empty() {
                    return wrong(format!("{at}.stages"), "a pipeline has one stage at least");
                }
                let stage = |(place, stage): (usize, RawStage)| {
                    let at = format!("{at}.stages[{place}]");
                    Ok((count(&format!("{at}.jobs"), stage.jobs)?, stage.run.check(&at)?))
                };
                let stages = stages.into_iter().enumerate().map(stage).collect::<Checked<_>>()?;
                (Work::Pipeline { times, stages }, job, at)
            }
        };
        let RawJob { cpus, gpus, memory_gib, owner, queue } = job;
        let memory = memory_gib.map(|gib| memory(&format!("{at}.job.memory_gib"), gib)).transpose()?;
        Ok(CheckedPart::Part(Part { work, needs: Needs { cpus, gpus, memory }, owner, queue }))
    }
}

impl RawRun {
    fn check(self, at: &str) -> Checked<RunLaw> {
        let at = format!("{at}.run");
        Ok(match self {
            Self::Fixed(seconds) => RunLaw::Fixed(seconds.run_time(&format!("{at}.fixed"))?),
            Self::Exponential { mean } => {
                RunLaw::Exponential { mean: mean.run_time(&format!("{at}.exponential.mean"))? }
            }
            Self::Lognormal { median, sigma } => RunLaw::LogNormal {
                median: median.run_time(&format!("{at}.lognormal.median"))?,
                sigma: within(&format!("{at}.lognormal.sigma"), sigma, 0.0, 5.0)?,
            },
            Self::Empirical(values) if values.is_empty() => {
                return wrong(format!("{at}.empirical"), "one run time at least is needed");
            }
            Self::Empirical(values) => {
                let value =
                    |(place, value): (usize, &Scalar)| value.run_time(&format!("{at}.empirical[{place}]"));
                RunLaw::Empirical(values.iter().enumerate().map(value).collect::<Checked<_>>()?)
            }
        })
    }
}

impl Scalar {
    pub(in crate::sim) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.trim().to_owned(),
        }
    }

    fn seconds(&self, at: &str) -> Checked<f64> {
        let text = self.text();
        let what =
            || format!("{text:?} is not a duration: write seconds (90) or units (90s, 2m, 1h 30m, 7d)");
        duration(&text).ok_or_else(|| LoadError { path: at.to_owned(), what: what() })
    }

    fn above_zero(&self, at: &str) -> Checked<f64> {
        match self.seconds(at)? {
            seconds if seconds > 0.0 => Ok(seconds),
            _ => wrong(at.to_owned(), "it must be above 0"),
        }
    }

    fn run_time(&self, at: &str) -> Checked<f64> {
        match self.seconds(at)? {
            seconds if seconds <= LONGEST => Ok(seconds),
            _ => wrong(at.to_owned(), "a run time is ten years at most"),
        }
    }

    fn time(&self, at: &str) -> Checked<f64> {
        let text = self.text();
        let what = || format!("{text:?} is not a time: write a date (2024-01-01T08:00:00Z) or Unix seconds");
        time(&text).ok_or_else(|| LoadError { path: at.to_owned(), what: what() })
    }
}

impl Work {
    /// Expected number of jobs; an upper bound for shapes that change with time.
    fn expected(&self, length: f64) -> f64 {
        let turns =
            |times: &Times| times.every.map_or(1.0, |every| ((length - times.at) / every).max(0.0) + 1.0);
        let of = |rate: f64, during: &Span| rate * (during.to - during.from);
        match self {
            Self::Pipeline { times, stages } => {
                turns(times) * stages.iter().map(|(jobs, _)| f64::from(jobs.get())).sum::<f64>()
            }
            Self::Jobs(shape, _) => match shape {
                Shape::One { .. } => 1.0,
                Shape::Array { times, size, .. } => turns(times) * f64::from(size.get()),
                Shape::Poisson { rate, during } | Shape::TrickleToZero { rate, during } => of(*rate, during),
                Shape::Diurnal { rate, weekend, during, .. } => of(*rate, during) * weekend.max(1.0),
                Shape::SelfExciting { rate, branching, during, .. } => of(*rate, during) / (1.0 - branching),
            },
        }
    }
}

fn times(at: &str, first: &Scalar, every: Option<&Scalar>, jitter: Option<&Scalar>) -> Checked<Times> {
    Ok(Times {
        at: first.seconds(&format!("{at}.at"))?,
        every: every.map(|every| every.above_zero(&format!("{at}.every"))).transpose()?,
        jitter: seconds_or(&format!("{at}.jitter"), jitter, 0.0)?,
    })
}

fn span(at: &str, from: Option<&Scalar>, to: Option<&Scalar>, length: f64) -> Checked<Span> {
    let from = seconds_or(&format!("{at}.from"), from, 0.0)?;
    let to = seconds_or(&format!("{at}.to"), to, length)?;
    if from >= to {
        return wrong(
            format!("{at}.from"),
            "it must lie before `to` (the end of the load, where that is not given)",
        );
    }
    Ok(Span { from, to })
}

fn seconds_or(at: &str, seconds: Option<&Scalar>, default: f64) -> Checked<f64> {
    seconds.map_or(Ok(default), |seconds| seconds.seconds(at))
}

fn per_hour(at: &str, rate: f64) -> Checked<f64> {
    if rate > 0.0 && rate.is_finite() {
        Ok(rate / HOUR)
    } else {
        wrong(format!("{at}.rate"), &format!("{rate} is not a rate: jobs an hour, above 0"))
    }
}

fn within(at: &str, number: f64, low: f64, high: f64) -> Checked<f64> {
    if (low..=high).contains(&number) {
        Ok(number)
    } else {
        wrong(at.to_owned(), &format!("{number} is not between {low} and {high}"))
    }
}

fn count(at: &str, number: u32) -> Checked<NonZeroU32> {
    NonZeroU32::new(number).map_or_else(|| wrong(at.to_owned(), "one at least is needed"), Ok)
}

fn memory(at: &str, gib: f64) -> Checked<NonZeroU64> {
    const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and 0 is refused"
    )]
    let bytes = (gib * GIB) as u64;
    let what = || format!("{gib} is not memory: GiB, above 0");
    NonZeroU64::new(bytes).ok_or_else(|| LoadError { path: at.to_owned(), what: what() })
}

fn wrong<T>(path: String, what: &str) -> Checked<T> {
    Err(LoadError { path, what: what.to_owned() })
}
