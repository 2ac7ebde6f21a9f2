//! Who asks: every KEDA reference that is known, in one concurrent map.
//!
//! Calls (and `watch`, and triggers that are seen in Kubernetes) write it, the engine reads it. KEDA never says that an object is gone, so a
//! ref that nobody has asked for in a long time is dropped.

mod metadata;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
};

use dashmap::{DashMap, Entry};
use tokio::sync::watch;

pub use metadata::{KEDAS_OWN_KEYS, METADATA_KEYS, MetadataKey, RefError, RefSpec, resolve};

use crate::series::QueueKey;

/// Refs at most: far more than one KEDA can poll, and a bound on what a hostile caller can fill.
pub const MAX_REFS: usize = 100_000;

/// A ref unseen for this many seconds, and for five times its longest silence, is dropped.
const UNSEEN_AT_LEAST: f64 = 600.0;

/// Until a ref has been silent for this many seconds and asked again, its poller's pace is unknown.
const PACE_KNOWN: f64 = 1.0;

/// A ref of unknown pace is dropped after this many seconds.
const PACE_UNKNOWN: f64 = 3600.0;

/// KEDA's name for a ref: two triggers of one object differ only in their metadata.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefKey {
    /// Namespace of the ScaledObject or ScaledJob.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its trigger's metadata without KEDA's own keys, sorted by key.
    pub metadata: Vec<(String, String)>,
}

impl RefKey {
    /// Makes the canonical key of a call.
    pub fn new(
        namespace: String,
        name: String,
        metadata: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut metadata: Vec<_> =
            metadata.into_iter().filter(|(key, _)| !KEDAS_OWN_KEYS.contains(&key.as_str())).collect();
        metadata.sort_unstable();
        Self { namespace, name, metadata }
    }
}

/// One ref.
#[derive(Debug)]
pub struct RefEntry {
    /// KEDA's name for it.
    pub key: RefKey,
    /// What its metadata means under the configuration of its first call; the engine resolves it anew
    /// after a reload.
    pub spec: RefSpec,
    /// The metric's name: a function of source, layout and queue alone.
    pub metric_name: String,
    /// Its row in the answers, given out once.
    pub row: usize,
    /// Counts the changes from inactive to active; streams wait for it.
    pub activations: watch::Sender<u64>,
    kept: AtomicU8,
    asked: AtomicBool,
    streams: AtomicUsize,
    last_seen: AtomicU64,
    longest_silence: AtomicU64,
}

impl RefEntry {
    /// Notes that somebody asked at `now`.
    pub fn touch(&self, now: f64) {
        let first = !self.asked.swap(true, Ordering::Relaxed);
        let last = f64::from_bits(self.last_seen.swap(now.to_bits(), Ordering::Relaxed));
        if first {
            return;
        }
        let longest = f64::from_bits(self.longest_silence.load(Ordering::Relaxed));
        if now - last > longest {
            self.longest_silence.store((now - last).to_bits(), Ordering::Relaxed);
        }
    }

    /// When KEDA last asked, Unix seconds; `None` while it never has.
    pub fn last_asked(&self) -> Option<f64> {
        self.asked.load(Ordering::Relaxed).then(|| self.last_seen())
    }

    /// When somebody last asked, or the ref became known, Unix seconds.
    pub fn last_seen(&self) -> f64 {
        f64::from_bits(self.last_seen.load(Ordering::Relaxed))
    }

    /// Counts a stream for as long as the guard lives: a ref with an open stream is not dropped.
    pub fn open_stream(self: &Arc<Self>) -> StreamGuard {
        self.streams.fetch_add(1, Ordering::Relaxed);
        StreamGuard(self.clone())
    }

    /// Streams that are open.
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// On whose word the ref is kept.
    pub fn caller(&self) -> Caller {
        let kept = self.kept.load(Ordering::Relaxed);
        [Caller::Operator, Caller::Cluster]
            .into_iter()
            .find(|by| kept & by.bit() != 0)
            .unwrap_or(Caller::Keda)
    }

    fn keep(&self, by: Caller) {
        self.kept.fetch_or(by.bit(), Ordering::Relaxed);
    }

    fn let_go(&self, by: Caller) {
        self.kept.fetch_and(!by.bit(), Ordering::Relaxed);
    }

    fn expired(&self, now: f64) -> bool {
        let silence = now - self.last_seen();
        let longest = f64::from_bits(self.longest_silence.load(Ordering::Relaxed));
        let bound = if longest < PACE_KNOWN { PACE_UNKNOWN } else { UNSEEN_AT_LEAST.max(5.0 * longest) };
        self.caller() == Caller::Keda && self.streams() == 0 && silence > bound
    }
}

/// On whose word a ref is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// KEDA calls for it: only queues that its namespace may use.
    Keda,
    /// An object in Kubernetes has such a trigger: as if KEDA called for it, and it expires once the object
    /// is gone.
    Cluster,
    /// The operator watches it: any queue, and it never expires.
    Operator,
}

impl Caller {
    /// Whether only what the operator opened to the namespace may be used.
    pub fn is_tenant(self) -> bool {
        self != Self::Operator
    }

    /// Its place among those that keep a ref; KEDA keeps one by asking.
    fn bit(self) -> u8 {
        match self {
            Self::Keda => 0,
            Self::Cluster => 1,
            Self::Operator => 2,
        }
    }
}

/// Counts one open stream.
#[derive(Debug)]
pub struct StreamGuard(Arc<RefEntry>);

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Every ref that is known.
pub struct Refs {
    map: DashMap<RefKey, Arc<RefEntry>>,
    rows: Mutex<Rows>,
    on_new: Box<dyn Fn(Arc<RefEntry>) + Send + Sync>,
}

/// Which rows of the answers are free.
#[derive(Debug, Default)]
struct Rows {
    free: Vec<usize>,
    next: usize,
}

/// The map is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_REFS} refs are known, which is the bound: is something inventing names?")]
pub struct TooManyRefs;

impl Refs {
    /// An empty map; `on_new` is told of every new ref.
    pub fn new(on_new: impl Fn(Arc<RefEntry>) + Send + Sync + 'static) -> Self {
        Self { map: DashMap::new(), rows: Mutex::default(), on_new: Box::new(on_new) }
    }

    /// The ref of a key, if it is known; counts as asking for it.
    pub fn find(&self, key: &RefKey, now: f64) -> Option<Arc<RefEntry>> {
        // Touched under the map's guard: else it could expire between the two.
        let entry = self.map.get(key)?;
        entry.touch(now);
        Some(entry.clone())
    }

    /// Adds a ref, or finds the one that another call has just added.
    ///
    /// # Errors
    /// When the bound is reached.
    pub fn add(
        &self,
        key: RefKey,
        spec: RefSpec,
        caller: Caller,
        now: f64,
    ) -> Result<Arc<RefEntry>, TooManyRefs> {
        if self.map.len() >= MAX_REFS {
            return Err(TooManyRefs);
        }
        match self.map.entry(key) {
            Entry::Occupied(known) => {
                known.get().keep(caller);
                if caller == Caller::Keda {
                    known.get().touch(now);
                }
                Ok(known.get().clone())
            }
            Entry::Vacant(place) => {
                let entry = Arc::new(RefEntry {
                    key: place.key().clone(),
                    metric_name: metric_name(&spec.queue),
                    spec,
                    row: self.rows.lock().unwrap_or_else(PoisonError::into_inner).take(),
                    activations: watch::Sender::new(0),
                    kept: AtomicU8::new(caller.bit()),
                    asked: AtomicBool::new(caller == Caller::Keda),
                    streams: AtomicUsize::new(0),
                    last_seen: AtomicU64::new(now.to_bits()),
                    longest_silence: AtomicU64::new(0),
                });
                place.insert(entry.clone());
                (self.on_new)(entry.clone());
                Ok(entry)
            }
        }
    }

    /// Drops the refs that nobody has asked for in a long time and returns them. Their rows stay
    /// taken until [`Refs::free_row`].
    pub fn expire(&self, now: f64) -> Vec<Arc<RefEntry>> {
        let mut gone = Vec::new();
        self.map.retain(|_, entry| {
            let expired = entry.expired(now);
            if expired {
                gone.push(entry.clone());
            }
            !expired
        });
        gone
    }

    /// Lets all watched refs expire that are not among `keys`.
    pub fn unwatch_all_but(&self, keys: &[RefKey]) {
        for entry in self.map.iter().filter(|entry| !keys.contains(entry.key())) {
            entry.let_go(Caller::Operator);
        }
    }

    /// The object of a ref is gone, or has another trigger: the ref expires once nobody asks any more.
    pub fn release(&self, key: &RefKey) {
        if let Some(entry) = self.map.get(key) {
            entry.let_go(Caller::Cluster);
        }
    }

    /// Gives the row of a dropped ref back.
    pub fn free_row(&self, row: usize) {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).free.push(row);
    }

    /// Refs known.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether no ref is known.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

impl Rows {
    fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }
}

/// The name under which the HPA knows a ref's metric: `foresail-QUEUE-HASH`, at most 63 characters of
/// `[a-z0-9-]`, the same on every replica and after every restart.
fn metric_name(queue: &QueueKey) -> String {
    let parts =
        [queue.source.as_str(), &queue.layout].into_iter().chain(queue.names.iter().map(String::as_str));
    let hash = parts.fold(FNV_BASIS, |hash, part| fnv_1a(fnv_1a(hash, part.as_bytes()), &[0]));
    let readable: String = queue
        .queue()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(40)
        .collect();
    match readable.trim_matches('-') {
        "" => format!("foresail-{hash:08x}"),
        readable => format!("foresail-{readable}-{hash:08x}"),
    }
}

const FNV_BASIS: u32 = 0x811c_9dc5;

/// FNV-1a, 32 bits: written out, since the name must not depend on a compiler's choice of hash.
fn fnv_1a(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::Policy;

    fn key(name: &str) -> RefKey {
        RefKey::new("ns".into(), name.into(), [])
    }

    fn spec() -> RefSpec {
        RefSpec {
            queue: QueueKey { source: "s".into(), layout: "l".into(), names: vec!["q".into()] },
            policy: Policy::default(),
        }
    }

    #[test]
    fn kedas_own_keys_do_not_tell_refs_apart_and_order_does_not_either() {
        let pairs = |all: &[(&str, &str)]| {
            RefKey::new("ns".into(), "so".into(), all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
        };
        assert_eq!(
            pairs(&[("queue", "a"), ("scalerAddress", "x:1"), ("layout", "l")]),
            pairs(&[("layout", "l"), ("queue", "a"), ("enableTLS", "true"), ("unsafeSsl", "true")])
        );
        assert_ne!(pairs(&[("queue", "a")]), pairs(&[("queue", "b")]));
    }

    #[test]
    fn metric_names_fit_the_hpa_and_do_not_change() {
        let name = |names: &[&str]| {
            metric_name(&QueueKey {
                source: "jobs".into(),
                layout: "frames".into(),
                names: names.iter().map(|n| (*n).to_owned()).collect(),
            })
        };
        assert_eq!(name(&["md"]), "foresail-md-c829f25a");
        for odd in [vec!["Ünï:co/de%"], vec!["---"], vec![&"x".repeat(300)[..]], vec!["a", "b"]] {
            let name = name(&odd);
            assert!(
                name.len() <= 63
                    && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{name}"
            );
        }
        assert_ne!(name(&["a:b"]), name(&["a/b"]));
    }

    #[test]
    fn a_ref_is_dropped_after_ten_minutes_of_silence_unless_it_is_used_to_longer_ones() {
        let refs = Refs::new(|_| {});
        let often = refs.add(key("often"), spec(), Caller::Keda, 0.0).unwrap();
        refs.add(key("once"), spec(), Caller::Keda, 0.0).unwrap();
        often.touch(30.0);
        let rare = refs.add(key("rare"), spec(), Caller::Keda, 0.0).unwrap();
        let streaming = refs.add(key("streaming"), spec(), Caller::Keda, 0.0).unwrap();
        refs.add(key("watched"), spec(), Caller::Operator, 0.0).unwrap();
        let guard = streaming.open_stream();
        rare.touch(400.0);
        rare.touch(401.0);
        assert!(refs.expire(600.0).is_empty());
        assert_eq!(
            refs.expire(1100.0).iter().map(|gone| gone.key.name.as_str()).collect::<Vec<_>>(),
            ["often"]
        );
        drop(guard);
        assert_eq!(refs.expire(2402.0).len(), 1);
        assert_eq!(refs.expire(3601.0).len(), 2, "asked once, and never again");
        assert_eq!(refs.len(), 1);
    }

    #[test]
    fn rows_are_given_out_once_and_again_after_they_are_free() {
        let (sender, news) = std::sync::mpsc::channel();
        let refs = Refs::new(move |entry| sender.send(entry).unwrap());
        let first = refs.add(key("a"), spec(), Caller::Keda, 0.0).unwrap();
        let same = refs.add(key("a"), spec(), Caller::Keda, 0.0).unwrap();
        assert!(Arc::ptr_eq(&first, &same));
        let second = refs.add(key("b"), spec(), Caller::Keda, 0.0).unwrap();
        assert_eq!((first.row, second.row, news.try_iter().count()), (0, 1, 2));
        refs.free_row(0);
        assert_eq!(refs.add(key("c"), spec(), Caller::Keda, 0.0).unwrap().row, 0);
    }
}
