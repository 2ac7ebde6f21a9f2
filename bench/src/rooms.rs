//! The serving rooms around one source, wired as `foresail serve` wires them: refs, sampler, engine and
//! answers, with threads by role.

use std::{
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::bail;
use arc_swap::ArcSwap;
use foresail::{
    answers::Answers,
    clock::{Clock, WallClock},
    config::Config,
    engine::{self, Engine, Event},
    refs::{Caller, Refs, resolve},
    sampler::{self, Heard, Pace, ReadCost, Reading},
    scaler::Scaler,
    source::Source,
    telemetry::Metrics,
};
use tokio::runtime::{self, Runtime};
use tokio_util::sync::CancellationToken;

use crate::world;

/// Between two looks at whether every ref has its answer.
const LOOK: Duration = Duration::from_millis(20);

/// Rooms that run until this value is dropped.
pub(crate) struct Rooms {
    config: Arc<Config>,
    refs: Arc<Refs>,
    answers: Arc<Answers>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    events: Sender<Event>,
    ticking: Option<JoinHandle<()>>,
    io: Option<Runtime>,
    /// Ends the sampler and the streams.
    pub(crate) stop: CancellationToken,
}

impl Rooms {
    /// Starts them; the configuration's one source is read through `source`.
    pub(crate) fn start(config: Config, source: Arc<dyn Source>) -> anyhow::Result<Self> {
        let config = Arc::new(config);
        let clock: Arc<dyn Clock> = Arc::new(WallClock::new());
        let answers = Arc::new(Answers::default());
        let metrics = Metrics::new(answers.clone(), clock.clone());
        let stop = CancellationToken::new();
        let (events, told) = mpsc::channel();
        let refs = Arc::new(Refs::new({
            let events = events.clone();
            // The engine outlives every caller.
            move |entry| drop(events.send(Event::Ref(entry)))
        }));

        let engine = Engine::new(config.clone(), refs.clone(), answers.clone());
        let interest = world::interest(&engine)?;
        let ticking = thread::Builder::new().name("engine".to_owned()).spawn({
            let (clock, metrics) = (clock.clone(), metrics.clone());
            move || {
                engine::run(engine, &told, clock.as_ref(), |cost| {
                    metrics.tick_seconds.observe(cost.seconds);
                    metrics.tick_lag.set(cost.lag);
                });
            }
        })?;

        let io =
            runtime::Builder::new_multi_thread().worker_threads(1).thread_name("io").enable_all().build()?;
        let heard = Arc::new(ToEngine { events: events.clone(), metrics: metrics.clone() });
        io.spawn(sampler::run(
            world::SOURCE.into(),
            source,
            Pace::new(config.sources[world::SOURCE].sample_every, clock.now(), 1),
            interest,
            clock.clone(),
            heard,
            stop.clone(),
        ));
        let (ticking, io) = (Some(ticking), Some(io));
        Ok(Self { config, refs, answers, clock, metrics, events, ticking, io, stop })
    }

    /// KEDA's service on these rooms.
    pub(crate) fn scaler(&self) -> Scaler {
        let Self { config, refs, answers, clock, metrics, stop, .. } = self;
        let config = Arc::new(ArcSwap::new(config.clone()));
        Scaler::new(refs.clone(), answers.clone(), config, clock.clone(), metrics.clone(), stop.clone())
    }

    /// Where and how it is to be served.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Adds refs as calls would, and waits until each has an answer from a sample.
    pub(crate) fn ask(&self, refs: usize, queues: usize, patience: Duration) -> anyhow::Result<()> {
        let mut entries = Vec::with_capacity(refs);
        for number in 0..refs {
            let key = world::key(number, queues);
            let (spec, _) = resolve(&key, &self.config, Caller::Keda)?;
            entries.push(self.refs.add(key, spec, Caller::Keda, self.clock.now())?);
        }
        let end = Instant::now() + patience;
        while !entries
            .iter()
            .all(|entry| self.answers.load().row(entry).is_some_and(|row| row.answer.is_ok()))
        {
            if Instant::now() > end {
                bail!("not every one of {refs} refs has an answer after {patience:?}");
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        self.stop.cancel();
        // A thread that has ended by itself needs no word, and its panic was printed.
        let _ = self.events.send(Event::Stop);
        let _ = self.ticking.take().map(JoinHandle::join);
        if let Some(io) = self.io.take() {
            io.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

/// Hands readings to the engine and counts what they cost.
struct ToEngine {
    events: Sender<Event>,
    metrics: Metrics,
}

impl Heard for ToEngine {
    fn reading(&self, reading: Reading) {
        // The engine ends only with its rooms.
        let _ = self.events.send(Event::Reading(reading));
    }

    fn cost(&self, source: &str, cost: &ReadCost, _guarded: bool) {
        self.metrics.read_seconds.with_label_values(&[source]).observe(cost.seconds);
    }
}
