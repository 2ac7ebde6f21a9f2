//! Instants at a fixed distance from each other.

/// The ticks of somebody who looks at regular intervals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticks {
    next: f64,
    every: f64,
}

impl Ticks {
    /// The first at `first`, and then one every so many seconds (above 0).
    pub(super) const fn new(first: f64, every: f64) -> Self {
        Self { next: first, every }
    }

    /// When the next one is due.
    pub(super) const fn next(&self) -> f64 {
        self.next
    }

    /// The first one that is due and not before `at`; infinite where `at` is.
    pub(super) fn first_from(&self, at: f64) -> f64 {
        first_from(self.next, self.every, at)
    }

    /// Takes the tick of `now`, if there is one; those before `now` have passed.
    pub(super) fn take(&mut self, now: f64) -> bool {
        self.next = self.first_from(now);
        let due = self.next <= now;
        if due {
            self.next += self.every;
        }
        due
    }
}

/// The first instant that is not before `at`, of `next` and then one every so many seconds (above 0); infinite where
/// `at` is.
pub(super) fn first_from(next: f64, every: f64, at: f64) -> f64 {
    let steps = ((at - next) / every).ceil().max(0.0);
    next + steps * every
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_ticks_pass_and_the_phase_stays() {
        let mut ticks = Ticks::new(3.0, 5.0);
        let taken: Vec<bool> = [0.0, 3.0, 4.0, 13.0, 15.0, 19.0, 23.0].map(|now| ticks.take(now)).to_vec();
        assert_eq!(taken, [false, true, false, true, false, false, true]);
        assert_eq!([24.0, 28.0, 28.5].map(|at| ticks.first_from(at).to_string()), ["28", "28", "33"]);
        assert!(ticks.first_from(f64::INFINITY).is_infinite());
    }
}
