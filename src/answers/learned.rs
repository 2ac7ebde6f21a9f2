//! What was learned of queues and refs: kilobytes each, so it is in no table, and the engine copies it for whoever asks.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    clock::Zone,
    forecast::{Forecast, lead::LeadTimes},
    refs::RefEntry,
    series::KnownQueue,
    sizing::Budget,
};

/// Queues and refs that one question may name, each: so the engine never answers for long.
pub const ASKED_AT_ONCE: usize = 128;

/// What somebody wants to know of the engine.
#[derive(Debug)]
pub struct Question {
    /// Queues, [`ASKED_AT_ONCE`] at most.
    pub queues: Vec<Arc<KnownQueue>>,
    /// Refs, [`ASKED_AT_ONCE`] at most.
    pub refs: Vec<Arc<RefEntry>>,
    /// Who waits for it.
    pub reply: oneshot::Sender<Learned>,
}

/// What was learned of each queue and of each ref of a question; `None` of one that has gone.
#[derive(Debug, Default)]
pub struct Learned {
    /// By the question's queues.
    pub queues: Vec<Option<LearnedQueue>>,
    /// By its refs.
    pub refs: Vec<Option<LearnedRef>>,
}

/// What was learned of a queue.
#[derive(Debug, Clone)]
pub struct LearnedQueue {
    /// Arrivals, recurring bursts, run times.
    pub forecast: Forecast,
    /// To whose hours its recurring bursts keep.
    pub zone: Zone,
}

/// What was learned of a ref.
#[derive(Debug, Clone)]
pub struct LearnedRef {
    /// How long its workers take to start.
    pub lead: LeadTimes,
    /// How far ahead is looked for it now, seconds.
    pub lead_time: f64,
    /// What was spent on forecasts.
    pub budget: Budget,
    /// Idle worker-seconds that its policy lets it spend on forecasts for each busy one.
    pub allowed: f64,
}
