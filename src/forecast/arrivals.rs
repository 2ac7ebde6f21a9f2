//! The arrivals of one queue: what was seen, and how many are to be expected.

use serde::{Deserialize, Serialize};

use super::excitation::{Recent, Term};
use super::horizon::Horizon;
use super::horizons::{HORIZONS, Horizons};
use super::negative_binomial::NegativeBinomial;
use super::outcomes::Outcomes;
use super::predictive::{Basis, DueBurst, Predictive};
use super::rates::Rates;

/// Arrivals told apart in one step at most.
const MOST: f64 = 1e9;

/// Whether this is a time that a step can be measured from: a number, and not so far off that seconds are lost.
pub(super) fn is_time(t: f64) -> bool {
    t.abs() <= 1e11
}

/// What was seen between two instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// So many jobs arrived.
    Arrivals(u64),
    /// The depth (waiting and in flight) changed by so many; see [`Basis::NetIncrease`].
    NetChange(i64),
    /// Nothing is known of this time: no sample, or a depth alone across failed samples.
    Gap,
}

impl Seen {
    /// The arrivals that this shows, at most 10^9; `None` of a gap.
    pub(super) fn arrivals(self) -> Option<f64> {
        match self {
            Self::Arrivals(n) => Some((n as f64).min(MOST)),
            Self::NetChange(change) => Some((change.max(0) as f64).min(MOST)),
            Self::Gap => None,
        }
    }
}

/// The self-exciting arrival process of one queue, as far as it was seen and learned.
///
/// Fixed in size; a step allocates nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arrivals {
    /// Until when was seen; `None` before the first observation.
    seen_until: Option<f64>,
    /// When the next forecast of any horizon is due.
    next: f64,
    rates: Rates,
    /// Seconds since an arrival was last seen.
    age: f64,
    /// All arrivals seen; fractions where a step was divided.
    total: f64,
    basis: Basis,
    /// Rising.
    horizons: [Horizon; HORIZONS],
    /// By which part of the time between two forecasts each horizon begins later, 0 to 1.
    #[serde(skip)]
    apart: f64,
}

/// As the age of the last arrival before the first, seconds: longer than any age that is told apart.
pub const NEVER: f64 = 1e9;

impl Arrivals {
    /// A queue of which nothing was seen.
    pub fn new(horizons: Horizons) -> Self {
        Self {
            seen_until: None,
            next: 0.0,
            rates: Rates::default(),
            age: NEVER,
            total: 0.0,
            basis: Basis::Counted,
            horizons: horizons.seconds().map(Horizon::new),
            apart: 0.0,
        }
    }

    /// Looks ahead by other lengths from now on. Each takes over what the nearest of the old ones learned.
    pub fn set_horizons(&mut self, horizons: Horizons) {
        let mut changed = false;
        let learned = horizons.seconds().map(|seconds| {
            let nearest = self.nearest(seconds);
            let same = nearest.seconds().total_cmp(&seconds).is_eq();
            changed |= !same;
            if same { nearest.clone() } else { nearest.of_length(seconds, self.seen_until.unwrap_or(0.0)) }
        });
        if changed {
            self.horizons = learned;
            self.next = self.seen_until.unwrap_or(0.0);
        }
    }

    /// Takes what was seen since the observation before; the first only says from when on. `due` tells what
    /// recurring burst is due within so many seconds of an instant.
    ///
    /// An observation at the instant of the last one is a repetition and changes nothing; one before it (a clock set
    /// back) is a gap, and one at no time at all (not finite, or past the year 5000) is left out.
    pub fn observe(&mut self, t: f64, seen: Seen, due: impl Fn(f64, f64) -> DueBurst) {
        if !is_time(t) {
            return;
        }
        let Some(last) = self.seen_until.replace(t) else {
            self.restart(t);
            return;
        };
        if t <= last {
            if t < last {
                self.restart(t);
            }
            return;
        }
        if matches!(seen, Seen::NetChange(_)) {
            self.basis = Basis::NetIncrease;
        }
        if let Some(arrivals) = seen.arrivals() {
            self.step(last, t, arrivals, due);
        } else {
            self.rates.fade(t - last);
            self.age += t - last;
            self.restart(t);
        }
    }

    /// Takes over what `live` has seen from `since` on, and looks ahead as it does.
    pub(super) fn go_on_with(&mut self, live: &Self, since: f64) {
        let Some(now) = live.seen_until.filter(|now| *now >= since) else { return };
        self.set_horizons(live.lengths());
        let before = self.seen_until.unwrap_or(since).min(since);
        self.rates.fade(since - before);
        self.rates.advance(now - since, 0.0);
        self.rates.add(&live.rates);
        self.age = if live.age < now - since { live.age } else { self.age + (now - before) };
        self.total += live.total;
        self.basis = live.basis;
        self.seen_until = Some(now);
        self.apart = live.apart;
        self.restart(now);
    }

    /// The arrivals expected within `horizon` seconds (more than 0) of the last observation, as a distribution,
    /// where `due` may come besides.
    pub fn ahead(&self, horizon: f64, due: DueBurst) -> Predictive {
        let recent = self.recent();
        let (low, high, share) = self.between(horizon);
        let blend = |f: &dyn Fn(&Horizon) -> f64| {
            let from = f(low);
            if share > 0.0 { from + share * (f(high) - from) } else { from }
        };
        let mean = blend(&|h| h.weights().expected(&recent, horizon));
        let size = blend(&|h| h.dispersion().size(mean).ln()).exp();
        Predictive::new(NegativeBinomial::new(mean, size), Some(due))
            .calibrated(if share < 0.5 { low } else { high }.calibration())
            .on(self.basis)
    }

    /// What a forecast over `horizon` seconds is made of, the terms of the nearest learned horizon.
    pub fn terms(&self, horizon: f64) -> impl Iterator<Item = Term> {
        let recent = self.recent();
        self.nearest(horizon).weights().terms(&recent, horizon)
    }

    /// The learned horizon nearest to `seconds`, by ratio.
    pub fn nearest(&self, seconds: f64) -> &Horizon {
        let (low, high, share) = self.between(seconds);
        if share < 0.5 { low } else { high }
    }

    /// The learned horizons, rising.
    pub fn horizons(&self) -> &[Horizon; HORIZONS] {
        &self.horizons
    }

    pub(super) fn take_outcomes(&mut self) -> [Outcomes; HORIZONS] {
        self.horizons.each_mut().map(Horizon::take_outcomes)
    }

    /// How far ahead they look.
    pub fn lengths(&self) -> Horizons {
        Horizons::new(self.horizons.each_ref().map(Horizon::seconds)).unwrap_or_default()
    }

    /// The decayed rates.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Until when was seen; `None` before the first observation.
    pub fn seen_until(&self) -> Option<f64> {
        self.seen_until
    }

    /// Seconds since an arrival was last seen; [`NEVER`] or more where none was.
    pub fn age(&self) -> f64 {
        self.age
    }

    /// Whether all of it could have been learned: what is read back may be anything.
    pub(super) fn is_sound(&self) -> bool {
        let seen_until = self.seen_until.unwrap_or(0.0);
        let numbers = [self.age, self.total].into_iter().chain(*self.rates.per_second());
        is_time(seen_until)
            && Horizons::new(self.horizons.each_ref().map(Horizon::seconds)).is_ok()
            && numbers.into_iter().all(|number| number >= 0.0 && number.is_finite())
            && self.horizons.iter().all(|horizon| horizon.is_sound(seen_until))
            && self.horizons.iter().any(|horizon| horizon.next().total_cmp(&self.next).is_eq())
    }

    fn recent(&self) -> Recent {
        Recent { rates: self.rates, age: self.age }
    }

    /// Makes its forecasts at other seconds than its neighbours, from the next time on that they begin.
    pub(super) fn apart(&mut self, part: f64) {
        self.apart = part;
    }

    /// Drops all forecasts that await an outcome, and begins with new ones.
    fn restart(&mut self, now: f64) {
        for horizon in &mut self.horizons {
            horizon.restart(now, self.apart);
        }
        self.next = self.horizons.iter().map(Horizon::next).fold(f64::INFINITY, f64::min);
    }

    fn step(&mut self, last: f64, t: f64, arrivals: f64, due: impl Fn(f64, f64) -> DueBurst) {
        if self.next > t {
            self.advance(t - last, arrivals);
            return;
        }
        // Within a step longer than a horizon the outcomes would be guesses: such a horizon begins anew.
        for horizon in &mut self.horizons {
            if horizon.seconds() < t - last {
                horizon.restart(t, self.apart);
            }
        }
        let mut at = last;
        loop {
            let next = self.horizons.iter().map(Horizon::next).fold(f64::INFINITY, f64::min);
            let until = next.clamp(at, t);
            self.advance(until - at, arrivals * ((until - at) / (t - last)));
            at = until;
            if next > t {
                self.next = next;
                return;
            }
            let (recent, total) = (self.recent(), self.total);
            for horizon in self.horizons.iter_mut().filter(|horizon| horizon.next() <= next) {
                horizon.turn(&recent, total, due(at, horizon.seconds()));
            }
        }
    }

    fn advance(&mut self, dt: f64, arrivals: f64) {
        if dt > 0.0 || arrivals > 0.0 {
            self.rates.advance(dt, arrivals);
            self.total += arrivals;
            self.age = if arrivals > 0.0 { 0.0 } else { self.age + dt };
        }
    }

    /// The learned horizons about `seconds`, and where between them it lies by ratio, 0 to 1.
    fn between(&self, seconds: f64) -> (&Horizon, &Horizon, f64) {
        let [first, .., last] = &self.horizons;
        if seconds >= last.seconds() {
            return (last, last, 0.0);
        }
        let pair =
            self.horizons.windows(2).find(|pair| (pair[0].seconds()..pair[1].seconds()).contains(&seconds));
        pair.map_or((first, first, 0.0), |pair| {
            let share = (seconds / pair[0].seconds()).ln() / (pair[1].seconds() / pair[0].seconds()).ln();
            (&pair[0], &pair[1], share)
        })
    }
}
