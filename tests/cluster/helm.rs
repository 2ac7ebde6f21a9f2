//! Helm as a program, with the chart of this repository.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{api::documents, tools::tool};

/// Helm, told of a cluster or of none.
pub(crate) struct Helm {
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// For what needs no cluster: lint and templates.
    pub(crate) fn offline() -> Self {
        Self { kubeconfig: None }
    }

    /// With this cluster.
    pub(crate) fn of(kubeconfig: PathBuf) -> Self {
        Self { kubeconfig: Some(kubeconfig) }
    }

    /// What it prints; panics with its words where it fails.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments).await.unwrap_or_else(|error| panic!("helm {}: {error}", arguments.join(" ")))
    }

    /// What it prints; the error is what it says.
    pub(crate) async fn try_run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(tool("helm"));
        command.args(arguments).env_remove("KUBECONFIG");
        match &self.kubeconfig {
            Some(kubeconfig) => command.env("KUBECONFIG", kubeconfig),
            // No cluster of the machine's own is looked for.
            None => command.env("KUBECONFIG", "/dev/null"),
        };
        let run = tokio::task::spawn_blocking(move || command.output());
        let output = run.await.expect("helm is waited for").expect("helm starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

/// The chart's folder.
pub(crate) fn chart() -> String {
    repository().join("charts/foresail").display().to_string()
}

/// The files of values that the chart keeps for its tests, by name.
pub(crate) fn value_files() -> Vec<(String, String)> {
    let files = std::fs::read_dir(Path::new(&chart()).join("ci")).expect("the chart has example values");
    let mut files: Vec<_> = files
        .map(|entry| {
            let path = entry.expect("the folder can be listed").path();
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            (name, path.display().to_string())
        })
        .collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}

/// The text of foresail.yaml in what was rendered.
pub(crate) fn rendered_config(rendered: &str) -> String {
    let objects = documents(rendered);
    let map = objects.iter().find(|object| object["kind"] == "ConfigMap").expect("there is a ConfigMap");
    map["data"]["foresail.yaml"].as_str().expect("it holds foresail.yaml").to_owned()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
