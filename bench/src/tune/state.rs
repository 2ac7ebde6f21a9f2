//! The state of a search as a file: what it was begun with, then one line a run. Whoever has the runs has the result.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::runs::{Played, Run};

/// Everything that the result of a run or the course of a search depends on, by what it is called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Head(pub(crate) BTreeMap<String, String>);

/// The first line.
#[derive(Serialize, Deserialize)]
pub(super) struct First {
    pub(super) tune: Head,
}

/// Any other line.
#[derive(Serialize, Deserialize)]
struct Line {
    run: Run,
    played: Played,
}

/// Where runs are written as soon as they are made.
pub(crate) struct Journal(Option<Mutex<File>>);

impl Journal {
    /// Writes nothing.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Begins a file, or goes on with it, and says which runs are in it. A last line that was cut short is dropped.
    ///
    /// # Errors
    /// Where the file cannot be used, somebody else writes to it, or it was begun with something else.
    pub(crate) fn open(path: &Path, head: &Head) -> anyhow::Result<(Self, Vec<(Run, Played)>)> {
        let shown = path.display();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open().with_context(|| format!("cannot open {shown}"))?;
        // Some shared volumes have no locks; there each shard has a file of its own all the same.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            bail!("{shown}: another foresail-bench writes to it; give each its own --state");
        }
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(|| format!("cannot read {shown}"))?;
        let whole = whole_lines(&text);
        let runs = if let Some((theirs, entries)) = parse(path, whole)? {
            same(&theirs, head).with_context(|| shown.to_string())?;
            cut_to(&mut file, whole.len()).with_context(|| format!("cannot write {shown}"))?;
            entries.into_iter().map(|entry| (entry.run, entry.played)).collect()
        } else {
            let first = serde_json::to_string(&First { tune: head.clone() })? + "\n";
            cut_to(&mut file, 0)
                .and_then(|()| file.write_all(first.as_bytes()))
                .with_context(|| format!("cannot write {shown}"))?;
            Vec::new()
        };
        Ok((Self(Some(Mutex::new(file))), runs))
    }

    /// Writes a run, and gives it back as whoever reads the file will find it: numbers may lose their last bit on the
    /// way, and a search that goes on is to see what one sees that was never interrupted.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(crate) fn record(&self, run: Run, played: Played) -> anyhow::Result<(Run, Played)> {
        let mut text = serde_json::to_string(&Line { run, played })?;
        let Line { run, played } = serde_json::from_str(&text)?;
        if let Some(file) = &self.0 {
            text.push('\n');
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(text.as_bytes()).context("cannot write the state")?;
        }
        Ok((run, played))
    }
}

/// Drops what stands after so many bytes, and goes on writing there.
fn cut_to(file: &mut File, bytes: usize) -> std::io::Result<()> {
    file.set_len(bytes as u64)?;
    file.seek(SeekFrom::End(0)).map(|_| ())
}

/// A line that holds a run.
pub(super) struct Entry<'a> {
    pub(super) run: Run,
    pub(super) played: Played,
    /// As it stands there.
    pub(super) text: &'a str,
}

/// Head and runs of a file's text; `None` where there is nothing in it yet.
pub(super) fn parse<'a>(path: &Path, text: &'a str) -> anyhow::Result<Option<(Head, Vec<Entry<'a>>)>> {
    let mut lines = text.lines().enumerate();
    let Some((_, first)) = lines.next() else { return Ok(None) };
    let place = |line: usize| format!("{}, line {}", path.display(), line + 1);
    let First { tune } = serde_json::from_str(first)
        .with_context(|| format!("{}: this is no state of foresail-bench tune", place(0)))?;
    let entry = |(at, text): (usize, &'a str)| -> anyhow::Result<Entry<'a>> {
        let Line { run, played } =
            serde_json::from_str(text).with_context(|| format!("{}: this is no run", place(at)))?;
        Ok(Entry { run, played, text })
    };
    Ok(Some((tune, lines.map(entry).collect::<anyhow::Result<_>>()?)))
}

/// The text up to the end of its last whole line.
pub(super) fn whole_lines(text: &str) -> &str {
    &text[..text.rfind('\n').map_or(0, |at| at + 1)]
}

/// That two searches are one.
pub(super) fn same(theirs: &Head, ours: &Head) -> anyhow::Result<()> {
    let text = |head: &Head, key: &str| match head.0.get(key) {
        Some(value) if value.is_empty() => format!("no {key}"),
        Some(value) => format!("{key} {value}"),
        None => format!("no {key}"),
    };
    let keys = ours.0.keys().chain(theirs.0.keys());
    match keys.into_iter().find(|key| ours.0.get(*key) != theirs.0.get(*key)) {
        None => Ok(()),
        Some(key) => bail!(
            "its runs were made with {}, these are with {}: take the same, or another file",
            text(theirs, key),
            text(ours, key)
        ),
    }
}
