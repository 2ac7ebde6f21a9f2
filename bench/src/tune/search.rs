//! The search: a quasi-random start, successive halving, then ever smaller boxes around the best, and at the end no
//! key that brings nothing.
//!
//! - start: the Sobol sequence with Owen's scrambling (Owen 1998), which covers a space more evenly than chance
//! - halving: the cheap part of a log first, the next larger one for the best of it only (Karnin, Koren, Somekh,
//!   "Almost optimal exploration in multi-armed bandits", 2013; Jamieson, Talwalkar, "Non-stochastic best arm
//!   identification and hyperparameter optimization", 2016)
//!
//! A search is a function of the runs that are known: it says what it found, or which runs it lacks. So the one that
//! was interrupted, and the one whose runs were made on many machines, finds the same as any other.

use std::collections::HashSet;

use super::{
    goal::{self, Goal, Standing},
    runs::{Known, Missing, Part, Run, both, together},
    space::{Candidate, Configuration, Space},
};

/// Candidates that are halved together. A power of two, since such runs of the sequence are the most even; shards own
/// whole brackets.
pub(crate) const BRACKET: u32 = 128;

/// Parts of the tuned days, by rung, with the divisor of the candidates that go on from there.
const RUNGS: [(Part, usize); 2] = [(Part::Ninth, 9), (Part::Third, 3)];

/// Boxes, each half as wide as the one before.
const BOXES: u32 = 4;

/// Candidates in each box.
const IN_A_BOX: u32 = 16;

/// Half the width of the first box, as a part of the space.
const FIRST_BOX: f64 = 0.25;

/// Points of a front around which is searched, and that are shown.
const CENTRES: usize = 8;

/// A key that brings less than this part of the value goes back to its default.
const WORTH_A_KEY: f64 = 0.002;

/// One search.
#[derive(Clone, Debug)]
pub(crate) struct Search<'a> {
    pub(crate) space: &'a Space,
    pub(crate) goal: Goal,
    /// Candidates of the start.
    pub(crate) candidates: u32,
    pub(crate) seed: u32,
    /// The cases that it may look at.
    pub(crate) cases: Vec<usize>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// The best; of a front the one of least cost.
    pub(crate) best: Configuration,
    /// Of a front all that nobody beats, or eight of them, the cheapest first; else the best alone.
    pub(crate) front: Vec<Configuration>,
    /// Whether the best keeps the bound of the wait on the tuned days, and leaves no job.
    pub(crate) keeps_the_bound: bool,
}

impl Search<'_> {
    /// Brackets of the start.
    pub(crate) fn brackets(&self) -> u32 {
        self.candidates.div_ceil(BRACKET)
    }

    /// Halves a bracket: who is left at its end has been played on all tuned days. The defaults always are.
    ///
    /// # Errors
    /// The runs that are not known.
    pub(crate) fn halve(&self, nth: u32, known: &Known) -> Result<Vec<Candidate>, Missing> {
        let mut left = self.start(nth);
        for (part, divisor) in RUNGS {
            let standings = self.standings(&left, part, known)?;
            let defaults = left[0].clone();
            let go_on = left.len().div_ceil(divisor);
            let mut best = self.goal.order(&standings);
            best.truncate(go_on);
            left = [defaults].into_iter().chain(best.into_iter().filter(|&at| at > 0).map(|at| left[at].clone())).collect();
        }
        self.standings(&left, Part::Tuned, known)?;
        Ok(left)
    }

    /// The whole search.
    ///
    /// # Errors
    /// The runs that are not known.
    pub(crate) fn find(&self, known: &Known) -> Result<Found, Missing> {
        let halved = together((0..self.brackets()).map(|nth| self.halve(nth, known)))?;
        let all = self.refine(distinct(halved.into_iter().flatten()), known)?;
        let standings = self.standings(&all, Part::Tuned, known)?;
        let best = self.best(&standings).into_iter().map(|at| self.simplify(all[at].clone(), known));
        let best = distinct(together(best)?.into_iter());
        let of_least_cost = match self.goal {
            Goal::Cost | Goal::Within(..) => 0,
            Goal::Front(_) => {
                let by_cost = Search { goal: Goal::Cost, ..self.clone() };
                Goal::Cost.order(&by_cost.standings(&best, Part::Tuned, known)?)[0]
            }
        };
        let front = best.iter().map(|candidate| candidate.policy.clone()).collect();
        let best = &best[of_least_cost];
        let keeps_the_bound = self.standings(std::slice::from_ref(best), Part::Tuned, known)?[0].keeps_the_bound();
        Ok(Found { best: best.policy.clone(), front, keeps_the_bound })
    }

    /// Where the best stands; of a front those that nobody beats, the cheapest first, and of many those that lie
    /// farthest apart.
    fn best(&self, standings: &[Standing]) -> Vec<usize> {
        let mut best = self.goal.order(standings);
        match self.goal {
            Goal::Cost | Goal::Within(..) => best.truncate(1),
            Goal::Front(_) => {
                let everybody: Vec<usize> = (0..standings.len()).collect();
                let front = goal::front(standings, &everybody);
                best.truncate(front.len().min(CENTRES));
                best.sort_by_key(|at| front.iter().position(|on_front| on_front == at));
            }
        }
        best
    }

    /// The defaults, and the candidates of a bracket's run of the sequence.
    fn start(&self, nth: u32) -> Vec<Candidate> {
        let (from, to) = (nth * BRACKET, ((nth + 1) * BRACKET).min(self.candidates));
        let points = (from..to).filter_map(|at| self.space.candidate(point(at, self.space.len(), self.seed)));
        distinct([self.space.defaults()].into_iter().chain(points))
    }

    /// Adds candidates around the best, in ever smaller boxes.
    fn refine(&self, mut all: Vec<Candidate>, known: &Known) -> Result<Vec<Candidate>, Missing> {
        let mut half = FIRST_BOX;
        for nth in 1..=BOXES {
            let standings = self.standings(&all, Part::Tuned, known)?;
            let centres = self.best(&standings);
            let around = |at: u32| {
                let centre = &all[centres[at as usize % centres.len()]].place;
                let offsets = point(at, centre.len(), self.seed.wrapping_add(nth));
                let place = centre.iter().zip(offsets).map(|(c, o)| (c + half * (2.0 * o - 1.0)).clamp(0.0, 1.0));
                self.space.candidate(place.collect())
            };
            let new: Vec<Candidate> = (0..IN_A_BOX).filter_map(around).collect();
            all = distinct(all.into_iter().chain(new));
            half /= 2.0;
        }
        self.standings(&all, Part::Tuned, known)?;
        Ok(all)
    }

    /// Puts keys back to their defaults, as long as hardly anything is lost: a policy is to say what matters.
    fn simplify(&self, best: Candidate, known: &Known) -> Result<Candidate, Missing> {
        let value = self.standings(std::slice::from_ref(&best), Part::Tuned, known)?[0];
        let mut simplest = best;
        loop {
            let simpler = self.space.simpler(&simplest);
            let standings = self.standings(&simpler, Part::Tuned, known)?;
            let good = |&at: &usize| self.goal.as_good(&standings[at], &value, WORTH_A_KEY);
            let Some(next) = self.goal.order(&standings).into_iter().find(good) else { return Ok(simplest) };
            simplest = simpler[next].clone();
        }
    }

    /// How candidates stand on a part of the tuned days, beside the defaults on the same.
    fn standings(&self, candidates: &[Candidate], part: Part, known: &Known) -> Result<Vec<Standing>, Missing> {
        let run = |case: usize, policy: &Configuration| Run { case, part, policy: policy.clone() };
        let defaults = self.space.defaults().policy;
        let marks = |candidate: &Candidate| {
            let mark = |&case: &usize| {
                let (ours, theirs) = both(known.get(run(case, &candidate.policy)), known.get(run(case, &defaults)))?;
                Ok(ours.mark(theirs, known.worth()))
            };
            together(self.cases.iter().map(mark)).map(|marks| self.goal.standing(&marks))
        };
        together(candidates.iter().map(marks))
    }
}

/// A point of the scrambled sequence.
fn point(at: u32, dimensions: usize, seed: u32) -> Vec<f64> {
    // The sequence is known for so many points; then comes another scrambling.
    const LONGEST: u32 = 1 << 16;
    let seed = seed.wrapping_add((at / LONGEST) << 16);
    let coordinate = |dimension: u32| f64::from(sobol_burley::sample(at % LONGEST, dimension, seed));
    (0..).take(dimensions).map(coordinate).collect()
}

/// Each policy once.
fn distinct(candidates: impl Iterator<Item = Candidate>) -> Vec<Candidate> {
    let mut seen = HashSet::new();
    candidates.filter(|candidate| seen.insert(candidate.policy.clone())).collect()
}
