//! What is about to come to a queue: arrivals as a distribution, learned service times; and a ref's lead times.
//!
//! All of it is learned online, in one pass and in constant memory: values in, values out, time an argument (Unix
//! seconds). A step allocates nothing.
//!
//! - [`arrivals`]: the self-exciting process, its horizons, and what their outcomes teach
//! - [`predictive`]: the number of arrivals within a time ahead, as a distribution
//! - [`rates`], [`excitation`], [`dispersion`], [`calibration`], [`coverage`], [`skill`], [`outcomes`], [`horizon`]: its
//!   parts
//! - [`negative_binomial`]: the law of the counts; [`crps`]: how far it was from what came
//! - [`calendar`]: recurring bursts
//! - [`service`]: how long jobs run
//! - [`lead`]: how long workers take to start; [`mod@line`]: whose node one may have got
//! - [`history`]: what the past of a queue teaches
//! - [`learner`]: what samples teach a forecast
//! - [`outlook`]: what a decision asks of all this
//! - [`state`]: what is kept over restarts

pub mod arrivals;
mod buckets;
pub mod calendar;
pub mod calibration;
pub mod coverage;
pub mod crps;
pub mod dispersion;
pub mod excitation;
pub mod history;
pub mod horizon;
pub mod horizons;
pub mod lead;
pub mod learner;
pub mod line;
pub mod negative_binomial;
pub mod outcomes;
pub mod outlook;
pub mod predictive;
pub mod rates;
pub mod service;
pub mod skill;
pub mod state;

use serde::{Deserialize, Serialize};

use arrivals::{Arrivals, Seen, is_time};
use calendar::Calendar;
use horizons::{HORIZONS, Horizons};
use outcomes::Outcomes;
use predictive::Predictive;
use rates::SCALES;
use service::{Service, ServiceBasis};

/// All that is learned of one queue: under 5 kB, and of fixed size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    arrivals: Arrivals,
    calendar: Calendar,
    service: Service,
}

impl Forecast {
    /// A queue of which nothing is known but the priors.
    pub fn new(horizons: Horizons) -> Self {
        Self { arrivals: Arrivals::new(horizons), calendar: Calendar::default(), service: Service::default() }
    }

    /// Takes what was seen since the observation before; the first only says from when on. `offset` is how many
    /// seconds local time is ahead of UTC at `t`: recurring bursts keep to local time.
    ///
    /// Failed samples are no observation where a total is counted: the next good one says what came in between.
    /// Where only a depth is seen they make the step a [`Seen::Gap`].
    pub fn observe(&mut self, t: f64, seen: Seen, offset: i32) {
        if !is_time(t) {
            return;
        }
        let Self { arrivals, calendar, .. } = self;
        match (arrivals.seen_until(), seen.arrivals()) {
            (Some(last), Some(n)) if last < t => calendar.observe(last, t, n, arrivals.rates(), offset),
            (Some(last), _) if t.total_cmp(&last).is_eq() => {}
            _ => calendar.skip(t),
        }
        arrivals.observe(t, seen, |at, horizon| calendar.due(at, horizon));
    }

    /// The number of arrivals within `horizon` seconds of the last observation, recurring bursts included.
    pub fn at(&self, horizon: f64) -> Predictive {
        let due = self.arrivals.seen_until().map(|now| self.calendar.due(now, horizon));
        self.arrivals.ahead(horizon, due.unwrap_or_default())
    }

    /// The arrival process: what it weighs, and how well it did.
    pub fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// What came of forecasts since this was last asked, by horizon.
    pub fn take_outcomes(&mut self) -> [Outcomes; HORIZONS] {
        self.arrivals.take_outcomes()
    }

    /// Looks ahead by other lengths from now on.
    pub fn set_horizons(&mut self, horizons: Horizons) {
        self.arrivals.set_horizons(horizons);
    }

    /// Makes its forecasts at other seconds than its neighbours, by `part` (0 to 1) of the time between two.
    fn apart(&mut self, part: f64) {
        self.arrivals.apart(part);
    }

    /// Busy worker-seconds that the arrivals of about a day before `now` bring (those of a day ago count for 0.37), if
    /// each runs as long as jobs of this queue do on average; 0 where no run time is known.
    pub fn work_of_a_day(&self, now: f64) -> f64 {
        let Some(seen) = self.arrivals.seen_until().filter(|_| self.service.basis() != ServiceBasis::Prior)
        else {
            return 0.0;
        };
        let ([.., a_day], [.., daily]) = (SCALES, *self.arrivals.rates().per_second());
        daily * a_day * (-(now - seen).max(0.0) / a_day).exp() * self.service.law().mean()
    }

    /// The recurring bursts.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The service times.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The service times, to teach them.
    pub fn service_mut(&mut self) -> &mut Service {
        &mut self.service
    }
}
