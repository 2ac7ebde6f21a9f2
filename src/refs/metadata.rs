//! A trigger's metadata: from strings that a tenant wrote to a checked ref.

use std::collections::BTreeMap;

use crate::{
    config::{Config, policy, source::SourceConfig},
    refs::{Caller, RefKey},
    series::QueueKey,
    sizing::{Mode, Policy, Strategy},
};

/// Keys that are KEDA's own: they say how to reach us, not what is asked.
pub const KEDAS_OWN_KEYS: &[&str] = &["scalerAddress", "enableTLS", "unsafeSsl"];

/// KEDA resolves keys that end so from the environment of the scale target.
const FROM_ENV: &str = "FromEnv";

/// A name longer than this is a mistake.
const LONGEST_NAME: usize = 512;

/// Queues in one sum at most.
const MOST_QUEUES: usize = 64;

/// One metadata key as the docs show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataKey {
    /// The key.
    pub name: &'static str,
    /// What it may be.
    pub values: &'static str,
    /// What it means, in one sentence.
    pub about: &'static str,
}

/// The metadata keys beside the policy's, in the order of the docs.
pub const METADATA_KEYS: &[MetadataKey] = &[
    MetadataKey {
        name: "source",
        values: "a name under `sources:`",
        about: "The store; may be left out where only one is configured.",
    },
    MetadataKey {
        name: "layout",
        values: "a name under `layouts:`, or a preset that needs no parameter",
        about: "How the queue lies in the store; may be left out where the source has only one layout configured.",
    },
    MetadataKey {
        name: "queue",
        values: "a name, or several joined by commas",
        about: "The queue; of several the sum is meant.",
    },
    MetadataKey {
        name: "policy",
        values: "a name under `policies:`",
        about: "The policy; `default` where it is left out.",
    },
    MetadataKey {
        name: "mode",
        values: "`workers`, `jobs`",
        about: "`workers` (default) for a ScaledObject, `jobs` for a ScaledJob: the value is the real queue, nothing is held.",
    },
    MetadataKey {
        name: "strategy",
        values: "`default`, `accurate`, `eager`",
        about: "With `mode: jobs`: the ScaledJob's own strategy, which says what the value must count.",
    },
];

/// What a ref asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct RefSpec {
    /// The queue.
    pub queue: QueueKey,
    /// The policy with the ref's own keys over it.
    pub policy: Policy,
}

/// What is wrong with a ref's metadata. Holds keys and the operator's names, and of values only those
/// that cannot be secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("metadata {key}: {what}")]
pub struct RefError {
    /// The key at fault.
    pub key: String,
    /// What is wrong with it and what would be right.
    pub what: String,
}

/// Checks a ref against the configuration. Keys that nobody knows are returned beside it, to be
/// warned about.
///
/// # Errors
/// Names the key at fault and what would be right.
pub fn resolve<'k>(
    key: &'k RefKey,
    config: &Config,
    caller: Caller,
) -> Result<(RefSpec, Vec<&'k str>), RefError> {
    check(key, config, caller).map_err(|error| {
        // What KEDA took from a container's environment may be a secret put into the wrong key.
        let from_env =
            key.metadata.iter().any(|(name, _)| name.strip_suffix(FROM_ENV) == Some(error.key.as_str()));
        if from_env {
            wrong(&error.key, "the value from the environment is not a right one".to_owned())
        } else {
            error
        }
    })
}

fn check<'k>(key: &'k RefKey, config: &Config, caller: Caller) -> Result<(RefSpec, Vec<&'k str>), RefError> {
    let given = given(key);
    let get = |name: &str| given.get(name).copied().filter(|value| !value.is_empty());

    let source = find_source(get("source"), config)?;
    let layout = find_layout(get("layout"), source)?;
    let names = queue_names(get("queue"))?;
    let barred = |name: &&String| caller.is_tenant() && !source.access.allows(&key.namespace, name);
    if let Some(name) = names.iter().find(barred) {
        let what = format!(
            "source {} does not let namespace {} use queue {name:?} (namespaces)",
            source.name, key.namespace
        );
        return Err(wrong("queue", what));
    }
    let policy_name = get("policy").unwrap_or("default");
    let base = config
        .policies
        .get(policy_name)
        .ok_or_else(|| unknown("policy", policy_name, config.policies.keys()))?;
    let own = given
        .iter()
        .filter(|(name, _)| policy::is_policy_key(name))
        .map(|(name, value)| (*name, *value))
        .collect();
    let policy = base
        .with_overrides(&own)
        .and_then(|own| policy::check_group(&own, &config.groups).map(|()| own))
        .map_err(|error| RefError { key: error.key, what: error.what })?;
    let mode = mode(get("mode"), get("strategy"))?;

    let known = |name: &str| METADATA_KEYS.iter().any(|key| key.name == name) || policy::is_policy_key(name);
    let strangers = given.keys().filter(|name| !known(name)).copied().collect();
    let queue = QueueKey { source: source.name.clone(), layout: layout.to_owned(), names };
    Ok((RefSpec { queue, policy: Policy { mode, ..policy } }, strangers))
}

/// The metadata by key; `queueFromEnv` counts as `queue` where that is not given itself.
fn given(key: &RefKey) -> BTreeMap<&str, &str> {
    let mut given = BTreeMap::new();
    for (name, value) in &key.metadata {
        match name.strip_suffix(FROM_ENV) {
            Some(stem) => drop(given.entry(stem).or_insert(value.as_str())),
            None => drop(given.insert(name.as_str(), value.as_str())),
        }
    }
    given
}

fn find_source<'c>(name: Option<&str>, config: &'c Config) -> Result<&'c SourceConfig, RefError> {
    match name {
        Some(name) => config.sources.get(name).ok_or_else(|| unknown("source", name, config.sources.keys())),
        None if config.sources.len() == 1 => {
            Ok(config.sources.values().next().expect("there is exactly one, as the guard says"))
        }
        None => Err(wrong("source", format!("missing; there are {}", list(config.sources.keys())))),
    }
}

fn find_layout<'c>(name: Option<&str>, source: &'c SourceConfig) -> Result<&'c str, RefError> {
    let names = || source.layouts.iter().map(|layout| &layout.name);
    if let Some(name) = name {
        return source
            .layout(name)
            .map(|layout| layout.name.as_str())
            .ok_or_else(|| unknown("layout", name, names()));
    }
    // Presets that are layouts without being configured are no choice beside one that is.
    let mut configured = source.layouts.iter().filter(|layout| !layout.implied);
    match (configured.next(), configured.next(), source.layouts.as_slice()) {
        (Some(only), None, _) | (None, None, [only]) => Ok(&only.name),
        _ => Err(wrong("layout", format!("missing; source {} has {}", source.name, list(names())))),
    }
}

fn queue_names(text: Option<&str>) -> Result<Vec<String>, RefError> {
    let text = text
        .ok_or_else(|| wrong("queue", "missing: name the queue, or several joined by commas".to_owned()))?;
    let mut names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() > MOST_QUEUES {
        return Err(wrong("queue", format!("{} queues in one sum; {MOST_QUEUES} at most", names.len())));
    }
    match names.iter().find(|name| name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0')) {
        Some(name) if name.is_empty() => Err(wrong("queue", "an empty name between commas".to_owned())),
        Some(_) => {
            Err(wrong("queue", format!("a name is at most {LONGEST_NAME} bytes long and holds no NUL")))
        }
        None => Ok(names),
    }
}

fn mode(mode: Option<&str>, strategy: Option<&str>) -> Result<Mode, RefError> {
    match (mode.unwrap_or("workers"), strategy) {
        ("workers", None) => Ok(Mode::Workers),
        ("workers", Some(_)) => Err(wrong("strategy", "goes with mode: jobs only".to_owned())),
        ("jobs", None | Some("default")) => Ok(Mode::Jobs(Strategy::Default)),
        ("jobs", Some("accurate")) => Ok(Mode::Jobs(Strategy::Accurate)),
        ("jobs", Some("eager")) => Ok(Mode::Jobs(Strategy::Eager)),
        ("jobs", Some(_)) => {
            Err(wrong("strategy", "is default, accurate or eager, as in the ScaledJob".to_owned()))
        }
        _ => Err(wrong("mode", "is workers or jobs".to_owned())),
    }
}

fn unknown<'a>(key: &str, name: &str, known: impl Iterator<Item = &'a String>) -> RefError {
    let shown: String = name.chars().take(80).collect();
    wrong(key, format!("nothing is called {shown:?}; there are {}", list(known)))
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let all = names.map(String::as_str).collect::<Vec<_>>().join(", ");
    if all.is_empty() { "none".to_owned() } else { all }
}

fn wrong(key: &str, what: String) -> RefError {
    RefError { key: key.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, proptest};

    use super::*;

    const CONFIG: &str = "sources: { jobs: { redis: { host: h }, namespaces: { \"*\": [\"*\"] } } }\npolicies: { default: { tenant_may: { slots: any, keep_alive: any, max: [1, 5] } } }";

    proptest! {
        /// Whatever a tenant writes: a checked ref or an error that names a key, and no panic.
        #[test]
        fn any_metadata_is_a_ref_or_an_error_that_names_a_key(
            pairs in prop::collection::vec(("(source|layout|queue|policy|mode|strategy|slots|max|keep_alive|queueFromEnv|\\PC{0,12})", "(jobs|redis-list|a,b|default|workers|eager|[0-9]{1,30}|\\PC{0,40})"), 0..8),
        ) {
            let config = Config::from_yaml("test", CONFIG).unwrap();
            let key = RefKey::new("ns".into(), "so".into(), pairs);
            match resolve(&key, &config, Caller::Keda) {
                Ok((spec, _)) => prop_assert!(!spec.queue.names.is_empty() && spec.policy.slots >= 1),
                Err(error) => prop_assert!(!error.key.is_empty() && !error.what.is_empty()),
            }
        }
    }

    #[test]
    fn a_ref_joins_a_group_that_is_there_where_it_may() {
        let text = CONFIG.replace("slots: any,", "slots: any, group: any, weight: [0.1, 2],")
            + "\ngroups: { gpu: { max: 5 } }";
        let config = Config::from_yaml("test", &text).unwrap();
        let with = |key: &str, value: &str| {
            let own = [("queue", "q"), ("layout", "redis-list"), (key, value)];
            let key = RefKey::new("ns".into(), "so".into(), own.map(|(k, v)| (k.into(), v.into())));
            resolve(&key, &config, Caller::Keda)
                .map(|(spec, _)| spec.policy)
                .map_err(|error| error.to_string())
        };
        assert_eq!(with("group", "gpu").unwrap().group.as_deref(), Some("gpu"));
        assert_eq!(
            with("group", "cpu").unwrap_err(),
            "metadata group: no group is called \"cpu\"; there are gpu (groups)"
        );
        assert!(with("weight", "3").unwrap_err().contains("outside 0.1 to 2"));
    }

    #[test]
    fn the_operators_watch_needs_no_namespace() {
        let config = Config::from_yaml("test", "sources: { jobs: { redis: { host: h } } }").unwrap();
        let key = RefKey::new(
            "ns".into(),
            "so".into(),
            [("queue", "q"), ("layout", "redis-list")].map(|(k, v)| (k.into(), v.into())),
        );
        assert!(resolve(&key, &config, Caller::Operator).is_ok());
        assert!(resolve(&key, &config, Caller::Keda).unwrap_err().what.contains("does not let namespace ns"));
    }
}
