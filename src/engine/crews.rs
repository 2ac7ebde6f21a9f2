//! Whose pods a reading's workers may be: the refs of a queue, and what is seen of their pods.

use std::{collections::HashMap, sync::Arc};

use crate::{
    engine::active::ActiveRef,
    sampler::Interest,
    series::{KnownQueue, Sample},
    workloads::{Crew, Sighting, call_roll},
};

/// Of each queue whose sample names workers, the pods.
#[derive(Default)]
pub(super) struct Crews(HashMap<usize, QueueCrew>);

/// The pods of the refs that ask for one queue.
#[derive(Default)]
pub(super) struct QueueCrew {
    in_view: Vec<Arc<Sighting>>,
    /// Some ref's pods are not known.
    out_of_view: bool,
}

impl Crews {
    /// Goes through the refs only where some sample names a worker.
    pub(super) fn of<'a>(
        refs: impl Iterator<Item = &'a ActiveRef>,
        interest: &Interest,
        samples: &[Result<Sample, Arc<str>>],
    ) -> Self {
        let names_workers = |sample: &Result<Sample, Arc<str>>| {
            sample.as_ref().is_ok_and(|sample| sample.holders.as_ref().is_some_and(|all| !all.is_empty()))
        };
        let named = interest.queues.iter().zip(samples).filter(|(_, sample)| names_workers(sample));
        let mut crews = Self(named.map(|(wish, _)| (wish.queue.index.at(), QueueCrew::default())).collect());
        if crews.0.is_empty() {
            return crews;
        }
        for active in refs {
            let Some(crew) = active.queue.as_ref().and_then(|queue| crews.0.get_mut(&queue.index.at()))
            else {
                continue;
            };
            match &active.sighting {
                Some(sighting) => crew.in_view.push(sighting.clone()),
                None => crew.out_of_view = true,
            }
        }
        crews
    }

    /// The pods of one queue; `None` where its sample names no worker.
    pub(super) fn take(&mut self, queue: &KnownQueue) -> Option<QueueCrew> {
        self.0.remove(&queue.index.at())
    }
}

impl QueueCrew {
    /// Their pods, by ref.
    pub(super) fn crews(&self) -> Vec<&Crew> {
        self.in_view.iter().map(|sighting| &sighting.crew).collect()
    }

    /// As [`call_roll`].
    pub(super) fn call_roll(&self, sample: &mut Sample, at: f64) -> u64 {
        call_roll(sample, &self.crews(), !self.out_of_view, at)
    }
}
