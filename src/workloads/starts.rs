//! How long pods take from being created to being Ready.

/// Starts of each kind that are remembered for a workload.
const REMEMBERED: usize = 16;

/// Seconds from a pod's creation to its place on a node, above which it must have waited for one: a
/// scheduler that finds room needs far less, and Kubernetes tells whole seconds.
const WAITED_FOR_NODE: f64 = 5.0;

/// What a pod, or the node that it is on, tells of how long starts take; told once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    /// Of what kind it is.
    pub kind: StartKind,
    /// How long it took, seconds; Kubernetes tells whole ones.
    pub seconds: f64,
    /// Seconds by which its node may have been asked for before it, for others.
    pub behind: f64,
}

/// What the seconds of a start are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartKind {
    /// A pod found room: from created to Ready.
    Warm,
    /// A pod had to wait for a node: from created to Ready, and from the node's claim where that is older.
    Cold,
    /// A pod went before it was ever Ready: for so long it had waited for a node.
    GivenUp,
    /// A pod found room on a node that had just come for others: what its cold start would have taken.
    NewNode,
}

impl StartKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Warm, Self::Cold, Self::GivenUp, Self::NewNode];
}

/// The moments of a pod that say whether it waited for a node, Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Waiting {
    /// When it was created.
    pub(super) created: f64,
    /// When it was given its node.
    pub(super) scheduled: Option<f64>,
    /// Seconds by which its node may have been asked for before it, for another pod of its workload.
    pub(super) behind: f64,
}

impl Waiting {
    /// The start of a pod that was Ready at some time.
    pub(super) fn start(self, ready: f64) -> Start {
        let waited = self.scheduled.is_some_and(|at| self.is_long(at));
        let kind = if waited { StartKind::Cold } else { StartKind::Warm };
        let behind = if waited { self.behind } else { 0.0 };
        Start { kind, seconds: (ready - self.created).max(0.0), behind }
    }

    /// What a pod tells that went, or was told to, before it was ever Ready; `None` where it is not known to have
    /// waited for a node. What came after it had its node, as an image that is not there, is no wait for one.
    pub(super) fn given_up(self, at: f64) -> Option<Start> {
        let until = self.scheduled.unwrap_or(at);
        let seconds = (until - self.created).max(0.0);
        self.is_long(until).then_some(Start { kind: StartKind::GivenUp, seconds, behind: 0.0 })
    }

    /// Whether it was without a node for so long that one had to come. That the scheduler found none at first
    /// (`Unschedulable`) does not say so: a pod that takes a placeholder's room has it a moment later.
    fn is_long(self, until: f64) -> bool {
        until - self.created > WAITED_FOR_NODE
    }
}

/// The latest starts of a workload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Starts([Latest; StartKind::ALL.len()]);

/// How many starts of each kind there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StartCounts([u64; StartKind::ALL.len()]);

impl Starts {
    /// Takes a start in.
    pub fn push(&mut self, start: Start) {
        self.0[start.kind as usize].push(start);
    }

    /// Those of one kind.
    pub fn of(&self, kind: StartKind) -> &Latest {
        &self.0[kind as usize]
    }

    /// How many there were in all.
    pub fn counts(&self) -> StartCounts {
        StartCounts(StartKind::ALL.map(|kind| self.of(kind).count))
    }

    /// Those that came after `counts`, as far as they are remembered, kind by kind.
    pub fn since(&self, counts: StartCounts) -> impl Iterator<Item = Start> {
        StartKind::ALL.into_iter().flat_map(move |kind| self.of(kind).since(counts.0[kind as usize]))
    }
}

/// The latest of many starts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latest {
    ring: Vec<Start>,
    /// How many there were in all.
    pub count: u64,
}

impl Latest {
    fn push(&mut self, start: Start) {
        let at = usize::try_from(self.count % REMEMBERED as u64).expect("less than the ring's size");
        match self.ring.get_mut(at) {
            Some(place) => *place = start,
            None => self.ring.push(start),
        }
        self.count += 1;
    }

    /// Those that came after the first `count`, as far as they are remembered, in the order in which they came.
    pub fn since(&self, count: u64) -> impl Iterator<Item = Start> {
        let first = count.max(self.count.saturating_sub(self.ring.len() as u64));
        let place = |n: u64| usize::try_from(n % REMEMBERED as u64).expect("less than the ring's size");
        (first..self.count).map(move |n| self.ring[place(n)])
    }

    /// The median of the latest ones, seconds; `None` before the first.
    pub fn median(&self) -> Option<f64> {
        let mut sorted: Vec<f64> = self.ring.iter().map(|start| start.seconds).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(scheduled: Option<f64>) -> Waiting {
        Waiting { created: 100.0, scheduled, behind: 30.0 }
    }

    #[test]
    fn a_start_is_cold_where_the_pod_waited_for_a_node() {
        let kind = |scheduled| waiting(scheduled).start(130.0).kind;
        assert_eq!(
            [kind(Some(101.0)), kind(None), kind(Some(120.0))],
            [StartKind::Warm, StartKind::Warm, StartKind::Cold]
        );
        assert_eq!(kind(Some(104.0)), StartKind::Warm, "it had to wait for a placeholder to go");
        assert!((waiting(None).start(130.0).seconds - 30.0).abs() < 1e-9);
    }

    #[test]
    fn a_pod_that_goes_says_how_long_it_had_waited_for_a_node_if_it_had() {
        let seconds = |scheduled| waiting(scheduled).given_up(160.0).map(|one| one.seconds);
        assert_eq!(seconds(None), Some(60.0));
        assert_eq!(seconds(Some(120.0)), Some(20.0), "and not for its image");
        assert_eq!(seconds(Some(103.0)), None, "it found room");
        assert_eq!(waiting(None).given_up(104.0), None, "it had hardly looked for room");
    }

    #[test]
    fn the_median_is_of_the_latest() {
        let mut starts = Starts::default();
        let warm = |starts: &Starts| starts.of(StartKind::Warm).clone();
        assert_eq!(warm(&starts).median(), None);
        for seconds in (0..100_u32).map(f64::from) {
            starts.push(Start { seconds, kind: StartKind::Warm, behind: 0.0 });
        }
        let cold = starts.of(StartKind::Cold);
        assert_eq!((warm(&starts).median(), warm(&starts).count, cold.count), (Some(92.0), 100, 0));
        assert_eq!(warm(&starts).since(98).map(|start| start.seconds).collect::<Vec<_>>(), [98.0, 99.0]);
        assert_eq!(warm(&starts).since(0).count(), REMEMBERED, "older ones are forgotten");
        assert_eq!((warm(&starts).since(100).count(), cold.since(0).count()), (0, 0));
    }

    #[test]
    fn what_came_since_is_told_with_its_kind() {
        let mut starts = Starts::default();
        let one = |kind, seconds| Start { kind, seconds, behind: 1.0 };
        starts.push(one(StartKind::Cold, 60.0));
        let before = starts.counts();
        assert_eq!(starts.since(StartCounts::default()).count(), 1);
        for start in StartKind::ALL.map(|kind| one(kind, 7.0)) {
            starts.push(start);
        }
        let told: Vec<_> = starts.since(before).collect();
        assert_eq!(told, StartKind::ALL.map(|kind| one(kind, 7.0)));
        assert_eq!(starts.since(starts.counts()).count(), 0);
    }
}
