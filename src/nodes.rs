//! Room on nodes for pods that are expected: how many spare chunks, each as big as one pod, are asked for now.
//!
//! A chunk is refilled as soon as a pod takes it. So what is asked for is what is expected beyond what is asked for
//! already, and it falls in the same step in which that rises. Any doubt ends in fewer chunks.

mod quantity;
mod share;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use quantity::{NoQuantity, Quantity, Resources};

use crate::sizing::{Decision, Mode, Workload};

/// Seconds without a decision after which nothing is asked for.
pub const EXPIRES: f64 = 300.0;

/// Seconds in which chunks rise by one `step` at most.
pub const STEP_EVERY: f64 = 15.0;

/// Seconds from a target to pods that ask for it, when all goes slowly: KEDA's default polling interval, and one sync
/// of the HPA.
const ASKING: f64 = 30.0 + 15.0;

/// How much room is asked for at most, and how fast it changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Chunks for one workload; each has room for one of its pods.
    pub chunks: u32,
    /// Chunks in all.
    pub total: u32,
    /// Chunks by which it rises in [`STEP_EVERY`], for one workload.
    pub step: u32,
    /// Seconds for which room is kept that is wanted no more.
    pub hold: f64,
}

/// When room is given up for pods that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lower {
    /// In the step in which the target rises. An empty node stays long enough for the pods to come.
    WithTarget,
    /// As the pods are seen, since an empty node may be taken away before they come. Those that are asked for and not
    /// seen yet are counted twice until then.
    AsPodsAreSeen,
}

impl Lower {
    /// What suits nodes that are taken away once they were empty for `consolidate_after` seconds, which is `None`
    /// where it is unknown, and pods that take `start` seconds to start.
    pub fn suiting(consolidate_after: Option<f64>, start: f64) -> Self {
        match consolidate_after {
            Some(seconds) if seconds >= ASKING + start => Self::WithTarget,
            _ => Self::AsPodsAreSeen,
        }
    }
}

/// What is known of one workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Pods expected within a lead time, those included that are asked for already.
    pub expected: u32,
    /// Pods asked for by decisions.
    pub target: u32,
    /// Pods asked for in Kubernetes; `None` where that is unknown.
    pub replicas: Option<u32>,
    /// Pods that there are, but for those that were told to go; `None` where that is unknown.
    pub pods: Option<u32>,
    /// Pods at most, chunks included.
    pub most: u32,
    /// Chunks at most, where no more can be had.
    pub chunks: u32,
    /// When room is given up.
    pub lower: Lower,
}

impl Wanted {
    /// What one decision wants. Where its ref shares the cap of a group, no more is kept than the group leaves now.
    pub fn of(decision: &Decision, mode: Mode, grouped: bool, seen: Workload, lower: Lower) -> Self {
        let target = decision.asked_for(mode);
        let requested = match mode {
            Mode::Workers => target,
            Mode::Jobs(_) => target.max(seen.replicas.unwrap_or(0)),
        };
        let expected = requested.saturating_add(decision.hint);
        let most = seen.max.unwrap_or(u32::MAX).min(if grouped { expected } else { u32::MAX });
        let pods = seen.ready.zip(seen.starting).map(|(ready, starting)| ready.saturating_add(starting));
        Self { expected, target, replicas: seen.replicas, pods, most, chunks: u32::MAX, lower }
    }

    /// With what another trigger of the same object wants: KEDA goes by the largest.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            expected: self.expected.max(other.expected),
            target: self.target.max(other.target),
            most: self.most.max(other.most),
            ..self
        }
    }

    fn counts(&self) -> Counts {
        let there = self.pods.or(self.replicas);
        let requested = self.target.max(self.replicas.unwrap_or(0)).max(self.pods.unwrap_or(0));
        Counts { requested, pods: there.unwrap_or(requested) }
    }
}

/// Pods that need no chunk.
#[derive(Debug, Clone, Copy)]
struct Counts {
    /// Asked for by anybody, or there.
    requested: u32,
    /// There.
    pods: u32,
}

impl Counts {
    fn of(self, lower: Lower) -> u32 {
        match lower {
            Lower::WithTarget => self.requested,
            Lower::AsPodsAreSeen => self.pods,
        }
    }
}

/// The chunks of all workloads. Names are their order where a cap has to be divided.
#[derive(Debug, Clone)]
pub struct Spares<K> {
    kept: BTreeMap<K, Kept>,
    shares: Vec<share::Share>,
}

impl<K> Default for Spares<K> {
    fn default() -> Self {
        Self { kept: BTreeMap::new(), shares: Vec::new() }
    }
}

impl<K: Ord> Spares<K> {
    /// Starts a workload from the chunks that somebody before has asked for. Of no effect on one that is known.
    pub fn begin(&mut self, now: f64, workload: K, chunks: u32) {
        self.kept.entry(workload).or_insert_with(|| Kept { chunks, ..Kept::new(now) });
    }

    /// One step at `now`, with all workloads that there are; `None` for those of which nothing is known now. Whoever
    /// is left out is gone.
    pub fn step(&mut self, now: f64, limits: &Limits, all: impl IntoIterator<Item = (K, Option<Wanted>)>) {
        for kept in self.kept.values_mut() {
            kept.gone = true;
        }
        for (workload, wanted) in all {
            let kept = self.kept.entry(workload).or_insert_with(|| Kept::new(now));
            kept.gone = false;
            kept.claim = kept.claim(now, limits, wanted.as_ref());
        }
        self.kept.retain(|_, kept| !kept.gone);
        self.shares.clear();
        self.shares.extend(self.kept.values().map(|kept| share::Share::of(kept.claim)));
        share::divide(limits.total, &mut self.shares);
        for (kept, share) in self.kept.values_mut().zip(&self.shares) {
            kept.take(now, share.granted);
        }
    }

    /// The chunks that one workload asks for now.
    pub fn of(&self, workload: &K) -> u32 {
        self.kept.get(workload).map_or(0, |kept| kept.chunks)
    }

    /// The chunks of all, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&K, u32)> {
        self.kept.iter().map(|(workload, kept)| (workload, kept.chunks))
    }
}

/// What is kept of one workload.
#[derive(Debug, Clone)]
struct Kept {
    /// Chunks asked for.
    chunks: u32,
    /// When something was last known of it, Unix seconds.
    known: f64,
    /// What needed no chunk then.
    counts: Option<Counts>,
    /// Fewer are wanted, since when, and the most of those.
    fewer: Option<(f64, u32)>,
    /// When the newest [`STEP_EVERY`] with a rise began, and the rise in it.
    raised: Option<(f64, u32)>,
    /// In a step: chunks that it would have by itself.
    claim: u32,
    /// In a step: it was left out.
    gone: bool,
}

impl Kept {
    fn new(now: f64) -> Self {
        Self { chunks: 0, known: now, counts: None, fewer: None, raised: None, claim: 0, gone: false }
    }

    fn claim(&mut self, now: f64, limits: &Limits, wanted: Option<&Wanted>) -> u32 {
        let Some(wanted) = wanted else {
            return if now - self.known < EXPIRES { self.chunks.min(limits.chunks) } else { 0 };
        };
        let (counts, lower) = (wanted.counts(), wanted.lower);
        self.known = now;
        let before = self.counts.replace(counts);
        let came = before.map_or(0, |before| counts.of(lower).saturating_sub(before.of(lower)));
        let most = wanted.most.saturating_sub(counts.of(lower)).min(wanted.chunks).min(limits.chunks);
        let wants = wanted.expected.saturating_sub(counts.requested).min(most);
        let left = self.chunks.saturating_sub(came).min(most);
        if wants >= left {
            self.fewer = None;
            wants.min(self.chunks.saturating_add(self.may_rise(now, limits.step)))
        } else {
            left.min(self.held(now, limits.hold, wants).unwrap_or(left))
        }
    }

    /// How much it may rise now.
    fn may_rise(&self, now: f64, step: u32) -> u32 {
        step.saturating_sub(self.rising(now).map_or(0, |(_, by)| by))
    }

    fn rising(&self, now: f64) -> Option<(f64, u32)> {
        self.raised.filter(|(since, _)| (*since..since + STEP_EVERY).contains(&now))
    }

    /// The most that was wanted since it is fewer than what is there, once that has been so for long enough.
    fn held(&mut self, now: f64, hold: f64, wants: u32) -> Option<u32> {
        let (since, most) = self.fewer.filter(|(since, _)| *since <= now).unwrap_or((now, wants));
        let most = most.max(wants);
        let over = now - since >= hold;
        self.fewer = Some(if over { (now, wants) } else { (since, most) });
        over.then_some(most)
    }

    /// Takes what it is granted.
    fn take(&mut self, now: f64, granted: u32) {
        let rise = granted.saturating_sub(self.chunks);
        if rise > 0 {
            let (since, by) = self.rising(now).unwrap_or((now, 0));
            self.raised = Some((since, by.saturating_add(rise)));
        }
        self.chunks = granted;
    }
}
