//! One ref as the engine keeps it.

use std::sync::Arc;

use crate::{
    answers::NoAnswer,
    config::source::WorkloadName,
    engine::{cluster::Cluster, groups::Seat, queues::Queues, shadow::Shadow},
    forecast::{Forecast, horizons::Horizons, lead::Start},
    refs::{self, RefEntry, RefSpec},
    series::{KnownQueue, Series, Unseen},
    sizing::{self, Decision, Given, Mode, Pin, Proposal, RefState, Undecided},
    workloads::{Sight, Sighting, StartCounts, StartKind},
};

/// Seconds for which a new ref waits for the event that tells of its workload: KEDA calls for a new object at
/// the moment in which the watch hears of it. What is not seen by then may never be, as in a namespace that is
/// not watched.
const SEEN_WITHIN: f64 = 3.0;

/// What the engine keeps of a ref.
pub(super) struct ActiveRef {
    pub(super) entry: Arc<RefEntry>,
    pub(super) spec: Result<RefSpec, refs::RefError>,
    pub(super) queue: Option<Arc<KnownQueue>>,
    pub(super) pin: Option<Pin>,
    pub(super) state: RefState,
    pub(super) activity: Activity,
    /// What it is called in Kubernetes.
    pub(super) object: WorkloadName,
    /// What was last seen there of it.
    pub(super) sighting: Option<Arc<Sighting>>,
    /// Starts of its pods that its lead times have learned from.
    pub(super) starts: StartCounts,
    /// What the log last told of a watched ref, and when.
    pub(super) logged: Option<(f64, Shadow)>,
    /// Its place in the group whose cap it shares, if any.
    pub(super) seat: Option<Box<Seat>>,
    /// Since when its workload was to be seen for the first time, in a cluster that is in sight.
    pub(super) awaiting: Option<f64>,
}

/// What a ref takes along where its metadata come to mean something else.
#[derive(Default)]
pub(super) struct Remembered {
    pub(super) state: RefState,
    pub(super) activity: Activity,
    pub(super) starts: StartCounts,
}

/// Whether a ref was active when that was last known, and how often it has become so.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Activity {
    pub(super) active: bool,
    pub(super) activations: u64,
}

impl ActiveRef {
    /// Whether its workload has come into sight while its first answer waits for that.
    pub(super) fn has_come_into_sight(&self) -> bool {
        let replicas = self.sighting.as_ref().and_then(|sighting| sighting.workload.asked_for());
        self.awaiting.is_some() && self.state.last_target.is_none() && replicas.is_some()
    }

    /// Takes what was seen of it in Kubernetes by `now`, and learns from the starts of its pods how far to look ahead.
    pub(super) fn look(&mut self, now: f64, cluster: &Cluster, queues: &mut Queues) {
        self.sighting = cluster.sighting(&self.object);
        let Some(starts) = self.sighting.as_ref().map(|sighting| &sighting.starts) else { return };
        let counts = starts.counts();
        if self.starts == counts {
            return;
        }
        let state = &mut self.state;
        for start in starts.since(self.starts) {
            match start.kind {
                StartKind::Warm => state.started(now, Start::Warm, start.seconds),
                StartKind::Cold => state.rode_along(now, start.seconds, start.behind),
                StartKind::GivenUp => state.given_up(now, start.seconds),
                StartKind::NewNode => state.lead.node_came(start.seconds),
            }
        }
        self.starts = counts;
        if let Some(queue) = self.queue.as_ref().and_then(|known| queues.get_mut(known)) {
            queue.look_ahead(self.state.lead.mean());
        }
    }

    /// Begins after so much work, busy worker-seconds, which its budget is a share of.
    pub(super) fn begin_after(&mut self, work: f64) {
        if let Ok(spec) = &self.spec
            && spec.policy.mode == Mode::Workers
        {
            self.state.begin_after(work, spec.policy.budget);
        }
    }

    /// The ref's answer at `now`; where it shares a cap, within the share that it was given.
    pub(super) fn decide(
        &mut self,
        now: f64,
        series: &Series,
        queues: &Queues,
        cluster: &Cluster,
    ) -> Result<Decision, NoAnswer> {
        let mut decision = match self.seat.as_mut().and_then(|seat| seat.take()) {
            Some((proposed, share)) => proposed?.settle(Some(share), &mut self.state),
            None => self.propose(now, series, queues, cluster)?.settle(None, &mut self.state),
        };
        if let Some(queue) = self.queue.as_ref().and_then(|known| queues.get(known)) {
            decision.why.shared = queue.worker_refs;
        }
        Ok(decision)
    }

    /// What it would be answered if it shared no cap.
    pub(super) fn propose(
        &mut self,
        now: f64,
        series: &Series,
        queues: &Queues,
        cluster: &Cluster,
    ) -> Result<Proposal, NoAnswer> {
        let spec = self.spec.as_ref().map_err(|error| NoAnswer::Invalid(error.clone()))?;
        let known = self.queue.as_ref();
        let queue = known.and_then(|known| queues.get(known));
        let workload = cluster.workload(self.sighting.as_ref());
        let starts_anew = spec.policy.mode == Mode::Workers && self.state.last_target.is_none();
        let unseen = cluster.sight() == Some(Sight::Clear) && workload.asked_for().is_none();
        let waits = starts_anew && unseen && now - *self.awaiting.get_or_insert(now) < SEEN_WITHIN;
        // Not even an override answers before the first read: who is busy is about to be known.
        if queue.is_some_and(|queue| !queue.read) {
            return Err(NoAnswer::FirstSamplePending);
        }
        if waits {
            return Err(NoAnswer::WorkloadPending);
        }
        let view = known.map_or(Err(Unseen::NoSample), |known| series.view(known.index, now));
        let unlearned;
        let forecast = if let Some(queue) = queue {
            queue.learner.forecast()
        } else {
            unlearned = Forecast::new(Horizons::default());
            &unlearned
        };
        let proposed = if starts_anew && cluster.is_awaited(now) {
            Err(Undecided::NotListed)
        } else {
            let (policy, pin) = (&spec.policy, self.pin);
            sizing::propose(&Given { now, queue: view, forecast, workload, policy, pin }, &mut self.state)
        };
        proposed
            .map_err(|undecided| NoAnswer::Undecided(undecided, queue.and_then(|queue| queue.error.clone())))
    }
}
