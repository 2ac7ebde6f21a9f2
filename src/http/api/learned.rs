//! What was learned, as JSON: forecasts, run times, lead times, spending.

use serde::{Deserialize, Serialize};

use crate::{
    answers::{LearnedQueue, LearnedRef},
    clock::Zone,
    forecast::{
        Forecast,
        arrivals::NEVER,
        calendar::Recurrence,
        calibration::LEVELS,
        excitation::Term,
        lead::{LeadTime, LeadTimes, Start},
        predictive::Basis,
        service::{Service, ServiceBasis},
        skill::Skill,
    },
};

/// What is expected to come to a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForecastReport {
    /// `counted`; or `net_increase` where only a depth is seen: then every number is a lower bound of what comes.
    pub basis: Basis,
    /// Seconds from the last arrival seen to the last good sample; null while none was seen.
    pub last_arrival: Option<f64>,
    /// Each length of time that is learned, the shortest first.
    pub horizons: Vec<AheadReport>,
    /// Recurring bursts that are due within a week, the next one first.
    pub bursts: Vec<BurstReport>,
}

/// What is expected to come within some time of the last good sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AheadReport {
    /// How far ahead, seconds.
    pub seconds: f64,
    /// Jobs expected, mean, recurring bursts included.
    pub expected: f64,
    /// Calibrated quantiles, rising.
    pub quantiles: Vec<QuantileReport>,
    /// What the mean without recurring bursts is made of; of the nearest length of time that is learned.
    pub parts: Vec<PartReport>,
    /// What such forecasts were worth; of the nearest length of time that is learned.
    pub skill: SkillReport,
}

/// One quantile of the jobs to come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuantileReport {
    /// The chance that no more come, 0 to 1.
    pub level: f64,
    /// Jobs.
    pub jobs: u64,
    /// Share of the latest outcomes that this quantile covered, to be held against `level`; one equal to it counts
    /// in part. Null while no outcome is known.
    pub covered: Option<f64>,
}

/// A part of a forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartReport {
    /// Its weight in words: `0.41 from the last half minute`.
    pub words: String,
    /// Jobs that it expects.
    pub expected: f64,
}

/// What forecasts were worth, by the quantile loss, over about the last three days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SkillReport {
    /// Part of the loss of "nothing comes" that they saved: 1 is perfect, 0 or less is worthless. Null while no
    /// outcome is known, or nothing came.
    pub against_nothing: Option<f64>,
    /// The same against "as many come as in the same time before".
    pub against_persistence: Option<f64>,
    /// Outcomes that this rests on, those of three days ago counting half.
    pub outcomes: f64,
}

/// A burst that comes again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BurstReport {
    /// When it is due next, in local time, RFC 3339.
    pub at: String,
    /// Seconds until then, from the last good sample; below 0 where it is late.
    pub due_in: f64,
    /// How far it comes from that, mean deviation in seconds.
    pub spread: f64,
    /// `hour` or `day`; what comes daily may leave out some weekdays.
    pub every: String,
    /// The chance that it comes then, 0 to 1.
    pub chance: f64,
    /// Jobs that it brings, mean.
    pub jobs: f64,
}

/// How long the jobs of a queue run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// Mean, seconds.
    pub mean: f64,
    /// Median, seconds.
    pub median: f64,
    /// What 95 % of the jobs do not exceed, seconds.
    pub p95: f64,
    /// Jobs that this rests on, the latest ones counting most.
    pub jobs: f64,
    /// `run_times` of single jobs; `busy_time`, over jobs that ended; `prior`: nothing was learned yet.
    pub basis: ServiceBasis,
}

/// How long the workers of a ref take to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadReport {
    /// Mean, seconds: how far ahead is looked for this ref while any worker is ready.
    pub mean: f64,
    /// Share of the latest starts that had to wait for a node, 0 to 1.
    pub cold_share: f64,
    /// The same of workers that were asked for when none had been ready for 15 minutes: by it the lead time goes while
    /// that is so.
    pub cold_share_alone: f64,
    /// On a node that was there.
    pub warm: LeadTimeReport,
    /// On a node that had to come.
    pub cold: LeadTimeReport,
}

/// How long one kind of start takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadTimeReport {
    /// Mean, seconds.
    pub mean: f64,
    /// Median, seconds.
    pub median: f64,
    /// What 95 % of the starts do not exceed, seconds.
    pub p95: f64,
    /// Starts that this rests on, the latest ones counting most; 0: nothing was learned yet.
    pub starts: f64,
}

/// What a ref spends on forecasts: workers that stand idle on their word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpendReport {
    /// Idle worker-seconds for each busy one, over about the last day.
    pub spent: f64,
    /// The policy's `budget`: so many are allowed for each busy one.
    pub allowed: f64,
    /// Idle worker-seconds that may be spent now.
    pub left: f64,
}

impl ForecastReport {
    /// Of what was learned of a queue.
    pub(super) fn of(learned: &LearnedQueue) -> Self {
        let LearnedQueue { forecast, zone } = learned;
        let arrivals = forecast.arrivals();
        let horizons = arrivals.horizons();
        let now = arrivals.seen_until().unwrap_or(0.0);
        let mut bursts: Vec<_> = forecast.calendar().recurrences(now).collect();
        bursts.sort_by(|a, b| a.at.total_cmp(&b.at));
        Self {
            basis: forecast.at(horizons[0].seconds()).basis(),
            last_arrival: Some(arrivals.age()).filter(|&age| age < NEVER),
            horizons: horizons.iter().map(|horizon| AheadReport::of(forecast, horizon.seconds())).collect(),
            bursts: bursts.iter().map(|burst| BurstReport::of(burst, zone, now)).collect(),
        }
    }
}

impl AheadReport {
    /// What is forecast for so many seconds.
    pub(super) fn of(forecast: &Forecast, seconds: f64) -> Self {
        let law = forecast.at(seconds);
        let arrivals = forecast.arrivals();
        let nearest = arrivals.nearest(seconds);
        let covered = nearest.coverage().shares();
        let quantiles = LEVELS.into_iter().zip(law.quantiles(LEVELS)).enumerate();
        let part = |term: Term| PartReport { words: term.to_string(), expected: term.expected() };
        Self {
            seconds,
            expected: law.mean(),
            quantiles: quantiles
                .map(|(nth, (level, jobs))| QuantileReport {
                    level,
                    jobs,
                    covered: covered.map(|covered| covered[nth]),
                })
                .collect(),
            parts: arrivals.terms(seconds).map(part).collect(),
            skill: SkillReport::of(nearest.skill()),
        }
    }
}

impl SkillReport {
    fn of(skill: &Skill) -> Self {
        let known = skill.outcomes() > 0.0;
        Self {
            against_nothing: known.then(|| skill.against_nothing()),
            against_persistence: known.then(|| skill.against_persistence()),
            outcomes: skill.outcomes(),
        }
    }
}

impl BurstReport {
    fn of(burst: &Recurrence, zone: &Zone, now: f64) -> Self {
        let Recurrence { at, spread, hourly, chance, jobs } = *burst;
        let every = if hourly { "hour" } else { "day" };
        Self { at: zone.rfc3339(at), due_in: at - now, spread, every: every.to_owned(), chance, jobs }
    }
}

impl ServiceReport {
    /// Of what was learned of a queue.
    pub(super) fn of(service: &Service) -> Self {
        let law = service.law();
        Self {
            mean: law.mean(),
            median: law.quantile(0.5),
            p95: law.quantile(0.95),
            jobs: service.jobs(),
            basis: service.basis(),
        }
    }
}

impl LeadReport {
    /// Of what was learned of a ref.
    pub(super) fn of(lead: &LeadTimes) -> Self {
        let time = |law: &LeadTime| LeadTimeReport {
            mean: law.mean(),
            median: law.quantile(0.5),
            p95: law.quantile(0.95),
            starts: law.seen(),
        };
        Self {
            mean: lead.mean(),
            cold_share: lead.cold_share(),
            cold_share_alone: lead.cold_share_alone(),
            warm: time(lead.of(Start::Warm)),
            cold: time(lead.of(Start::Cold)),
        }
    }
}

impl SpendReport {
    /// Of what was learned of a ref.
    pub(super) fn of(learned: &LearnedRef) -> Self {
        let LearnedRef { budget, allowed, .. } = learned;
        Self { spent: budget.share_spent(), allowed: *allowed, left: budget.left() }
    }
}
