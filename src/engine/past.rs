//! What a new queue was like before anyone looked: asked for when it comes, and taken in once it is found out.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::{Engine, active::ActiveRef};
use crate::{clock::Zone, forecast::Forecast, series::KnownQueue};

/// A queue that nothing is known of yet, though its layout says what its past was.
#[derive(Debug)]
pub struct Unlearned {
    /// The queue.
    pub known: Arc<KnownQueue>,
    /// To whose hours its recurring bursts keep.
    pub zone: Zone,
}

impl Engine {
    /// The same, which tells `historian` of each new queue whose layout has a history. What is found out comes back
    /// by [`Self::take_over`].
    #[must_use]
    pub fn asking(mut self, historian: UnboundedSender<Unlearned>) -> Self {
        self.historian = Some(historian);
        self
    }

    /// Takes what a queue's past has taught, if it is still asked for, and goes on from it with what was seen since.
    pub fn take_over(&mut self, known: &Arc<KnownQueue>, past: Forecast, now: f64) {
        let Some(queue) = self.queues.get_mut(known) else { return };
        let work = queue.work_for_each(&past, now);
        queue.learner.take_over(past);
        if self.keep.is_some() {
            let its =
                |active: &&mut ActiveRef| active.queue.as_ref().is_some_and(|one| Arc::ptr_eq(one, known));
            self.active.iter_mut().flatten().filter(its).for_each(|active| active.begin_after(work));
        }
    }

    /// What a ref of which nothing was kept has to its credit, busy worker-seconds: what its queue did before. Nothing
    /// where nothing is kept, since each restart would credit it anew.
    pub(super) fn work_before(&self, new: &ActiveRef, now: f64) -> f64 {
        let queue =
            new.queue.as_ref().filter(|_| self.keep.is_some()).and_then(|known| self.queues.get(known));
        queue.map_or(0.0, |queue| queue.work_for_each(queue.learner.forecast(), now))
    }

    pub(super) fn ask_for_the_past(&self, known: &Arc<KnownQueue>) {
        let (Some(historian), Some(queue)) = (&self.historian, self.queues.get(known)) else { return };
        let source = self.config.sources.get(&known.key.source);
        if source.is_some_and(|source| source.history(&known.key.layout).is_some()) {
            // Nobody listens only while the process ends.
            let _ = historian.send(Unlearned { known: known.clone(), zone: queue.zone.clone() });
        }
    }
}
