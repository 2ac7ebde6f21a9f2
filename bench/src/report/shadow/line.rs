//! What `foresail serve` logs of watched refs.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, ensure};
use foresail::engine::WATCHED;
use serde::{Deserialize, Serialize};

/// One line: our answer, and what really was. What could not be seen is not in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) message: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// When the answer was given, Unix seconds.
    pub(crate) at: f64,
    /// When the queue was read, Unix seconds.
    pub(crate) read_at: f64,
    /// Our answer, workers.
    pub(crate) wanted: u32,
    /// Workers that there were.
    pub(crate) replicas: Option<u32>,
    /// Those of them that were ready.
    pub(crate) ready: Option<u32>,
    pub(crate) waiting: u64,
    pub(crate) in_flight: Option<u64>,
    /// Jobs that came since the queue was first read; a fall is a restart.
    pub(crate) arrivals: Option<u64>,
    /// Jobs that ended since then.
    pub(crate) completions: Option<u64>,
    /// Jobs that one worker runs at a time.
    pub(crate) slots: u32,
}

/// What was logged of one ref, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// As `namespace/name`.
    pub(crate) name: String,
    pub(crate) lines: Vec<Line>,
}

/// Reads log files, in any order; lines that tell of something else are passed over.
///
/// # Errors
/// Where a file cannot be read, a line of a watched ref is not as it should be, or there is none.
pub(crate) fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Record>> {
    let mut refs: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for path in files {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        for (nth, text) in text.lines().enumerate().filter(|(_, line)| line.contains(WATCHED)) {
            let line = parse(text).with_context(|| format!("{shown}:{}", nth + 1))?;
            refs.entry(format!("{}/{}", line.namespace, line.name)).or_default().push(line);
        }
    }
    ensure!(
        !refs.is_empty(),
        "no watched ref is in the log: give `watch:` lines to a source, and run `foresail serve --log-format json`"
    );
    Ok(refs.into_iter().map(|(name, lines)| Record::new(name, lines)).collect())
}

fn parse(text: &str) -> anyhow::Result<Line> {
    // What collects logs may put something before each line.
    let json = text.find('{').map_or(text, |at| &text[at..]);
    serde_json::from_str(json).context(
        "this line of a watched ref cannot be read: it has to be as `foresail serve --log-format json` of this \
         version writes it",
    )
}

impl Record {
    fn new(name: String, mut lines: Vec<Line>) -> Self {
        lines.sort_by(|a, b| a.at.total_cmp(&b.at));
        lines.dedup_by(|later, first| later.at <= first.at);
        Self { name, lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> anyhow::Result<Vec<Record>> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("log");
        fs::write(&path, text).expect("a file can be written");
        read(&[path])
    }

    #[test]
    fn lines_of_watched_refs_are_read_whatever_stands_around_them() {
        let line = |at: f64, name: &str| {
            format!(
                "pod-1 stderr {{\"level\":\"INFO\",\"message\":\"{WATCHED}\",\"namespace\":\"lab\",\"name\":\"{name}\",\
                 \"at\":{at},\"read_at\":{at},\"wanted\":3,\"waiting\":3,\"slots\":1,\"target\":\"foresail::engine\"}}"
            )
        };
        let text = [line(2.0, "a"), "another line".to_owned(), line(1.0, "a"), line(1.0, "b")].join("\n");
        let records = written(&text).expect("it is well formed");
        let found: Vec<(&str, usize)> = records.iter().map(|r| (r.name.as_str(), r.lines.len())).collect();
        assert_eq!(found, [("lab/a", 2), ("lab/b", 1)]);
        assert!(records[0].lines[0].at < records[0].lines[1].at && records[0].lines[0].replicas.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let said =
            format!("{:#}", written(&format!("\n{{\"message\":\"{WATCHED}\"}}")).expect_err("half a line"));
        assert!(said.contains("log:2: this line of a watched ref cannot be read"), "{said}");
        let said = written("nothing\n").expect_err("no line").to_string();
        assert!(said.starts_with("no watched ref is in the log"), "{said}");
    }
}
