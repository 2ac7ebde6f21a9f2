//! What is looked for, and how candidates stand by it.

use std::{cmp::Ordering, fmt, str::FromStr};

use foresail::config::text;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// Least cost: what was paid, and the waits at what they are worth.
    Cost,
    /// Least paid of those whose wait is at most so many seconds on every log.
    Within(Wait, f64),
    /// All that nobody beats in both, what was paid and the wait.
    Front(Wait),
}

/// A measure of the waits of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Mean,
    P95,
}

/// How a candidate did in one part of one case.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Mark {
    /// Worker-seconds paid, over those of the defaults.
    pub(crate) paid: f64,
    /// Paid and waits together, over those of the defaults.
    pub(crate) cost: f64,
    /// Mean wait, seconds.
    pub(crate) mean: f64,
    /// The wait that 95 % of the jobs did not exceed, seconds.
    pub(crate) p95: f64,
    /// Whether jobs were left when the run was given up.
    pub(crate) unfinished: bool,
}

/// How a candidate stands over all cases; less is better in every field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    /// What is over the bound of the wait, in parts of it, summed over the cases; infinite where jobs were left.
    over: f64,
    /// What is to be least: the mean over the cases, so that every log weighs the same.
    value: f64,
    /// Of a front: the other thing that is to be little, seconds.
    wait: f64,
}

impl Wait {
    pub(crate) const fn of(self, mark: &Mark) -> f64 {
        match self {
            Self::Mean => mark.mean,
            Self::P95 => mark.p95,
        }
    }
}

impl Goal {
    /// How a candidate with these marks stands.
    pub(crate) fn standing(self, marks: &[Mark]) -> Standing {
        let mean =
            |value: &dyn Fn(&Mark) -> f64| marks.iter().map(value).sum::<f64>() / marks.len().max(1) as f64;
        let (over, value, wait) = match self {
            Self::Cost => (0.0, mean(&|mark| mark.cost), 0.0),
            Self::Within(wait, most) => {
                let over = |mark: &Mark| (wait.of(mark) / most - 1.0).max(0.0);
                (marks.iter().map(over).sum(), mean(&|mark| mark.paid), 0.0)
            }
            Self::Front(wait) => (0.0, mean(&|mark| mark.paid), mean(&|mark| wait.of(mark))),
        };
        let left = marks.iter().any(|mark| mark.unfinished);
        Standing { over: if left { f64::INFINITY } else { over }, value, wait }
    }

    /// The places of the standings, the best first. Of a front: those that nobody beats, then those that only
    /// these beat, and so on; within each the ones with the widest gaps around them (non-dominated sorting with
    /// crowding distance: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002).
    pub(crate) fn order(self, standings: &[Standing]) -> Vec<usize> {
        let mut places: Vec<usize> = (0..standings.len()).collect();
        match self {
            Self::Cost | Self::Within(..) => {
                places.sort_by(|&a, &b| standings[a].by_value(&standings[b]).then(a.cmp(&b)));
                places
            }
            Self::Front(_) => {
                let mut ordered = Vec::new();
                while !places.is_empty() {
                    let front = front(standings, &places);
                    places.retain(|at| !front.contains(at));
                    ordered.extend(by_crowding(standings, front));
                }
                ordered
            }
        }
    }
}

impl Standing {
    /// Whether it keeps the bound of the wait, and nothing was left.
    pub(crate) fn keeps_the_bound(&self) -> bool {
        self.over <= 0.0
    }

    /// Whether it is as good as another, but for a share of its value.
    pub(crate) fn as_good_as(&self, other: &Self, but_for: f64) -> bool {
        let most = |value: f64| value * (1.0 + but_for);
        self.over <= other.over && self.value <= most(other.value) && self.wait <= most(other.wait)
    }

    fn by_value(&self, other: &Self) -> Ordering {
        self.over
            .total_cmp(&other.over)
            .then(self.value.total_cmp(&other.value))
            .then(self.wait.total_cmp(&other.wait))
    }
}

/// Of the standings in these places, those that no other beats in one thing without losing in the other, the
/// cheapest first.
pub(crate) fn front(standings: &[Standing], places: &[usize]) -> Vec<usize> {
    let mut front = places.to_vec();
    front.sort_by(|&a, &b| standings[a].by_value(&standings[b]).then(a.cmp(&b)));
    let mut shortest = f64::INFINITY;
    let all_left = front.first().is_some_and(|&at| !standings[at].keeps_the_bound());
    front.retain(|&at| {
        let standing = &standings[at];
        let better = standing.wait < shortest && (standing.keeps_the_bound() || all_left);
        shortest = if better { standing.wait } else { shortest };
        better
    });
    front
}

/// The two ends of a front first, then the points whose neighbours lie farthest apart.
fn by_crowding(standings: &[Standing], front: Vec<usize>) -> Vec<usize> {
    let Some((&first, &last)) = front.first().zip(front.last()) else { return front };
    let span = |of: fn(&Standing) -> f64| {
        (of(&standings[first]) - of(&standings[last])).abs().max(f64::MIN_POSITIVE)
    };
    let (values, waits) = (span(|standing| standing.value), span(|standing| standing.wait));
    let gap = |at: usize| {
        if at == 0 || at + 1 == front.len() {
            return f64::INFINITY;
        }
        let (before, after) = (&standings[front[at - 1]], &standings[front[at + 1]]);
        (after.value - before.value) / values + (before.wait - after.wait) / waits
    };
    let mut by_gap: Vec<(f64, usize)> =
        front.iter().enumerate().map(|(at, &place)| (gap(at), place)).collect();
    by_gap.sort_by(|a, b| b.0.total_cmp(&a.0));
    by_gap.into_iter().map(|(_, place)| place).collect()
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || {
            format!(
                "{text:?} is no goal: write cost, mean=TIME or p95=TIME (least paid with waits of at most TIME), \
                 front or front=p95"
            )
        };
        let wait = |word: &str| match word {
            "mean" => Ok(Wait::Mean),
            "p95" => Ok(Wait::P95),
            _ => Err(wanted()),
        };
        match text.split_once('=') {
            None if text == "cost" => Ok(Self::Cost),
            None if text == "front" => Ok(Self::Front(Wait::Mean)),
            Some(("front", word)) => Ok(Self::Front(wait(word)?)),
            Some((word, most)) => {
                let (wait, most) = (wait(word)?, text::seconds(most)?);
                if most > 0.0 { Ok(Self::Within(wait, most)) } else { Err("a bound is over 0s".to_owned()) }
            }
            None => Err(wanted()),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cost => write!(f, "cost"),
            Self::Within(wait, most) => write!(f, "{wait}={most}s"),
            Self::Front(wait) => write!(f, "front={wait}"),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::P95 => "p95",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(paid: f64, mean: f64) -> Mark {
        Mark { paid, cost: paid + mean, mean, p95: 2.0 * mean, unfinished: false }
    }

    fn order(goal: Goal, marks: &[Mark]) -> Vec<usize> {
        let standings: Vec<Standing> = marks.iter().map(|&mark| goal.standing(&[mark])).collect();
        goal.order(&standings)
    }

    #[test]
    fn a_bound_comes_before_what_is_paid_and_jobs_that_are_left_come_last() {
        let left = Mark { unfinished: true, ..mark(0.1, 0.1) };
        let marks = [mark(1.0, 9.0), mark(3.0, 2.0), left, mark(2.0, 2.5), mark(0.5, 8.0)];
        assert_eq!(order(Goal::Cost, &marks), [3, 1, 4, 0, 2]);
        assert_eq!(order(Goal::Within(Wait::Mean, 3.0), &marks), [3, 1, 4, 0, 2]);
        assert_eq!(order(Goal::Within(Wait::P95, 4.5), &marks)[..2], [1, 3]);
        assert_eq!(order(Goal::Within(Wait::Mean, 10.0), &marks)[..2], [4, 0]);
    }

    #[test]
    fn a_front_comes_before_whom_it_beats_and_its_ends_come_first() {
        let marks =
            [mark(3.0, 3.0), mark(1.0, 9.0), mark(2.0, 4.0), mark(2.5, 3.9), mark(9.0, 1.0), mark(9.5, 2.0)];
        assert_eq!(order(Goal::Front(Wait::Mean), &marks), [1, 4, 0, 2, 3, 5]);
    }

    #[test]
    fn goals_are_read_as_they_are_written() {
        for text in ["cost", "mean=30s", "p95=120s", "front=mean", "front=p95"] {
            assert_eq!(text.parse::<Goal>().map(|goal| goal.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("p95=2m".parse(), Ok(Goal::Within(Wait::P95, 120.0)));
        for wrong in ["speed", "front=p50", "mean=soon", "mean=0s"] {
            assert!(wrong.parse::<Goal>().is_err(), "{wrong}");
        }
    }
}
