//! The tables of the API, made from the structs that it serialises.

use regex::Regex;

use super::{generated::table, pages::source};

/// Where these structs stand.
const FILES: [&str; 3] = ["src/http/api.rs", "src/http/api/learned.rs", "src/http/api/objects.rs"];

/// The table of each struct that the API writes, by the struct's name.
pub(super) fn tables() -> Vec<(String, String)> {
    let head = Regex::new(r"(?m)^pub struct (\w+Report) \{$").unwrap();
    let mut tables = Vec::new();
    for code in FILES.map(source) {
        for found in head.captures_iter(&code) {
            let body = code[found.get(0).unwrap().end()..].split("\n}").next().unwrap();
            let rows = fields(body);
            assert!(!rows.is_empty(), "{}", &found[1]);
            tables.push((found[1].to_owned(), table(&["field", "type", "meaning"], rows)));
        }
    }
    assert!(tables.len() >= 16, "{}", tables.len());
    tables
}

/// Name, type and meaning of each field.
fn fields(body: &str) -> Vec<Vec<String>> {
    let (mut rows, mut meaning) = (Vec::new(), String::new());
    for line in body.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("/// ") {
            meaning = format!("{meaning} {words}");
        } else if let Some((name, kind)) = line.strip_prefix("pub ").and_then(|line| line.split_once(": ")) {
            let meaning = std::mem::take(&mut meaning).trim().replace("[`", "`").replace("`]", "`");
            assert!(!meaning.is_empty(), "{name} says nothing");
            rows.push(vec![format!("`{name}`"), words_of(kind.trim_end_matches(',')), meaning]);
        } else {
            assert!(line.is_empty(), "{line}");
        }
    }
    rows
}

/// A type as a reader of JSON knows it.
fn words_of(kind: &str) -> String {
    let inside = |outer: &str| kind.strip_prefix(outer)?.strip_suffix('>');
    if let Some(inner) = inside("Option<") {
        return format!("{} or null", words_of(inner));
    }
    if let Some(inner) = inside("Vec<") {
        return format!("list of {}", words_of(inner));
    }
    match kind {
        "f64" | "u32" | "u64" => "number".to_owned(),
        "bool" => "true or false".to_owned(),
        "String" | "Basis" | "ServiceBasis" => "text".to_owned(),
        report => format!("[{report}](#{})", report.to_lowercase()),
    }
}
