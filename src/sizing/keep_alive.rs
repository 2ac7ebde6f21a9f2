//! The hold on the way down: the largest demand of the last seconds.

/// Buckets of the window; the window is kept to one part in `BUCKETS - 1`, never shorter.
const BUCKETS: usize = 16;

/// The same as a distance between bucket numbers.
const SPAN: i64 = 16;

/// The maximum of a value over a moving window, in constant memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeepAlive {
    /// Largest value of each bucket, in a ring by bucket number.
    largest: [u32; BUCKETS],
    /// Number of the newest bucket; `None` before the first value.
    newest: Option<i64>,
}

impl KeepAlive {
    /// Takes a value at `now` and returns the largest of the last `window` seconds.
    pub fn observe(&mut self, now: f64, window: f64, value: u32) -> u32 {
        if window <= 0.0 {
            *self = Self::default();
            return value;
        }
        let bucket = bucket(now, window);
        let steps = self.newest.map_or(i64::MAX, |newest| bucket - newest);
        if steps >= SPAN {
            self.largest = [0; BUCKETS];
        } else {
            for passed in 0..steps {
                self.largest[slot(bucket - passed)] = 0;
            }
        }
        // A time before the newest bucket (a clock set back) counts as the newest.
        let bucket = self.newest.map_or(bucket, |newest| newest.max(bucket));
        self.newest = Some(bucket);
        let largest = &mut self.largest[slot(bucket)];
        *largest = value.max(*largest);
        self.largest.iter().copied().max().unwrap_or(value)
    }

    /// Seconds until the largest value leaves the window, at most.
    pub fn left(&self, now: f64, window: f64) -> f64 {
        let Some(newest) = self.newest else { return 0.0 };
        let largest = self.largest.iter().copied().max().unwrap_or(0);
        let age = (0..SPAN).find(|age| self.largest[slot(newest - age)] == largest).unwrap_or(0);
        let end = (newest - age + SPAN) as f64 * width(window);
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
