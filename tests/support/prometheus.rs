//! A real Prometheus with series of the test's, backfilled.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use tempfile::TempDir;

use super::process::{Process, binary, free_port, run, temp_dir};

/// Monday 2024-01-01 00:00 UTC; points lie a minute apart from here on.
pub const START: u32 = 1_704_067_200;

const INSTALL: &str = "apt-get install prometheus";

/// The password `quay`, as the server wants it hashed.
const PASSWORD: &str = "$2b$04$OtYGPrQomJK1EvxobJo7MO.S9ACKqqqwwnKMcRnIqQJ8PGSOSgjZ2";

/// A real Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    /// Where it answers.
    pub url: String,
    pub folder: TempDir,
}

impl Prometheus {
    /// A server that holds these series, one value a minute from [`START`] on. With `auth`, user `lab` must say the
    /// password.
    pub async fn start(series: &[(&str, &[u32])], auth: bool) -> Self {
        Self::start_with(free_port(), START, series, auth).await
    }

    /// As [`Self::start`], on a port of the test's, with values from `from` on (Unix seconds).
    pub async fn start_with(port: u16, from: u32, series: &[(&str, &[u32])], auth: bool) -> Self {
        let folder = temp_dir();
        let at = |name: &str| folder.path().join(name);
        backfill(from, series, &at("series.txt"), &at("data"));
        fs::write(at("prometheus.yml"), "scrape_configs: []\n").expect("a file in its folder");
        let mut command = Command::new(binary("prometheus", &[], INSTALL));
        command.arg(format!("--config.file={}", at("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", at("data").display()));
        command.args(["--storage.tsdb.retention.time=100y", "--log.level=warn"]);
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        if auth {
            fs::write(at("web.yml"), format!("basic_auth_users: {{ lab: '{PASSWORD}' }}\n"))
                .expect("a file in its folder");
            command.arg(format!("--web.config.file={}", at("web.yml").display()));
        }
        let url = format!("http://127.0.0.1:{port}");
        let process = Process::spawn("prometheus", &mut command, &at("output"));
        let mut server = Self { process, url, folder };
        let ready = format!("{}/-/ready", server.url);
        let answers = if auth { 401 } else { 200 };
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let is_up = || agent.get(&ready).call().is_ok_and(|response| response.status() == answers);
        server.process.until_ready(async || is_up()).await;
        server
    }
}

fn backfill(from: u32, series: &[(&str, &[u32])], text: &Path, data: &Path) {
    let mut lines = String::new();
    for (name, values) in series {
        for (minute, value) in (0_u32..).zip(*values) {
            let _ = writeln!(lines, "{name} {value} {}", from + 60 * minute);
        }
    }
    lines.push_str("# EOF\n");
    fs::write(text, lines).expect("a file in its folder");
    fs::create_dir(data).expect("a folder in its folder");
    let promtool = binary("promtool", &[], INSTALL);
    run(Command::new(promtool).args(["tsdb", "create-blocks-from", "openmetrics"]).arg(text).arg(data));
}
