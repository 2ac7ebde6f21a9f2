//! Series of a real Prometheus, backfilled.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use tempfile::TempDir;

use super::{
    imported, jobs, refused,
    support::process::{Process, binary, free_port, run, temp_dir},
};

/// Monday 2024-01-01 00:00 UTC; points lie a minute apart from here on.
const START: u32 = 1_704_067_200;

const INSTALL: &str = "apt-get install prometheus";

/// The password `quay`, as the server wants it hashed.
const PASSWORD: &str = "$2b$04$OtYGPrQomJK1EvxobJo7MO.S9ACKqqqwwnKMcRnIqQJ8PGSOSgjZ2";

struct Prometheus {
    process: Process,
    url: String,
    folder: TempDir,
}

impl Prometheus {
    /// A server that holds these series, one value a minute. With `auth`, user `lab` must say the password.
    async fn start(series: &[(&str, &[u32])], auth: bool) -> Self {
        let folder = temp_dir();
        let at = |name: &str| folder.path().join(name);
        backfill(series, &at("series.txt"), &at("data"));
        fs::write(at("prometheus.yml"), "scrape_configs: []\n").unwrap();
        let port = free_port();
        let mut command = Command::new(binary("prometheus", &[], INSTALL));
        command.arg(format!("--config.file={}", at("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", at("data").display()));
        command.args(["--storage.tsdb.retention.time=100y", "--log.level=warn"]);
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        if auth {
            fs::write(at("web.yml"), format!("basic_auth_users: {{ lab: '{PASSWORD}' }}\n")).unwrap();
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

    /// The arguments of an import of the first so many minutes.
    fn arguments<'a>(&'a self, minutes: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["prometheus", &self.url, "--start", "2024-01-01", "--end", minutes], more].concat()
    }
}

fn backfill(series: &[(&str, &[u32])], text: &Path, data: &Path) {
    let mut lines = String::new();
    for (name, values) in series {
        for (minute, value) in (0_u32..).zip(*values) {
            let _ = writeln!(lines, "{name} {value} {}", START + 60 * minute);
        }
    }
    lines.push_str("# EOF\n");
    fs::write(text, lines).unwrap();
    fs::create_dir(data).unwrap();
    let promtool = binary("promtool", &[], INSTALL);
    run(Command::new(promtool).args(["tsdb", "create-blocks-from", "openmetrics"]).arg(text).arg(data));
}

/// Seconds after the start.
fn seconds(csv: &str) -> Vec<String> {
    let since = |submit: &str| (submit.parse::<f64>().unwrap() - f64::from(START)).to_string();
    jobs(csv).iter().map(|(submit, _)| since(submit)).collect()
}

const SERIES: &[(&str, &[u32])] = &[
    ("busy{pod=\"a\"}", &[1, 1, 1, 1, 1]),
    ("busy{pod=\"b\"}", &[1, 1, 1, 1, 1]),
    ("jobs_total{pod=\"a\"}", &[10, 12, 12, 1, 1]),
    ("jobs_total{pod=\"b\"}", &[0, 0, 0, 0, 4]),
    ("waiting", &[5, 7, 3, 4, 4]),
];

#[tokio::test]
async fn a_counter_becomes_jobs_and_busy_workers_their_run_time() {
    let server = Prometheus::start(SERIES, false).await;
    let end = (START + 240).to_string();
    let (csv, said) = imported(
        &server.arguments(&end, &["--counter", "jobs_total", "--busy", "sum(busy)", "--step", "1m"]),
    );
    assert_eq!(seconds(&csv), ["15", "45", "150", "187.5", "202.5", "217.5", "232.5"]);
    // Two workers for four minutes, and seven jobs.
    let run = (480.0_f64 / 7.0).to_string();
    assert!(jobs(&csv).iter().all(|(_, seconds)| *seconds == run), "{csv}");
    assert!(said.contains("note: jobs within a step of 60 s are spread evenly over it"), "{said}");
    assert!(said.contains("note: all jobs have the same run time, 68.571 s"), "{said}");
}

#[tokio::test]
async fn a_depth_becomes_jobs_and_says_what_it_does_not_show() {
    let server = Prometheus::start(SERIES, false).await;
    let end = (START + 240).to_string();
    let (csv, said) = imported(&server.arguments(&end, &["--depth", "waiting", "--run", "30s"]));
    assert_eq!(seconds(&csv), ["15", "45", "150"]);
    assert!(said.contains("a depth alone shows only what the queue grew by"), "{said}");
    let (csv, said) =
        imported(&server.arguments(&end, &["--depth", "waiting", "--run", "30s", "--busy", "sum(busy)"]));
    // Four jobs leave each minute: 6, 0, 5 and 4 came.
    assert_eq!(seconds(&csv).len(), 15, "{csv}");
    assert!(said.contains("estimated from busy workers"), "{said}");
}

#[tokio::test]
async fn a_span_of_more_points_than_one_answer_holds_is_asked_in_pieces() {
    let rising: Vec<u32> = (0..300).collect();
    let server = Prometheus::start(&[("jobs_total", &rising)], false).await;
    // 17,941 points a second apart; the last value holds on for five minutes.
    let end = (START + 299 * 60).to_string();
    let arguments = ["--counter", "jobs_total", "--run", "1", "--step", "1s"];
    let (csv, _) = imported(&server.arguments(&end, &arguments));
    assert_eq!(seconds(&csv).len(), 299);
}

#[tokio::test]
async fn what_the_server_or_the_query_lacks_is_said() {
    let server = Prometheus::start(SERIES, false).await;
    let end = (START + 240).to_string();
    for (arguments, message) in [
        (&["--depth", "busy", "--run", "1"][..], "`busy` gives 2 series; one is needed: write sum(...)"),
        (&["--counter", "none", "--run", "1"], "`none` has no points in this span"),
        (&["--counter", "rate(", "--run", "1"], "refuses `rate(`: "),
        (&["--counter", "jobs_total"], "--run"),
        (&["--counter", "jobs_total", "--run", "1", "--step", "0"], "write seconds (90) or units"),
    ] {
        let said = refused(&server.arguments(&end, arguments));
        assert!(said.contains(message), "{arguments:?}: {said}");
    }
    let said = refused(&server.arguments("2023-01-01", &["--counter", "jobs_total", "--run", "1"]));
    assert!(said.contains("--start must lie before --end"), "{said}");
    let said = refused(&["prometheus", "http://me:hush@x", "--start", "0", "--counter", "x", "--run", "1"]);
    assert!(said.contains("put them into --auth-file") && !said.contains("hush"), "{said}");
}

#[tokio::test]
async fn a_server_that_wants_to_know_who_asks_is_told() {
    let server = Prometheus::start(SERIES, true).await;
    let end = (START + 240).to_string();
    let counter = ["--counter", "jobs_total", "--run", "1"];
    let said = refused(&server.arguments(&end, &counter));
    assert!(said.contains("answers 401 Unauthorized"), "{said}");
    let file = server.folder.path().join("authorization");
    fs::write(&file, "Basic bGFiOnF1YXk=\n").unwrap();
    let with_file = [&counter[..], &["--auth-file", file.to_str().unwrap()]].concat();
    assert_eq!(jobs(&imported(&server.arguments(&end, &with_file)).0).len(), 7);
}
