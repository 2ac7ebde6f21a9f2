//! Shadow mode: the log tells what a watched ref would be answered, beside what really was. `foresail-bench report
//! --shadow` reads these lines.

use crate::{
    engine::{active::ActiveRef, cluster::Cluster},
    refs::{Caller, RefKey},
    series::Series,
    sizing::Decision,
};

/// The message of these lines.
pub const WATCHED: &str = "a watched ref would be answered";

/// Seconds after which a line is written though nothing has changed: a longer silence means that nobody looked.
pub const AT_LEAST_EVERY: f64 = 60.0;

/// What a line tells but for its instant and its words. Unknown is `None`, and not in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shadow {
    /// Our answer, workers.
    wanted: u32,
    /// Workers that there are, and those of them that are ready.
    replicas: Option<u32>,
    ready: Option<u32>,
    waiting: u64,
    in_flight: Option<u64>,
    /// Jobs that came and that ended since the queue was first read, where the layout counts them.
    arrivals: Option<u64>,
    completions: Option<u64>,
}

impl ActiveRef {
    /// Logs a watched ref's answer beside what there is, where either has changed or a minute has passed.
    pub(super) fn log_shadow(&mut self, now: f64, decision: &Decision, series: &Series, cluster: &Cluster) {
        let (Caller::Operator, Ok(spec), Some(queue)) = (self.entry.caller(), &self.spec, &self.queue) else {
            return;
        };
        let Ok(view) = series.view(queue.index, now) else { return };
        let workload = cluster.workload(self.sighting.as_ref());
        let shadow = Shadow {
            wanted: decision.target,
            replicas: workload.replicas,
            ready: workload.ready,
            waiting: view.depth.waiting,
            in_flight: view.depth.in_flight,
            arrivals: series.arrivals(queue.index),
            completions: series.completions(queue.index),
        };
        if self.logged.is_some_and(|(at, last)| last == shadow && now - at < AT_LEAST_EVERY) {
            return;
        }
        self.logged = Some((now, shadow));
        let RefKey { namespace, name, .. } = &self.entry.key;
        let Shadow { wanted, replicas, ready, waiting, in_flight, arrivals, completions } = shadow;
        let (slots, read_at, why) = (spec.policy.slots, now - view.age, &decision.why);
        tracing::info!(
            namespace, name, at = now, read_at, wanted, replicas, ready, waiting, in_flight, arrivals, completions,
            slots, %why, "{WATCHED}"
        );
    }
}
