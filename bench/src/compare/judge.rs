//! Foresail against honest opponents: KEDA as people run it, the one setting of KEDA that is best on all the other
//! logs, and the setting that hindsight would choose for this very log.

use foresail::sim::world::{Day, Outcome};

use super::{
    contender::Role,
    play::Played,
    stats::{self, Interval},
};

/// A setting that costs, or waits, so much more still counts as equal.
const EQUAL: f64 = 1.01;

/// One run beside another: below 1 the first one has less.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) mean: f64,
    pub(crate) p95: f64,
    pub(crate) paid: f64,
}

/// How Foresail did in one case.
pub(crate) struct Verdict {
    /// By opponent of [`Role::AsPeopleRunIt`]: the contender, and the ratio to it.
    pub(crate) as_run: Vec<(usize, Ratio)>,
    /// The setting that is best over the other logs in the same world.
    pub(crate) elsewhere: Option<(usize, Ratio)>,
    /// The setting with the shortest mean wait of those that cost as much.
    pub(crate) same_cost: Option<(usize, Ratio)>,
    /// The setting with the shortest p95 wait of those that cost as much.
    pub(crate) same_cost_p95: Option<(usize, Ratio)>,
    /// The cheapest setting of those that wait as long; `None` where none waits so short.
    pub(crate) same_wait: Option<(usize, Ratio)>,
    /// The setting with the least waits and cost together.
    pub(crate) tuned: Option<Tuned>,
    /// Mean wait over that of the first opponent as people run it, by resampling the days.
    pub(crate) interval: Option<Interval>,
}

impl Ratio {
    fn of(ours: &Outcome, theirs: &Outcome) -> Self {
        let ratio = |ours: f64, theirs: f64| if theirs > 0.0 { ours / theirs } else { f64::NAN };
        Self {
            mean: ratio(ours.waits.mean, theirs.waits.mean),
            p95: ratio(ours.waits.p95, theirs.waits.p95),
            paid: ratio(ours.paid(), theirs.paid()),
        }
    }
}

/// Judges a contender in every case.
pub(crate) fn judge(played: &Played, contender: usize, worth: f64) -> Vec<Verdict> {
    (0..played.cases.len()).map(|case| Verdict::of(played, contender, case, worth)).collect()
}

impl Verdict {
    fn of(played: &Played, contender: usize, case: usize, worth: f64) -> Self {
        let ours = played.outcome(case, contender);
        let outcome = |contender: usize| played.outcome(case, contender);
        let against = |contender: usize| (contender, Ratio::of(ours, outcome(contender)));
        let settings: Vec<usize> =
            played.of(Role::KedaSetting).filter(|&at| outcome(at).unfinished == 0).collect();
        let least = |among: &[usize], by: &dyn Fn(&Outcome) -> f64| {
            among.iter().copied().min_by(|&a, &b| by(outcome(a)).total_cmp(&by(outcome(b))))
        };
        let mut as_cheap: Vec<usize> =
            settings.iter().copied().filter(|&at| outcome(at).paid() <= EQUAL * ours.paid()).collect();
        if as_cheap.is_empty() {
            as_cheap.extend(least(&settings, &Outcome::paid));
        }
        let as_quick: Vec<usize> = settings
            .iter()
            .copied()
            .filter(|&at| outcome(at).waits.mean <= EQUAL * ours.waits.mean)
            .collect();
        let as_run: Vec<_> = played.of(Role::AsPeopleRunIt).map(against).collect();
        let interval =
            as_run.first().and_then(|&(first, _)| interval(ours, outcome(first), |day| day.waited));
        Self {
            elsewhere: best_elsewhere(played, case, worth).map(against),
            same_cost: least(&as_cheap, &|outcome| outcome.waits.mean).map(against),
            same_cost_p95: least(&as_cheap, &|outcome| outcome.waits.p95).map(against),
            same_wait: least(&as_quick, &Outcome::paid).map(against),
            tuned: Tuned::of(played, contender, case, worth),
            as_run,
            interval,
        }
    }
}

/// The setting of KEDA that has the least waits and cost together in one case, and how Foresail did beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tuned {
    /// Which contender it is.
    pub(crate) setting: usize,
    /// Foresail's waits and cost together, over its.
    pub(crate) ratio: f64,
    /// Of what the better clairvoyant saves against it, the part that Foresail saves.
    pub(crate) of_bound: Option<f64>,
}

impl Tuned {
    pub(super) fn of(played: &Played, ours: usize, case: usize, worth: f64) -> Option<Self> {
        let cost = |at: usize| played.outcome(case, at).cost(worth);
        let least = |role: Role| {
            let done = played.of(role).filter(|&at| played.outcome(case, at).unfinished == 0);
            done.map(|at| (at, cost(at))).min_by(|a, b| a.1.total_cmp(&b.1))
        };
        let (setting, theirs) = least(Role::KedaSetting)?;
        let bound = least(Role::Bound).filter(|&(_, bound)| bound < theirs);
        let of_bound = bound.map(|(_, bound)| (theirs - cost(ours)) / (theirs - bound));
        Some(Self { setting, ratio: cost(ours) / theirs, of_bound })
    }
}

/// The setting with the least geometric mean of waits and cost together over the other logs in the same world.
fn best_elsewhere(played: &Played, case: usize, worth: f64) -> Option<usize> {
    let here = &played.cases[case];
    let others: Vec<usize> = (0..played.cases.len())
        .filter(|&at| played.cases[at].label == here.label && played.cases[at].log != here.log)
        .collect();
    let mean_cost = |contender: usize| {
        let costs = others.iter().map(|&other| played.outcome(other, contender).cost(worth));
        stats::geometric_mean(costs)
            .filter(|_| others.iter().all(|&other| played.outcome(other, contender).unfinished == 0))
    };
    let known = played.of(Role::KedaSetting).filter_map(|at| Some((at, mean_cost(at)?)));
    known.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
}

/// The interval of a ratio of sums over days, of mean waits say: both runs had the same jobs, so days are drawn in
/// pairs.
pub(crate) fn interval(ours: &Outcome, theirs: &Outcome, of: fn(&Day) -> f64) -> Option<Interval> {
    let days: Vec<(f64, f64)> = ours.days.iter().zip(&theirs.days).map(|(a, b)| (of(a), of(b))).collect();
    stats::bootstrap(&days, |drawn| {
        let (ours, theirs) = drawn.iter().fold((0.0, 0.0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
        ours / theirs
    })
}
