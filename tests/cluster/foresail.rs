//! A Foresail of a scenario's own: the binary, with the scenario's configuration, on free ports.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
};

use crate::{server, support::process::temp_dir};

/// `foresail serve`; gone when it drops. Everything that the tests of `serve` can ask of it can be asked here.
pub(crate) struct Foresail {
    server: server::Foresail,
    log: PathBuf,
}

impl Foresail {
    /// Stands for its own address in the sections that it is started with.
    pub(crate) const ADDRESS: &str = "FORESAIL_ADDRESS";

    /// Starts it with these sections beside `grpc` and `http`, and waits until it is alive; it logs to
    /// `foresail.log` in `logs`.
    pub(crate) async fn start(logs: &Path, sections: &str) -> Self {
        Self::start_as("foresail", logs, sections).await
    }

    /// As [`Self::start`], for one of several.
    pub(crate) async fn start_as(name: &str, logs: &Path, sections: &str) -> Self {
        Self::start_listening(name, logs, |grpc, http| {
            let sections = sections.replace(Self::ADDRESS, &format!("127.0.0.1:{grpc}"));
            server::with_listeners(&sections, grpc, http)
        })
        .await
    }

    /// With a whole configuration, made for two free ports: KEDA's and the one of pages, which is 127.0.0.1's.
    pub(crate) async fn start_listening(
        name: &str,
        logs: &Path,
        config: impl FnOnce(u16, u16) -> String,
    ) -> Self {
        let log = logs.join(format!("{name}.log"));
        let mut server = server::Foresail::spawn_logging_to(log.clone(), temp_dir(), |path, grpc, http| {
            std::fs::write(path, config(grpc, http)).expect("a temp dir can be written");
        });
        server.until_alive().await;
        Self { server, log }
    }

    /// What a trigger gives as `scalerAddress`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.server.grpc)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.server.process.kill();
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(&mut self) {
        self.server.process.stop("TERM");
    }

    /// SIGSTOP: connections stay, nothing answers.
    pub(crate) fn freeze(&self) {
        self.server.process.freeze();
    }

    /// After [`Self::kill`] or [`Self::stop`]: the same file, the same ports, nothing remembered.
    pub(crate) async fn start_again(&mut self) {
        let config = self.server.folder.path().join("foresail.yaml");
        self.server.process = server::serve(&config, &self.log);
        self.server.until_alive().await;
    }

    /// The value of one metric line that begins with `name` (labels included, as far as they are given).
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let page = self.server.page("/metrics");
        page.lines().find(|line| line.starts_with(name))?.rsplit(' ').next()?.parse().ok()
    }
}

impl Deref for Foresail {
    type Target = server::Foresail;

    fn deref(&self) -> &server::Foresail {
        &self.server
    }
}
