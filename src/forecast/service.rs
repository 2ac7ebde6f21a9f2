//! How long jobs run, learned from those that ended and those that still do.

mod law;
mod renewal;

pub use law::Law;

use serde::{Deserialize, Serialize};

use super::buckets::{Buckets, log_logistic, long_array};

/// Buckets of run times.
pub(super) const BUCKETS: usize = 64;

/// Longest run time told apart: ten days, seconds.
pub(super) const LONGEST: f64 = 864_000.0;

/// Ended jobs after which what was seen before counts half.
const HALF_LIFE: f64 = 500.0;

/// A source that has told no run time of so many ended jobs tells none any more: what run times were told before (of
/// the past, by `foresail learn`) is forgotten as newer jobs end.
const TELLS: f32 = 50.0;

/// Share of the jobs known by which more must be known before the law is made anew.
const NEWS: f64 = 0.1;

/// Jobs that the prior counts for, in every bucket.
const PRIOR_JOBS: f64 = 1.0;

/// Median and shape of the run times of a queue of which nothing is known (log-logistic), seconds. The medians of
/// seven public logs are 86 s to 48 min.
const PRIOR_MEDIAN: f64 = 300.0;
const PRIOR_SHAPE: f64 = 1.1;

/// The run times of one queue's jobs.
///
/// From whatever the source offers: run times of single jobs, with the ages of those that still run, give the
/// Kaplan-Meier estimate over 64 buckets, 1 s to 10 days, decayed by completions. Without them busy time over
/// completions scales the prior law. That is the maximum likelihood mean only where run times are exponential: over
/// a window in which long jobs have not ended it errs (a lognormal law of sigma 1.5 came out 11 % too short), and
/// the shape of the law stays the prior's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Jobs that ended, by bucket, decayed.
    #[serde(with = "long_array")]
    ended: [f32; BUCKETS],
    /// For each bucket, the jobs running now that have come that far, the last one by the part that it has lived.
    #[serde(with = "long_array")]
    running: [f32; BUCKETS],
    /// Seconds that workers were busy, and jobs that ended meanwhile; decayed.
    busy: f32,
    completions: f32,
    /// The sum of `ended`.
    known: f32,
    /// Jobs that ended since one of them last told its run time.
    untold: f32,
    /// Not kept over restarts: [`Service::renew`] makes it again.
    #[serde(skip)]
    law: Law,
    /// Jobs' worth of what the law does not know yet.
    #[serde(skip)]
    news: f32,
}

/// What is known of a queue's run times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceBasis {
    /// Nothing yet: the law is that of a queue of which nothing is known.
    Prior,
    /// How long workers were busy, and how many jobs ended meanwhile.
    BusyTime,
    /// The run times of single jobs.
    RunTimes,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            ended: [0.0; BUCKETS],
            running: [0.0; BUCKETS],
            busy: 0.0,
            completions: 0.0,
            known: 0.0,
            untold: 0.0,
            law: Law::default(),
            news: 0.0,
        }
    }
}

impl Service {
    /// The law as of the last [`Self::renew`]; the default prior before.
    pub fn law(&self) -> &Law {
        &self.law
    }

    /// What the law rests on.
    pub fn basis(&self) -> ServiceBasis {
        let told = self.untold <= TELLS || self.completions < 1.0;
        if self.known >= 1.0 && told {
            ServiceBasis::RunTimes
        } else if self.completions >= 1.0 {
            ServiceBasis::BusyTime
        } else {
            ServiceBasis::Prior
        }
    }

    /// Jobs that ended and tell of run times, decayed.
    pub fn jobs(&self) -> f64 {
        f64::from(self.known.max(self.completions))
    }

    /// Takes the run time of a job that ended, seconds. What is no time (negative, not finite) is left out.
    pub fn ended(&mut self, seconds: f64) {
        if !(seconds >= 0.0 && seconds.is_finite()) {
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a factor near 1")]
        let kept = (-1.0 / HALF_LIFE).exp2() as f32;
        for count in &mut self.ended {
            *count *= kept;
        }
        self.ended[buckets().of(seconds)] += 1.0;
        self.known = self.known * kept + 1.0;
        self.untold = 0.0;
        self.news += 1.0;
    }

    /// Takes the ages of all jobs that run now, seconds, in place of those given before.
    pub fn running(&mut self, ages: impl IntoIterator<Item = f64>) {
        let buckets = buckets();
        let mut last = [0.0_f64; BUCKETS];
        let mut parts = [0.0_f64; BUCKETS];
        for age in ages {
            if !(age > 0.0 && age.is_finite()) {
                continue;
            }
            let bucket = buckets.of(age);
            let from = if bucket == 0 { 0.0 } else { buckets.edge(bucket - 1) };
            last[bucket] += 1.0;
            parts[bucket] += ((age - from) / (buckets.edge(bucket) - from)).min(1.0);
        }
        let mut beyond = 0.0;
        for bucket in (0..BUCKETS).rev() {
            #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
            {
                self.running[bucket] = (beyond + parts[bucket]) as f32;
            }
            beyond += last[bucket];
        }
        self.news = f32::INFINITY;
    }

    /// Takes that workers were busy for so many seconds in all, in which so many jobs ended: for sources that tell
    /// neither run times nor ages.
    pub fn busy(&mut self, seconds: f64, completions: u64) {
        if !(seconds >= 0.0 && seconds.is_finite()) {
            return;
        }
        let completions = completions as f64;
        let kept = (-completions / HALF_LIFE).exp2();
        #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
        {
            if self.untold > TELLS {
                self.ended.iter_mut().chain([&mut self.known]).for_each(|count| *count *= kept as f32);
            }
            self.untold = (f64::from(self.untold) + completions).min(1e30) as f32;
            self.busy = (f64::from(self.busy) * kept + seconds).min(1e30) as f32;
            self.completions = (f64::from(self.completions) * kept + completions).min(1e30) as f32;
            self.news += (completions + seconds / self.law.mean()) as f32;
        }
    }

    /// Whether the law would say something else if it were made anew: a tenth more is known than when it was made.
    pub fn is_stale(&self) -> bool {
        f64::from(self.news) > NEWS * self.jobs()
    }

    /// Makes the law anew from what was seen: 20 microseconds, so once a minute and not in every tick. `prior` speaks
    /// where the queue itself has too little to say.
    pub fn renew(&mut self, prior: &Prior) {
        self.news = 0.0;
        self.law = Law::from_hazards(&self.hazards(&self.scaled(prior), PRIOR_JOBS));
    }

    /// Takes over what `live` has seen since, as if its jobs had ended here.
    pub(super) fn go_on_with(&mut self, live: &Self) {
        #[expect(clippy::cast_possible_truncation, reason = "a factor up to 1")]
        let kept = |count: f32| (-f64::from(count) / HALF_LIFE).exp2() as f32;
        let (known, completions) = (kept(live.known), kept(live.completions));
        for (mine, its) in self.ended.iter_mut().zip(live.ended) {
            *mine = *mine * known + its;
        }
        self.running = live.running;
        self.untold = live.untold;
        self.known = self.known * known + live.known;
        self.busy = self.busy * completions + live.busy;
        self.completions = self.completions * completions + live.completions;
        self.renew(&Prior::default());
    }

    /// Whether all of it could have been learned.
    pub(super) fn is_sound(&self) -> bool {
        let counts = self.ended.iter().chain(&self.running).chain([
            &self.busy,
            &self.completions,
            &self.known,
            &self.untold,
        ]);
        counts.into_iter().all(|count| *count >= 0.0 && count.is_finite())
    }

    /// The chance to end in each bucket for a job that came to it: ended over at risk, `prior` counting for so many
    /// jobs.
    fn hazards(&self, prior: &[f64; BUCKETS], jobs: f64) -> [f64; BUCKETS] {
        let mut at_risk = 0.0;
        let mut hazards = [0.0; BUCKETS];
        for bucket in (0..BUCKETS).rev() {
            let ended = f64::from(self.ended[bucket]);
            at_risk += ended;
            let exposed = at_risk + f64::from(self.running[bucket]) + jobs;
            if exposed > 0.0 {
                hazards[bucket] = ((ended + jobs * prior[bucket]) / exposed).clamp(0.0, 1.0);
            }
        }
        hazards
    }

    /// The prior, stretched to the mean that busy time over completions says where no run time is known.
    fn scaled(&self, prior: &Prior) -> [f64; BUCKETS] {
        if self.basis() != ServiceBasis::BusyTime {
            return prior.hazards;
        }
        let law = Law::from_hazards(&prior.hazards);
        let own =
            (f64::from(self.busy) + PRIOR_JOBS * law.mean()) / (f64::from(self.completions) + PRIOR_JOBS);
        let stretch = (own / law.mean()).clamp(1e-6, 1e6);
        Prior::from_survival(|x| law.survival(x / stretch)).hazards
    }
}

/// What is taken for granted of a queue's run times: for each bucket the chance to end in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    hazards: [f64; BUCKETS],
}

impl Default for Prior {
    fn default() -> Self {
        Self::from_survival(|x| log_logistic(x, PRIOR_MEDIAN, PRIOR_SHAPE))
    }
}

impl Prior {
    /// Run times of which a share `survival(x)` lasts beyond `x` seconds.
    pub fn from_survival(survival: impl Fn(f64) -> f64) -> Self {
        let mut before = 1.0;
        let hazards = buckets().edges().map(|edge| {
            let lasting = survival(edge);
            let hazard = if before > 0.0 { 1.0 - lasting / before } else { 1.0 };
            before = lasting;
            hazard.clamp(0.0, 1.0)
        });
        Self { hazards }
    }

    /// The run times of queues of one kind taken together: what a new one of them starts from.
    pub fn pooled<'a>(queues: impl IntoIterator<Item = &'a Service>) -> Self {
        let mut all = Service::default();
        for queue in queues {
            for bucket in 0..BUCKETS {
                all.ended[bucket] += queue.ended[bucket];
                all.running[bucket] += queue.running[bucket];
            }
            all.busy += queue.busy;
            all.completions += queue.completions;
            all.known += queue.known;
        }
        Self { hazards: all.hazards(&Self::default().hazards, PRIOR_JOBS) }
    }
}

pub(super) fn buckets() -> Buckets<BUCKETS> {
    Buckets::up_to(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        ended: Vec<f64>,
        running: Vec<f64>,
        survival: Vec<f64>,
    }

    /// The oracle is lifelines' Kaplan-Meier estimate (tests/forecast/fixtures/make.py).
    #[test]
    fn without_a_prior_the_law_is_the_kaplan_meier_estimate() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../tests/forecast/fixtures/kaplan_meier.json")).unwrap();
        let mut service = Service::default();
        for seconds in fixture.ended {
            service.ended(seconds);
        }
        service.running(fixture.running);
        let law = Law::from_hazards(&service.hazards(&[0.0; BUCKETS], 0.0));
        for (edge, exact) in buckets().edges().into_iter().zip(fixture.survival) {
            assert!((law.survival(edge) - exact).abs() < 2e-6, "{edge}: {} {exact}", law.survival(edge));
        }
    }
}
