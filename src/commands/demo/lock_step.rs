//! The loop in lock-step: one thing happens after the other, on a clock that only this loop turns.
//!
//! Sampler, engine, answers and gRPC are those of the server; the workers are told to the engine as Kubernetes
//! would show them. What a thread may do at any time there has
//! its place here: a new ref is sampled before the next call is made, and an activation is read from the
//! stream before the clock goes on. So two runs are equal bit for bit.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Instant,
};

use tokio::sync::watch;

use crate::{
    answers::{Answers, Question},
    clock::{Clock as _, VirtualClock},
    engine::Engine,
    refs::RefEntry,
    sampler::{self, Interest},
    sim::{
        keda::ScaledObject,
        workers::{Summary, WorkerPool},
    },
    source::replay::Replay,
    telemetry::Metrics,
    workloads::{News, Sight, Sighting},
};

use super::{
    keda::Keda,
    world::{self, SOURCE},
};

/// Seconds between two ticks of the engine, as in the server.
pub(super) const TICK: f64 = 1.0;

/// Everything that the loop turns.
pub(super) struct LockStep {
    clock: Arc<VirtualClock>,
    pool: Arc<Mutex<WorkerPool>>,
    source: Replay,
    source_name: Arc<str>,
    sample_every: f64,
    engine: Engine,
    answers: Arc<Answers>,
    metrics: Metrics,
    interest: watch::Receiver<Interest>,
    new_refs: mpsc::Receiver<Arc<RefEntry>>,
    questions: mpsc::Receiver<Question>,
    asked: Option<Asked>,
    /// What the engine was last told of the workers.
    seen: Option<Arc<Sighting>>,
    object: ScaledObject,
    keda: Keda,
    next_sample: f64,
    next_tick: f64,
}

/// The rooms of the server that the loop drives.
pub(super) struct Rooms {
    pub(super) engine: Engine,
    pub(super) answers: Arc<Answers>,
    pub(super) metrics: Metrics,
    pub(super) new_refs: mpsc::Receiver<Arc<RefEntry>>,
    pub(super) questions: mpsc::Receiver<Question>,
    pub(super) interest: watch::Receiver<Interest>,
}

/// The ref that KEDA asks for.
struct Asked {
    entry: Arc<RefEntry>,
    activations: watch::Receiver<u64>,
}

/// What can be seen after a sample was decided on.
pub(super) struct Moment<'a> {
    /// Unix seconds.
    pub(super) at: f64,
    /// The queue and its workers.
    pub(super) pool: &'a WorkerPool,
    /// Foresail's answer; `None` while it has none.
    pub(super) target: Option<u32>,
}

impl LockStep {
    pub(super) fn new(
        clock: Arc<VirtualClock>,
        pool: WorkerPool,
        sample_every: f64,
        rooms: Rooms,
        object: ScaledObject,
        keda: Keda,
    ) -> Self {
        let Rooms { engine, answers, metrics, new_refs, questions, interest } = rooms;
        let start = clock.now();
        let pool = Arc::new(Mutex::new(pool));
        Self {
            clock,
            source: Replay::new(pool.clone()),
            source_name: SOURCE.into(),
            pool,
            sample_every,
            interest,
            engine,
            answers,
            metrics,
            new_refs,
            questions,
            asked: None,
            seen: None,
            object,
            keda,
            next_sample: start,
            next_tick: start,
        }
    }

    /// Runs until all jobs are done and no worker is left, or until `limit`. `observe` sees every sample.
    ///
    /// # Errors
    /// When the stream breaks.
    pub(super) async fn run(
        &mut self,
        limit: f64,
        mut observe: impl FnMut(&Moment<'_>),
    ) -> anyhow::Result<Summary> {
        while self.clock.now() < limit && !self.is_over() {
            let at = self.next_sample.min(self.next_tick).min(self.object.next_due());
            self.clock.set(at);
            self.world().advance(at);
            let sampled = self.next_sample <= at;
            if sampled {
                self.next_sample = at + self.sample_every;
                self.sample().await;
            }
            if sampled || self.next_tick <= at {
                self.next_tick = at + TICK;
                self.tick(at).await?;
            }
            if sampled {
                observe(&Moment { at, pool: &self.world(), target: self.target() });
            }
            self.visit(at).await?;
        }
        Ok(self.world().summary())
    }

    /// Calls made, and those of them that failed.
    pub(super) fn calls(&self) -> (u64, u64) {
        self.keda.calls()
    }

    /// KEDA's visits that are due, one call after the other.
    async fn visit(&mut self, at: f64) -> anyhow::Result<()> {
        let ready = self.world().ready();
        self.object.set_ready(u32::try_from(ready).unwrap_or(u32::MAX));
        while let Some(mut round) = self.object.due(at) {
            while let Some(call) = round.call() {
                let reply = self.keda.answer(call).await;
                round.reply(reply);
                self.greet(at).await?;
            }
            let replicas = self.object.finish(at, round);
            self.scale(replicas);
            if self.object.hpa().is_some() && !self.keda.listens() {
                self.keda.listen().await?;
                // A stream that is opened while the ref is active says so at once.
                if self.target().is_some_and(|target| target > 0) {
                    self.take_push(at).await?;
                }
            }
        }
        Ok(())
    }

    /// Samples refs that the last call has added; the server gathers them for 50 ms first.
    async fn greet(&mut self, at: f64) -> anyhow::Result<()> {
        let Ok(entry) = self.new_refs.try_recv() else { return Ok(()) };
        let activations = entry.activations.subscribe();
        self.asked = Some(Asked { entry: entry.clone(), activations });
        self.engine.adopt(entry);
        self.engine.announce();
        self.metrics.refs.inc();
        self.sample().await;
        self.tick(at).await
    }

    async fn sample(&mut self) {
        self.look();
        let wanted = Arc::new(self.interest.borrow_and_update().clone());
        if wanted.queues.is_empty() {
            return;
        }
        let (reading, cost) =
            sampler::read(&self.source_name, &self.source, wanted, self.clock.as_ref()).await;
        self.metrics.reads.with_label_values(&[SOURCE, "ok"]).inc();
        self.metrics.read_seconds.with_label_values(&[SOURCE]).observe(cost.seconds);
        self.metrics.source_up.with_label_values(&[SOURCE]).set(1);
        self.engine.absorb(reading);
    }

    /// Tells the engine of the workers, as the watch of Kubernetes does in the server.
    fn look(&mut self) {
        let seen = world::sighting(&self.world());
        if self.seen.as_deref() != Some(&seen) {
            let seen = Arc::new(seen);
            self.seen = Some(seen.clone());
            let news = News { seen: vec![seen], gone: Vec::new() };
            self.engine.see(&news, Sight::Clear, self.clock.now());
        }
    }

    async fn tick(&mut self, at: f64) -> anyhow::Result<()> {
        let started = Instant::now();
        self.engine.tick(at);
        self.questions.try_iter().for_each(|question| self.engine.reply(question));
        self.metrics.tick_seconds.observe(started.elapsed().as_secs_f64());
        let Some(asked) = &mut self.asked else { return Ok(()) };
        let activated = asked.activations.has_changed().unwrap_or(false);
        asked.activations.mark_unchanged();
        if activated && self.keda.listens() {
            self.take_push(at).await?;
        }
        Ok(())
    }

    async fn take_push(&mut self, at: f64) -> anyhow::Result<()> {
        let active = self.keda.pushed().await?;
        let replicas = self.object.push(at, active);
        self.scale(replicas);
        Ok(())
    }

    fn scale(&self, replicas: Option<u32>) {
        if let Some(replicas) = replicas {
            self.world().scale_to(replicas);
        }
    }

    fn target(&self) -> Option<u32> {
        let table = self.answers.load();
        table.row(&self.asked.as_ref()?.entry)?.answer.as_ref().ok().map(|decision| decision.target)
    }

    fn is_over(&self) -> bool {
        let pool = self.world();
        pool.is_done() && pool.terminating() == 0 && self.object.replicas() == 0
    }

    fn world(&self) -> MutexGuard<'_, WorkerPool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
