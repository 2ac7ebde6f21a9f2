//! How long pods take from being created to being Ready.

/// Starts of each kind that are remembered for a workload.
const REMEMBERED: usize = 16;

/// Seconds from a pod's creation to its place on a node, above which it must have waited for one: a
/// scheduler that finds room needs far less, and Kubernetes tells whole seconds.
const WAITED_FOR_NODE: f64 = 5.0;

/// One pod's start, told once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    /// Seconds from created to Ready; Kubernetes tells whole ones.
    pub seconds: f64,
    /// Whether it had to wait for a node.
    pub cold: bool,
}

impl Start {
    /// The start of a pod: when it was created, given a node, and Ready.
    pub fn new(created: f64, scheduled: Option<f64>, ready: f64, was_unschedulable: bool) -> Self {
        let waited = scheduled.is_some_and(|at| at - created > WAITED_FOR_NODE);
        Self { seconds: (ready - created).max(0.0), cold: was_unschedulable || waited }
    }
}

/// The latest starts of a workload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Starts {
    /// With a node that was there.
    pub warm: Latest,
    /// With a node that had to come.
    pub cold: Latest,
}

impl Starts {
    /// Takes a start in.
    pub fn push(&mut self, start: Start) {
        if start.cold { &mut self.cold } else { &mut self.warm }.push(start.seconds);
    }
}

/// The latest of many numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latest {
    ring: Vec<f64>,
    /// How many there were in all.
    pub count: u64,
}

impl Latest {
    fn push(&mut self, value: f64) {
        let at = usize::try_from(self.count % REMEMBERED as u64).expect("less than the ring's size");
        match self.ring.get_mut(at) {
            Some(place) => *place = value,
            None => self.ring.push(value),
        }
        self.count += 1;
    }

    /// Those that came after the first `count`, as far as they are remembered, in the order in which they came.
    pub fn since(&self, count: u64) -> impl Iterator<Item = f64> {
        let first = count.max(self.count.saturating_sub(self.ring.len() as u64));
        let place = |n: u64| usize::try_from(n % REMEMBERED as u64).expect("less than the ring's size");
        (first..self.count).map(move |n| self.ring[place(n)])
    }

    /// The median of the latest ones; `None` before the first.
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.ring.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_cold_where_the_pod_waited_for_a_node() {
        let start = |scheduled, unschedulable| Start::new(100.0, scheduled, 130.0, unschedulable);
        assert!(!start(Some(101.0), false).cold && !start(None, false).cold);
        assert!(start(Some(120.0), false).cold && start(Some(101.0), true).cold);
        assert!((start(None, false).seconds - 30.0).abs() < 1e-9);
    }

    #[test]
    fn the_median_is_of_the_latest() {
        let mut starts = Starts::default();
        assert_eq!(starts.warm.median(), None);
        for seconds in (0..100_u32).map(f64::from) {
            starts.push(Start { seconds, cold: false });
        }
        assert_eq!((starts.warm.median(), starts.warm.count, starts.cold.count), (Some(92.0), 100, 0));
        assert_eq!(starts.warm.since(98).collect::<Vec<_>>(), [98.0, 99.0]);
        assert_eq!(starts.warm.since(0).count(), REMEMBERED, "older ones are forgotten");
        assert_eq!((starts.warm.since(100).count(), starts.cold.since(0).count()), (0, 0));
    }
}
