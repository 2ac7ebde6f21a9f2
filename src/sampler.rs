//! When to read what: one task a source, one batched read an interval, however many refs.

mod pace;
mod run;

pub use pace::{Outcome, Pace};
pub use run::{Heard, run};

use std::{fmt, sync::Arc, time::Instant};

use crate::{
    clock::Clock,
    series::{KnownQueue, Sample},
    source::{Identity, Source, SourceError, Wanted},
};

/// What a source has to read: every queue that some ref asks for.
#[derive(Debug, Clone, Default)]
pub struct Interest {
    /// The queues, in a stable order.
    pub queues: Vec<Wish>,
}

/// One queue to be read, with the parts whose sum it is.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The queue.
    pub queue: Arc<KnownQueue>,
    /// What the source reads for it.
    pub parts: Vec<Wanted>,
}

impl PartialEq for Wish {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.queue, &other.queue) && self.parts == other.parts
    }
}

/// What one read brought, as the engine takes it in.
pub struct Reading {
    /// The source's name.
    pub source: Arc<str>,
    /// When the read was begun: what is older than this was surely seen.
    pub at: f64,
    /// What was asked for.
    pub interest: Arc<Interest>,
    /// A sample or an error for each queue in that order, or why nothing could be read.
    pub result: Result<ReadBatch, Arc<str>>,
}

/// The samples of one read.
pub struct ReadBatch {
    /// A sample or an error for each queue asked for.
    pub samples: Vec<Result<Sample, Arc<str>>>,
    /// Which store answered.
    pub identity: Option<Identity>,
}

/// How one read went, beside its samples.
#[derive(Debug, Clone)]
pub struct ReadCost {
    /// Seconds that it took, connecting not included.
    pub seconds: f64,
    /// Seconds that went into connecting before it.
    pub connecting: f64,
    /// Round trips, where it succeeded.
    pub round_trips: u32,
    /// Queues that could not be read while others could.
    pub failed_queues: usize,
    /// Why nothing could be read.
    pub error: Option<SourceError>,
}

/// Reads everything of an interest once.
pub async fn read(
    name: &Arc<str>,
    source: &dyn Source,
    interest: Arc<Interest>,
    clock: &dyn Clock,
) -> (Reading, ReadCost) {
    let (wanted, places) = flatten(&interest);
    let (at, started) = (clock.now(), Instant::now());
    let batch = source.read(&wanted).await;
    let elapsed = started.elapsed().as_secs_f64();
    let seconds = match &batch {
        Ok(batch) => (elapsed - batch.connecting).max(0.0),
        // Whatever came before: what timed out was a read, and that took no longer.
        Err(SourceError::Timeout(patience)) => elapsed.min(*patience),
        Err(_) => elapsed,
    };
    let connecting = elapsed - seconds;
    let mut cost = ReadCost { seconds, connecting, round_trips: 0, failed_queues: 0, error: None };
    let result = match batch {
        Ok(batch) => {
            cost.round_trips = batch.round_trips;
            let samples: Vec<_> = places.iter().map(|parts| add_up(&batch.samples, parts)).collect();
            cost.failed_queues = samples.iter().filter(|sample| sample.is_err()).count();
            Ok(ReadBatch { samples, identity: batch.identity })
        }
        Err(error) => {
            cost.error = Some(error.clone());
            Err(error.to_string().into())
        }
    };
    (Reading { source: name.clone(), at, interest, result }, cost)
}

/// Each part once, whatever number of sums it is in, and where each queue's parts then stand.
fn flatten(interest: &Interest) -> (Vec<Wanted>, Vec<Vec<usize>>) {
    let mut place = std::collections::HashMap::new();
    let mut wanted = Vec::new();
    let places = interest
        .queues
        .iter()
        .map(|wish| {
            let find = |part: &Wanted| {
                *place.entry(part.clone()).or_insert_with(|| {
                    wanted.push(part.clone());
                    wanted.len() - 1
                })
            };
            wish.parts.iter().map(find).collect()
        })
        .collect();
    (wanted, places)
}

/// A sum is known only where each of its parts is.
fn add_up<E: fmt::Display>(samples: &[Result<Sample, E>], parts: &[usize]) -> Result<Sample, Arc<str>> {
    let part = |at: &usize| match samples.get(*at) {
        Some(Ok(sample)) => Ok(sample.clone()),
        Some(Err(error)) => Err(error.to_string().into()),
        None => Err("the source left this queue out of its answer".into()),
    };
    parts.iter().map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::WallClock,
        source::{Batch, Finding, LayoutIndex},
    };

    /// A store that takes `seconds` and then says this.
    struct Slow {
        seconds: f64,
        says: Result<f64, SourceError>,
    }

    #[async_trait::async_trait]
    impl Source for Slow {
        async fn read(&self, _: &[Wanted]) -> Result<Batch, SourceError> {
            tokio::time::sleep(std::time::Duration::from_secs_f64(self.seconds)).await;
            self.says.clone().map(|connecting| Batch { connecting, ..Batch::default() })
        }

        async fn discover(&self, _: LayoutIndex, _: usize) -> Result<Vec<String>, SourceError> {
            Ok(Vec::new())
        }

        async fn inspect(&self) -> Vec<Finding> {
            Vec::new()
        }
    }

    async fn cost(seconds: f64, says: Result<f64, SourceError>) -> ReadCost {
        let source = Slow { seconds, says };
        read(&"jobs".into(), &source, Arc::default(), &WallClock::new()).await.1
    }

    #[tokio::test]
    async fn connecting_is_no_reading() {
        let read = cost(0.2, Ok(0.19)).await;
        assert!((read.connecting - 0.19).abs() < 1e-9 && read.seconds > 0.0, "{read:?}");
        let timed_out = cost(0.2, Err(SourceError::Timeout(0.05))).await;
        assert!((timed_out.seconds - 0.05).abs() < 1e-9, "what timed out took no longer: {timed_out:?}");
        assert!(timed_out.connecting > 0.1, "{timed_out:?}");
    }
}
