//! Holds the chart and the image against the program, as far as that needs no Helm; the cluster tests install it.
//!
//! `FORESAIL_BLESS=1 cargo test --test chart` writes the chart's table of values anew.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]

use std::{env, fmt::Write as _, fs, path::Path};

use clap::Parser as _;
use foresail::{commands::Cli, config::Config};
use regex::Regex;
use serde_json::{Value, json};

const CHART: &str = "charts/foresail";
const README: &str = "charts/foresail/README.md";
const DEPLOYMENT: &str = "charts/foresail/templates/deployment.yaml";

/// Keys that need no default: a parent chart's, and those of Foresail's file that the chart leaves alone.
const WITHOUT_DEFAULT: [&str; 5] = ["enabled", "global", "config.grpc", "config.groups", "config.state"];

#[test]
fn the_defaults_every_example_and_every_page_fit_the_schema() {
    for (name, values) in all_values() {
        assert_eq!(refusal(&values), None, "{name}");
    }
    let mut shown = 0;
    for page in ["docs/install.md", "README.md", README] {
        for (line, block) in blocks(&source(page), "yaml values") {
            shown += 1;
            let values = merged(&defaults(), &yaml(&block));
            assert_eq!(refusal(&values), None, "{page}:{line}");
            config_of(&format!("{page}:{line}"), &values);
        }
    }
    assert!(shown >= 2, "{shown}");
}

#[test]
fn the_schema_refuses_what_means_nothing_and_names_it() {
    for (wrong, names) in [
        (json!({ "replica": 3 }), "replica"),
        (json!({ "replicas": "two" }), "/replicas"),
        (json!({ "replicas": 0 }), "/replicas"),
        (json!({ "image": { "digest": "sha256:1234" } }), "/image/digest"),
        (json!({ "image": { "tag": "latest" } }), "/image/tag"),
        (json!({ "bind": "127.0.0.1" }), "/bind"),
        (json!({ "config": { "kubernetes": {} } }), "kubernetes"),
        (json!({ "config": { "grpc": { "listen": "[::]:7000" } } }), "listen"),
        (json!({ "secrets": ["jobs"] }), "/secrets/0"),
        (json!({ "secrets": [{ "name": "config" }] }), "/secrets/0"),
        (
            json!({ "secrets": [{ "name": "a", "mountPath": "/etc/foresail/config" }] }),
            "/secrets/0/mountPath",
        ),
        (json!({ "kubernetes": { "namespaces": ["chem-*"] } }), "/kubernetes/namespaces/0"),
        (json!({ "kubernetes": { "addresses": ["http://foresail:6000"] } }), "/kubernetes/addresses/0"),
        (json!({ "persistence": { "accessModes": ["Often"] } }), "/persistence/accessModes/0"),
        (json!({ "persistence": { "mountPath": "/etc/foresail/config" } }), "/persistence/mountPath"),
        (json!({ "config": { "state": "some" } }), "/config/state"),
        (json!({ "config": { "hints": { "mode": "adopt" } } }), "hints"),
        (json!({ "hints": { "mode": "karpenter" } }), "/hints/mode"),
        (json!({ "hints": { "victims": "cost" } }), "/hints/victims"),
        (json!({ "hints": { "chunks": 0 } }), "/hints/chunks"),
        (json!({ "probes": { "liveness": { "period": 1 } } }), "period"),
    ] {
        let said = refusal(&merged(&defaults(), &wrong)).unwrap_or_else(|| panic!("{wrong} is taken"));
        assert!(said.contains(names), "{wrong}: {said}");
    }
}

#[test]
fn every_value_has_a_default_a_description_and_a_line_in_the_readme() {
    let (schema, defaults) = (schema(), defaults());
    let mut rows = Vec::new();
    describe(&schema, &defaults, "", &mut rows);
    assert!(rows.len() > 50, "{}", rows.len());
    let mut wanted = String::from("| value | type | default | meaning |\n|---|---|---|---|\n");
    for row in &rows {
        let _ = writeln!(wanted, "| {} |", row.map_cells().join(" | "));
    }
    let text = source(README);
    let marker = "<!-- generated: values -->\n";
    let (before, rest) = text.split_once(marker).unwrap();
    let (written, after) = rest.split_once("<!-- end -->").unwrap();
    if env::var_os("FORESAIL_BLESS").is_some() {
        fs::write(root().join(README), format!("{before}{marker}{wanted}<!-- end -->{after}")).unwrap();
    } else {
        assert!(written == wanted, "write it with FORESAIL_BLESS=1 cargo test --test chart");
    }
}

#[test]
fn foresail_takes_the_configuration_of_every_example() {
    for (name, values) in all_values() {
        config_of(&name, &values);
    }
}

#[test]
fn chart_image_and_program_are_of_one_version() {
    let chart = yaml(&source("charts/foresail/Chart.yaml"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["description"], env!("CARGO_PKG_DESCRIPTION"));
}

#[test]
fn the_program_takes_the_arguments_that_the_chart_gives() {
    let template = source(DEPLOYMENT);
    let arguments = Regex::new(r"(?m)^            - (serve|--.*)$").unwrap();
    let mut words = vec!["foresail".to_owned()];
    words.extend(arguments.captures_iter(&template).map(|found| {
        found[1]
            .replace("$(POD_IP)", "10.0.0.7")
            .replace("{{ .Values.log.format }}", defaults()["log"]["format"].as_str().unwrap())
            .replace("{{ .Values.log.level }}", defaults()["log"]["level"].as_str().unwrap())
    }));
    assert_eq!(words.len(), 6, "{words:?}");
    Cli::try_parse_from(&words).unwrap();

    let notes = source("charts/foresail/templates/NOTES.txt");
    let commands: Vec<_> = notes.lines().filter_map(|line| line.split_once("-- /foresail")).collect();
    assert_eq!(commands.len(), 2);
    for (_, arguments) in commands {
        Cli::try_parse_from(format!("foresail{arguments}").split(' ')).unwrap();
    }
}

#[test]
fn the_chart_starts_what_the_image_holds() {
    let image = source("Dockerfile");
    let says =
        |line: &str| assert!(image.lines().any(|other| other == line), "the Dockerfile has no {line:?}");
    says("FROM scratch");
    says(r#"ENTRYPOINT ["/foresail"]"#);
    says("COPY foresail /foresail");
    let user = &defaults()["podSecurityContext"];
    says(&format!("USER {}:{}", user["runAsUser"], user["runAsGroup"]));
    let ports = Regex::new(r"containerPort: (\d+)").unwrap();
    let template = source(DEPLOYMENT);
    let ports: Vec<_> = ports.captures_iter(&template).map(|found| found[1].to_owned()).collect();
    says(&format!("EXPOSE {}", ports.join(" ")));
    let helpers = source("charts/foresail/templates/_helpers.tpl");
    for port in ports {
        assert!(helpers.contains(&format!("\"%s:{port}\" $host")), "foresail.yaml does not listen on {port}");
    }
    assert!(!template.contains("command:"), "the entry point is the image's");
}

/// One line of the table.
struct Row {
    key: String,
    kind: String,
    default: Option<Value>,
    about: String,
}

impl Row {
    fn map_cells(&self) -> [String; 4] {
        let default = self.default.as_ref().map_or("none".to_owned(), |value| format!("`{value}`"));
        [format!("`{}`", self.key), self.kind.clone(), default, self.about.clone()]
            .map(|cell| cell.replace('|', "\\|"))
    }
}

/// The rows of everything below `schema`; maps whose keys are known are gone into.
fn describe(schema: &Value, defaults: &Value, path: &str, rows: &mut Vec<Row>) {
    for (name, key) in schema["properties"].as_object().unwrap() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let about =
            key["description"].as_str().unwrap_or_else(|| panic!("{path} has no description")).to_owned();
        assert!(about.ends_with('.'), "{path}: {about}");
        let default = defaults.get(name);
        let exempt =
            WITHOUT_DEFAULT.iter().any(|free| path == *free || path.starts_with(&format!("{free}.")));
        assert!(default.is_some() || exempt, "{path} is not in values.yaml");
        if key.get("properties").is_some() {
            assert_eq!(key["additionalProperties"], false, "{path} takes any key");
            describe(key, default.unwrap_or(&Value::Null), &path, rows);
        } else {
            rows.push(Row { key: path, kind: kind(key), default: default.cloned(), about });
        }
    }
}

fn kind(key: &Value) -> String {
    if let Some(choices) = key["enum"].as_array() {
        return choices
            .iter()
            .map(|choice| format!("`{}`", choice.as_str().map_or_else(|| choice.to_string(), str::to_owned)))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let word = |kind: &Value| match kind.as_str().unwrap() {
        "boolean" => "true or false",
        "integer" | "number" => "number",
        "object" => "map",
        "array" => "list",
        "null" => "null",
        _ => "text",
    };
    match &key["type"] {
        Value::Array(kinds) => kinds.iter().map(word).collect::<Vec<_>>().join(" or "),
        Value::Null => match key["anyOf"].as_array() {
            Some(kinds) => kinds.iter().map(|kind| word(&kind["type"])).collect::<Vec<_>>().join(" or "),
            None => "any".to_owned(),
        },
        kind => {
            let bound = |name: &str| key[name].as_i64();
            match (bound("minimum"), bound("maximum")) {
                (Some(low), Some(high)) => format!("{low} to {high}"),
                _ => word(kind).to_owned(),
            }
        }
    }
}

/// Why Helm would refuse these values; `None` where it would not. The validator is the twin of Helm's own.
fn refusal(values: &Value) -> Option<String> {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("values.schema.json", schema()).unwrap();
    let index = compiler.compile("values.schema.json", &mut schemas).unwrap();
    schemas.validate(values, index).err().map(|error| error.to_string())
}

/// What Foresail makes of `config`.
fn config_of(name: &str, values: &Value) -> Config {
    let text = values["config"].to_string();
    Config::from_yaml(name, &text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The defaults, and each file of `ci/` on top of them.
fn all_values() -> Vec<(String, Value)> {
    let mut all = vec![("values.yaml".to_owned(), defaults())];
    for entry in fs::read_dir(root().join(CHART).join("ci")).unwrap() {
        let path = entry.unwrap().path();
        let values = yaml(&fs::read_to_string(&path).unwrap());
        all.push((path.display().to_string(), merged(&defaults(), &values)));
    }
    assert!(all.len() >= 5, "{}", all.len());
    all
}

/// As Helm lays values over values: maps by key, everything else as a whole; null takes a key away.
fn merged(below: &Value, above: &Value) -> Value {
    let (Value::Object(below), Value::Object(above)) = (below, above) else { return above.clone() };
    let mut all = below.clone();
    for (key, value) in above {
        if value.is_null() {
            all.remove(key);
        } else {
            all.insert(key.clone(), merged(below.get(key).unwrap_or(&Value::Null), value));
        }
    }
    Value::Object(all)
}

/// The fenced blocks of a page with this information, with the lines that they begin in.
fn blocks(page: &str, info: &str) -> Vec<(usize, String)> {
    let fence = format!("```{info}");
    let lines: Vec<&str> = page.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| **line == fence);
    let block =
        |at: usize| lines[at + 1..].iter().take_while(|line| **line != "```").copied().collect::<Vec<_>>();
    starts.map(|(at, _)| (at + 1, block(at).join("\n"))).collect()
}

fn defaults() -> Value {
    yaml(&source("charts/foresail/values.yaml"))
}

fn schema() -> Value {
    serde_json::from_str(&source("charts/foresail/values.schema.json")).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn source(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
