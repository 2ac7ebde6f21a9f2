//! The page on job logs: its loads are loads, its transforms are transforms, its names of columns are those read.

use foresail::sim::{
    job_log::{Transform, USUAL},
    load::Load,
};
use regex::Regex;

use super::pages::page;

const PAGE: &str = "docs/bench/logs.md";

#[test]
fn every_load_in_the_documentation_makes_jobs() {
    let page = page(PAGE);
    let blocks: Vec<_> = page.blocks().into_iter().filter(|block| block.info == "yaml load").collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let load: Load =
            serde_saphyr::from_str(&block.text).unwrap_or_else(|error| panic!("{}: {error}", block.place()));
        assert!(load.jobs(0).jobs().len() > 100, "{}", block.place());
    }
}

#[test]
fn every_transform_of_the_table_is_one() {
    let text = section(&page(PAGE).text, "## Transforms");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let code = Regex::new("`([^`]+)`").unwrap();
    let mut seen = 0;
    for row in rows {
        let cell = row.split('|').nth(1).unwrap();
        for found in code.captures_iter(cell) {
            seen += 1;
            found[1].parse::<Transform>().unwrap_or_else(|error| panic!("{PAGE}: {error}"));
        }
    }
    assert!(seen >= 14, "{seen}");
}

#[test]
fn every_usual_column_stands_in_the_table() {
    let text = section(&page(PAGE).text, "### CSV");
    for (what, names) in USUAL {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let row = format!("| {what} | {} |", names.join(", "));
        assert!(text.contains(&row), "{PAGE} lacks the row\n{row}");
    }
}

/// From a heading to the next of its kind.
fn section(text: &str, heading: &str) -> String {
    let rest = text.split_once(&format!("{heading}\n")).unwrap().1;
    rest.split("\n## ").next().unwrap().to_owned()
}
