//! What goes wrong with what Foresail sees, and with itself.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use crate::series::Sample;
use crate::sim::field::Span;

/// Something that goes wrong for a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// When, Unix seconds.
    pub during: Span,
    /// What.
    pub what: Wrong,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wrong {
    /// This share of the reads fails, 0 to 1.
    Dropped(f64),
    /// The store answers for some seconds and fails for some, in turns.
    Flapping {
        /// Seconds for which it answers, first.
        up: f64,
        /// Seconds for which it fails.
        down: f64,
    },
    /// The counter of arrivals shows this.
    Arrivals(u64),
    /// An empty store answers.
    EmptyStore {
        /// Whether its identity is another one.
        other: bool,
    },
    /// Kubernetes cannot be seen.
    KubernetesUnseen,
    /// Foresail does not run, and knows nothing afterwards.
    Down,
}

impl Fault {
    /// One that never ends.
    pub const fn always(what: Wrong) -> Self {
        Self { during: Span { from: f64::NEG_INFINITY, to: f64::INFINITY }, what }
    }
}

/// What goes wrong at an instant.
fn at(faults: &[Fault], now: f64) -> impl Iterator<Item = Wrong> {
    faults.iter().filter(move |fault| fault.during.holds(now)).map(|fault| fault.what)
}

/// Whether anything does.
pub(super) fn any(faults: &[Fault], now: f64) -> bool {
    at(faults, now).next().is_some()
}

/// When something next begins to go wrong; infinite where nothing will.
pub(super) fn next(faults: &[Fault], now: f64) -> f64 {
    let begins = faults.iter().map(|fault| fault.during.from);
    begins.filter(|&from| from > now).fold(f64::INFINITY, f64::min)
}

/// Until when Foresail does not run; `None` while it does.
pub(super) fn down_until(faults: &[Fault], now: f64) -> Option<f64> {
    let down = faults.iter().filter(|fault| fault.what == Wrong::Down && fault.during.holds(now));
    down.map(|fault| fault.during.to).max_by(f64::total_cmp)
}

/// Whether a read fails.
pub(super) fn read_fails(faults: &[Fault], now: f64, random: &mut Pcg64Mcg) -> bool {
    let mut fails = false;
    for fault in faults.iter().filter(|fault| fault.during.holds(now)) {
        fails |= match fault.what {
            // A draw for each, so that one fault changes nothing of another.
            Wrong::Dropped(share) => random.random::<f64>() < share,
            Wrong::Flapping { up, down } => (now - fault.during.from).rem_euclid(up + down) >= up,
            _ => false,
        };
    }
    fails
}

/// What a read shows in place of the truth. Returns whether it is true of the jobs that there are.
pub(super) fn distort(faults: &[Fault], now: f64, sample: &mut Sample) -> bool {
    let mut is_true = true;
    for wrong in at(faults, now) {
        match wrong {
            Wrong::Arrivals(shown) => {
                sample.arrivals_total = sample.arrivals_total.map(|_| shown);
            }
            Wrong::EmptyStore { .. } => {
                is_true = false;
                sample.waiting = Some(0);
                for number in
                    [&mut sample.in_flight, &mut sample.arrivals_total, &mut sample.completions_total]
                {
                    *number = number.map(|_| 0);
                }
            }
            _ => {}
        }
    }
    is_true
}

/// Whether another store answers than usual.
pub(super) fn other_store(faults: &[Fault], now: f64) -> bool {
    at(faults, now).any(|wrong| wrong == Wrong::EmptyStore { other: true })
}

/// Whether Kubernetes is out of sight.
pub(super) fn kubernetes_unseen(faults: &[Fault], now: f64) -> bool {
    at(faults, now).any(|wrong| wrong == Wrong::KubernetesUnseen)
}
