//! Times and durations as logs and people write them.

use std::str::FromStr as _;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, Unit, civil::DateTime, tz::TimeZone};

/// The end of the year 9999, Unix seconds: what lies beyond is milliseconds, or no time at all.
pub(super) const LATEST: f64 = 253_402_300_799.0;

/// Seconds, from 0 to [`LATEST`].
pub(super) fn seconds(text: &str) -> Option<f64> {
    text.parse().ok().filter(|seconds| (0.0..=LATEST).contains(seconds))
}

/// The same, written in milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<f64> {
    let milliseconds: f64 = text.parse().ok()?;
    Some(milliseconds / 1000.0).filter(|seconds| (0.0..=LATEST).contains(seconds))
}

/// A time: Unix seconds, or a date, with a clock or without (`2017-10-09`, `2017-10-09 01:34:10`,
/// `2017-10-09T01:34:10.5Z`, `2017-10-09 01:34:10+02`). Without an offset it is taken as UTC.
pub fn time(text: &str) -> Option<f64> {
    seconds(text).or_else(|| date(text))
}

/// A time that is written as a date.
pub(super) fn date(text: &str) -> Option<f64> {
    let civil = || DateTime::from_str(text).ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    // A date with an offset would be read as a civil one, too, and lose it.
    let timestamp = Timestamp::from_str(text).ok().or_else(civil)?;
    Some(timestamp.as_duration().as_secs_f64()).filter(|seconds| (0.0..=LATEST).contains(seconds))
}

/// A time as the date that `date` reads: `2017-10-09`, or `2017-10-09T01:34:10Z` where it is not midnight.
pub fn shown_date(time: f64) -> String {
    let since = SignedDuration::try_from_secs_f64(time).unwrap_or_default();
    let timestamp = Timestamp::from_duration(since).unwrap_or_default();
    let text = timestamp.to_string();
    text.strip_suffix("T00:00:00Z").map_or(text.clone(), str::to_owned)
}

/// A duration in seconds: `90`, `90s`, `2m`, `1h 30m`, `7d`.
pub fn duration(text: &str) -> Option<f64> {
    let in_units =
        || Span::from_str(text).ok()?.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok();
    text.parse().ok().or_else(in_units).filter(|seconds| (0.0..=LATEST).contains(seconds))
}

/// A duration in its two largest units: `14m 7s`, `13h 17m`, `0.3s`.
pub fn shown_duration(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86_400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s")];
    if seconds < 9.95 {
        let tenths = (seconds * 10.0).round() / 10.0;
        return format!("{tenths}s");
    }
    let largest = UNITS.iter().position(|(unit, _)| seconds.round() >= *unit).unwrap_or(UNITS.len() - 1);
    let (unit, name) = UNITS[largest];
    let Some(&(smaller, smaller_name)) = UNITS.get(largest + 1) else {
        return format!("{seconds:.0}{name}");
    };
    let whole = (seconds / smaller).round();
    let per_unit = unit / smaller;
    // What rounds up to the next larger unit is shown in that one.
    if let Some(larger) = largest.checked_sub(1)
        && whole * smaller >= UNITS[larger].0
    {
        return shown_duration(whole * smaller);
    }
    let (large, rest) = ((whole / per_unit).floor(), whole % per_unit);
    if rest < 1.0 { format!("{large:.0}{name}") } else { format!("{large:.0}{name} {rest:.0}{smaller_name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_unix_seconds() {
        for (text, seconds) in [
            ("1970-01-01 00:00:00", "0"),
            ("2017-10-09 01:34:10", "1507512850"),
            ("2017-10-09T01:34:10.25", "1507512850.25"),
            ("2017-10-09 03:34:10+02", "1507512850"),
            ("2017-10-09 03:34:10+02:00", "1507512850"),
            ("2017-10-09T01:34:10Z", "1507512850"),
            ("2000-02-29T23:59:59", "951868799"),
            ("2024-12-31", "1735603200"),
            ("12.5", "12.5"),
        ] {
            assert_eq!(time(text).map(|time| time.to_string()).as_deref(), Some(seconds), "{text}");
        }
        for text in
            ["2017-02-29 00:00:00", "2017-13-01 00:00:00", "1969-12-31", "x", "-1", "NaN", "1656604920000"]
        {
            assert_eq!(time(text), None, "{text}");
        }
        assert_eq!(shown_date(1_735_603_200.0), "2024-12-31");
        assert_eq!(shown_date(1_507_512_850.0), "2017-10-09T01:34:10Z");
    }

    #[test]
    fn durations_are_read_and_shown() {
        for (text, seconds) in
            [("90", "90"), ("1.5s", "1.5"), ("2m", "120"), ("1h 30m", "5400"), ("7d", "604800")]
        {
            assert_eq!(duration(text).map(|time| time.to_string()).as_deref(), Some(seconds), "{text}");
        }
        for text in ["", "-5s", "5 parsecs", "inf", "1mo"] {
            assert_eq!(duration(text), None, "{text}");
        }
        for (seconds, shown) in [
            (0.0, "0s"),
            (0.25, "0.3s"),
            (9.96, "10s"),
            (59.7, "1m"),
            (847.0, "14m 7s"),
            (3599.9, "1h"),
            (47_825.0, "13h 17m"),
            (86_399.0, "1d"),
            (200_000.0, "2d 8h"),
        ] {
            assert_eq!(shown_duration(seconds), shown, "{seconds}");
        }
    }
}
