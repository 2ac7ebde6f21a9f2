//! Lists that workers hold jobs in: one for all, or one for each worker.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::{
    series::{Holder, Quality},
    source::redis::{
        ask::{Answers, Place, Refusal, Round, To},
        memory::{MOST_WORKERS, QueueMemory, Sweep},
        recipe::{End, HeldPlan},
        template::Places,
        value::{bytes, count, items, text},
    },
};

/// The lists of one queue while they are read.
#[derive(Debug)]
pub(super) struct HeldProbe<'a> {
    plan: &'a HeldPlan,
    queue: &'a str,
    stuck_after: Option<Duration>,
    lists: Vec<List>,
    workers: Option<Place>,
    /// Whether the workers are known, all of them.
    known: Known,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    No,
    Perhaps,
    All,
}

#[derive(Debug)]
struct List {
    worker: Option<String>,
    key: String,
    second: bool,
    length: Place,
    oldest: Option<Place>,
}

/// What the lists say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Jobs in all lists; `None` while not all workers are known.
    pub(super) in_flight: Option<u64>,
    /// Jobs that have stood still for too long, where that is looked at.
    pub(super) stuck: Option<u64>,
    /// Who holds them, where each worker has a list.
    pub(super) holders: Option<Vec<Holder>>,
    /// Whether a list may be missing.
    pub(super) quality: Quality,
}

impl<'a> HeldProbe<'a> {
    /// Asks for all lists that are known.
    pub(super) fn start(
        plan: &'a HeldPlan,
        queue: &'a str,
        stuck_after: Option<f64>,
        memory: &QueueMemory,
        round: &mut Round,
    ) -> Self {
        let stuck_after = stuck_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let mut probe =
            Self { plan, queue, stuck_after, lists: Vec::new(), workers: None, known: Known::All };
        if !plan.list.names_worker() {
            probe.ask(None, false, round);
            return probe;
        }
        for worker in memory.workers.keys() {
            probe.ask(Some(worker), false, round);
        }
        if let Some(set) = &plan.workers {
            let key = set.fill(Places { queue, ..Places::default() });
            // All of a set up to that size, and a bounded answer whatever its size.
            let command = redis::cmd("SRANDMEMBER").arg(key).arg(MOST_WORKERS).take();
            probe.workers = Some(round.push(To::KeyAt(1), command));
        }
        probe
    }

    /// Asks for the lists of workers that the first round, or the search among all keys, made known.
    pub(super) fn follow(
        &mut self,
        first: &Answers,
        sweep: Option<&Sweep>,
        round: &mut Round,
    ) -> Result<(), Refusal> {
        if !self.plan.list.names_worker() {
            return Ok(());
        }
        let mut named = BTreeSet::new();
        if let Some(place) = self.workers {
            let members = items(first.at(place)?).ok_or_else(|| self.odd("the set of workers"))?;
            named.extend(members.iter().filter_map(text).map(std::borrow::Cow::into_owned));
            self.known = if members.len() < MOST_WORKERS { Known::All } else { Known::Perhaps };
        } else {
            let queue = if self.plan.list.names_queue() { self.queue } else { "" };
            let workers = sweep.and_then(|sweep| Some((sweep.workers(queue)?, sweep.is_whole())));
            self.known = match workers {
                None => Known::No,
                Some((workers, whole)) => {
                    named.extend(workers.map(str::to_owned));
                    if whole { Known::All } else { Known::Perhaps }
                }
            };
        }
        for list in &self.lists {
            list.worker.as_ref().map(|worker| named.remove(worker));
        }
        for worker in named {
            self.ask(Some(&worker), true, round);
        }
        Ok(())
    }

    /// Adds the lists up. `pod_of` makes a worker's pod of its name.
    pub(super) fn finish(
        self,
        first: &Answers,
        second: &Answers,
        memory: &mut QueueMemory,
        at: Instant,
        pod_of: impl Fn(&str) -> Box<str>,
    ) -> Result<Held, Refusal> {
        let mut holders: BTreeMap<Box<str>, (u64, u64)> = BTreeMap::new();
        let (mut in_flight, mut all_stuck) = (0, 0);
        memory.held.retain(|key, _| self.lists.iter().any(|list| list.key == *key));
        for list in &self.lists {
            let answers = if list.second { second } else { first };
            let jobs = count(answers.at(list.length)?).ok_or_else(|| self.odd("LLEN"))?;
            let mut stuck = 0;
            if let (Some(place), Some(stuck_after)) = (list.oldest, self.stuck_after) {
                let oldest = items(answers.at(place)?).ok_or_else(|| self.odd("LRANGE"))?;
                let since = memory.held.entry(list.key.clone()).or_default();
                let stood = since.update(oldest.iter().filter_map(bytes), at);
                let still = stood.iter().filter(|stood| **stood >= stuck_after).count() as u64;
                // A worker whose oldest job stands still does none of its others either.
                stuck = if list.worker.is_some() && still > 0 { jobs } else { still.min(jobs) };
            }
            in_flight += jobs;
            all_stuck += stuck;
            if let Some(worker) = &list.worker {
                if jobs > 0 {
                    let sums = holders.entry(pod_of(worker)).or_default();
                    *sums = (sums.0 + jobs, sums.1 + stuck);
                    memory.workers.insert(worker.clone(), at);
                } else if memory.workers.len() < MOST_WORKERS {
                    memory.workers.entry(worker.clone()).or_insert(at);
                }
            }
        }
        let known = self.known != Known::No;
        let per_worker = self.plan.list.names_worker();
        let small = |jobs: u64| u32::try_from(jobs).unwrap_or(u32::MAX);
        let holders = holders.into_iter().map(|(worker, (jobs, stuck))| Holder {
            worker,
            jobs: small(jobs),
            stuck: small(stuck),
        });
        Ok(Held {
            in_flight: known.then_some(in_flight),
            stuck: self.stuck_after.filter(|_| known).map(|_| all_stuck),
            holders: (known && per_worker).then(|| holders.collect()),
            quality: if self.known == Known::Perhaps { Quality::LowerBound } else { Quality::Exact },
        })
    }

    fn ask(&mut self, worker: Option<&str>, second: bool, round: &mut Round) {
        let places = Places { queue: self.queue, worker: worker.unwrap_or_default(), now: "" };
        let key = self.plan.list.fill(places);
        let length = round.push(To::KeyAt(1), redis::cmd("LLEN").arg(&key).take());
        let oldest = self.stuck_after.map(|_| {
            let most = if worker.is_some() { 1 } else { MOST_LOOKED_AT };
            round.push(To::KeyAt(1), oldest(&key, self.plan.oldest, most))
        });
        let worker = worker.map(str::to_owned);
        self.lists.push(List { worker, key, second, length, oldest });
    }

    fn odd(&self, what: &str) -> Refusal {
        Refusal::of_node(format!("queue {:?}: {what} has an answer of a wrong shape", self.queue))
    }
}

/// Asks for the elements at the old end of a list.
pub(super) fn oldest(key: &str, end: End, most: i64) -> redis::Cmd {
    let (from, to) = match end {
        End::Right => (-most, -1),
        End::Left => (0, most - 1),
    };
    redis::cmd("LRANGE").arg(key).arg(from).arg(to).take()
}

/// Jobs of one list for all workers that are looked at for standing still; their payloads come over
/// the network in every read.
const MOST_LOOKED_AT: i64 = 100;
