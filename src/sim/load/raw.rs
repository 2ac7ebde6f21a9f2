//! A load as it is written, and what may be wrong with it.

use std::num::{NonZeroU32, NonZeroU64};

use serde::Deserialize;

use super::{Load, Needs, Part, RunLaw, Shape, Times, Work, run::LONGEST};
use crate::sim::field::{Checked, FieldError, Scalar, Span, count, seconds_or, within, wrong};

/// Monday 2024-01-01, Unix seconds: where a load begins that does not say.
const A_MONDAY: f64 = 1_704_067_200.0;

/// Seconds of an hour: rates are written in jobs an hour.
const HOUR: f64 = 3600.0;

/// Jobs that a load may have, by expectation: more is a slip of the pen, and would fill the memory.
const MOST_JOBS: f64 = 10e6;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLoad {
    start: Option<Scalar>,
    length: Scalar,
    parts: Vec<RawPart>,
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
    type Error = FieldError;

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
                return Err(FieldError { path: at, what });
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
                let law = RunLaw::Fixed(run_time(&format!("{at}.run"), &run)?);
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
            Self::Fixed(seconds) => RunLaw::Fixed(run_time(&format!("{at}.fixed"), &seconds)?),
            Self::Exponential { mean } => {
                RunLaw::Exponential { mean: run_time(&format!("{at}.exponential.mean"), &mean)? }
            }
            Self::Lognormal { median, sigma } => RunLaw::LogNormal {
                median: run_time(&format!("{at}.lognormal.median"), &median)?,
                sigma: within(&format!("{at}.lognormal.sigma"), sigma, 0.0, 5.0)?,
            },
            Self::Empirical(values) if values.is_empty() => {
                return wrong(format!("{at}.empirical"), "one run time at least is needed");
            }
            Self::Empirical(values) => {
                let value =
                    |(place, value): (usize, &Scalar)| run_time(&format!("{at}.empirical[{place}]"), value);
                RunLaw::Empirical(values.iter().enumerate().map(value).collect::<Checked<_>>()?)
            }
        })
    }
}

/// A run time, seconds.
fn run_time(at: &str, run: &Scalar) -> Checked<f64> {
    match run.seconds(at)? {
        seconds if seconds <= LONGEST => Ok(seconds),
        _ => wrong(at.to_owned(), "a run time is ten years at most"),
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

fn per_hour(at: &str, rate: f64) -> Checked<f64> {
    if rate > 0.0 && rate.is_finite() {
        Ok(rate / HOUR)
    } else {
        wrong(format!("{at}.rate"), &format!("{rate} is not a rate: jobs an hour, above 0"))
    }
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
    NonZeroU64::new(bytes).ok_or_else(|| FieldError { path: at.to_owned(), what: what() })
}
