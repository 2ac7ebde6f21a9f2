//! The embedded source: a job log that plays in memory, read as a store would be.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::{
    series::{Holder, Sample},
    sim::workers::WorkerPool,
    source::{Batch, Finding, Identity, LayoutIndex, QueueError, Source, SourceError, Wanted},
};

/// Name of the one queue.
pub const QUEUE: &str = "jobs";

/// Reads the queue of a world that somebody else lets run.
///
/// It tells what a store would: jobs and the workers that hold them, those included that have been told
/// to go and end their last job, since a store knows nothing of that.
pub struct Replay {
    world: Arc<Mutex<WorkerPool>>,
}

impl Replay {
    /// A source that reads `world`.
    pub fn new(world: Arc<Mutex<WorkerPool>>) -> Self {
        Self { world }
    }

    fn sample(&self) -> Sample {
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let workers = world.busy_workers().chain(world.draining_workers());
        let holders = workers.map(|worker| Holder { worker: worker.to_string().into(), jobs: 1, stuck: 0 });
        Sample {
            waiting: Some(world.waiting() as u64),
            scheduled: Some(0),
            in_flight: Some(world.in_flight() as u64),
            stuck: Some(0),
            holders: Some(holders.collect()),
            oldest_age: world.oldest_age(),
            arrivals_total: Some(world.arrived() as u64),
            completions_total: Some(world.completed() as u64),
            seen: true,
            ..Sample::default()
        }
    }
}

#[async_trait]
impl Source for Replay {
    async fn read(&self, wanted: &[Wanted]) -> Result<Batch, SourceError> {
        let read = |wanted: &Wanted| {
            if &*wanted.queue == QUEUE {
                Ok(self.sample())
            } else {
                Err(QueueError::Missing(wanted.queue.to_string()))
            }
        };
        Ok(Batch {
            samples: wanted.iter().map(read).collect(),
            identity: Some(Identity("replay".to_owned())),
            round_trips: 0,
        })
    }

    async fn discover(&self, _layout: LayoutIndex, limit: usize) -> Result<Vec<String>, SourceError> {
        Ok([QUEUE.to_owned()].into_iter().take(limit).collect())
    }

    async fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{
        job_log::{Job, JobLog},
        workers::{Removal, StartDelay},
    };

    #[tokio::test]
    async fn it_tells_what_a_store_would_and_counts_jobs_of_workers_that_were_told_to_go() {
        let job = Job::new(1.0, 600.0);
        let log = JobLog::new(vec![job; 3]);
        let mut pool = WorkerPool::new(&log, Removal::Drain, StartDelay::Fixed(2.0), 1, 0.0);
        pool.scale_to(2);
        pool.advance(11.0);
        pool.scale_to(1);
        let source = Replay::new(Arc::new(Mutex::new(pool)));
        let wanted = [QUEUE, "other"].map(|queue| Wanted { layout: LayoutIndex(0), queue: Arc::from(queue) });
        let batch = source.read(&wanted).await.unwrap();
        let sample = batch.samples[0].as_ref().unwrap();
        assert_eq!((sample.waiting, sample.in_flight, sample.busy_workers()), (Some(1), Some(2), Some(2)));
        assert_eq!((sample.oldest_age, sample.arrivals_total), (Some(10.0), Some(3)));
        assert_eq!(batch.samples[1], Err(QueueError::Missing("other".to_owned())));
    }
}
