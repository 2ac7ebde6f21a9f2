//! `foresail-bench merge`: the states of the shards of one search become one.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;

use super::{
    runs::Run,
    state::{Entry, First, Head, parse, same, whole_lines},
};

/// What is to be put together.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// States that `tune --shard` wrote, or folders with such, whose names end in `.jsonl`.
    #[arg(required = true, value_name = "FILE")]
    states: Vec<PathBuf>,
    /// Where the whole is written: `tune --state` with the same options goes on from there.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Puts states together.
///
/// # Errors
/// Where a file cannot be read, is of another search, or tells otherwise of a run than another.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let states = files(&args.states)?;
    let runs = merge(&states, &args.out)?;
    eprintln!("{} states with {runs} different runs are now {}", states.len(), args.out.display());
    Ok(())
}

/// The files, and those in the folders, sorted by name.
fn files(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let shown = || format!("cannot read {}", path.display());
        let entries =
            fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).with_context(shown)?;
        let mut inside: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        inside.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        ensure!(!inside.is_empty(), "{} holds no file whose name ends in .jsonl", path.display());
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// Writes every run once, sorted. Gives how many there are.
fn merge(states: &[PathBuf], out: &Path) -> anyhow::Result<usize> {
    let read =
        |path: &PathBuf| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let texts: Vec<String> = states.iter().map(read).collect::<anyhow::Result<_>>()?;
    let mut all: BTreeMap<Run, (&str, &Path)> = BTreeMap::new();
    let mut begun: Option<(Head, &Path)> = None;
    for (path, text) in states.iter().zip(&texts) {
        let Some((head, entries)) = parse(path, whole_lines(text))? else {
            bail!("{} is empty", path.display())
        };
        match &begun {
            None => begun = Some((head, path)),
            Some((first, of)) => {
                same(&head, first).with_context(|| format!("{} beside {}", path.display(), of.display()))?;
            }
        }
        for Entry { run, text, .. } in entries {
            let policy = run.policy.to_string();
            let (known, of) = *all.entry(run).or_insert((text, path));
            ensure!(
                known == text,
                "{} and {} tell otherwise of the same run of {policy}: they come from different builds",
                of.display(),
                path.display(),
            );
        }
    }
    let Some((tune, _)) = begun else { bail!("no state was given") };
    let mut text = serde_json::to_string(&First { tune })? + "\n";
    for (line, _) in all.values() {
        text.push_str(line);
        text.push('\n');
    }
    fs::write(out, text).with_context(|| format!("cannot write {}", out.display()))?;
    Ok(all.len())
}
