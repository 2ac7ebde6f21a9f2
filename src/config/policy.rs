//! The keys of a policy: one table for the file, for a ref's metadata and for the docs.

mod keys;
mod values;

use std::collections::BTreeMap;

pub use self::keys::{POLICY_KEYS, PolicyKey};
use self::{
    keys::LATER,
    values::{count, duration, max_spend, number, same},
};
use crate::{
    config::{
        raw::RawPolicy,
        text::{Text, Texts, seconds},
    },
    sizing::{Objective, Policy, group::GroupLimits},
};

/// A named policy: values, and what a ref may change of them.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyConfig {
    /// The values as written, so that a ref's keys lie over them before they are checked together.
    keys: BTreeMap<String, String>,
    /// The values, checked.
    policy: Policy,
    tenant_may: BTreeMap<String, Allowed>,
}

/// What a ref may set a key to.
#[derive(Debug, Clone, PartialEq)]
enum Allowed {
    Any,
    Between(f64, f64),
    /// Cost units, both in periods of so many seconds.
    SpendBetween(f64, f64, f64),
}

/// What is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct PolicyError {
    /// The key.
    pub key: String,
    /// What is wrong with it and what would be right.
    pub what: String,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        let policy = policy(&BTreeMap::new()).expect("the defaults are in range: a test parses them");
        Self { keys: BTreeMap::new(), policy, tenant_may: BTreeMap::new() }
    }
}

impl PolicyConfig {
    pub(super) fn new(raw: RawPolicy) -> Result<Self, PolicyError> {
        let keys: BTreeMap<_, _> = raw.keys.into_iter().map(|(name, text)| (name, text.0)).collect();
        let policy = policy(&keys)?;
        let tenant_may = raw.tenant_may.into_iter().map(allowed).collect::<Result<_, _>>()?;
        Ok(Self { keys, policy, tenant_may })
    }

    /// Reads a policy from the text of a file that holds one: the keys that stand under a name in
    /// `policies:`.
    ///
    /// # Errors
    /// Names the line or the key at fault.
    pub fn from_yaml(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let raw = super::parse::<RawPolicy>(text)?;
        Self::new(raw).map_err(|error| error.to_string())
    }

    /// A policy of these keys, each with its value as text.
    ///
    /// # Errors
    /// Names the key at fault.
    pub fn from_keys(keys: BTreeMap<String, String>) -> Result<Self, PolicyError> {
        let policy = policy(&keys)?;
        Ok(Self { keys, policy, tenant_may: BTreeMap::new() })
    }

    /// The policy where nobody overrides anything.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The policy with a ref's keys over it.
    ///
    /// # Errors
    /// Names a key that `tenant_may` does not open, or a value that is wrong or out of bounds.
    pub fn with_overrides(&self, given: &BTreeMap<&str, &str>) -> Result<Policy, PolicyError> {
        let mut keys = self.keys.clone();
        for (name, value) in given {
            self.permit(name, value)?;
            keys.insert((*name).to_owned(), (*value).to_owned());
        }
        policy(&keys)
    }

    fn permit(&self, name: &str, value: &str) -> Result<(), PolicyError> {
        match self.tenant_may.get(name) {
            None => Err(wrong(name, "the policy does not let a ref set it (tenant_may)".to_owned())),
            Some(Allowed::Any) => Ok(()),
            Some(Allowed::Between(low, high)) => {
                let number = seconds(value).map_err(|what| wrong(name, what))?;
                within(name, value, number, *low, *high)
            }
            Some(Allowed::SpendBetween(low, high, period)) => {
                let spend = max_spend(value)?;
                if same(spend.period, *period) {
                    within(name, value, spend.amount, *low, *high)
                } else {
                    let what =
                        format!("{value} is not per {period} s, as the policy's bounds are (tenant_may)");
                    Err(wrong(name, what))
                }
            }
        }
    }
}

fn within(name: &str, text: &str, value: f64, low: f64, high: f64) -> Result<(), PolicyError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let what =
        format!("{text} is outside {low} to {high}, which is what the policy lets a ref set (tenant_may)");
    Err(wrong(name, what))
}

/// Whether a key belongs to policies, in this version or a later one.
pub fn is_policy_key(name: &str) -> bool {
    POLICY_KEYS.iter().any(|key| key.name == name) || LATER.contains(&name)
}

/// What a group's refs may have together.
pub(super) fn group_limits(max: Option<&Text>, spend: Option<&Text>) -> Result<GroupLimits, PolicyError> {
    Ok(GroupLimits {
        max: max.map(|text| count("max", &text.0, 0, 100_000)).transpose()?,
        max_spend: spend.map(|text| max_spend(&text.0)).transpose()?,
    })
}

/// Whether the group of a policy is there.
///
/// # Errors
/// Names it, and those that there are.
pub fn check_group(policy: &Policy, groups: &BTreeMap<String, GroupLimits>) -> Result<(), PolicyError> {
    let Some(name) = policy.group.as_deref().filter(|name| !groups.contains_key(*name)) else {
        return Ok(());
    };
    let all = groups.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let there = if all.is_empty() { "none" } else { &all };
    let shown: String = name.chars().take(80).collect();
    Err(wrong("group", format!("no group is called {shown:?}; there are {there} (groups)")))
}

fn policy(keys: &BTreeMap<String, String>) -> Result<Policy, PolicyError> {
    for name in keys.keys() {
        known(name)?;
    }
    let get = |name: &str| keys.get(name).map(String::as_str);
    let worth = number("worth", get("worth").unwrap_or("3"), 0.001, 1000.0)?;
    let wait = duration("wait", get("wait").unwrap_or("2m"), 0.001, f64::MAX)?;
    let quantile = number("quantile", get("quantile").unwrap_or("0.95"), 0.5, 0.999)?;
    let objective = match get("objective").unwrap_or("cost") {
        "cost" => Objective::Cost { worth },
        "wait" => Objective::Wait { wait, quantile },
        other => return Err(wrong("objective", format!("{other:?} is neither cost nor wait"))),
    };
    if let Some(name) = get("timezone") {
        jiff::tz::TimeZone::get(name).map_err(|_| {
            wrong("timezone", format!("{name:?} is no IANA time zone (such as Europe/Amsterdam)"))
        })?;
    }
    let (min, max) = (
        count("min", get("min").unwrap_or("0"), 0, 100_000)?,
        get("max").map(|text| count("max", text, 0, 100_000)).transpose()?,
    );
    if max.is_some_and(|max| max < min) {
        return Err(wrong("max", format!("it is below min ({min})")));
    }
    Ok(Policy {
        objective,
        slots: count("slots", get("slots").unwrap_or("1"), 1, 10_000)?,
        min,
        max,
        price: number("price", get("price").unwrap_or("1"), 1e-6, 1e6)?,
        max_spend: get("max_spend").map(max_spend).transpose()?,
        group: get("group").map(Into::into),
        weight: number("weight", get("weight").unwrap_or("1"), 0.001, 1000.0)?,
        keep_alive: duration("keep_alive", get("keep_alive").unwrap_or("60s"), 0.0, 86_400.0)?,
        timezone: get("timezone").filter(|name| *name != "UTC").map(Into::into),
        budget: number("budget", get("budget").unwrap_or("0.25"), 0.0, 10.0)?,
        ..Policy::default()
    })
}

fn known(name: &str) -> Result<(), PolicyError> {
    if LATER.contains(&name) {
        return Err(wrong(name, "not in this version".to_owned()));
    }
    if POLICY_KEYS.iter().any(|key| key.name == name) {
        return Ok(());
    }
    let all = POLICY_KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
    Err(wrong(name, format!("no such policy key; there are {all}")))
}

fn allowed((name, texts): (String, Texts)) -> Result<(String, Allowed), PolicyError> {
    known(&name)?;
    let bound = |text: &str| seconds(text).map_err(|what| wrong(&name, what));
    let allowed = match texts.0.as_slice() {
        [any] if any == "any" => Allowed::Any,
        [low, high] if name == "max_spend" => {
            let (low, high) = (max_spend(low)?, max_spend(high)?);
            if !same(low.period, high.period) {
                return Err(wrong(&name, "both bounds are per the same period".to_owned()));
            }
            Allowed::SpendBetween(low.amount, high.amount, high.period)
        }
        [low, high] => Allowed::Between(bound(low)?, bound(high)?),
        _ => return Err(wrong(&name, "write any, or the bounds [LOW, HIGH]".to_owned())),
    };
    Ok((name, allowed))
}

fn wrong(key: &str, what: String) -> PolicyError {
    PolicyError { key: key.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_docs_are_the_defaults() {
        let written = POLICY_KEYS
            .iter()
            .filter(|key| key.default != "none")
            .map(|key| format!("{}: {}\n", key.name, key.default.trim_matches('`')));
        assert_eq!(
            PolicyConfig::from_yaml(&written.collect::<String>()).unwrap().policy(),
            PolicyConfig::default().policy()
        );
    }

    #[test]
    fn a_wrong_key_or_value_says_what_would_be_right() {
        for (text, wanted) in [
            ("worht: 3", "worht: no such policy key; there are objective, worth"),
            ("calendar: 3", "calendar: not in this version"),
            ("max_spend: 3", "max_spend: \"3\" is not an amount and its period, such as 50/day"),
            ("weight: 0", "weight: 0 is out of range (0.001 to 1000)"),
            ("max_spend: 0/day", "max_spend: \"0/day\" is not an amount"),
            ("max_spend: 5/10m", "max_spend: 600 is out of range (over 0, per `hour`"),
            ("tenant_may: { max_spend: [1/day, 9/week] }", "max_spend: both bounds are per the same period"),
            ("worth: much", "worth: \"much\" is not a number"),
            ("worth: -1", "worth: -1 is out of range (0.001 to 1000)"),
            ("slots: 0", "slots: 0 is out of range (1 to 10000)"),
            ("slots: 1.5", "slots: \"1.5\" is not a whole number"),
            ("wait: 2 parsecs", "wait: \"2 parsecs\" is not a duration"),
            ("objective: speed", "objective: \"speed\" is neither cost nor wait"),
            ("{ min: 5, max: 2 }", "max: it is below min (5)"),
            ("timezone: Mars/Olympus", "timezone: \"Mars/Olympus\" is no IANA time zone"),
            ("tenant_may: { worth: [1] }", "worth: write any, or the bounds [LOW, HIGH]"),
        ] {
            let error = PolicyConfig::from_yaml(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn a_ref_changes_only_what_the_policy_opens_to_it() {
        let config = PolicyConfig::from_yaml(
            "{ slots: 2, tenant_may: { worth: [0.1, 10], keep_alive: [0s, 5m], slots: any, max_spend: [1/day, 50/day] } }",
        )
        .unwrap();
        let with = |name, value| config.with_overrides(&BTreeMap::from([(name, value)]));
        assert_eq!(with("slots", "4").unwrap().slots, 4);
        assert!((with("keep_alive", "2m").unwrap().keep_alive - 120.0).abs() < f64::EPSILON);
        assert!(with("worth", "11").unwrap_err().to_string().contains("outside 0.1 to 10"));
        let day = crate::sizing::MaxSpend { amount: 50.0, period: 86_400.0 };
        assert_eq!(with("max_spend", "50/24h").unwrap().max_spend, Some(day));
        assert!(with("max_spend", "51/day").unwrap_err().to_string().contains("outside 1 to 50"));
        assert!(with("max_spend", "50/week").unwrap_err().to_string().contains("not per 86400 s"));
        assert!(with("max", "9").unwrap_err().to_string().contains("tenant_may"));
    }
}
