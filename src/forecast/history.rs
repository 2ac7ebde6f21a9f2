//! What a queue's past teaches its forecast, before it is watched or while it already is.

use super::Forecast;
use super::arrivals::Seen;

/// Seconds after which it is asked anew how far local time is ahead of UTC.
const OFFSET_HOLDS: f64 = 900.0;

/// A job that was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PastJob {
    /// When it was submitted, Unix seconds.
    pub submit: f64,
    /// How long it ran, seconds; `None` where that is not known or it has not ended.
    pub run: Option<f64>,
}

impl Forecast {
    /// Plays `jobs` (in the order of their submission) as if the queue had been read every `every` seconds from `from`
    /// to `until` (Unix seconds): whatever came in between is an arrival, and who ended has told its run time. What was
    /// submitted outside is left out. `offset` says how many seconds local time is ahead of UTC at an instant.
    pub fn replay(
        &mut self,
        jobs: &[PastJob],
        from: f64,
        until: f64,
        every: f64,
        offset: impl Fn(f64) -> i32,
    ) {
        let mut jobs = &jobs[jobs.partition_point(|job| job.submit <= from)..];
        let mut ends: Vec<(f64, f64)> =
            jobs.iter().filter_map(|job| Some((job.submit + job.run?, job.run?))).collect();
        ends.retain(|(end, _)| *end <= until);
        ends.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (mut ahead, mut asked_at) = (offset(from), from);
        self.observe(from, Seen::Gap, ahead);
        let (mut t, mut steps) = (from, 0.0);
        while t < until {
            steps += 1.0;
            t = (from + steps * every).min(until);
            if t - asked_at >= OFFSET_HOLDS {
                (ahead, asked_at) = (offset(t), t);
            }
            let arrived = jobs.iter().take_while(|job| job.submit <= t).count();
            jobs = &jobs[arrived..];
            self.observe(t, Seen::Arrivals(arrived as u64), ahead);
        }
        for (_, run) in ends {
            self.service_mut().ended(run);
        }
        self.service_mut().renew(&super::service::Prior::default());
    }

    /// Takes over what `live` has seen from `since` on (Unix seconds), which is after all that this one saw.
    ///
    /// Rates are sums over arrivals, so they are exactly those of one forecast that saw both. Weights, skill and
    /// recurring bursts are those learned here: what a short life has taught of them is little beside a long one.
    pub fn go_on_with(&mut self, live: &Self, since: f64) {
        self.arrivals.go_on_with(&live.arrivals, since);
        if let Some(now) = self.arrivals.seen_until() {
            self.calendar.skip(now);
        }
        self.service.go_on_with(&live.service);
    }
}
