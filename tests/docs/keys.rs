//! The keys that stand in tables written by hand: each exists, and each that exists is there.

use std::collections::BTreeSet;
use std::fs;

use foresail::{
    series::{Depth, Quality},
    sizing::{Ahead, Falling, Why, Workload},
    workloads::{OBSERVED, TRAPS},
};
use regex::Regex;

use super::pages::{difference, page, pages, root, source};

/// Where the structs of the configuration's file stand.
const CONFIGURATION: [&str; 3] = ["src/config.rs", "src/config/raw.rs", "src/config/source.rs"];

/// The keys of a policy are no fields: their table is generated.
const GENERATED: &str = "RawPolicy";

#[test]
fn every_key_of_the_configuration_is_documented_and_every_documented_key_exists() {
    let page = page("docs/configuration.md");
    let structs: Vec<(String, BTreeSet<String>)> =
        CONFIGURATION.iter().flat_map(|path| deserialized_structs(&source(path))).collect();
    assert!(structs.len() >= 12, "{structs:?}");
    let mut faults = Vec::new();
    for (name, fields) in structs.iter().filter(|(name, _)| name != GENERATED) {
        let documented = page.keys_after(&format!("keys: {name}"));
        faults.extend(difference(&documented, fields).iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(faults.is_empty(), "docs/configuration.md: {faults:#?}");
    let markers = Regex::new(r"<!-- keys: (\w+) -->").unwrap();
    for found in markers.captures_iter(&page.text) {
        assert!(structs.iter().any(|(name, _)| *name == found[1]), "there is no struct {}", &found[1]);
    }
}

#[test]
fn every_column_of_a_query_is_documented() {
    let columns = source("src/source/postgres/row.rs");
    let list = Regex::new(r"const COLUMNS: \[&str; \d+\] = \[([^\]]*)\]").unwrap();
    let in_code = strings(&list.captures(&columns).unwrap()[1]);
    let documented = page("docs/configuration.md").keys_after("columns");
    assert_eq!(difference(&documented, &in_code), Vec::<String>::new());
}

#[test]
fn every_field_of_the_why_line_is_documented() {
    let depth = Depth {
        waiting: 1,
        in_flight: Some(1),
        draining: 1,
        stuck: 1,
        busy_workers: Some(1),
        scheduled: Some(1),
        oldest_age: Some(1.0),
        quality: Quality::Sampled,
    };
    let why = Why {
        budget: Some(9),
        target: 1,
        reason: "reactive",
        depth: Some(depth),
        slots: 2,
        shared_work: Some((1.0, 1.0)),
        infeasible: true,
        ahead: Some(Ahead { workers: 1, expected: 1.0, seconds: 1.0, skill: 0.5, spent: 0.1 }),
        hint: 1,
        hold: Some(1.0),
        no_fall: Some("failed-sample"),
        floor: Some(1),
        max: Some(1),
        max_spend: Some(1),
        group: Some(1),
        min: Some(1),
        object_max: true,
        object_min: true,
        fall: Some(Falling::Pending),
        workload: Some(Workload {
            ready: Some(1),
            starting: Some(1),
            terminating: Some(1),
            min: Some(1),
            max: Some(1),
            ..Workload::default()
        }),
        shared: 2,
        never_seen: true,
    };
    let line = why.to_string();
    let in_code = line
        .split(' ')
        .map(|field| field.split_once('=').map_or(field.to_owned(), |(name, _)| format!("{name}=")))
        .collect();
    let page = page("docs/decisions.md");
    assert_eq!(difference(&page.keys_after("why fields"), &in_code), Vec::<String>::new(), "{line}");

    let words = Regex::new(r#"Self::\w+ => "([a-z-]+)""#).unwrap();
    let series = source("src/series.rs");
    let mut no_fall: Vec<&str> =
        words.captures_iter(&series).map(|found| found.extract::<1>().1[0]).collect();
    no_fall.push("in-flight-unseen");
    assert!(no_fall.len() >= 4);
    for word in no_fall {
        assert!(page.text.contains(&format!("| `{word}` |")), "{word} is not documented");
    }
}

#[test]
fn every_trap_is_documented() {
    let documented = page("docs/kubernetes.md").keys_after("traps");
    let mut in_code: BTreeSet<String> = TRAPS.iter().map(|trap| trap.name.to_owned()).collect();
    in_code.extend(OBSERVED.iter().map(|observed| observed.name.to_owned()));
    in_code.insert("wrong-metadata".to_owned());
    assert_eq!(difference(&documented, &in_code), Vec::<String>::new());
}

#[test]
fn every_key_of_the_filter_is_documented() {
    let code = source("src/commands/decide.rs");
    let page = page("docs/decide.md");
    let line = body_of(&code, "struct Line {").lines().filter_map(field).collect();
    assert_eq!(difference(&page.keys_after("decide input"), &line), Vec::<String>::new());
    let decided = body_of(&code, "Decided {").split(',').filter_map(field).collect();
    assert_eq!(difference(&page.keys_after("decide output"), &decided), Vec::<String>::new());
}

#[test]
fn every_room_stands_in_the_architecture_and_every_test_that_it_names_exists() {
    let architecture = page("ARCHITECTURE.md").text;
    for room in source("src/lib.rs").lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let link = format!("(src/{}.rs)", room.trim_end_matches(';'));
        assert!(architecture.contains(&link), "ARCHITECTURE.md has no link {link}");
    }
    let test = Regex::new(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`").unwrap();
    let code = all_code();
    let named: Vec<_> = test.captures_iter(&architecture).map(|found| found[1].to_owned()).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(
            code.contains(&format!("fn {name}(")),
            "ARCHITECTURE.md names {name}, and there is no such test"
        );
    }
}

#[test]
fn no_page_speaks_of_a_key_that_is_nowhere_in_the_code() {
    let code = all_code();
    let key = Regex::new(r"`([a-z]+(?:_[a-z]+)+)`").unwrap();
    for page in pages() {
        for found in key.captures_iter(&page.text) {
            let name = &found[1];
            // Those of the process come with the library that counts them.
            let known = code.contains(name) || name.starts_with("process_");
            assert!(known, "{}: `{name}` is nowhere in the code", page.path.display());
        }
    }
}

/// All of `src` and `tests`, presets included.
fn all_code() -> String {
    let mut folders = vec![root().join("src"), root().join("tests")];
    let mut all = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "yaml") {
                all.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    all
}

/// The structs with named fields that serde reads, with the keys that it reads them by.
fn deserialized_structs(code: &str) -> Vec<(String, BTreeSet<String>)> {
    let head = Regex::new(
        r"(?m)^#\[derive\([^)]*Deserialize\)\]\n(?:#\[serde[^\n]*\n)*pub(?:\(super\))? struct (\w+) \{",
    )
    .unwrap();
    head.captures_iter(code)
        .map(|found| {
            let body = body_of(&code[found.get(0).unwrap().start()..], "{");
            let mut keys = BTreeSet::new();
            let mut attribute = "";
            for line in body.lines().map(str::trim) {
                if line.starts_with("#[serde") {
                    attribute = line;
                } else if let Some(name) = field(line) {
                    let renamed =
                        attribute.split_once("rename = \"").and_then(|(_, rest)| rest.split('"').next());
                    if !attribute.contains("flatten") {
                        keys.insert(renamed.unwrap_or(&name).to_owned());
                    }
                    attribute = "";
                }
            }
            (found[1].to_owned(), keys)
        })
        .collect()
}

/// What stands between `head`, which ends in a brace, and the next closing brace.
fn body_of<'a>(code: &'a str, head: &str) -> &'a str {
    let (_, rest) = code.split_once(head).unwrap_or_else(|| panic!("no {head}"));
    rest.split_once('}').unwrap().0
}

/// The name of a field, as in `pub name: Type`.
fn field(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches("pub(super) ").trim_start_matches("pub ");
    let (name, _) = text.split_once(": ")?;
    name.chars().all(|c| c.is_ascii_lowercase() || c == '_').then(|| name.to_owned())
}

fn strings(list: &str) -> BTreeSet<String> {
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_autoscaler_of_the_simulator_stands_in_the_table_of_policies() {
    // Not a policy of its own.
    let parts = ["by_keda", "demand", "number"];
    let files = fs::read_dir(root().join("src/sim/autoscaler")).unwrap();
    let stem = |path: std::path::PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut in_code: BTreeSet<String> = files.map(|file| stem(file.unwrap().path())).collect();
    for part in parts {
        assert!(in_code.remove(part), "{part}");
    }
    let documented = page("docs/bench/policies.md").keys_after("policies");
    assert_eq!(difference(&documented, &in_code), Vec::<String>::new());
}
