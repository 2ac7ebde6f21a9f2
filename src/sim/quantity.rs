//! Kubernetes quantities as KEDA and the HPA handle them: whole thousandths.

/// A quantity in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Milli(i64);

impl Milli {
    /// A quantity of so many thousandths.
    pub const fn new(thousandths: i64) -> Self {
        Self(thousandths)
    }

    /// A whole number, saturating.
    pub const fn whole(value: i64) -> Self {
        Self(value.saturating_mul(1000))
    }

    /// How KEDA 2.20 and newer writes a float: `%.3f` of the exact binary value, ties to even. NaN,
    /// infinities and negative values become 0, and what no `i64` of thousandths can hold saturates.
    pub fn formatted(value: f64) -> Self {
        if !value.is_finite() || value < 0.0 {
            return Self(0);
        }
        // Most are whole, and need no digits.
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
        if value.fract() == 0.0 && value < 9e15 {
            return Self::whole(value as i64);
        }
        let digits: String = format!("{value:.3}").chars().filter(|&c| c != '.').collect();
        Self(digits.parse().unwrap_or(i64::MAX))
    }

    /// How KEDA before 2.20 wrote a float: a thousand times the value, towards zero.
    #[expect(clippy::cast_possible_truncation, reason = "truncation is what is modelled; `as` saturates")]
    pub const fn truncated(value: f64) -> Self {
        Self((value * 1000.0) as i64)
    }

    /// The number of thousandths.
    pub const fn thousandths(self) -> i64 {
        self.0
    }

    /// The value; computed with a product, as Kubernetes' own approximation is, not with a quotient.
    pub const fn to_f64(self) -> f64 {
        self.0 as f64 * 1e-3
    }

    /// The sum, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_rounded_to_thousandths_as_go_formats_it() {
        // 0.0625 and 0.1875 are exact in binary: their ties go to the even digit.
        for (value, thousandths) in [
            (22.222, 22_222),
            (0.0004, 0),
            (0.0625, 62),
            (0.1875, 188),
            (37.0, 37_000),
            (0.29, 290),
            (-1.0, 0),
            (f64::NAN, 0),
            (f64::INFINITY, 0),
            (1e300, i64::MAX),
        ] {
            assert_eq!(Milli::formatted(value).thousandths(), thousandths, "{value}");
        }
    }

    #[test]
    fn older_keda_cuts_what_newer_keda_rounds() {
        assert_eq!(Milli::truncated(1.0009).thousandths(), 1000);
        assert_eq!(Milli::formatted(1.0009).thousandths(), 1001);
    }

    #[test]
    fn whole_numbers_survive_the_approximation() {
        for n in [0, 1, 3, 7, 10, 99, 1001, 123_456_789] {
            assert!((Milli::whole(n).to_f64() - n as f64).abs() < f64::EPSILON, "{n}");
        }
    }
}
