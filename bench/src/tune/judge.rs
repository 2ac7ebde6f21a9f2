//! What a policy is worth on days that the search did not see, and in a sentence whether to take it.

use super::{
    cases::Case,
    goal::{Goal, Wait},
    runs::{Known, Missing, Part, Played, Run, both, together},
    space::Configuration,
};
use crate::compare::stats::{self, Interval};

/// What brings less than this, as a part of the value, is not worth a setting.
const WORTH_A_SETTING: f64 = 0.01;

/// With fewer later days than this, an interval says little.
const FEW_DAYS: usize = 7;

/// A policy beside the defaults on the later days.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Of what is to be little, over that of the defaults: the mean over the cases.
    pub(crate) ratio: f64,
    /// By resampling days, in pairs, since both had the same jobs.
    pub(crate) interval: Option<Interval>,
    /// Days that judged, of all logs together.
    pub(crate) days: usize,
    /// The longest of the cases' waits, and that of the defaults, in seconds, where they are bound.
    pub(crate) waits: Option<(f64, f64)>,
}

/// Judges policies on the later days.
pub(crate) struct Judge<'a> {
    pub(crate) cases: &'a [Case],
    pub(crate) goal: Goal,
    pub(crate) defaults: &'a Configuration,
}

/// Ours and theirs of a day, as parts of what the defaults came to in all.
type Pair = (f64, f64);

impl Judge<'_> {
    /// How a policy does on the later days of these cases.
    ///
    /// # Errors
    /// The runs that are not known.
    pub(crate) fn verdict(
        &self,
        policy: &Configuration,
        cases: &[usize],
        known: &Known,
    ) -> Result<Verdict, Missing> {
        let run =
            |case: usize, policy: &Configuration| Run { case, part: Part::Later, policy: policy.clone() };
        let played = together(
            cases.iter().map(|&case| both(known.get(run(case, policy)), known.get(run(case, self.defaults)))),
        )?;
        let mut blocks: Vec<Pair> = Vec::new();
        let mut sites: Vec<usize> = cases.iter().map(|&case| self.cases[case].site).collect();
        sites.dedup();
        for site in &sites {
            let of_site = |(at, _): &(usize, &(&Played, &Played))| self.cases[cases[*at]].site == *site;
            let here = played.iter().enumerate().filter(of_site).map(|(_, &pair)| pair);
            blocks.extend(self.days(here, known.worth()));
        }
        let ratio = |blocks: &mut dyn Iterator<Item = &Pair>| {
            let (ours, theirs) = blocks.fold((0.0, 0.0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
            if theirs > 0.0 { ours / theirs } else { 1.0 }
        };
        let waits = match self.goal {
            Goal::Within(wait, _) => Some((
                longest(wait, played.iter().map(|pair| pair.0)),
                longest(wait, played.iter().map(|pair| pair.1)),
            )),
            Goal::Cost | Goal::Front(_) => None,
        };
        Ok(Verdict {
            ratio: ratio(&mut blocks.iter()),
            interval: stats::bootstrap(&blocks, |drawn| ratio(&mut drawn.iter().copied())),
            days: blocks.len(),
            waits,
        })
    }

    /// The days of one log, summed over its worlds: what happens on one day belongs together.
    fn days<'p>(&self, worlds: impl Iterator<Item = (&'p Played, &'p Played)>, worth: f64) -> Vec<Pair> {
        let price = |day: &foresail::sim::world::Day| match self.goal {
            Goal::Cost | Goal::Front(_) => day.paid + worth * day.waited,
            Goal::Within(..) => day.paid,
        };
        let mut days: Vec<Pair> = Vec::new();
        for (ours, theirs) in worlds {
            let all: f64 = theirs.days.iter().map(price).sum();
            let part = |day| if all > 0.0 { price(day) / all } else { 0.0 };
            days.resize(days.len().max(ours.days.len()), (0.0, 0.0));
            for (sum, (ours, theirs)) in days.iter_mut().zip(ours.days.iter().zip(&theirs.days)) {
                *sum = (sum.0 + part(ours), sum.1 + part(theirs));
            }
        }
        days
    }
}

fn longest<'p>(wait: Wait, played: impl Iterator<Item = &'p Played>) -> f64 {
    let of = |played: &Played| match wait {
        Wait::Mean => played.mean,
        Wait::P95 => played.p95,
    };
    played.map(of).fold(0.0, f64::max)
}

/// Whether to take a policy, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    pub(crate) take: bool,
    pub(crate) sentence: String,
}

/// What follows from a verdict. `tried` policies were tried; the one that is judged may be the defaults themselves,
/// and may break the bound of the wait even on the days that it was tuned on.
pub(crate) fn advise(
    goal: Goal,
    verdict: &Verdict,
    tried: &str,
    is_defaults: bool,
    keeps_the_bound: bool,
) -> Advice {
    let keep = |why: String| Advice { take: false, sentence: format!("Keep the defaults: {why}") };
    let take = |why: String| Advice { take: true, sentence: format!("Take it: {why}") };
    let undecided = |why: String| Advice { take: false, sentence: format!("Undecided: {why}") };
    let what = price(goal);
    let Verdict { ratio, interval, days, waits } = *verdict;
    let unseen = format!("on the {days} later days, which the search did not see,");
    let few = if days < FEW_DAYS { " So few days say little: bring a longer log." } else { "" };
    let sure = interval.map_or_else(String::new, |interval| format!(" ({})", between(interval)));
    let by_price = |so: &str| match interval {
        Some(Interval { high, .. }) if high < 1.0 && ratio <= 1.0 - WORTH_A_SETTING => {
            take(format!("{unseen} {what} was {} than with the defaults{sure}{so}.{few}", change(ratio)))
        }
        Some(Interval { high, .. }) if high < 1.0 => keep(format!(
            "the best of {tried} policies brings less than 1 % {unseen} which is not worth a setting.{few}"
        )),
        Some(Interval { low, .. }) if low > 1.0 => keep(format!(
            "what was best on the days that it was tuned on had {} {what} {unseen} than the defaults{sure}.{few}",
            change(ratio)
        )),
        Some(interval) => keep(format!(
            "what was best on the days that it was tuned on had {} {what} {unseen} but with days as different as \
             these it may as well be chance ({}).{few}",
            change(ratio),
            between(interval)
        )),
        None => keep(format!("{days} later day is too few to tell; bring a longer log.")),
    };
    match (goal, waits) {
        (Goal::Within(wait, most), Some((ours, theirs))) => {
            let bound = format!("the bound of {} on the {}", seconds(most), named(wait));
            if !keeps_the_bound {
                return undecided(format!(
                    "none of {tried} policies keeps {bound}. The one below comes closest: {} {unseen} where the \
                     defaults have {}, with {} {what}{sure}.",
                    seconds(ours),
                    seconds(theirs),
                    change(ratio)
                ));
            }
            match (is_defaults, ours <= most, theirs <= most) {
                (true, true, _) => keep(format!(
                    "they keep {bound} ({}), and none of {tried} policies is cheaper.",
                    seconds(theirs)
                )),
                (true, false, _) => keep(format!(
                    "of {tried} policies none was cheaper within the bound; but {unseen} they miss {bound}: {}.",
                    seconds(theirs)
                )),
                (false, true, true) => by_price(&format!(", and {bound} was kept: {}", seconds(ours))),
                (false, true, false) => take(format!(
                    "{unseen} it kept {bound} ({}), which the defaults miss ({}), with {} {what}{sure}.{few}",
                    seconds(ours),
                    seconds(theirs),
                    change(ratio)
                )),
                (false, false, true) => keep(format!(
                    "{unseen} they kept {bound} ({}), and the policy below missed it ({}).",
                    seconds(theirs),
                    seconds(ours)
                )),
                (false, false, false) => undecided(format!(
                    "{unseen} both missed {bound}: the policy below with {}, the defaults with {}; it had {} \
                     {what}{sure}. Tune for a shorter bound to be on the safe side.",
                    seconds(ours),
                    seconds(theirs),
                    change(ratio)
                )),
            }
        }
        _ if is_defaults => {
            keep(format!("of {tried} policies none had less {what} on the days that they were tuned on."))
        }
        _ => by_price(""),
    }
}

/// What is to be little.
pub(crate) fn price(goal: Goal) -> &'static str {
    match goal {
        Goal::Cost | Goal::Front(_) => "cost",
        Goal::Within(..) => "paid worker-time",
    }
}

fn named(wait: Wait) -> &'static str {
    match wait {
        Wait::Mean => "mean wait",
        Wait::P95 => "p95 wait",
    }
}

/// A ratio in words: `12 % less`.
pub(crate) fn change(ratio: f64) -> String {
    let percent = 100.0 * (ratio - 1.0);
    let size = percent.abs();
    let digits = if size < 10.0 { format!("{size:.1}") } else { format!("{size:.0}") };
    match percent {
        _ if digits == "0.0" => "as much".to_owned(),
        _ if percent < 0.0 => format!("{digits} % less"),
        _ => format!("{digits} % more"),
    }
}

/// An interval of ratios in words.
pub(crate) fn between(Interval { low, high }: Interval) -> String {
    format!("95 % sure: between {} and {}", change(low), change(high))
}

fn seconds(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(ratio: f64, low: f64, high: f64) -> Verdict {
        Verdict { ratio, interval: Some(Interval { low, high }), days: 20, waits: None }
    }

    fn said(goal: Goal, verdict: &Verdict) -> (bool, String) {
        let Advice { take, sentence } = advise(goal, verdict, "1,000", false, true);
        (take, sentence)
    }

    #[test]
    fn only_what_is_sure_and_matters_is_to_be_taken() {
        let (take, sentence) = said(Goal::Cost, &verdict(0.88, 0.8, 0.95));
        assert!(take, "{sentence}");
        assert_eq!(
            sentence,
            "Take it: on the 20 later days, which the search did not see, cost was 12 % less than with the defaults \
             (95 % sure: between 20 % less and 5.0 % less)."
        );
        for (verdict, wanted) in [
            (verdict(0.9, 0.8, 1.1), "may as well be chance (95 % sure: between 20 % less and 10 % more)"),
            (verdict(0.995, 0.99, 0.999), "less than 1 %"),
            (verdict(1.2, 1.1, 1.3), "had 20 % more cost"),
        ] {
            let (take, sentence) = said(Goal::Cost, &verdict);
            assert!(
                !take && sentence.starts_with("Keep the defaults: ") && sentence.contains(wanted),
                "{sentence}"
            );
        }
        let few = Verdict { days: 3, ..verdict(0.5, 0.4, 0.6) };
        assert!(said(Goal::Cost, &few).1.ends_with("So few days say little: bring a longer log."));
        let one = Verdict { days: 1, interval: None, ..few };
        assert_eq!(
            said(Goal::Cost, &one),
            (false, "Keep the defaults: 1 later day is too few to tell; bring a longer log.".into())
        );
    }

    #[test]
    fn a_bound_that_was_kept_or_missed_decides_before_the_price() {
        let goal = Goal::Within(Wait::P95, 60.0);
        let with =
            |ours: f64, theirs: f64| Verdict { waits: Some((ours, theirs)), ..verdict(1.1, 1.05, 1.2) };
        let (take, sentence) = said(goal, &with(50.0, 70.0));
        assert!(take && sentence.contains("kept the bound of 60.0 s on the p95 wait (50.0 s), which the defaults miss (70.0 s), with 10 % more"), "{sentence}");
        assert!(!said(goal, &with(50.0, 55.0)).0, "it costs more for nothing");
        assert!(!said(goal, &with(70.0, 55.0)).0);
        assert!(
            said(goal, &with(70.0, 90.0)).1.starts_with("Undecided: on the 20 later days"),
            "both missed it"
        );
        let hopeless = advise(goal, &with(70.0, 90.0), "9", false, false);
        assert!(
            !hopeless.take && hopeless.sentence.starts_with("Undecided: none of 9 policies keeps"),
            "{hopeless:?}"
        );
    }
}
