//! Numbers as people say them.

/// A duration in the unit that suits it: `0.4 s`, `38 s`, `12 min`, `3.5 h`, `6.0 days`.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// Seconds of somebody's time as hours, but for a few minutes: `90 s`, `7.3 h`, `1,777 h`.
pub(crate) fn hours(seconds: f64) -> String {
    if seconds < 360.0 {
        return format!("{seconds:.0} s");
    }
    format!("{} h", amount(seconds / 3600.0))
}

/// A number with three digits at least, and its thousands apart.
pub(crate) fn amount(number: f64) -> String {
    match number.abs() {
        n if n < 9.95 => format!("{number:.1}"),
        n if n < 999.5 => format!("{number:.0}"),
        _ => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "rounded and positive"
            )]
            let whole = number.abs().round() as u64;
            let sign = if number < 0.0 { "-" } else { "" };
            format!("{sign}{}", crate::table::count(whole))
        }
    }
}

/// A ratio as a comparison: `81 % less`, `as much`, `5 % more`, `3.2 times as much`.
pub(crate) fn much(ratio: f64) -> String {
    compared(ratio, "less", "more", "much")
}

/// A ratio of durations as a comparison: `81 % shorter`, `as long`, `5 % longer`, `3.2 times as long`.
pub(crate) fn long(ratio: f64) -> String {
    compared(ratio, "shorter", "longer", "long")
}

fn compared(ratio: f64, below: &str, above: &str, same: &str) -> String {
    match ratio {
        r if r.is_nan() => format!("as {same}"),
        r if r.is_infinite() => above.to_owned(),
        r if r < 0.01 => format!("{:.1} % {below}", 100.0 * (1.0 - r)),
        r if r < 0.995 => format!("{:.0} % {below}", 100.0 * (1.0 - r)),
        r if r < 1.005 => format!("as {same}"),
        r if r < 1.995 => format!("{:.0} % {above}", 100.0 * (r - 1.0)),
        r => format!("{} times as {same}", amount(r)),
    }
}

/// A list as a sentence has it: `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A count with its noun, which takes an `s` where it is not one.
pub(crate) fn counted(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", crate::table::count(n as u64), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_in_the_unit_that_suits_them() {
        let times = [0.04, 9.9, 37.9, 203.0, 2405.0, 30_165.0, 517_508.0].map(time);
        assert_eq!(times, ["0.0 s", "9.9 s", "38 s", "3 min", "40 min", "8.4 h", "6.0 days"]);
        let hours = [0.025, 7.0, 203.4, 1_777.2].map(|h| hours(3600.0 * h));
        assert_eq!(hours, ["90 s", "7.0 h", "203 h", "1,777 h"]);
    }

    #[test]
    fn ratios_are_said_as_comparisons() {
        let said = [0.002, 0.19, 0.998, 1.05, 3.21].map(long);
        assert_eq!(said, ["99.8 % shorter", "81 % shorter", "as long", "5 % longer", "3.2 times as long"]);
        assert_eq!([0.5, 1.3].map(much), ["50 % less", "30 % more"]);
    }
}
