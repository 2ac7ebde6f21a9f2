//! What a source remembers between reads: since when an element has stood where it stands, and which
//! workers have lists.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::{Duration, Instant},
};

use regex::Regex;

use crate::source::LayoutIndex;

/// What is remembered of all queues of a source.
#[derive(Debug, Default)]
pub(super) struct Memory {
    queues: HashMap<(LayoutIndex, Arc<str>), QueueMemory>,
    sweeps: HashMap<LayoutIndex, Sweep>,
    tidied: Option<Instant>,
}

/// What is remembered of one queue.
#[derive(Debug, Default)]
pub(super) struct QueueMemory {
    /// The oldest element of the list that workers pop.
    pub(super) tail: Since,
    /// The oldest elements of each list that workers hold jobs in.
    pub(super) held: HashMap<String, Since>,
    /// Workers with lists of their own, and when each was last seen at work.
    pub(super) workers: Workers,
    touched: Option<Instant>,
}

/// Workers by name, and when each was last seen.
pub(super) type Workers = BTreeMap<String, Instant>;

impl Memory {
    /// What is remembered of a queue; forgotten when it is not asked for during `KEEP`.
    pub(super) fn queue(&mut self, layout: LayoutIndex, queue: &Arc<str>, at: Instant) -> &mut QueueMemory {
        let memory = self.queues.entry((layout, Arc::clone(queue))).or_default();
        memory.touched = Some(at);
        memory
    }

    /// The search for worker lists of a layout.
    pub(super) fn sweep(&mut self, layout: LayoutIndex) -> &mut Sweep {
        self.sweeps.entry(layout).or_default()
    }

    /// The search, where there is one.
    pub(super) fn sweep_of(&self, layout: LayoutIndex) -> Option<&Sweep> {
        self.sweeps.get(&layout)
    }

    /// Starts all searches anew: cursors mean nothing on another connection's node. What was found stays
    /// known; what came since may be missing from it, until the new search is through.
    pub(super) fn new_link(&mut self) {
        for sweep in self.sweeps.values_mut() {
            sweep.nodes.clear();
        }
    }

    /// Forgets, once a minute, what was not asked for or seen during `KEEP`.
    pub(super) fn tidy(&mut self, at: Instant) {
        if self.tidied.is_some_and(|last| at.duration_since(last) < Duration::from_mins(1)) {
            return;
        }
        self.tidied = Some(at);
        let fresh = |seen: &Instant| at.duration_since(*seen) < KEEP;
        self.queues.retain(|_, memory| memory.touched.as_ref().is_some_and(fresh));
        for memory in self.queues.values_mut() {
            memory.workers.retain(|_, seen| fresh(seen));
        }
        for sweep in self.sweeps.values_mut() {
            sweep.found.retain(|_, workers| {
                workers.retain(|_, seen| fresh(seen));
                !workers.is_empty()
            });
        }
    }
}

/// How long an idle worker's name is kept: asking for an empty list costs nothing, but finding a
/// worker again takes a search through all keys.
const KEEP: Duration = Duration::from_hours(1);

/// Since when elements have been where they are, known by the hash of their content.
#[derive(Debug, Default)]
pub(super) struct Since(HashMap<u64, Instant>);

impl Since {
    /// Takes the elements that are there now, forgets all others, and returns for each since when it
    /// has been there: a lower bound, since nobody looked before.
    pub(super) fn update<'a>(
        &mut self,
        elements: impl Iterator<Item = &'a [u8]>,
        at: Instant,
    ) -> Vec<Duration> {
        let hashes: Vec<u64> = elements.map(hash).collect();
        self.0.retain(|known, _| hashes.contains(known));
        hashes.iter().map(|hash| at.duration_since(*self.0.entry(*hash).or_insert(at))).collect()
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// The search for worker lists among all keys: one step of `SCAN` a node in every read, without end.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    nodes: Vec<NodeSweep>,
    /// Whether every node was searched through once, over this link or an older one.
    through: bool,
    found: HashMap<String, Workers>,
}

#[derive(Debug, Clone)]
struct NodeSweep {
    cursor: String,
    steps: u32,
    /// Steps that the last whole search took.
    last: Option<u32>,
}

impl Sweep {
    /// The cursors to go on from, one a node.
    pub(super) fn cursors(&mut self, nodes: usize) -> Vec<String> {
        let start = NodeSweep { cursor: "0".to_owned(), steps: 0, last: None };
        self.nodes.resize(nodes, start);
        self.nodes.iter().map(|node| node.cursor.clone()).collect()
    }

    /// Takes what one step on a node found.
    pub(super) fn take(&mut self, node: usize, cursor: &str, keys: &[String], form: &Regex, at: Instant) {
        let Some(node) = self.nodes.get_mut(node) else { return };
        node.steps += 1;
        cursor.clone_into(&mut node.cursor);
        if cursor == "0" {
            node.last = Some(std::mem::take(&mut node.steps));
        }
        self.through |= self.nodes.iter().all(|node| node.last.is_some());
        for found in keys.iter().filter_map(|key| form.captures(key)) {
            let queue = found.name("queue").map_or("", |queue| queue.as_str());
            let worker = found.name("worker").map_or("", |worker| worker.as_str());
            let workers = self.found.entry(queue.to_owned()).or_default();
            if workers.len() < MOST_WORKERS || workers.contains_key(worker) {
                workers.insert(worker.to_owned(), at);
            }
        }
    }

    /// The workers found for a queue; `None` until every node was searched through once.
    pub(super) fn workers(&self, queue: &str) -> Option<impl Iterator<Item = &str>> {
        self.through.then(|| self.found.get(queue).into_iter().flatten().map(|(worker, _)| worker.as_str()))
    }

    /// Whether each read searches through everything, so that no list can be missing.
    pub(super) fn is_whole(&self) -> bool {
        self.nodes.iter().all(|node| node.last == Some(1))
    }
}

/// Workers of one queue that are followed.
pub(super) const MOST_WORKERS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_ages_while_it_stays_and_starts_anew_when_it_comes_back() {
        let (mut since, start) = (Since::default(), Instant::now());
        let second = Duration::from_secs(1);
        let mut look = |elements: &[&str], at: u32| {
            since.update(elements.iter().map(|e| e.as_bytes()), start + second * at)
        };
        assert_eq!(look(&["a", "b"], 0), [Duration::ZERO; 2]);
        assert_eq!(look(&["b"], 5), [second * 5]);
        assert_eq!(look(&["a", "b"], 7), [Duration::ZERO, second * 7]);
    }

    #[test]
    fn a_search_knows_nothing_before_it_is_through() {
        let (mut sweep, at) = (Sweep::default(), Instant::now());
        let form = Regex::new("^(?<queue>.+):p:(?<worker>.+)$").unwrap();
        assert_eq!(sweep.cursors(1), ["0"]);
        sweep.take(0, "17", &["md:p:w1".to_owned()], &form, at);
        assert!(sweep.workers("md").is_none());
        assert_eq!(sweep.cursors(1), ["17"]);
        sweep.take(0, "0", &["md:p:w2".to_owned(), "other".to_owned()], &form, at);
        assert_eq!(sweep.workers("md").unwrap().collect::<Vec<_>>(), ["w1", "w2"]);
        assert!(!sweep.is_whole());
        sweep.take(0, "0", &[], &form, at);
        assert!(sweep.is_whole());
    }

    #[test]
    fn what_a_search_found_outlives_the_link_and_is_whole_again_when_searched_through() {
        let (mut memory, at) = (Memory::default(), Instant::now());
        let form = Regex::new("^(?<queue>.+):p:(?<worker>.+)$").unwrap();
        let step = |memory: &mut Memory, keys: &[String]| {
            let sweep = memory.sweep(LayoutIndex(0));
            sweep.cursors(1);
            sweep.take(0, "0", keys, &form, at);
        };
        step(&mut memory, &["md:p:w1".to_owned()]);
        memory.new_link();
        let sweep = memory.sweep(LayoutIndex(0));
        assert_eq!(sweep.cursors(1), ["0"]);
        assert_eq!(sweep.workers("md").unwrap().collect::<Vec<_>>(), ["w1"]);
        assert!(!sweep.is_whole());
        step(&mut memory, &[]);
        assert!(memory.sweep(LayoutIndex(0)).is_whole());
    }
}
