//! Presets: how one framework or pattern lays its queues out, as data files.
//!
//! A preset's file names its parameters and, under the store's own key, what to read. Adding a
//! framework is adding a file; only what no template can say is code, in the store's room.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use crate::{
    config::{source::Parameters, text::Texts},
    source::{postgres, redis},
};

/// A preset, as its file describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The name that a layout gives as `preset:`.
    pub preset: String,
    /// What it is for, in one sentence.
    pub about: String,
    /// Whether a layout of this preset can see the jobs that workers hold: `always`, `never`, or the
    /// parameter that makes it so.
    pub sees_in_flight: String,
    /// Its parameters, in the order of the docs.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// What a Redis source reads.
    pub redis: Option<redis::Recipe>,
    /// What a Postgres source reads.
    pub postgres: Option<postgres::Recipe>,
}

/// One parameter of a preset.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The key in the layout.
    pub name: String,
    /// Its value where the layout is silent; a parameter without one is optional or required.
    pub default: Option<Texts>,
    /// Whether a layout must give it.
    #[serde(default)]
    pub required: bool,
    /// What it means, in one sentence.
    pub about: String,
}

/// The kinds of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Redis, Valkey and what speaks like them.
    Redis,
    /// Postgres.
    Postgres,
}

impl Preset {
    /// The kind of store that it lies in.
    pub fn store(&self) -> Store {
        if self.postgres.is_some() { Store::Postgres } else { Store::Redis }
    }

    /// Whether the store still knows a queue that has run dry, so that `missing_queue: error` can be told.
    pub fn keeps_empty_queues(&self) -> bool {
        self.redis.as_ref().is_none_or(redis::Recipe::keeps_empty_queues)
    }

    /// Fills in defaults and refuses unknown and missing parameters.
    ///
    /// # Errors
    /// Names the parameter at fault and those that the preset knows.
    pub fn complete(&self, given: BTreeMap<String, Vec<String>>) -> Result<Parameters, ParameterError> {
        if let Some(unknown) = given.keys().find(|key| !self.parameters.iter().any(|p| p.name == **key)) {
            let known = self.parameters.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(ParameterError {
                key: unknown.clone(),
                what: format!("no such parameter; {} knows {known}", self.preset),
            });
        }
        let mut all = given;
        for parameter in &self.parameters {
            if all.contains_key(&parameter.name) {
                continue;
            }
            match &parameter.default {
                Some(default) => drop(all.insert(parameter.name.clone(), default.0.clone())),
                None if parameter.required => {
                    let what = format!("missing: {}", parameter.about);
                    return Err(ParameterError { key: parameter.name.clone(), what });
                }
                None => {}
            }
        }
        Ok(Parameters(all))
    }
}

/// A parameter that a layout gives wrongly or not at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct ParameterError {
    /// The parameter.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
}

/// Every preset of this version, by name.
pub static PRESETS: LazyLock<BTreeMap<String, Preset>> = LazyLock::new(|| {
    [
        include_str!("presets/redis-list.yaml"),
        include_str!("presets/redis-zset.yaml"),
        include_str!("presets/redis-stream.yaml"),
        include_str!("presets/pg-table.yaml"),
    ]
    .into_iter()
    .map(|text| {
        let preset: Preset =
            serde_saphyr::from_str(text).expect("a bundled preset parses: a test reads each");
        (preset.preset.clone(), preset)
    })
    .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_preset_parses_and_lies_in_one_store() {
        assert!(PRESETS.len() >= 4);
        for preset in PRESETS.values() {
            assert!(preset.redis.is_some() != preset.postgres.is_some(), "{}", preset.preset);
        }
    }

    #[test]
    fn a_parameter_with_a_typo_is_named_with_those_that_exist() {
        let given = BTreeMap::from([("proccessing".to_owned(), vec!["x".to_owned()])]);
        let error = PRESETS["redis-list"].complete(given).unwrap_err().to_string();
        assert!(error.contains("proccessing: no such parameter") && error.contains("processing"), "{error}");
    }
}
