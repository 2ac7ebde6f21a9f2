//! Reading the pages: their blocks, tables and markers.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A page of the documentation.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Relative to the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A fenced block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) page: PathBuf,
    pub(crate) line: usize,
    /// What stands after the fence: `yaml`, `yaml fragment`, `console`, ...
    pub(crate) info: String,
    pub(crate) text: String,
}

impl Block {
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.page.display(), self.line)
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn source(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page, in the order of their paths.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    for folder in ["", "docs", "docs/bench", "examples", "charts/foresail"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = Path::new(folder).join(entry.unwrap().file_name());
            if path.extension().is_some_and(|extension| extension == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    assert!(paths.len() >= 10, "{paths:?}");
    paths.iter().map(|path| page(path.to_str().unwrap())).collect()
}

pub(crate) fn page(path: &str) -> Page {
    Page { path: path.into(), text: source(path) }
}

impl Page {
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), open.as_mut()) {
                (Some(info), None) => {
                    let page = self.path.clone();
                    open = Some(Block { page, line: index + 1, info: info.to_owned(), text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a fence is not closed", self.path.display());
        blocks
    }

    /// The text outside of fenced blocks, line by line with line numbers.
    pub(crate) fn prose(&self) -> Vec<(usize, &str)> {
        let mut fenced = false;
        let mut prose = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            if line.starts_with("```") {
                fenced = !fenced;
            } else if !fenced {
                prose.push((index + 1, line));
            }
        }
        prose
    }

    /// The block that follows `<!-- marker -->`.
    pub(crate) fn block_after(&self, marker: &str) -> Block {
        let at = self.line_of(marker);
        let found = self.blocks().into_iter().find(|block| block.line > at);
        found.unwrap_or_else(|| panic!("{}: no block after {marker:?}", self.path.display()))
    }

    /// The cells of the table that follows `<!-- marker -->`, without its head.
    pub(crate) fn rows_after(&self, marker: &str) -> Vec<Vec<String>> {
        let rows = self.text.lines().skip(self.line_of(marker)).take_while(|line| line.starts_with('|'));
        let cells =
            |row: &str| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        rows.skip(2).map(cells).collect()
    }

    /// The first column of the table that follows `<!-- marker -->`, without the back-ticks.
    pub(crate) fn keys_after(&self, marker: &str) -> BTreeSet<String> {
        let rows = self.rows_after(marker);
        let keys: BTreeSet<String> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
        assert_eq!(keys.len(), rows.len(), "{}: a key stands twice after {marker:?}", self.path.display());
        keys
    }

    /// The number of the marker's line, from 1.
    fn line_of(&self, marker: &str) -> usize {
        let wanted = format!("<!-- {marker} -->");
        let lines: Vec<_> =
            self.text.lines().enumerate().filter(|(_, line)| *line == wanted).map(|(i, _)| i + 1).collect();
        match lines.as_slice() {
            [one] => *one,
            other => panic!("{}: {wanted} stands {} times", self.path.display(), other.len()),
        }
    }
}

/// The names in one set and not in the other, to be shown; empty when they are equal.
pub(crate) fn difference(documented: &BTreeSet<String>, in_code: &BTreeSet<String>) -> Vec<String> {
    let missing = in_code.difference(documented).map(|name| format!("{name} is not documented"));
    let extra = documented.difference(in_code).map(|name| format!("{name} is documented and does not exist"));
    missing.chain(extra).collect()
}
