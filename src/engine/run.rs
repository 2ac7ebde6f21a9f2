//! The engine's own thread: a tick a second, and early ones for refs that wait for a first answer.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use crate::{
    answers::Question,
    clock::Clock,
    config::Config,
    engine::{Engine, Interests},
    forecast::Forecast,
    refs::RefEntry,
    sampler::Reading,
    series::KnownQueue,
    workloads::{News, Sight},
};

/// Seconds between two ticks.
const TICK: f64 = 1.0;

/// Seconds for which new refs are gathered before the samplers are told: an operator's restart brings
/// thousands at once.
const GATHER: f64 = 0.05;

/// What the engine is told.
pub enum Event {
    /// A call added a ref.
    Ref(Arc<RefEntry>),
    /// A sampler read its source, or could not.
    Reading(Reading),
    /// What changed in Kubernetes, and how much of it can be seen.
    Workloads(News, Sight),
    /// What a queue's past has taught.
    Learned(Arc<KnownQueue>, Box<Forecast>),
    /// A new configuration; once it holds, the sender is told what the samplers have to read.
    Reload(Arc<Config>, Sender<Interests>),
    /// Somebody wants to know what was learned.
    Question(Question),
    /// The process ends.
    Stop,
}

/// What one tick cost, for metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TickCost {
    /// When the tick was made, Unix seconds.
    pub at: f64,
    /// Seconds that it took.
    pub seconds: f64,
    /// Seconds that it came late.
    pub lag: f64,
    /// Queues known.
    pub queues: usize,
}

/// Runs the engine until it is told to stop or nobody can tell it anything any more.
pub fn run(
    mut engine: Engine,
    events: &Receiver<Event>,
    clock: &dyn Clock,
    mut observe: impl FnMut(TickCost),
) {
    let mut next_tick = clock.now();
    let mut announce_at = None;
    engine.keep_watched(next_tick);
    loop {
        let now = clock.now();
        if announce_at.is_some_and(|at| at <= now) {
            announce_at = None;
            engine.announce();
            next_tick = now.min(next_tick);
        }
        if next_tick <= now {
            let started = Instant::now();
            engine.tick(now);
            engine.keep_some(now);
            let seconds = started.elapsed().as_secs_f64();
            observe(TickCost { at: now, seconds, lag: now - next_tick, queues: engine.queue_count() });
            next_tick = now + TICK;
        }
        let wake = announce_at.map_or(next_tick, |at: f64| at.min(next_tick));
        let wait = Duration::from_secs_f64((wake - clock.now()).max(0.0));
        match events.recv_timeout(wait) {
            Ok(Event::Ref(entry)) => {
                engine.adopt(entry);
                announce_at.get_or_insert(clock.now() + GATHER);
            }
            Ok(Event::Reading(reading)) => {
                if engine.absorb(reading) {
                    next_tick = clock.now();
                }
            }
            Ok(Event::Workloads(news, sight)) => {
                if engine.see(&news, sight, clock.now()) {
                    next_tick = clock.now();
                }
            }
            Ok(Event::Learned(known, past)) => engine.take_over(&known, *past, clock.now()),
            Ok(Event::Reload(config, done)) => {
                engine.reload(config, clock.now());
                next_tick = clock.now();
                // Whoever asked may have gone.
                let _ = done.send(engine.interests());
            }
            Ok(Event::Question(question)) => engine.reply(question),
            Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => {
                engine.keep_all(clock.now());
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
