//! The defaults in the tables of configuration.md are those of the program.

use foresail::config::Config;

use super::pages::page;

/// Where the keys of each table stand: a file without them, and with them in the place of `KEYS`.
const PLACES: &[(&str, &str)] = &[
    ("RawConfig", "{ KEYS }"),
    ("RawGrpc", "grpc: { KEYS }"),
    ("RawHttp", "http: { KEYS }"),
    ("RawSource", "sources: { s: { redis: { host: h }, KEYS } }"),
    ("RawRedis", "sources: { s: { redis: { host: h, KEYS } } }"),
    ("RawPostgres", "sources: { s: { postgres: { host: h, user: u, KEYS } } }"),
    ("RawLayout", "sources: { s: { redis: { host: h }, layouts: { l: { preset: redis-list, KEYS } } } }"),
    (
        "RawWatch",
        "sources: { s: { redis: { host: h }, watch: [{ layout: redis-list, queue: q, workload: D/n/n, KEYS }] } }",
    ),
    ("RawHints", "hints: { KEYS }"),
    ("RawSidecar", "hints: { sidecar: { KEYS } }"),
    ("RawLease", "hints: { lease: { KEYS } }"),
];

#[test]
fn a_default_that_is_written_out_changes_nothing() {
    let page = page("docs/configuration.md");
    let mut checked = 0;
    for (table, place) in PLACES {
        let load = |keys: &str| {
            Config::from_yaml(table, &place.replace("KEYS", keys))
                .unwrap_or_else(|error| panic!("{keys}: {error}"))
        };
        let without = load("");
        for row in page.rows_after(&format!("keys: {table}")) {
            let [key, _, default, _] = row.as_slice() else {
                panic!("{table}: four columns are wanted: {row:?}")
            };
            let Some(value) = default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else {
                continue;
            };
            checked += 1;
            let quoted = format!("{}: \"{value}\"", key.trim_matches('`'));
            let bare = quoted.replace('"', "");
            let typed = if value.parse::<f64>().is_ok() || ["true", "false"].contains(&value) {
                bare
            } else {
                quoted
            };
            assert_eq!(load(&typed), without, "{table}: {typed} is not the default");
        }
    }
    assert!(checked >= 15, "{checked}");
}
