//! Load shapes: jobs that are made up from a description, for tests and for "what if".
//!
//! A load is a sum of parts. Each part has random numbers of its own, for its submissions and for its run times,
//! derived from the seed and its place: so a part that is added at the end changes no other, and another law of
//! run times changes no submission. [`Load`] is read with serde; docs/bench/logs.md has the keys.

mod arrivals;
mod raw;
mod run;

use std::num::{NonZeroU32, NonZeroU64};

use rand::SeedableRng as _;
use rand_pcg::Pcg64Mcg;

use super::field::Span;
use super::job_log::{Job, JobLog, JobLogBuilder, Pushed};

pub use self::run::RunLaw;

/// What is submitted over a span of time.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(try_from = "raw::RawLoad")]
pub struct Load {
    /// When it begins, Unix seconds.
    pub start: f64,
    /// How long it lasts, seconds, above 0: nothing is submitted later but what a pipeline releases.
    pub length: f64,
    /// What is summed up.
    pub parts: Vec<Part>,
    /// Spans after the start in which nobody submits anything, whatever the parts say.
    pub silences: Vec<Span>,
}

/// One part of a load.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What is submitted when.
    pub work: Work,
    /// What each job needs.
    pub needs: Needs,
    /// Who submits it.
    pub owner: Option<String>,
    /// Queue that it goes to.
    pub queue: Option<String>,
}

/// Single jobs, or jobs that follow one another.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Jobs, and how long they run.
    Jobs(Shape, RunLaw),
    /// Arrays that follow one another: the jobs of a stage are released when all of the stage before have ended.
    Pipeline {
        /// When a run of it is submitted.
        times: Times,
        /// Its stages: how many jobs each has, and how long they run.
        stages: Vec<(NonZeroU32, RunLaw)>,
    },
}

/// When single jobs are submitted. Rates are jobs a second, above 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// One job at an instant, seconds after the start.
    One {
        /// The instant.
        at: f64,
    },
    /// A Poisson process.
    Poisson {
        /// Its rate.
        rate: f64,
        /// When it goes on.
        during: Span,
    },
    /// Arrays of jobs.
    Array {
        /// When one is submitted.
        times: Times,
        /// Jobs of one.
        size: NonZeroU32,
        /// Seconds between the first job and the last, evenly spread; 0 is all at once.
        over: f64,
    },
    /// A Poisson process that follows the clock: its rate is `rate * (1 + depth * cos(...))`, with one turn a
    /// day, and that times `weekend` on Saturdays and Sundays (UTC).
    Diurnal {
        /// Mean of a working day.
        rate: f64,
        /// From 0, the same all day, to 1, nothing twelve hours after the peak.
        depth: f64,
        /// When it is highest, seconds after midnight UTC.
        peak: f64,
        /// Factor of the weekend, 0 or more.
        weekend: f64,
        /// When it goes on.
        during: Span,
    },
    /// A Poisson process whose rate falls in a straight line to 0 at the end of `during`.
    TrickleToZero {
        /// Its rate at the start of `during`.
        rate: f64,
        /// When it goes on.
        during: Span,
    },
    /// A self-exciting (Hawkes) process with an exponential kernel: jobs that come by themselves, each of which
    /// brings further ones, and these too. Drawn as what it is, a Poisson process of families.
    SelfExciting {
        /// Rate of those that come by themselves; in the long run there are `rate / (1 - branching)`.
        rate: f64,
        /// Mean number of jobs that one job brings, 0 to below 1.
        branching: f64,
        /// Mean seconds from a job to one that it brings, above 0.
        decay: f64,
        /// When those come that come by themselves; what they bring may come later.
        during: Span,
    },
}

/// Instants that recur.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// The first, seconds after the start.
    pub at: f64,
    /// Seconds from one to the next, above 0; `None` is once.
    pub every: Option<f64>,
    /// Each is up to so many seconds late, evenly drawn.
    pub jitter: f64,
}

/// What a job needs; `None` is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Processors.
    pub cpus: Option<NonZeroU32>,
    /// GPUs.
    pub gpus: Option<NonZeroU32>,
    /// Bytes of memory.
    pub memory: Option<NonZeroU64>,
}

impl Load {
    /// The jobs. The same seed makes the same.
    pub fn jobs(&self, seed: u64) -> JobLog {
        let mut builder = JobLogBuilder::default();
        for (place, part) in (0_u64..).zip(&self.parts) {
            let mut random = [2 * place, 2 * place + 1].map(|stream| generator(seed, stream));
            self.add(part, &mut random, &mut builder);
        }
        builder.build()
    }

    fn add(&self, part: &Part, [arrivals, runs]: &mut [Pcg64Mcg; 2], builder: &mut JobLogBuilder) {
        let Needs { cpus, gpus, memory } = part.needs;
        let owner = part.owner.as_deref().map(|name| builder.owner(name));
        let queue = part.queue.as_deref().map(|name| builder.queue(name));
        let job =
            |at: f64, run: f64| Job { memory, cpus, gpus, owner, queue, ..Job::new(self.start + at, run) };
        match &part.work {
            Work::Jobs(shape, law) => {
                for at in shape.draw(self.start, self.length, arrivals) {
                    // Drawn for silenced jobs too: a silence changes nobody's run time.
                    let run = law.draw(runs);
                    if self.hears(at) {
                        builder.push(job(at, run));
                    }
                }
            }
            Work::Pipeline { times, stages } => {
                for at in times.draw(self.length, arrivals) {
                    let mut before: Vec<Pushed> = Vec::new();
                    for (jobs, law) in stages {
                        let runs: Vec<f64> = (0..jobs.get()).map(|_| law.draw(runs)).collect();
                        if self.hears(at) {
                            let push = |run| builder.push_after(job(at, run), &before);
                            before = runs.into_iter().map(push).collect();
                        }
                    }
                }
            }
        }
    }

    fn hears(&self, at: f64) -> bool {
        (0.0..self.length).contains(&at) && !self.silences.iter().any(|span| span.holds(at))
    }
}

/// Random numbers of their own for each stream of a seed.
fn generator(seed: u64, stream: u64) -> Pcg64Mcg {
    /// 2^64 divided by the golden ratio: its multiples lie far apart.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    Pcg64Mcg::seed_from_u64(seed.wrapping_add(stream.wrapping_mul(STEP)))
}
