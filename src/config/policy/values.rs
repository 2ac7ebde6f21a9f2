//! The values of policy keys, from text.

use super::{POLICY_KEYS, PolicyError, wrong};
use crate::{config::text::seconds, sizing::MaxSpend};

/// Parses an amount and its period: `50/day`, `3.5/12h`.
pub(super) fn max_spend(text: &str) -> Result<MaxSpend, PolicyError> {
    let refuse = || wrong("max_spend", format!("{text:?} is not an amount and its period, such as 50/day"));
    let (amount, period) = text.split_once('/').ok_or_else(refuse)?;
    let amount = amount.trim().parse::<f64>().ok().filter(|amount| *amount > 0.0 && amount.is_finite());
    let amount = amount.ok_or_else(refuse)?;
    let period = match period.trim() {
        "hour" => HOUR,
        "day" => 24.0 * HOUR,
        "week" => 168.0 * HOUR,
        other => duration("max_spend", other, HOUR, 744.0 * HOUR)?,
    };
    Ok(MaxSpend { amount, period })
}

/// Seconds.
const HOUR: f64 = 3600.0;

pub(super) fn same(a: f64, b: f64) -> bool {
    a.total_cmp(&b).is_eq()
}

pub(super) fn number(name: &str, text: &str, low: f64, high: f64) -> Result<f64, PolicyError> {
    let value = text.trim().parse::<f64>().map_err(|_| wrong(name, format!("{text:?} is not a number")))?;
    in_range(name, value, low, high)
}

pub(super) fn duration(name: &str, text: &str, low: f64, high: f64) -> Result<f64, PolicyError> {
    in_range(name, seconds(text).map_err(|what| wrong(name, what))?, low, high)
}

fn in_range(name: &str, value: f64, low: f64, high: f64) -> Result<f64, PolicyError> {
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(wrong(name, format!("{value} is out of range ({})", range(name))))
    }
}

pub(super) fn count(name: &str, text: &str, low: u32, high: u32) -> Result<u32, PolicyError> {
    let value =
        text.trim().parse::<u32>().map_err(|_| wrong(name, format!("{text:?} is not a whole number")))?;
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(wrong(name, format!("{value} is out of range ({})", range(name))))
    }
}

fn range(name: &str) -> &'static str {
    POLICY_KEYS.iter().find(|key| key.name == name).map_or("", |key| key.range)
}
