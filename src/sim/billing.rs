//! What time costs.

/// How the time of something is billed. The default is to the fraction of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Billing {
    /// Seconds that are billed at least.
    pub minimum: f64,
    /// Seconds are rounded up to a multiple of this: 1, or 3600 for whole hours. 0 rounds nothing.
    pub step: f64,
}

impl Billing {
    /// What so many seconds cost, in billed seconds.
    pub fn billed(&self, seconds: f64) -> f64 {
        let rounded = if self.step > 0.0 { (seconds / self.step).ceil() * self.step } else { seconds };
        rounded.max(self.minimum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_billed_in_steps_and_at_least_the_minimum() {
        let seconds = Billing { minimum: 60.0, step: 1.0 };
        assert_eq!([10.0, 60.0, 90.5].map(|s| seconds.billed(s).to_string()), ["60", "60", "91"]);
        let hours = Billing { minimum: 0.0, step: 3600.0 };
        assert_eq!([1.0, 3600.0, 3601.0].map(|s| hours.billed(s).to_string()), ["3600", "3600", "7200"]);
        assert_eq!(Billing::default().billed(0.25).to_string(), "0.25");
    }
}
