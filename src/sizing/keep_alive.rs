//! The hold on the way down: the largest demand of the last seconds.

/// Buckets of the window; the window is kept to one part in `BUCKETS - 1`, never shorter.
const BUCKETS: usize = 16;

/// The same as a distance between bucket numbers.
const SPAN: i64 = 16;

/// Seconds; a bucket of less could not be told from the next by a Unix time in an f64.
const SHORTEST: f64 = 0.001;

/// The maximum of a value over a moving window, in constant memory.
///
/// A window of under a millisecond holds nothing. A window that changes keeps the value of now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeepAlive {
    /// The window that the buckets are of, seconds.
    window: f64,
    /// Largest value of each bucket, in a ring by bucket number.
    largest: [u32; BUCKETS],
    /// Number of the newest bucket; `None` before the first value.
    newest: Option<i64>,
}

impl KeepAlive {
    /// Takes a value at `now` and returns the largest of the last `window` seconds.
    pub fn observe(&mut self, now: f64, window: f64, value: u32) -> u32 {
        if window < SHORTEST {
            *self = Self::default();
            return value;
        }
        let bucket = bucket(now, window);
        if self.window.to_bits() != window.to_bits() {
            let held = self.largest();
            *self = Self { window, newest: Some(bucket), ..Self::default() };
            self.largest[slot(bucket)] = held;
        }
        let steps = self.newest.map_or(i64::MAX, |newest| bucket.saturating_sub(newest));
        if steps >= SPAN {
            self.largest = [0; BUCKETS];
        } else {
            for passed in 0..steps {
                self.largest[slot(bucket.saturating_sub(passed))] = 0;
            }
        }
        // A time before the newest bucket (a clock set back) counts as the newest.
        let bucket = self.newest.map_or(bucket, |newest| newest.max(bucket));
        self.newest = Some(bucket);
        let largest = &mut self.largest[slot(bucket)];
        *largest = value.max(*largest);
        self.largest()
    }

    /// Whether it still keeps a value above this one.
    pub fn holds_more_than(&self, value: u32) -> bool {
        self.largest() > value
    }

    fn largest(&self) -> u32 {
        self.largest.iter().copied().max().unwrap_or(0)
    }

    /// Seconds until the largest value leaves the window, at most.
    pub fn left(&self, now: f64, window: f64) -> f64 {
        let Some(newest) = self.newest else { return 0.0 };
        let largest = self.largest();
        let age =
            (0..SPAN).find(|age| self.largest[slot(newest.saturating_sub(*age))] == largest).unwrap_or(0);
        let end = newest.saturating_sub(age).saturating_add(SPAN) as f64 * width(window);
        (end - now).max(0.0)
    }
}

fn width(window: f64) -> f64 {
    window / (BUCKETS - 1) as f64
}

fn bucket(now: f64, window: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seconds since 1970 over a positive width fit an i64"
    )]
    let bucket = (now / width(window)).floor() as i64;
    bucket
}

fn slot(bucket: i64) -> usize {
    usize::try_from(bucket.rem_euclid(SPAN)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_peak_stays_for_the_window_and_then_goes() {
        let mut hold = KeepAlive::default();
        assert_eq!(hold.observe(1000.0, 60.0, 9), 9);
        assert_eq!(hold.observe(1060.0, 60.0, 2), 9);
        assert!(hold.left(1060.0, 60.0) <= 4.0);
        assert_eq!(hold.observe(1065.0, 60.0, 2), 2);
    }

    #[test]
    fn a_window_that_changes_neither_forgets_nor_freezes_the_peak() {
        for (before, after) in [(5.0, 10.0), (60.0, 61.0), (600.0, 60.0)] {
            let mut hold = KeepAlive::default();
            hold.observe(1.7e9, before, 9);
            assert_eq!(hold.observe(1.7e9 + 1.0, after, 0), 9, "{before} -> {after}");
            assert_eq!(hold.observe(1.7e9 + 2.0 + after * 1.1, after, 0), 0, "{before} -> {after}");
        }
    }

    #[test]
    fn times_at_the_ends_of_the_scale_do_not_overflow() {
        let mut hold = KeepAlive::default();
        for now in [-1e300, 1e300, -1e300, 0.0] {
            for window in [1e-12, 0.002, 86_400.0] {
                hold.observe(now, window, 3);
                assert!(hold.left(now, window) >= 0.0);
            }
        }
    }

    #[test]
    fn no_window_holds_nothing() {
        let mut hold = KeepAlive::default();
        hold.observe(0.0, 0.0, 9);
        assert_eq!(hold.observe(0.0, 0.0, 1), 1);
    }

    proptest! {
        #[test]
        fn it_is_never_shorter_than_the_window_and_at_most_a_bucket_longer(
            window in 1.0..4000.0f64,
            steps in prop::collection::vec((0.0..200.0f64, 0u32..50), 1..200),
        ) {
            let (mut hold, mut now, mut past) = (KeepAlive::default(), 1.7e9, Vec::new());
            for (step, value) in steps {
                now += step;
                past.push((now, value));
                let over = |seconds: f64| past.iter().filter(|(at, _)| now - at <= seconds).map(|(_, v)| *v).max().unwrap_or(0);
                let held = hold.observe(now, window, value);
                prop_assert!(over(window) <= held, "forgot a value of the window");
                prop_assert!(held <= over(window * 16.0 / 15.0 + 1e-6), "kept a value too long");
            }
        }
    }
}
