//! When a burst begins, how large it is, and how often bursts begin at all.

use serde::{Deserialize, Serialize};

use super::super::rates::{Rates, SCALES};

/// A burst's jobs are counted for five minutes from when it began, seconds.
pub(super) const SIZED_AFTER: f64 = 300.0;

/// A burst begins where more jobs came than this, plus this many times what the last minutes let expect in as long.
const JOBS: f64 = 0.5;
const TIMES: f64 = 6.0;

/// A burst is counted anew from where it grows by this factor at once: what went before was something else.
const GROWS: f64 = 3.0;

/// Burst sizes from which the onsets are counted apart, jobs.
const SIZES: [f64; 5] = [0.0, 4.0, 16.0, 64.0, 256.0];

/// Time over which the frequency of onsets is averaged, seconds.
const WEEK: f64 = 604_800.0;

/// Watches for the beginning of a burst, then counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tracker {
    counting: Option<Burst>,
    /// Until when jobs are counted.
    until: f64,
    /// Bursts a second of at least each of [`SIZES`], as of `rated`.
    a_second: [f32; SIZES.len()],
    rated: f64,
}

/// A burst as it was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Burst {
    /// When it began, local seconds.
    pub(super) local: f64,
    /// Jobs within [`SIZED_AFTER`].
    pub(super) jobs: f64,
}

impl Tracker {
    /// Takes the arrivals from `last` to `t`; `local` is when in local time they came, `before` the rates before
    /// them. Gives the burst whose five minutes are over.
    pub(super) fn count(
        &mut self,
        last: f64,
        t: f64,
        local: f64,
        arrivals: f64,
        before: &Rates,
    ) -> Option<Burst> {
        let mut over = None;
        if let Some(burst) = &mut self.counting {
            if arrivals > GROWS * burst.jobs {
                *burst = Burst { local, jobs: arrivals };
                self.until = last + SIZED_AFTER;
            } else {
                burst.jobs += arrivals;
            }
            if t >= self.until {
                over = self.counting.take();
                self.rate(t, over.map_or(0.0, |burst| burst.jobs));
            }
        } else if arrivals > 0.0 && begins(arrivals, before) {
            self.counting = Some(Burst { local, jobs: arrivals });
            self.until = last + SIZED_AFTER;
        }
        over
    }

    /// The burst that is being counted.
    pub(super) fn counting(&self) -> Option<Burst> {
        self.counting
    }

    /// Forgets the burst that is being counted: some of it was not seen.
    pub(super) fn lose(&mut self) {
        self.counting = None;
    }

    /// The chance that a burst of at least so many jobs begins within `seconds` by mere coincidence.
    pub(super) fn coincidence(&self, jobs: f64, seconds: f64) -> f64 {
        let class = SIZES.iter().rposition(|&size| jobs >= size).unwrap_or(0);
        1.0 - (-f64::from(self.a_second[class]) * seconds).exp()
    }

    #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
    fn rate(&mut self, t: f64, jobs: f64) {
        let kept = (-(t - self.rated).max(0.0) / WEEK).exp();
        self.rated = t;
        for (a_second, size) in self.a_second.iter_mut().zip(SIZES) {
            let one = if jobs >= size { 1.0 / WEEK } else { 0.0 };
            *a_second = (f64::from(*a_second) * kept + one) as f32;
        }
    }
}

/// Whether these arrivals are more than the last 10 and 40 minutes let expect.
fn begins(arrivals: f64, before: &Rates) -> bool {
    let rates = before.per_second();
    let usual = rates[2].max(rates[3]) * SCALES[0];
    arrivals.max(rates[0] * SCALES[0]) > JOBS + TIMES * usual
}
