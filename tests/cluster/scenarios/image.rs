//! The image of `make image`: opened, looked into, and its program run with nothing around it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Cluster, Scenario, scenarios};
use crate::{
    api::documents,
    helm::{Helm, chart},
    support::process::temp_dir,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All:
        image::it_says_what_it_is_and_holds_one_program_and_the_authorities,
        image::its_program_runs_alone_with_the_arguments_that_the_chart_gives,
        image::its_program_knows_time_zones_by_itself,
    ]
}

/// Names the archive where it is not in `target/image`.
const ARCHIVE: &str = "FORESAIL_IMAGE";

async fn it_says_what_it_is_and_holds_one_program_and_the_authorities(_: &Cluster) {
    let image = Image::open();
    let config = &image.config["config"];
    assert_eq!(config["Entrypoint"], json!(["/foresail"]));
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["StopSignal"], "SIGTERM");
    assert_eq!(config["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    // The same inputs give the same image: no time of building is in it.
    assert_eq!(image.config["created"].as_str().map(|time| &time[..10]), Some("1970-01-01"));
    assert_eq!(image.files(), ["etc/ssl/certs/ca-certificates.crt", "foresail"]);
    let mode = fs::metadata(image.root().join("foresail")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755, "anybody may run it, nobody may change it, and it gives no rights");
    let authorities = fs::read_to_string(image.root().join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(authorities.matches("BEGIN CERTIFICATE").count() > 50);
}

async fn its_program_runs_alone_with_the_arguments_that_the_chart_gives(_: &Cluster) {
    let image = Image::open();
    let rendered = Helm::offline().run(&["template", "foresail", &chart(), "--set", "bind=podIP"]).await;
    let objects = documents(&rendered);
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], Value::Null, "the image's own entry point is meant");
    let mut arguments: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    for argument in &mut arguments {
        *argument = argument.replace("$(POD_IP)", "127.0.0.1");
    }
    // Far enough to find that nothing is mounted: the arguments are taken, and the path is the chart's.
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = text(&image.run(&words));
    assert!(said.contains("cannot read /etc/foresail/config/foresail.yaml"), "{said}");

    let version = image.run(&["--version"]);
    assert!(version.status.success(), "{}", text(&version));
    assert!(text(&version).contains(env!("CARGO_PKG_VERSION")), "{}", text(&version));
}

async fn its_program_knows_time_zones_by_itself(_: &Cluster) {
    let image = Image::open();
    fs::write(image.root().join("policy.yaml"), "timezone: Europe/Amsterdam\n").unwrap();
    let known = image.run(&["decide", "--policy", "/policy.yaml"]);
    assert!(known.status.success(), "{}", text(&known));
    fs::write(image.root().join("policy.yaml"), "timezone: Europe/Atlantis\n").unwrap();
    assert_eq!(image.run(&["decide", "--policy", "/policy.yaml"]).status.code(), Some(2));
}

/// An OCI archive, taken apart.
struct Image {
    folder: TempDir,
    config: Value,
}

impl Image {
    fn open() -> Self {
        let archive = std::env::var_os(ARCHIVE).map_or_else(built, PathBuf::from);
        assert!(archive.is_file(), "there is no image at {}: build it with `make image`", archive.display());
        let folder = temp_dir();
        let (blobs, root) = (folder.path().join("image"), folder.path().join("root"));
        unpack(&archive, &blobs);
        let blob = |digest: &Value| {
            let hash = digest.as_str().and_then(|digest| digest.strip_prefix("sha256:")).unwrap();
            blobs.join("blobs/sha256").join(hash)
        };
        let json = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
        let manifest = json(&blob(&json(&blobs.join("index.json"))["manifests"][0]["digest"]));
        for layer in manifest["layers"].as_array().unwrap() {
            unpack(&blob(&layer["digest"]), &root);
        }
        Self { config: json(&blob(&manifest["config"]["digest"])), folder }
    }

    /// The image's file system.
    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Every file in it, in the order of their paths.
    fn files(&self) -> Vec<String> {
        let (mut files, mut folders) = (Vec::new(), vec![self.root()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(self.root()).unwrap().display().to_string());
                }
            }
        }
        files.sort();
        files
    }

    /// The entry point with these arguments, in a user namespace of its own that sees nothing but the image.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--root"])
            .arg(self.root())
            .arg("/foresail")
            .args(arguments)
            .env_clear();
        command.stdin(std::process::Stdio::null()).output().expect("unshare (util-linux) starts")
    }
}

fn built() -> PathBuf {
    let file = concat!("target/image/foresail-", env!("CARGO_PKG_VERSION"), ".tar");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn unpack(archive: &Path, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let tar = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder).output().unwrap();
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
}

/// What it printed, wherever.
fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}
