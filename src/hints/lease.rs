//! One writer among replicas: the Lease that one of them holds, renews, and gives up at its end.

mod contend;
mod leases;
mod taken;

use std::{
    fmt, fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp};
use tokio::time::{sleep, timeout};

use self::{
    contend::{Ask, Contender, Heard},
    leases::Leases,
};
use crate::hints::{Part, late};

/// How long the API server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long giving up may take: the process ends meanwhile.
const FAREWELL: Duration = Duration::from_millis(700);

/// Where Linux tells the name of the host.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

pub(super) use taken::take;

/// Whether this replica may write now. Cheap to ask, and shared.
#[derive(Clone)]
pub struct Leadership(Arc<Hold>);

#[derive(Debug)]
struct Hold {
    me: String,
    /// Unix seconds until which nobody else can hold it, as bits.
    until: AtomicU64,
    term: AtomicU64,
}

impl Default for Leadership {
    /// Not held, under the name of the pod or the host and a few characters that tell this process from one that was
    /// there before: what that one held ends by itself.
    fn default() -> Self {
        let host = std::env::var("HOSTNAME").or_else(|_| fs::read_to_string(HOST_NAME)).unwrap_or_default();
        let host = host.trim();
        let me = format!("{}_{:08x}", if host.is_empty() { "foresail" } else { host }, rand::random::<u32>());
        Self(Arc::new(Hold { me, until: AtomicU64::default(), term: AtomicU64::default() }))
    }
}

impl Leadership {
    /// Whether nobody else can be writing at `now`. A write that is begun then and takes 3 s at most ends before
    /// anybody else can write.
    pub fn is_held(&self, now: f64) -> bool {
        now < f64::from_bits(self.0.until.load(Ordering::Acquire))
    }

    /// Rises with each time that it comes to be held.
    pub fn term(&self) -> u64 {
        self.0.term.load(Ordering::Acquire)
    }

    /// What this process is called in the Lease; no other ever has the same name.
    pub fn me(&self) -> &str {
        &self.0.me
    }

    /// Held until then, as of `now`.
    pub(super) fn set(&self, until: f64, now: f64) {
        if now < until && !self.is_held(now) {
            // Before `until`: who finds it held finds the term of this hold.
            self.0.term.fetch_add(1, Ordering::AcqRel);
        }
        self.0.until.store(until.to_bits(), Ordering::Release);
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership").field("me", &self.me()).field("term", &self.term()).finish()
    }
}

/// Contends for the Lease, holds it and gives it up when `part.stop` is cancelled.
pub(super) async fn run(part: Part) {
    let mut contending = Contending::new(&part);
    tokio::select! {
        () = part.stop.cancelled() => {}
        never = contending.for_ever() => match never {},
    }
    // What was asked when the stop came may or may not have been done: then it is read first.
    contending.give_up().await;
}

struct Contending<'a> {
    part: &'a Part,
    leases: Leases,
    contender: Contender,
    /// Why nothing came of the last ask; said when it changes.
    trouble: Option<String>,
    said_held: bool,
}

impl<'a> Contending<'a> {
    fn new(part: &'a Part) -> Self {
        Self {
            part,
            leases: Leases::new(part.client.clone(), &part.config.lease),
            contender: Contender::new(part.leadership.me().to_owned()),
            trouble: None,
            said_held: false,
        }
    }

    async fn for_ever(&mut self) -> std::convert::Infallible {
        loop {
            let rest = self.turn().await;
            // The hold may end within the rest: the log says so then, and not seconds later.
            let held_for = self.contender.held_until() - self.part.clock.now();
            let rest = if held_for > 0.0 { rest.min(held_for) } else { rest };
            sleep(Duration::from_secs_f64(rest)).await;
        }
    }

    /// Asks once; returns for how many seconds to rest.
    async fn turn(&mut self) -> f64 {
        let asked = self.part.clock.now();
        self.tell(asked);
        let ask = self.contender.ask(asked);
        let heard = self.heard(ask).await;
        let now = self.part.clock.now();
        let failed = heard == Heard::Nothing;
        let rest = self.contender.hear(heard, asked, now);
        self.tell(now);
        // Replicas that start together do not ask together for ever; a renewal that failed comes soon again.
        if failed { rest * (0.5 + 0.5 * rand::random::<f64>()) } else { rest }
    }

    async fn heard(&mut self, ask: Ask) -> Heard {
        let (heard, trouble) = match timeout(PATIENCE, self.leases.ask(&ask)).await {
            Ok(Ok(heard)) => (heard, None),
            Ok(Err(error)) => (Heard::Nothing, Some(error)),
            Err(_) => (Heard::Nothing, Some(late(PATIENCE))),
        };
        if trouble != self.trouble {
            let (name, namespace) = (self.leases.name(), self.leases.namespace());
            if let Some(error) = &trouble {
                tracing::warn!(
                    lease = name,
                    namespace,
                    error,
                    "the Lease cannot be had: without it nothing is written to Kubernetes"
                );
            } else {
                tracing::info!(lease = name, namespace, "the Lease can be had again");
            }
            self.trouble = trouble;
        }
        heard
    }

    /// Shares whether it is held.
    fn tell(&mut self, now: f64) {
        self.part.leadership.set(self.contender.held_until(), now);
        let held = self.part.leadership.is_held(now);
        if held != self.said_held {
            self.said_held = held;
            let (lease, term) = (self.leases.name(), self.part.leadership.term());
            if held {
                tracing::info!(
                    lease,
                    term,
                    me = self.part.leadership.me(),
                    "this replica writes to Kubernetes"
                );
            } else {
                tracing::warn!(
                    lease,
                    term,
                    "this replica writes to Kubernetes no more: the Lease is not its own"
                );
            }
        }
        self.part.metrics.hints.leader.set(held.into());
    }

    /// Writes no more, and lets the others know where that can be done soon.
    async fn give_up(&mut self) {
        let now = self.part.clock.now();
        self.part.leadership.set(0.0, now);
        self.part.metrics.hints.leader.set(0);
        let given = timeout(FAREWELL, async {
            while let Some(ask) = self.contender.give_up(now) {
                let heard = self.leases.ask(&ask).await?;
                self.contender.hear(heard, now, now);
            }
            Ok::<(), String>(())
        });
        let given = given.await.unwrap_or_else(|_| Err("the API server did not answer".to_owned()));
        let lease = self.leases.name();
        match given {
            Ok(()) => tracing::info!(lease, "the Lease is not held by this replica any more"),
            Err(error) => tracing::warn!(lease, error, "the Lease could not be given up: it ends by itself"),
        }
    }
}

/// Unix seconds as Kubernetes writes them, to the microsecond.
pub(super) fn micro_time(at: f64) -> MicroTime {
    #[expect(clippy::cast_possible_truncation, reason = "whole microseconds since 1970 are meant")]
    let at = Timestamp::from_microsecond((at * 1e6) as i64).unwrap_or_default();
    MicroTime(at)
}

#[cfg(test)]
mod tests;
