//! The binary with a configuration of the test's.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use foresail::scaler::pb::{self, external_scaler_client::ExternalScalerClient};
use tempfile::TempDir;
use tonic::{Status, transport::Channel};

use crate::support::process::{Process, free_port, temp_dir, wait_until};

pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Foresail {
    pub(crate) process: Process,
    pub(crate) folder: TempDir,
    pub(crate) grpc: u16,
    pub(crate) http: u16,
    log: PathBuf,
}

impl Foresail {
    /// Starts `serve` with these sections beside `grpc` and `http`, and waits until it is alive.
    pub(crate) async fn serve(sections: &str) -> Self {
        let write = |path: &Path, grpc, http| {
            std::fs::write(path, with_listeners(sections, grpc, http)).unwrap();
        };
        let mut foresail = Self::spawn(write);
        foresail.until_alive().await;
        foresail
    }

    /// Starts `serve` with the file that `place` puts there.
    pub(crate) fn spawn(place: impl FnOnce(&Path, u16, u16)) -> Self {
        let folder = temp_dir();
        let log = folder.path().join("log");
        Self::spawn_logging_to(log, folder, place)
    }

    /// As [`Self::spawn`], with its log elsewhere than in its folder.
    pub(crate) fn spawn_logging_to(
        log: PathBuf,
        folder: TempDir,
        place: impl FnOnce(&Path, u16, u16),
    ) -> Self {
        let (grpc, http) = (free_port(), free_port());
        let config = folder.path().join("foresail.yaml");
        place(&config, grpc, http);
        let process = serve(&config, &log);
        Self { process, folder, grpc, http, log }
    }

    pub(crate) async fn until_alive(&mut self) {
        let url = self.url("/livez");
        self.process.until_ready(async || ureq::get(&url).call().is_ok()).await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    /// The body of a page; an error's too.
    pub(crate) fn page(&self, path: &str) -> String {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.get(&self.url(path)).call().unwrap().body_mut().read_to_string().unwrap()
    }

    pub(crate) fn rewrite(&self, sections: &str) {
        let path = self.folder.path().join("foresail.yaml");
        std::fs::write(path, with_listeners(sections, self.grpc, self.http)).unwrap();
    }

    pub(crate) async fn client(&self) -> ExternalScalerClient<Channel> {
        ExternalScalerClient::connect(format!("http://127.0.0.1:{}", self.grpc)).await.unwrap()
    }

    pub(crate) async fn value(&self, object: &pb::ScaledObjectRef) -> Result<f64, Status> {
        let mut client = self.client().await;
        let spec = client.get_metric_spec(object.clone()).await?.into_inner().metric_specs.remove(0);
        let request =
            pb::GetMetricsRequest { scaled_object_ref: Some(object.clone()), metric_name: spec.metric_name };
        Ok(client.get_metrics(request).await?.into_inner().metric_values[0].metric_value_float)
    }

    pub(crate) async fn until_value(&self, object: &pb::ScaledObjectRef, wanted: f64) {
        let what = format!("{} to be answered {wanted}", object.name);
        wait_until(&what, LONG, async || self.value(object).await.is_ok_and(|value| value == wanted)).await;
    }

    pub(crate) async fn until_logged(&self, words: &str) {
        wait_until(&format!("{words:?} in the log"), LONG, async || self.log().contains(words)).await;
    }

    pub(crate) async fn until_page(&self, path: &str, words: &str) {
        wait_until(&format!("{words:?} on {path}"), LONG, async || self.page(path).contains(words)).await;
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// The process alone; it goes on writing to `log` where there is one.
pub(crate) fn serve(config: &Path, log: &Path) -> Process {
    let mut command = command();
    command.args(["serve", "--log-format", "json", "--config"]).arg(config);
    Process::spawn("foresail", &mut command, log)
}

pub(crate) fn command() -> Command {
    Command::new(other_binary().unwrap_or_else(|| env!("CARGO_BIN_EXE_foresail").into()))
}

/// A binary to run instead of the one that cargo has built beside these tests: a release build.
pub(crate) fn other_binary() -> Option<OsString> {
    std::env::var_os("FORESAIL_BINARY")
}

/// Runs the binary to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    command().args(args).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn with_listeners(sections: &str, grpc: u16, http: u16) -> String {
    format!("grpc: {{ listen: 127.0.0.1:{grpc} }}\nhttp: {{ listen: 127.0.0.1:{http} }}\n{sections}")
}

/// A reference of namespace `chem` to one queue.
pub(crate) fn object(layout: &str, queue: &str) -> pb::ScaledObjectRef {
    let metadata = [("scalerAddress", "foresail:6000"), ("layout", layout), ("queue", queue)];
    pb::ScaledObjectRef {
        name: queue.to_owned(),
        namespace: "chem".to_owned(),
        scaler_metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    }
}

/// One Redis source with plain and reliable lists, quick to sample.
pub(crate) fn redis_sections(port: u16) -> String {
    format!(
        r#"
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {port}, timeout: 500ms }}
    namespaces: {{ chem: ["*"] }}
    sample_every: 200ms
    layouts:
      plain: {{ preset: redis-list, max_run: 1h }}
      reliable: {{ preset: redis-list, processing: "{{queue}}:busy" }}
policies:
  default: {{ keep_alive: 0s }}
"#
    )
}
