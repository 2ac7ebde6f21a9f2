//! Where the programs of the stack are: `make cluster-tools` builds them once, with their resource definitions.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Names the folder of the programs where it is not `target/cluster-tools/bin`.
const FOLDER: &str = "FORESAIL_CLUSTER_TOOLS";

/// A program of the stack. Panics with the command that builds it.
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.is_file(),
        "{name} is missing in {}: build it with `make cluster-tools`",
        folder().display()
    );
    path
}

/// The files with the custom resource definitions of `family` (keda, karpenter, kwok).
pub(crate) fn crds(family: &str) -> Vec<PathBuf> {
    let folder = folder().with_file_name("crds").join(family);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(
        !files.is_empty(),
        "there are no resource definitions in {}: `make cluster-tools` puts them there",
        folder.display()
    );
    files
}

fn folder() -> PathBuf {
    std::env::var_os(FOLDER)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/cluster-tools/bin"), PathBuf::from)
}
