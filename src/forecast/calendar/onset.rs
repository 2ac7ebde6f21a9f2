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
pub(super) const SIZES: [f64; 5] = [0.0, 4.0, 16.0, 64.0, 256.0];

/// Time over which the frequency of onsets is averaged, seconds.
const WEEK: f64 = 604_800.0;

/// Time that the first burst is taken to have been waited for, seconds.
const HOUR: f64 = 3_600.0;

/// Watches for the beginning of a burst, then counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tracker {
    counting: Option<Burst>,
    /// Until when jobs are counted.
    until: f64,
    /// Bursts of at least each of [`SIZES`], and the seconds in which they began; both decayed, as of `rated`.
    bursts: [f32; SIZES.len()],
    seconds: f32,
    rated: Option<f64>,
}

/// A burst as it was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Burst {
    /// When it began, local seconds.
    pub(super) local: f64,
    /// Jobs within [`SIZED_AFTER`].
    pub(super) jobs: f64,
    /// When the latest of them had come, local seconds.
    #[serde(default)]
    pub(super) latest: f64,
}

impl Burst {
    /// The jobs that came from `last` to `t`; `middle` is between them in local time.
    fn new(last: f64, t: f64, middle: f64, jobs: f64) -> Self {
        Self { local: middle, jobs, latest: middle + (t - last) / 2.0 }
    }

    /// Jobs a second, on average up to the latest.
    pub(super) fn pace(&self) -> f64 {
        self.jobs / (self.latest - self.local).max(1e-3)
    }
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
                *burst = Burst::new(last, t, local, arrivals);
                self.until = last + SIZED_AFTER;
            } else if arrivals > 0.0 {
                let Burst { latest, .. } = Burst::new(last, t, local, arrivals);
                (burst.jobs, burst.latest) = (burst.jobs + arrivals, latest);
            }
            if t >= self.until {
                over = self.counting.take();
                self.rate(t, over.map_or(0.0, |burst| burst.jobs));
            }
        } else if arrivals > 0.0 && begins(arrivals, before) {
            self.counting = Some(Burst::new(last, t, local, arrivals));
            self.until = last + SIZED_AFTER;
        }
        over
    }

    /// Whether all of it could have been learned.
    pub(super) fn is_sound(&self) -> bool {
        let Self { counting, until, bursts, seconds, rated } = self;
        let Burst { local, jobs, latest } = counting.unwrap_or_default();
        let times = [local, latest, *until, rated.unwrap_or(0.0)];
        times.iter().all(|time| time.is_finite())
            && (0.0..f64::INFINITY).contains(&jobs)
            && bursts.iter().chain([seconds]).all(|number| *number >= 0.0 && number.is_finite())
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
        let a_second = f64::from(self.bursts[class(jobs)]) / (f64::from(self.seconds) + HOUR);
        1.0 - (-a_second * seconds).exp()
    }

    #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
    fn rate(&mut self, t: f64, jobs: f64) {
        let passed = self.rated.map_or(0.0, |rated| (t - rated).max(0.0));
        let kept = (-passed / WEEK).exp();
        self.rated = Some(t);
        self.seconds = (f64::from(self.seconds) * kept + (1.0 - kept) * WEEK) as f32;
        for (bursts, size) in self.bursts.iter_mut().zip(SIZES) {
            let one = if jobs >= size { 1.0 } else { 0.0 };
            *bursts = (f64::from(*bursts) * kept + one) as f32;
        }
    }
}

/// Where a burst of so many jobs belongs among [`SIZES`].
pub(super) fn class(jobs: f64) -> usize {
    SIZES.iter().rposition(|&size| jobs >= size).unwrap_or(0)
}

/// Whether these arrivals are more than the last 10 and 40 minutes let expect.
fn begins(arrivals: f64, before: &Rates) -> bool {
    let rates = before.per_second();
    let usual = rates[2].max(rates[3]) * SCALES[0];
    arrivals.max(rates[0] * SCALES[0]) > JOBS + TIMES * usual
}
