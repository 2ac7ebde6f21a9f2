//! Knative's pod autoscaler (KPA), by concurrency.
//!
//! Follows Knative Serving at commit `00a4a55` (`pkg/autoscaler/scaling/autoscaler.go`), with the defaults of
//! its `config-autoscaler`. Concurrency is the number of jobs that wait or run.
//!
//! Simplified: concurrency is sampled once a second instead of averaged within the second; the activator
//! reports the first job of an idle service at once, as there, and that counts as the sample of the second;
//! no burst capacity, activation scale, scale-down delay or initial scale. A service goes to zero once nobody
//! has been wanted for the grace period, and until then keeps one worker.

use super::Autoscaler;
use crate::sim::ticks::Ticks;
use crate::sim::workers::WorkerPool;

/// What `config-autoscaler` and annotations say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KpaSpec {
    /// Jobs that one worker is to have, above 0.
    pub target: f64,
    /// Share of this that is aimed at, 0 to 1.
    pub utilisation: f64,
    /// Seconds of the stable window, 1 or more; Knative allows 6 to 3600.
    pub stable_window: u32,
    /// The panic window is so many per cent of it, 1 to 100, and at least 1 s.
    pub panic_window_percent: u32,
    /// Panic begins where the panic window wants so many times the ready workers; Knative allows 1.1 to 10.
    pub panic_threshold: f64,
    /// At most so many times the ready workers are wanted, above 1.
    pub max_scale_up_rate: f64,
    /// At least the ready workers divided by this are wanted, above 1.
    pub max_scale_down_rate: f64,
    /// Seconds for which nobody must be wanted before the last worker goes.
    pub scale_to_zero_grace: f64,
    /// Fewest workers.
    pub min: u32,
    /// Most workers.
    pub max: u32,
}

/// Knative's autoscaler for one queue.
#[derive(Clone, Debug)]
pub struct Kpa {
    spec: KpaSpec,
    ticks: Ticks,
    window: Window,
    /// Jobs that waited or ran after the last turn, and so until now.
    held: u32,
    panic: Option<Panic>,
    /// Since when nobody has been wanted.
    unwanted_since: Option<f64>,
    /// How the pool looked at a tick that changed nothing and found every sample to be the same: while it
    /// looks so, no tick changes anything.
    settled: Option<Seen>,
    skips: bool,
}

#[derive(Clone, Copy, Debug)]
struct Panic {
    /// When the threshold was last exceeded.
    since: f64,
    /// Most workers wanted in it.
    most: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    concurrency: u32,
    ready: usize,
    replicas: usize,
}

/// Seconds between decisions (Knative's `tickInterval`).
const TICK: f64 = 2.0;

impl Default for KpaSpec {
    /// Knative's defaults for a service that takes one request at a time (`containerConcurrency: 1`), and up
    /// to 100 workers.
    fn default() -> Self {
        Self {
            target: 1.0,
            utilisation: 0.7,
            stable_window: 60,
            panic_window_percent: 10,
            panic_threshold: 2.0,
            max_scale_up_rate: 1000.0,
            max_scale_down_rate: 2.0,
            scale_to_zero_grace: 30.0,
            min: 0,
            max: 100,
        }
    }
}

impl Kpa {
    /// Begins to look at `now`.
    pub fn new(spec: KpaSpec, now: f64) -> Self {
        let stable = spec.stable_window.max(1);
        let panic = (stable.saturating_mul(spec.panic_window_percent) / 100).clamp(1, stable);
        Self {
            spec,
            ticks: Ticks::new(now, TICK),
            window: Window::new(now, stable, panic),
            held: 0,
            panic: None,
            unwanted_since: None,
            settled: None,
            skips: true,
        }
    }

    /// Takes every tick: slower, and the same in all else.
    #[must_use]
    pub fn without_skipping(self) -> Self {
        Self { skips: false, ..self }
    }

    /// Whether it panics: then it takes no worker away.
    pub const fn panics(&self) -> bool {
        self.panic.is_some()
    }

    /// Workers wanted at `now` where so many are ready.
    fn desired(&mut self, now: f64, ready: usize) -> u32 {
        let spec = &self.spec;
        let ready = ready.max(1) as f64;
        let per_worker = spec.target * spec.utilisation;
        let most = (spec.max_scale_up_rate * ready).ceil();
        let fewest = (ready / spec.max_scale_down_rate).floor();
        let stable = (self.window.stable_mean() / per_worker).ceil();
        let panicking = (self.window.panic_mean() / per_worker).ceil();
        if panicking / ready >= spec.panic_threshold {
            let most = self.panic.map_or(0, |panic| panic.most);
            self.panic = Some(Panic { since: now, most });
        } else if self.panic.is_some_and(|panic| panic.since + f64::from(spec.stable_window) < now) {
            self.panic = None;
        }
        let limited = |wanted: f64| whole(wanted.max(fewest).min(most));
        let Some(panic) = &mut self.panic else { return limited(stable) };
        panic.most = panic.most.max(limited(stable)).max(limited(panicking));
        panic.most
    }

    /// What is asked for where so many are wanted: the last worker stays for the grace period.
    fn with_grace(&mut self, now: f64, desired: u32, replicas: usize) -> u32 {
        if desired > 0 {
            self.unwanted_since = None;
            return desired;
        }
        let since = *self.unwanted_since.get_or_insert(now);
        u32::from(replicas > 0 && now - since < self.spec.scale_to_zero_grace)
    }

    fn decide(&mut self, now: f64, pool: &mut WorkerPool) {
        let before = pool.replicas();
        let desired = self.desired(now, pool.ready());
        let asked =
            self.with_grace(now, desired, before).clamp(self.spec.min.min(self.spec.max), self.spec.max);
        pool.scale_to(asked);
        let seen = Seen::of(pool);
        let calm = self.panic.is_none() && self.window.is_all(seen.concurrency);
        // While the grace period runs, time alone changes something.
        let waits = desired == 0 && pool.replicas() > self.spec.min as usize;
        self.settled = (calm && !waits && pool.replicas() == before).then_some(seen);
    }
}

impl Autoscaler for Kpa {
    fn next_due(&self, pool: &WorkerPool) -> f64 {
        let rests = self.skips && self.settled == Some(Seen::of(pool));
        if rests { f64::INFINITY } else { self.ticks.next() }
    }

    fn turn(&mut self, now: f64, pool: &mut WorkerPool) {
        self.window.fill_before(now, self.held);
        let seen = Seen::of(pool);
        self.held = seen.concurrency;
        if self.settled != Some(seen) {
            self.settled = None;
        }
        if self.ticks.take(now) {
            self.window.fill_to(now, self.held);
            self.decide(now, pool);
        } else if pool.replicas() == 0 && self.held > 0 {
            self.window.set_newest(self.held);
            self.decide(now, pool);
        }
    }

    fn least(&self) -> u32 {
        self.spec.min
    }
}

impl Seen {
    fn of(pool: &WorkerPool) -> Self {
        let concurrency = u32::try_from(pool.waiting() + pool.in_flight()).unwrap_or(u32::MAX);
        Self { concurrency, ready: pool.ready(), replicas: pool.replicas() }
    }
}

/// The samples of the stable window, one a second; those before the first are 0. Sums are of whole numbers,
/// and so exact.
#[derive(Clone, Debug)]
struct Window {
    samples: Vec<u32>,
    /// Place of the newest.
    newest: usize,
    /// How many of them the panic window has.
    panic: usize,
    sum: u64,
    panic_sum: u64,
    next_sample: f64,
}

impl Window {
    fn new(now: f64, stable: u32, panic: u32) -> Self {
        let (stable, panic) = (stable as usize, panic as usize);
        Self { samples: vec![0; stable], newest: 0, panic, sum: 0, panic_sum: 0, next_sample: now }
    }

    /// The seconds that began before `now` were all of this value.
    fn fill_before(&mut self, now: f64, value: u32) {
        let seconds = (now - self.next_sample).ceil();
        if seconds > self.samples.len() as f64 {
            self.next_sample += seconds;
            self.samples.fill(value);
            self.sum = u64::from(value) * self.samples.len() as u64;
            self.panic_sum = u64::from(value) * self.panic as u64;
        }
        while self.next_sample < now {
            self.push(value);
        }
    }

    /// The same, and the second that begins at `now`.
    fn fill_to(&mut self, now: f64, value: u32) {
        self.fill_before(now, value);
        if self.next_sample <= now {
            self.push(value);
        }
    }

    fn push(&mut self, value: u32) {
        let length = self.samples.len();
        let leaves_panic = self.samples[(self.newest + length + 1 - self.panic) % length];
        self.newest = (self.newest + 1) % length;
        let leaves = std::mem::replace(&mut self.samples[self.newest], value);
        self.sum = self.sum + u64::from(value) - u64::from(leaves);
        self.panic_sum = self.panic_sum + u64::from(value) - u64::from(leaves_panic);
        self.next_sample += 1.0;
    }

    /// The newest sample was of this value after all.
    fn set_newest(&mut self, value: u32) {
        let was = std::mem::replace(&mut self.samples[self.newest], value);
        self.sum = self.sum + u64::from(value) - u64::from(was);
        self.panic_sum = self.panic_sum + u64::from(value) - u64::from(was);
    }

    fn stable_mean(&self) -> f64 {
        self.sum as f64 / self.samples.len() as f64
    }

    fn panic_mean(&self) -> f64 {
        self.panic_sum as f64 / self.panic as f64
    }

    fn is_all(&self, value: u32) -> bool {
        // The sum is there already, and seldom fits.
        self.sum == u64::from(value) * self.samples.len() as u64 && self.samples.iter().all(|&s| s == value)
    }
}

/// Wanted workers, in range.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=i32::MAX first")]
fn whole(workers: f64) -> u32 {
    workers.clamp(0.0, f64::from(i32::MAX)) as u32
}
