//! Every configuration loads, every trigger resolves, every object says what Foresail recommends.

use std::{fs, path::PathBuf};

use foresail::{
    config::{Config, policy::PolicyConfig, source::StoreConfig},
    refs::{self, Caller, RefKey},
    source::{postgres::PostgresSource, redis::RedisSource},
};
use serde_json::Value;

use super::pages::{Block, Page, pages, root, source};

/// What triggers are held against on a page without a configuration.
const EXAMPLE: &str = "examples/foresail.yaml";

/// What a YAML text is.
#[derive(Debug)]
enum Kind {
    Config,
    Policy,
    Objects(Vec<Value>),
}

#[test]
fn every_configuration_in_the_documentation_is_valid() {
    let mut configs = 0;
    for block in blocks() {
        match kind(&block) {
            Kind::Config => {
                configs += 1;
                config(&block);
            }
            Kind::Policy => {
                PolicyConfig::from_yaml(&block.text)
                    .unwrap_or_else(|error| panic!("{}: {error}", block.place()));
            }
            Kind::Objects(_) => {}
        }
    }
    assert!(configs >= 5, "{configs}");
}

#[test]
fn every_trigger_in_the_documentation_resolves() {
    let mut triggers = 0;
    for block in blocks() {
        let Kind::Objects(objects) = kind(&block) else { continue };
        let config = config_beside(&block);
        for object in objects {
            let text =
                |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
            for trigger in object.pointer("/spec/triggers").and_then(Value::as_array).unwrap() {
                triggers += 1;
                let metadata = trigger["metadata"].as_object().unwrap();
                assert!(metadata.contains_key("scalerAddress"), "{}: no scalerAddress", block.place());
                let pairs = metadata.iter().map(|(key, value)| {
                    let value =
                        value.as_str().unwrap_or_else(|| panic!("{}: {key} is no string", block.place()));
                    (key.clone(), value.to_owned())
                });
                let key = RefKey::new(text("/metadata/namespace"), text("/metadata/name"), pairs);
                let (_, strangers) = refs::resolve(&key, &config, Caller::Keda)
                    .unwrap_or_else(|error| panic!("{}: {error}", block.place()));
                assert!(strangers.is_empty(), "{}: {strangers:?}", block.place());
            }
        }
    }
    assert!(triggers >= 7, "{triggers}");
}

#[test]
fn every_object_in_the_documentation_says_what_is_recommended() {
    for block in blocks() {
        let Kind::Objects(objects) = kind(&block) else { continue };
        for object in objects {
            let fault = match object["kind"].as_str() {
                Some("ScaledObject") => {
                    scaled_object_fault(&object, block.page.to_string_lossy().contains("without-tolerance"))
                }
                Some("ScaledJob") => scaled_job_fault(&object),
                _ => Some("an unknown kind"),
            };
            assert_eq!(fault, None, "{}", block.place());
        }
    }
}

fn scaled_object_fault(object: &Value, old_cluster: bool) -> Option<&'static str> {
    let behavior = object.pointer("/spec/advanced/horizontalPodAutoscalerConfig/behavior")?;
    let tolerance = (!old_cluster).then_some("0");
    let policies = serde_json::json!([{ "type": "Pods", "value": 1000, "periodSeconds": 15 }]);
    for direction in ["scaleUp", "scaleDown"] {
        if behavior[direction]["stabilizationWindowSeconds"] != 0 {
            return Some("the HPA holds");
        }
        if behavior[direction]["tolerance"].as_str() != tolerance {
            return Some("tolerance is wrong");
        }
    }
    let trigger = &object["spec"]["triggers"][0];
    if behavior["scaleUp"]["policies"] != policies {
        Some("scaleUp has other policies")
    } else if trigger["type"] != "external-push" || trigger["metadata"].get("mode").is_some() {
        Some("a ScaledObject's trigger is external-push, without mode")
    } else if object["spec"]["cooldownPeriod"] != 15 || object["spec"]["pollingInterval"] != 30 {
        Some("other intervals")
    } else {
        None
    }
}

fn scaled_job_fault(object: &Value) -> Option<&'static str> {
    let trigger = &object["spec"]["triggers"][0];
    if trigger["type"] != "external" || trigger["metadata"]["mode"] != "jobs" {
        Some("a ScaledJob's trigger is external, with mode: jobs")
    } else if trigger["metadata"]["strategy"] != object["spec"]["scalingStrategy"]["strategy"] {
        Some("the strategies differ")
    } else if object["spec"]["rollout"]["strategy"] != "gradual" {
        Some("an edit kills Jobs that run")
    } else if object["spec"]["pollingInterval"] != 5 {
        Some("another interval")
    } else {
        None
    }
}

/// All YAML of the pages, but for fragments, and all example files.
fn blocks() -> Vec<Block> {
    let written = pages();
    let written = written.iter().flat_map(Page::blocks).filter(|block| block.info.contains("yaml"));
    let mut blocks: Vec<_> = written.collect();
    for block in &blocks {
        assert!(
            // Values of the chart: tests/chart.rs.
            ["yaml", "yaml fragment", "yaml values", "yaml load"].contains(&block.info.as_str()),
            "{}: {}",
            block.place(),
            block.info
        );
    }
    blocks.retain(|block| block.info == "yaml");
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = PathBuf::from("examples").join(entry.unwrap().file_name());
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = source(path.to_str().unwrap());
            blocks.push(Block { page: path, line: 1, info: "yaml".to_owned(), text });
        }
    }
    blocks
}

fn kind(block: &Block) -> Kind {
    let documents: Vec<Value> = block
        .text
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{}: {error}", block.place())))
        .collect();
    let keys: Vec<_> = documents[0].as_object().unwrap().keys().map(String::as_str).collect();
    let all_of = |known: &[&str]| keys.iter().all(|key| known.contains(key));
    if keys.contains(&"apiVersion") {
        Kind::Objects(documents)
    } else if all_of(&[
        "grpc",
        "http",
        "sources",
        "policies",
        "groups",
        "kubernetes",
        "override",
        "state",
        "hints",
    ]) {
        Kind::Config
    } else if keys.iter().all(|key| foresail::config::policy::is_policy_key(key)) {
        Kind::Policy
    } else {
        panic!("{}: neither a configuration nor a policy nor an object of KEDA's: {keys:?}", block.place());
    }
}

/// The configuration, taken as far as can be without a store.
fn config(block: &Block) -> Config {
    let config = Config::from_yaml(&block.place(), &block.text).unwrap_or_else(|error| panic!("{error}"));
    for source in config.sources.values() {
        let layouts = source.layouts.clone();
        let fault = match &source.store {
            StoreConfig::Redis(redis) => {
                RedisSource::new(redis.clone(), layouts).err().map(|error| error.to_string())
            }
            StoreConfig::Postgres(postgres) => {
                PostgresSource::new(postgres.clone(), layouts).err().map(|error| error.to_string())
            }
            StoreConfig::Replay => None,
        };
        assert_eq!(fault, None, "{}: source {}", block.place(), source.name);
    }
    config
}

/// The configuration of the same page, else the example.
fn config_beside(block: &Block) -> Config {
    let sections = |other: &Block| other.text.contains("\nsources:\n");
    let same_page = blocks().into_iter().find(|other| other.page == block.page && sections(other));
    let example = || Block { page: EXAMPLE.into(), line: 1, info: "yaml".to_owned(), text: source(EXAMPLE) };
    config(&same_page.unwrap_or_else(example))
}
