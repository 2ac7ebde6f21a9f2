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
const RUNGS: [(Part, usize); 3] = [(Part::Small, 9), (Part::Medium, 3), (Part::Large, 3)];

/// Boxes, each half as wide as the one before.
const BOXES: u32 = 4;

/// Candidates in each box, and of how many of them one goes on from a third of the jobs to all.
const IN_A_BOX: u32 = 16;
const OF_A_BOX: usize = 4;

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
            left = [defaults]
                .into_iter()
                .chain(best.into_iter().filter(|&at| at > 0).map(|at| left[at].clone()))
                .collect();
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
        let keeps_the_bound =
            self.standings(std::slice::from_ref(best), Part::Tuned, known)?[0].keeps_the_bound();
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
                let place =
                    centre.iter().zip(offsets).map(|(c, o)| (c + half * (2.0 * o - 1.0)).clamp(0.0, 1.0));
                self.space.candidate(place.collect())
            };
            let new = distinct((0..IN_A_BOX).filter_map(around));
            let mut order = self.goal.order(&self.standings(&new, Part::Large, known)?);
            order.truncate(new.len().div_ceil(OF_A_BOX));
            all = distinct(all.into_iter().chain(order.into_iter().map(|at| new[at].clone())));
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
            let good = |&at: &usize| standings[at].as_good_as(&value, WORTH_A_KEY);
            let Some(next) = self.goal.order(&standings).into_iter().find(good) else { return Ok(simplest) };
            simplest = simpler[next].clone();
        }
    }

    /// How candidates stand on a part of the tuned days, beside the defaults on the same.
    fn standings(
        &self,
        candidates: &[Candidate],
        part: Part,
        known: &Known,
    ) -> Result<Vec<Standing>, Missing> {
        let run = |case: usize, policy: &Configuration| Run { case, part, policy: policy.clone() };
        let defaults = self.space.defaults().policy;
        let marks = |candidate: &Candidate| {
            let mark = |&case: &usize| {
                let (ours, theirs) =
                    both(known.get(run(case, &candidate.policy)), known.get(run(case, &defaults)))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::{
        goal::Wait,
        runs::Played,
        space::{Dimension, Unit},
    };

    const KEYS: &[Dimension] = &[
        Dimension::from_zero("keep_alive", Unit::Seconds, 10.0, 7200.0),
        Dimension::from_zero("min", Unit::Workers, 1.0, 20.0),
        Dimension::log("worth", Unit::Number, 0.1, 100.0),
    ];

    /// What a run is made up to come to.
    type World = fn(keep_alive: f64, min: f64, worth: f64) -> (f64, f64);

    /// Least at a `keep_alive` of 300 s and a worth of 10; `min` changes nothing.
    fn bowl(keep_alive: f64, _: f64, worth: f64) -> (f64, f64) {
        let paid = ((keep_alive + 10.0) / 310.0).ln().powi(2) + (worth / 10.0).ln().powi(2);
        (1000.0 * (1.0 + paid), 0.0)
    }

    /// Who keeps workers waits less and pays more.
    fn trade(keep_alive: f64, _: f64, _: f64) -> (f64, f64) {
        (1000.0 + keep_alive, 100.0 * (-keep_alive / 600.0).exp())
    }

    /// Plays whatever is lacking, with noise that grows as the part becomes smaller, until a search has an end.
    fn settled(search: &Search<'_>, world: World) -> (Found, Known) {
        let mut known = Known::new(1.0);
        loop {
            match search.find(&known) {
                Ok(found) => return (found, known),
                Err(missing) => known.extend(missing.runs().into_iter().map(|run| {
                    let played = play(&run, world);
                    (run, played)
                })),
            }
        }
    }

    fn play(run: &Run, world: World) -> Played {
        let text = run.policy.to_string();
        let value = |key: &str, default: f64| {
            let found = text.split(", ").find_map(|part| part.strip_prefix(key)?.strip_prefix(": "));
            found.map_or(default, |value| value.trim_end_matches('s').parse().expect("a number"))
        };
        let (paid, wait) = world(value("keep_alive", 60.0), value("min", 0.0), value("worth", 3.0));
        let noise = match run.part {
            Part::Small => 0.1,
            Part::Medium => 0.05,
            Part::Large => 0.02,
            Part::Tuned | Part::Later => 0.0,
        };
        let sum: u32 =
            text.bytes().map(u32::from).fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        let chance = f64::from(sum % 1000) / 1000.0 - 0.5;
        Played {
            jobs: 1,
            mean: wait,
            p95: wait,
            waited: wait,
            paid: paid * (1.0 + noise * chance),
            ..Played::default()
        }
    }

    fn search(space: &Space, goal: Goal) -> Search<'_> {
        Search { space, goal, candidates: 300, seed: 1, cases: vec![0, 1] }
    }

    fn keys() -> Space {
        Space::new(KEYS, &[]).expect("three keys")
    }

    #[test]
    fn a_known_optimum_is_found_and_a_key_without_effect_is_left_alone() {
        let (found, _) = settled(&search(&keys(), Goal::Cost), bowl);
        let text = found.best.to_string();
        let (keep_alive, worth) = text.split_once(", ").expect("two keys");
        let number =
            |text: &str| text.trim_end_matches('s').rsplit(' ').next().and_then(|n| n.parse::<f64>().ok());
        assert!((250.0..=360.0).contains(&number(keep_alive).expect("a number")), "{text}");
        assert!((8.0..=12.5).contains(&number(worth).expect("a number")), "{text}");
        assert_eq!(found.front.len(), 1);
    }

    #[test]
    fn where_nothing_is_better_the_defaults_stay() {
        let (found, _) = settled(&search(&keys(), Goal::Cost), |_, _, _| (1000.0, 5.0));
        assert_eq!(found.best, keys().defaults().policy);
    }

    #[test]
    fn the_cheapest_policy_within_a_bound_stands_close_to_it() {
        let (found, known) = settled(&search(&keys(), Goal::Within(Wait::Mean, 50.0)), trade);
        let played =
            known.get(Run { case: 0, part: Part::Tuned, policy: found.best }).expect("it was played");
        assert!(found.keeps_the_bound && (48.0..=50.0).contains(&played.mean), "{}", played.mean);
        let (found, _) = settled(&search(&keys(), Goal::Within(Wait::Mean, 1e-9)), trade);
        assert!(!found.keeps_the_bound);
        assert_eq!(found.best.to_string(), "keep_alive: 7200s", "the closest to it");
    }

    #[test]
    fn a_front_goes_from_the_cheapest_to_the_quickest() {
        let (found, known) = settled(&search(&keys(), Goal::Front(Wait::Mean)), trade);
        let played: Vec<&Played> = found
            .front
            .iter()
            .map(|policy| {
                known.get(Run { case: 0, part: Part::Tuned, policy: policy.clone() }).expect("it was played")
            })
            .collect();
        assert_eq!(played.len(), CENTRES);
        assert!(played.is_sorted_by(|a, b| a.paid < b.paid && a.mean > b.mean), "{played:?}");
        assert!(
            played[0].paid <= 1001.0 && played[CENTRES - 1].mean < 0.1,
            "both ends are on it: {played:?}"
        );
        assert!(found.front.contains(&found.best));
    }

    #[test]
    fn most_policies_are_played_on_the_smallest_part_only() {
        let (_, known) = settled(&search(&keys(), Goal::Cost), bowl);
        let on = |part: Part| known.runs().filter(|run| run.part == part && run.case == 0).count();
        let on = Part::ALL.map(on);
        assert!(on[0] > 290 && on[1] < 40 && on[2] < 80 && on[3] < 40 && on[4] == 0, "{on:?}");
    }

    #[test]
    fn what_the_owners_of_its_brackets_made_is_all_that_halving_lacks() {
        let space = keys();
        let search = search(&space, Goal::Cost);
        let (whole, all) = settled(&search, bowl);
        let mut shards = Known::new(1.0);
        for nth in 0..search.brackets() {
            let mut known = Known::new(1.0);
            while let Err(missing) = search.halve(nth, &known) {
                known.extend(missing.runs().into_iter().map(|run| (run.clone(), play(&run, bowl))));
            }
            shards.extend(known.runs().map(|run| (run.clone(), play(run, bowl))));
        }
        let on = |known: &Known, part: Part| known.runs().filter(|run| run.part == part).count();
        for part in [Part::Small, Part::Medium] {
            assert_eq!(on(&shards, part), on(&all, part));
        }
        while let Err(missing) = search.find(&shards) {
            let runs = missing.runs();
            assert!(runs.iter().all(|run| run.part >= Part::Large), "halving was done");
            shards.extend(runs.into_iter().map(|run| (run.clone(), play(&run, bowl))));
        }
        assert_eq!(search.find(&shards), Ok(whole));
    }
}
