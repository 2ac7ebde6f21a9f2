//! Submitting jobs, and proving what became of each.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::worker::store::{Event, Job, Store, StoreError, What, Work};

/// Between two looks at the log.
const POLL: Duration = Duration::from_millis(100);

/// How many ids a message names.
const NAMED: usize = 10;

/// The jobs of one queue in a real store.
pub(crate) struct Jobs {
    store: Store,
    queue: String,
    submitted: AtomicUsize,
}

/// What became of every job, by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) fates: BTreeMap<String, Fate>,
}

/// One job's life, in Unix seconds of the store's clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fate {
    pub(crate) submitted: Option<f64>,
    /// With the pod that did it; more than one where it was requeued, or where something went wrong.
    pub(crate) starts: Vec<(f64, String)>,
    pub(crate) ends: Vec<(f64, String)>,
    pub(crate) failures: Vec<(f64, String)>,
    pub(crate) requeues: Vec<(f64, String)>,
}

/// Seconds from submission to the first start, over the jobs that have started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Waits {
    pub(crate) mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub(crate) longest: f64,
}

impl Jobs {
    /// The jobs of `queue` in the store at `url`: `redis://...` or `postgres://...` (whose tables are made).
    pub(crate) async fn at(url: &str, queue: &str) -> Self {
        let store = Store::connect(url, queue).await;
        Self { store, queue: queue.to_owned(), submitted: AtomicUsize::new(0) }
    }

    /// Puts `count` jobs into the queue at once; returns their ids.
    pub(crate) async fn submit(&self, count: usize, work: Work) -> Vec<String> {
        let first = self.submitted.fetch_add(count, Ordering::Relaxed);
        let jobs: Vec<Job> =
            (first..first + count).map(|number| Job { id: format!("job-{number:05}"), work }).collect();
        let submitted = self.store.submit(&jobs).await;
        submitted
            .unwrap_or_else(|error| panic!("{count} jobs could not be put into {}: {error}", self.queue));
        jobs.into_iter().map(|job| job.id).collect()
    }

    /// Jobs that the store shows in flight on `worker`.
    pub(crate) async fn held_by(&self, worker: &str) -> Vec<Job> {
        self.sure(self.store.held_by(worker).await)
    }

    /// As a reaper does for a worker that is known to be dead: puts what it held back into the queue.
    pub(crate) async fn requeue_all_of(&self, worker: &str) -> Vec<Job> {
        self.sure(self.store.requeue_all_of(worker).await)
    }

    /// What has become of every job so far.
    pub(crate) async fn outcome(&self) -> Outcome {
        Outcome::of(self.sure(self.store.events().await))
    }

    /// Waits until `holds`; panics after `deadline` with what was awaited and what was seen last.
    pub(crate) async fn until(
        &self,
        what: &str,
        deadline: Duration,
        holds: impl Fn(&Outcome) -> bool,
    ) -> Outcome {
        let started = Instant::now();
        loop {
            // A store that is away for a while is part of some scenarios.
            let seen = self.store.events().await.map(Outcome::of);
            match seen {
                Ok(outcome) if holds(&outcome) => return outcome,
                Ok(outcome) if started.elapsed() > deadline => {
                    panic!("waited {deadline:?} in vain until {what} in {}: {outcome}", self.queue)
                }
                Err(error) if started.elapsed() > deadline => {
                    panic!("waited {deadline:?} in vain until {what} in {}: {error}", self.queue)
                }
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Waits until every job has ended, well or badly.
    pub(crate) async fn until_all_ended(&self, deadline: Duration) -> Outcome {
        self.until("every job has ended", deadline, |outcome| outcome.open() == 0).await
    }

    fn sure<T>(&self, result: Result<T, StoreError>) -> T {
        result.unwrap_or_else(|error| panic!("the jobs of {} cannot be read: {error}", self.queue))
    }
}

impl Outcome {
    fn of(events: Vec<Event>) -> Self {
        let mut fates: BTreeMap<String, Fate> = BTreeMap::new();
        for Event { at, id, what, pod } in events {
            let fate = fates.entry(id).or_default();
            match what {
                What::Submitted => fate.submitted = Some(at),
                What::Started => fate.starts.push((at, pod)),
                What::Done => fate.ends.push((at, pod)),
                What::Failed => fate.failures.push((at, pod)),
                What::Requeued => fate.requeues.push((at, pod)),
            }
        }
        Self { fates }
    }

    /// Jobs that have neither ended nor failed.
    pub(crate) fn open(&self) -> usize {
        self.fates.values().filter(|fate| fate.is_open()).count()
    }

    /// Jobs that a worker has started, and that have not ended.
    pub(crate) fn running(&self) -> usize {
        self.fates.values().filter(|fate| fate.is_running()).count()
    }

    /// The pods on which jobs run, one a job.
    pub(crate) fn workers(&self) -> impl Iterator<Item = String> {
        let running = self.fates.values().filter(|fate| fate.is_running());
        running.filter_map(|fate| Some(fate.starts.last()?.1.clone()))
    }

    /// Jobs that have ended well.
    pub(crate) fn done(&self) -> usize {
        self.fates.values().filter(|fate| !fate.ends.is_empty()).count()
    }

    /// Panics unless every job was started once, and ended well once, on the same pod.
    pub(crate) fn each_ran_once(&self) {
        self.assert_all("ran exactly once", Fate::ran_once);
    }

    /// Of all jobs that have started. Panics where none has.
    pub(crate) fn waits(&self) -> Waits {
        let mut waits: Vec<f64> = self.fates.values().filter_map(Fate::wait).collect();
        waits.sort_by(f64::total_cmp);
        let Some(&longest) = waits.last() else { panic!("no job has started: {self}") };
        let at = |quantile: usize| waits[(waits.len() * quantile / 100).min(waits.len() - 1)];
        let mean = waits.iter().sum::<f64>() / waits.len() as f64;
        Waits { mean, p50: at(50), p95: at(95), longest }
    }

    /// Seconds that workers have spent on jobs that ended.
    pub(crate) fn busy_seconds(&self) -> f64 {
        self.fates.values().flat_map(Fate::spans).map(|(start, end)| end - start).sum()
    }

    /// Pods that have started a job, with how many.
    pub(crate) fn pods(&self) -> BTreeMap<&str, usize> {
        let mut pods = BTreeMap::new();
        for (_, pod) in self.fates.values().flat_map(|fate| &fate.starts) {
            *pods.entry(pod.as_str()).or_default() += 1;
        }
        pods
    }

    fn assert_all(&self, what: &str, holds: impl Fn(&Fate) -> bool) {
        let wrong: Vec<_> = self.fates.iter().filter(|(_, fate)| !holds(fate)).collect();
        let named: Vec<String> =
            wrong.iter().take(NAMED).map(|(id, fate)| format!("\n  {id}: {fate}")).collect();
        assert!(
            wrong.is_empty() && !self.fates.is_empty(),
            "{} of {} jobs have not {what}:{}",
            wrong.len(),
            self.fates.len(),
            named.concat()
        );
    }
}

impl Fate {
    pub(crate) fn ran_once(&self) -> bool {
        self.requeues.is_empty() && self.ended_once()
    }

    pub(crate) fn ended_once(&self) -> bool {
        let last_start = self.starts.last().map(|(_, pod)| pod);
        self.failures.is_empty()
            && self.ends.len() == 1
            && last_start == self.ends.first().map(|(_, pod)| pod)
            && self.starts.len() == self.requeues.len() + 1
    }

    pub(crate) fn is_open(&self) -> bool {
        self.ends.is_empty() && self.failures.is_empty()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.is_open() && self.starts.len() > self.requeues.len()
    }

    /// Seconds from submission to the first start.
    pub(crate) fn wait(&self) -> Option<f64> {
        Some(self.starts.first()?.0 - self.submitted?)
    }

    /// Start and end of every run that ended, well or badly.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (f64, f64)> {
        let end = self.ends.iter().chain(&self.failures).next();
        self.starts.last().zip(end).map(|((start, _), (end, _))| (*start, *end)).into_iter()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, running) = (self.fates.len(), self.running());
        let failed = self.fates.values().filter(|fate| !fate.failures.is_empty()).count();
        let waiting = self.open() - running;
        write!(f, "{all} jobs: {} done, {failed} failed, {running} running, {waiting} waiting", self.done())?;
        let open = self.fates.iter().filter(|(_, fate)| fate.is_open());
        open.take(NAMED).try_for_each(|(id, fate)| write!(f, "\n  {id}: {fate}"))
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zero = self.submitted.unwrap_or_default();
        let list = |events: &[(f64, String)]| {
            let each: Vec<String> =
                events.iter().map(|(at, pod)| format!("{pod} at {:.2} s", at - zero)).collect();
            if each.is_empty() { "never".to_owned() } else { each.join(", ") }
        };
        write!(f, "started {}; ended {}", list(&self.starts), list(&self.ends))?;
        for (word, events) in [("failed", &self.failures), ("requeued", &self.requeues)] {
            if !events.is_empty() {
                write!(f, "; {word} {}", list(events))?;
            }
        }
        Ok(())
    }
}
