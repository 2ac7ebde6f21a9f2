//! The tables that the code writes, between `<!-- generated: NAME -->` and `<!-- end -->`.

use std::{env, fmt::Write as _, fs, sync::Arc};

use foresail::{
    answers::Answers,
    clock::WallClock,
    config::policy::POLICY_KEYS,
    refs::{KEDAS_OWN_KEYS, METADATA_KEYS},
    source::preset::{PRESETS, Parameter, Preset, Store},
    telemetry::Metrics,
};

use super::{
    api,
    pages::{page, root},
};

#[test]
fn the_generated_tables_say_what_the_code_says() {
    let bless = env::var_os("FORESAIL_BLESS").is_some();
    let mut faults = String::new();
    let named = [
        ("docs/configuration.md", "policy keys", policy_keys()),
        ("docs/metadata.md", "metadata keys", metadata_keys()),
        ("docs/metadata.md", "keda's own keys", kedas_own_keys()),
        ("docs/presets.md", "presets", presets()),
        ("docs/metrics.md", "metrics", metrics()),
    ];
    let named = named.map(|(path, name, wanted)| (path, name.to_owned(), wanted));
    let api = api::tables().into_iter().map(|(name, wanted)| ("docs/api.md", format!("api {name}"), wanted));
    for (path, name, wanted) in named.into_iter().chain(api) {
        let text = page(path).text;
        let marker = format!("<!-- generated: {name} -->\n");
        let (before, rest) = text.split_once(&marker).unwrap_or_else(|| panic!("{path}: no {marker}"));
        let (written, after) =
            rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{path}: no end of {name}"));
        if written == wanted {
            continue;
        }
        if bless {
            fs::write(root().join(path), format!("{before}{marker}{wanted}<!-- end -->{after}")).unwrap();
        } else {
            let _ = write!(faults, "{path}, {name}:\n{}", lines_that_differ(written, &wanted));
        }
    }
    assert!(faults.is_empty(), "write them with FORESAIL_BLESS=1 cargo test --test docs\n{faults}");
}

fn lines_that_differ(written: &str, wanted: &str) -> String {
    let gone = written.lines().filter(|line| !wanted.lines().any(|other| other == *line));
    let new = wanted.lines().filter(|line| !written.lines().any(|other| other == *line));
    let mut lines: Vec<_> = gone.map(|line| format!("- {line}\n")).collect();
    lines.extend(new.map(|line| format!("+ {line}\n")));
    if lines.is_empty() { "  (the order of lines)\n".to_owned() } else { lines.concat() }
}

pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| cell.trim().replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

fn code(name: &str) -> String {
    format!("`{name}`")
}

fn policy_keys() -> String {
    let rows = POLICY_KEYS.iter().map(|key| {
        vec![code(key.name), key.kind.into(), key.range.into(), key.default.into(), key.about.into()]
    });
    table(&["key", "type", "range", "default", "meaning"], rows)
}

fn metadata_keys() -> String {
    let rows = METADATA_KEYS.iter().map(|key| vec![code(key.name), key.values.into(), key.about.into()]);
    table(&["key", "value", "meaning"], rows)
}

fn kedas_own_keys() -> String {
    let keys: Vec<_> = KEDAS_OWN_KEYS.iter().map(|key| code(key)).collect();
    format!("{}\n", keys.join(", "))
}

fn presets() -> String {
    let sections: Vec<_> = PRESETS.values().map(preset).collect();
    sections.join("\n")
}

fn preset(preset: &Preset) -> String {
    let store = match preset.store() {
        Store::Redis => "Redis",
        Store::Postgres => "Postgres",
    };
    let by_default = |name: &str| preset.parameters.iter().any(|p| p.name == name && p.default.is_some());
    let seen = match preset.sees_in_flight.as_str() {
        "always" => "seen".to_owned(),
        "never" => "not seen".to_owned(),
        parameter if by_default(parameter) => format!("seen where `{parameter}` is not emptied"),
        parameter => format!("seen where `{parameter}` is given"),
    };
    let Preset { preset: name, about, parameters, .. } = preset;
    let rows = parameters.iter().map(|parameter| {
        vec![
            code(&parameter.name),
            default_of(parameter),
            parameter.about.split_whitespace().collect::<Vec<_>>().join(" "),
        ]
    });
    let table = table(&["parameter", "default", "meaning"], rows);
    format!("## {name}\n\n{about} In {store}; jobs in flight: {seen}.\n\n{table}")
}

fn default_of(parameter: &Parameter) -> String {
    match &parameter.default {
        Some(texts) => {
            let values: Vec<_> =
                texts.0.iter().map(|text| code(if text.is_empty() { "\"\"" } else { text })).collect();
            values.join(", ")
        }
        None if parameter.required => "required".to_owned(),
        None => "none".to_owned(),
    }
}

fn metrics() -> String {
    let metrics = Metrics::new(Arc::new(Answers::default()), Arc::new(WallClock::new()));
    let rows = metrics.describe().iter().map(|metric| {
        let labels: Vec<_> = metric.labels.iter().map(|label| code(label)).collect();
        vec![code(&metric.name), metric.kind.into(), labels.join(", "), metric.help.clone()]
    });
    table(&["metric", "type", "labels", "meaning"], rows)
}
