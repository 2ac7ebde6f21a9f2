//! The policies that are searched: one line a dimension.

use std::{collections::BTreeMap, fmt};

use anyhow::{anyhow, ensure};
use foresail::{
    config::{
        policy::{POLICY_KEYS, PolicyConfig},
        text,
    },
    sizing::Policy,
};
use serde::{Deserialize, Serialize};

/// What `tune` searches.
pub(crate) const SPACE: &[Dimension] = &[
    Dimension::from_zero("keep_alive", Unit::Seconds, 10.0, 7200.0),
    Dimension::from_zero("budget", Unit::Number, 0.05, 2.0),
    Dimension::from_zero("min", Unit::Workers, 1.0, 20.0),
    Dimension::choice("objective", &["cost", "wait"]),
    Dimension::log("worth", Unit::Number, 0.1, 100.0).when("objective", "cost"),
    Dimension::log("wait", Unit::Seconds, 5.0, 1800.0).when("objective", "wait"),
    Dimension::linear("quantile", Unit::Number, 0.5, 0.99).when("objective", "wait"),
];

/// A policy key and the values that it may get. A place on it is a number from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dimension {
    key: &'static str,
    values: Values,
    /// Another key, and what that has to be for this one to have a meaning.
    when: Option<(&'static str, &'static str)>,
}

#[derive(Clone, Copy, Debug)]
enum Values {
    Choice(&'static [&'static str]),
    Range { unit: Unit, scale: Scale, high: f64 },
}

/// How places are spread over a range.
#[derive(Clone, Copy, Debug)]
enum Scale {
    Linear { low: f64 },
    Log { low: f64 },
    FromZero { step: f64 },
}

/// What a number of a range counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Written with an `s`, to two digits.
    Seconds,
    /// To two digits.
    Number,
    /// Whole.
    Workers,
}

impl Dimension {
    /// From `low` to `high`, all parts alike.
    pub(crate) const fn linear(key: &'static str, unit: Unit, low: f64, high: f64) -> Self {
        Self { key, values: Values::Range { unit, scale: Scale::Linear { low }, high }, when: None }
    }

    /// From `low` (above 0) to `high`, every doubling alike.
    pub(crate) const fn log(key: &'static str, unit: Unit, low: f64, high: f64) -> Self {
        Self { key, values: Values::Range { unit, scale: Scale::Log { low }, high }, when: None }
    }

    /// From 0 to `high`: below `step` about linear, above it about every doubling alike.
    pub(crate) const fn from_zero(key: &'static str, unit: Unit, step: f64, high: f64) -> Self {
        Self { key, values: Values::Range { unit, scale: Scale::FromZero { step }, high }, when: None }
    }

    /// One of some words.
    pub(crate) const fn choice(key: &'static str, words: &'static [&'static str]) -> Self {
        Self { key, values: Values::Choice(words), when: None }
    }

    /// Only where another key has this value.
    pub(crate) const fn when(self, key: &'static str, value: &'static str) -> Self {
        Self { when: Some((key, value)), ..self }
    }

    /// The value at a place, as a policy file has it.
    fn value(&self, place: f64) -> String {
        match self.values {
            Values::Choice(words) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "0 to a few words"
                )]
                let nth = (place * words.len() as f64) as usize;
                words[nth.min(words.len() - 1)].to_owned()
            }
            Values::Range { unit, scale, high } => unit.text(match scale {
                Scale::Linear { low } => low + place * (high - low),
                Scale::Log { low } => low * (high / low).powf(place),
                Scale::FromZero { step } => step * ((1.0 + high / step).powf(place) - 1.0),
            }),
        }
    }

    /// The place of a value that is written as in a policy file; the nearest end for one outside.
    fn place(&self, value: &str) -> f64 {
        match self.values {
            Values::Choice(words) => {
                let nth = words.iter().position(|&word| word == value).unwrap_or(0);
                (nth as f64 + 0.5) / words.len() as f64
            }
            Values::Range { scale, high, .. } => {
                let value = number(value).unwrap_or(0.0);
                let place = match scale {
                    Scale::Linear { low } => (value - low) / (high - low),
                    Scale::Log { low } => (value / low).ln() / (high / low).ln(),
                    Scale::FromZero { step } => (value / step).ln_1p() / (high / step).ln_1p(),
                };
                place.clamp(0.0, 1.0)
            }
        }
    }

    /// The default, written as [`Self::value`] writes it.
    fn default(&self) -> String {
        let key = POLICY_KEYS.iter().find(|key| key.name == self.key);
        let written = key.expect("a test asks for every key of the space").default.trim_matches('`');
        match self.values {
            Values::Choice(_) => written.to_owned(),
            Values::Range { unit, .. } => {
                number(written).map_or_else(|| written.to_owned(), |n| unit.text(n))
            }
        }
    }
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{}s", two_digits(value)),
            Self::Number => two_digits(value).to_string(),
            Self::Workers => value.round().to_string(),
        }
    }
}

/// Rounded to two digits that count: nobody can tell 86 s from 86.3 s.
fn two_digits(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}

fn number(text: &str) -> Option<f64> {
    text::seconds(text).ok()
}

/// The dimensions that are searched, and the keys that are held.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    dimensions: Vec<Dimension>,
    base: Configuration,
}

/// The keys of a policy that differ from the defaults, and those that are held, each as a file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Configuration(BTreeMap<String, String>);

/// A place in the space, and the policy there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// By dimension, 0 to 1.
    pub(crate) place: Vec<f64>,
    pub(crate) policy: Configuration,
}

impl Space {
    /// These dimensions, without those whose keys are held.
    ///
    /// # Errors
    /// Where a key that is held is none, or its value is wrong.
    pub(crate) fn new(dimensions: &[Dimension], held: &[Held]) -> anyhow::Result<Self> {
        let base =
            Configuration(held.iter().map(|Held { key, value }| (key.clone(), value.clone())).collect());
        ensure!(base.0.len() == held.len(), "--hold gives a key twice");
        base.parse().map_err(|what| anyhow!("--hold {what}"))?;
        let free = |dimension: &&Dimension| !base.0.contains_key(dimension.key);
        let dimensions: Vec<Dimension> = dimensions.iter().filter(free).copied().collect();
        ensure!(!dimensions.is_empty(), "--hold leaves no key to tune");
        Ok(Self { dimensions, base })
    }

    /// The defaults, with the keys that are held.
    pub(crate) fn defaults(&self) -> Candidate {
        let place = self.dimensions.iter().map(|dimension| dimension.place(&dimension.default())).collect();
        Candidate { place, policy: self.base.clone() }
    }

    /// What stands at a place; `None` where its values do not go together.
    pub(crate) fn candidate(&self, place: Vec<f64>) -> Option<Candidate> {
        let mut all = self.base.0.clone();
        for (dimension, &at) in self.dimensions.iter().zip(&place) {
            if dimension.when.is_none_or(|(key, wanted)| all.get(key).is_some_and(|value| value == wanted)) {
                all.insert(dimension.key.to_owned(), dimension.value(at));
            }
        }
        for dimension in &self.dimensions {
            if all.get(dimension.key).is_some_and(|value| *value == dimension.default()) {
                all.remove(dimension.key);
            }
        }
        let policy = Configuration(all);
        policy.parse().is_ok().then_some(Candidate { place, policy })
    }

    /// The candidate with one key less that differs from the default, for each such key.
    pub(crate) fn simpler(&self, candidate: &Candidate) -> Vec<Candidate> {
        let differs = |&nth: &usize| candidate.policy.0.contains_key(self.dimensions[nth].key);
        let without = |nth: usize| {
            let mut place = candidate.place.clone();
            place[nth] = self.dimensions[nth].place(&self.dimensions[nth].default());
            self.candidate(place)
        };
        (0..self.dimensions.len()).filter(differs).filter_map(without).collect()
    }

    /// Dimensions that are searched.
    pub(crate) fn len(&self) -> usize {
        self.dimensions.len()
    }

    /// Their keys and ranges, for whoever has to know whether two searches are the same.
    pub(crate) fn describe(&self) -> String {
        let ends = |dimension: &Dimension| match dimension.values {
            Values::Choice(words) => format!("{} {}", dimension.key, words.join(" or ")),
            Values::Range { .. } => {
                format!("{} {} to {}", dimension.key, dimension.value(0.0), dimension.value(1.0))
            }
        };
        self.dimensions.iter().map(ends).collect::<Vec<_>>().join(", ")
    }
}

impl Configuration {
    /// The policy.
    pub(crate) fn policy(&self) -> Policy {
        self.parse().expect("a configuration that was made was parsed then")
    }

    fn parse(&self) -> Result<Policy, String> {
        PolicyConfig::from_yaml(&self.yaml()).map(|config| config.policy().clone())
    }

    /// As a policy file has it.
    pub(crate) fn yaml(&self) -> String {
        let line = |(key, value): (&String, &String)| format!("{key}: {}\n", scalar(value));
        self.0.iter().map(line).collect()
    }
}

/// A YAML scalar: quoted where it could be read as anything else.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_' | '-' | '+');
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain);
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

impl fmt::Display for Configuration {
    /// In one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "the defaults");
        }
        let keys = self.0.iter().map(|(key, value)| format!("{key}: {value}"));
        write!(f, "{}", keys.collect::<Vec<_>>().join(", "))
    }
}

/// A key that is not searched.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    key: String,
    value: String,
}

impl std::str::FromStr for Held {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as min=0")?;
        Ok(Self { key: key.trim().to_owned(), value: value.trim().to_owned() })
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(held: &[&str]) -> anyhow::Result<Space> {
        let held: Vec<Held> = held.iter().map(|text| text.parse().expect("a key and a value")).collect();
        Space::new(SPACE, &held)
    }

    #[test]
    fn every_dimension_is_a_key_whose_values_a_policy_takes_from_end_to_end() {
        for dimension in SPACE {
            let key = POLICY_KEYS.iter().find(|key| key.name == dimension.key);
            assert!(key.is_some(), "there is no policy key {}", dimension.key);
            for place in [0.0, 0.3, 1.0] {
                let value = dimension.value(place);
                let keys = BTreeMap::from([(dimension.key.to_owned(), value.clone())]);
                Configuration(keys).parse().unwrap_or_else(|what| panic!("{}: {what}", dimension.key));
                // To the rounding of what is written.
                let again = dimension.value(dimension.place(&value));
                assert_eq!(again, value, "{}: a place and its value belong together", dimension.key);
            }
            let default = dimension.default();
            assert_eq!(
                dimension.value(dimension.place(&default)),
                default,
                "{} can be at its default",
                dimension.key
            );
        }
    }

    #[test]
    fn a_configuration_says_only_what_differs_and_what_has_a_meaning() {
        let space = space(&[]).unwrap();
        let defaults = space.defaults();
        assert_eq!(space.candidate(defaults.place.clone()).unwrap(), defaults);
        assert_eq!(defaults.policy.yaml(), "");
        let at = |place: [f64; 7]| space.candidate(place.to_vec()).unwrap().policy.to_string();
        assert_eq!(at([0.0, 0.0, 0.0, 0.0, 1.0, 0.5, 0.5]), "budget: 0, keep_alive: 0s, worth: 100");
        assert_eq!(
            at([1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]),
            "budget: 2, keep_alive: 7200s, min: 20, objective: wait, quantile: 0.5, wait: 5s"
        );
        let simpler: Vec<String> = space
            .simpler(&space.candidate(vec![0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5]).unwrap())
            .iter()
            .map(|candidate| candidate.policy.to_string())
            .collect();
        assert_eq!(simpler.len(), 5, "{simpler:?}");
        assert_eq!(simpler[2], "budget: 0, keep_alive: 0s, worth: 0.1");
    }

    #[test]
    fn what_is_held_is_not_searched_and_a_wrong_key_is_named() {
        let held = space(&["min=0", "objective=wait", "slots=4"]).unwrap();
        assert_eq!(held.len(), 5);
        let policy = held.candidate(vec![0.0; 5]).unwrap().policy;
        assert_eq!(
            policy.to_string(),
            "budget: 0, keep_alive: 0s, min: 0, objective: wait, quantile: 0.5, slots: 4, wait: 5s"
        );
        for (wrong, wanted) in
            [("worht=3", "no such policy key"), ("min=-1", "min: \"-1\" is not a whole number")]
        {
            let said = space(&[wrong]).unwrap_err().to_string();
            assert!(said.starts_with("--hold ") && said.contains(wanted), "{said}");
        }
    }
}
