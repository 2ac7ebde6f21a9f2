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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn from_100_to_200(what: Wrong) -> [Fault; 1] {
        [Fault { during: Span { from: 100.0, to: 200.0 }, what }]
    }

    #[test]
    fn a_fault_has_its_time_and_none_other() {
        let faults = from_100_to_200(Wrong::Down);
        assert_eq!([99.0, 100.0, 199.0, 200.0].map(|now| any(&faults, now)), [false, true, true, false]);
        assert_eq!([99.0, 150.0].map(|now| down_until(&faults, now)), [None, Some(200.0)]);
        assert!(next(&faults, 99.0) <= 100.0 && next(&faults, 100.0).is_infinite());
        assert!(any(&[Fault::always(Wrong::KubernetesUnseen)], 1e12));
        assert!(!kubernetes_unseen(&faults, 150.0) && !other_store(&faults, 150.0));
    }

    #[test]
    fn a_source_that_flaps_answers_first_and_then_fails() {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let faults = from_100_to_200(Wrong::Flapping { up: 20.0, down: 40.0 });
        let fails = [99.0, 100.0, 119.0, 120.0, 159.0, 160.0, 181.0, 200.0];
        let fails = fails.map(|now| read_fails(&faults, now, &mut random));
        assert_eq!(fails, [false, false, false, true, true, false, true, false]);
        let dropped = from_100_to_200(Wrong::Dropped(0.25));
        let failed = (0..4000).filter(|_| read_fails(&dropped, 150.0, &mut random)).count();
        assert!((900..1100).contains(&failed), "{failed}");
    }

    #[test]
    fn a_wrong_store_shows_its_own_numbers_and_only_those_that_the_layout_has() {
        let truth = Sample { waiting: Some(5), arrivals_total: Some(70), ..Sample::default() };
        let shown = |what| {
            let mut sample = truth.clone();
            let is_true = distort(&from_100_to_200(what), 150.0, &mut sample);
            (is_true, sample.waiting, sample.in_flight, sample.arrivals_total)
        };
        assert_eq!(shown(Wrong::Arrivals(9)), (true, Some(5), None, Some(9)));
        assert_eq!(shown(Wrong::EmptyStore { other: true }), (false, Some(0), None, Some(0)));
        assert_eq!(shown(Wrong::KubernetesUnseen), (true, Some(5), None, Some(70)));
    }
}
