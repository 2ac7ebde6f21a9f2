//! What a queue was like before Foresail watched it, out of a real Prometheus, at the first start.

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use foresail::{
    clock::{Clock as _, WallClock},
    config::{Config, history::History},
    history::{Past, prometheus::of_queues},
    http::QueueReport,
};
use serde_json::Value;

use super::foresail::{Foresail, LONG, object, run, text};
use crate::support::{
    process::{free_port, wait_until},
    prometheus::{Prometheus, START},
    redis::RedisServer,
};

/// A name that tries to end its string.
const ODD: &str = "a\"} or vector(1) #\\";

const DAYS: u32 = 9;

/// Lists in a Redis, and what a Prometheus at this address remembers of them.
fn sections(redis: &RedisServer, url: &str, more: &str) -> String {
    format!(
        r#"
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {port}, timeout: 500ms }}
    namespaces: {{ chem: ["*"] }}
    sample_every: 4s
    layouts:
      frames:
        preset: redis-list
        processing: "{{queue}}:busy"
        history:
          prometheus: {{ url: "{url}", counter: 'jobs_total{{queue="{{queue}}"}}', run: 1m, span: 12d{more} }}
    watch:
      - {{ layout: frames, queue: md, workload: Deployment/bio/md }}
      - {{ layout: frames, queue: [ct, md], workload: Deployment/bio/both }}
policies:
  default: {{ keep_alive: 0s }}
"#,
        port = redis.port()
    )
}

/// When the series begin (Unix seconds), and what they count up to now: of `md` 30 jobs at two o'clock every night and
/// one every 20 minutes, a few of others.
fn counters() -> (u32, Vec<(String, Vec<u32>)>) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "Unix seconds, up to 2106")]
    let now = WallClock::new().now() as u32;
    let from = now - now % 60 - DAYS * 86_400;
    let minutes = || (0..DAYS * 1_440).map(|minute| from / 60 + minute);
    let count = |came: &dyn Fn(u32) -> u32| {
        let mut total = 0;
        let add = |minute| {
            total += came(minute);
            total
        };
        minutes().map(add).collect::<Vec<_>>()
    };
    let md = count(&|minute| 30 * u32::from(minute % 1_440 == 120) + u32::from(minute % 20 == 7));
    let name =
        |queue: &str| format!("jobs_total{{queue=\"{}\"}}", queue.replace('\\', "\\\\").replace('"', "\\\""));
    let few = |every: u32| count(&|minute| u32::from(minute % every == 0));
    (from, vec![(name("md"), md), (name("ct"), few(30)), (name(ODD), few(60))])
}

async fn prometheus(port: u16, auth: bool) -> Prometheus {
    let (from, series) = counters();
    let series: Vec<(&str, &[u32])> =
        series.iter().map(|(name, values)| (name.as_str(), values.as_slice())).collect();
    Prometheus::start_with(port, from, &series, auth).await
}

/// The jobs that a queue is logged to have learned from.
fn learned_from(foresail: &Foresail, queue: &str) -> Option<u64> {
    let log = foresail.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_queue =
        |line: &Value| line["message"] == "a queue has learned from its past" && line["queue"] == queue;
    lines.filter(of_queue).find_map(|line| line["jobs"].as_u64())
}

fn reports(foresail: &Foresail) -> Vec<QueueReport> {
    serde_json::from_str(&foresail.page("/api/queues")).unwrap()
}

#[tokio::test]
async fn queues_of_a_redis_learn_from_a_prometheus_before_their_first_job_comes() {
    let redis = RedisServer::start().await;
    let server = prometheus(free_port(), false).await;
    let foresail = Foresail::serve(&sections(&redis, &server.url, "")).await;
    foresail.until_page("/api/queues", "\"bursts\":[{").await;
    foresail.until_page("/metrics", "foresail_history_reads_total{result=\"ok\",source=\"jobs\"} 2\n").await;
    foresail.until_page("/api/refs/bio/md", "\"target\":0").await;

    let reports = reports(&foresail);
    let md = reports.iter().find(|report| report.queue == "md").unwrap();
    let forecast = md.forecast.as_ref().unwrap();
    assert_eq!(md.waiting, Some(0));
    assert!(forecast.horizons[1].skill.outcomes > 1_000.0, "{forecast:?}");
    let nightly = forecast.bursts.iter().find(|burst| burst.jobs > 20.0).unwrap();
    assert!(nightly.at.contains("T02:0") || nightly.at.contains("T01:5"), "{nightly:?}");
    let (one, both) = (learned_from(&foresail, "md").unwrap(), learned_from(&foresail, "ct,md").unwrap());
    // The first value of a counter tells of no job.
    let about =
        |jobs: u64, a_day: u32| (u64::from((DAYS - 1) * a_day)..=u64::from(DAYS * a_day)).contains(&jobs);
    assert!(about(one, 102) && about(both - one, 48), "{one}, {both}");
    assert!(foresail.log().contains("all jobs have the same run time, 60.000 s"), "{}", foresail.log());

    // Names of tenants: one that tries, and one that nobody knows.
    foresail.until_value(&object("frames", ODD), 0.0).await;
    foresail.until_value(&object("frames", "new.*"), 0.0).await;
    foresail
        .until_page("/metrics", "foresail_history_reads_total{result=\"none\",source=\"jobs\"} 1\n")
        .await;
    foresail.until_page("/metrics", "foresail_history_reads_total{result=\"ok\",source=\"jobs\"} 3\n").await;
    assert!(learned_from(&foresail, ODD).is_some_and(|jobs| about(jobs, 24)), "{}", foresail.log());
    foresail
        .until_page("/metrics", "foresail_history_reads_total{result=\"error\",source=\"jobs\"} 0\n")
        .await;

    let config = foresail.folder.path().join("foresail.yaml").display().to_string();
    let by_hand = run(&["learn", "--config", &config, "jobs/frames/md", "--dry-run"]);
    let said = text(&by_hand.stdout);
    assert!(by_hand.status.success(), "{}", text(&by_hand.stderr));
    assert!(
        said.contains("bursts    daily at 0") && said.contains("note      all jobs have the same"),
        "{said}"
    );
}

/// What a Prometheus remembers of these queues, by these keys of its `history`.
fn read(server: &Prometheus, keys: &str, queues: &[&str]) -> anyhow::Result<Past> {
    let text = format!(
        "sources: {{ jobs: {{ redis: {{ host: h }}, layouts: {{ frames: {{ preset: redis-list, history: {{ \
         prometheus: {{ url: '{}', span: 1h, {keys} }} }} }} }} }} }}",
        server.url
    );
    let config = Config::from_yaml("test", &text).unwrap();
    let Some(History::Prometheus(history)) = config.sources["jobs"].history("frames") else {
        panic!("{text}")
    };
    let queues: Vec<String> = queues.iter().map(ToString::to_string).collect();
    of_queues(history, &queues, f64::from(START + 5 * 60))
}

#[tokio::test]
async fn each_name_is_asked_for_as_it_is_and_bounds_hold() {
    let names = ["md", "x-md", ODD, "new\nline", ".*", "md|ct", "tab\t", "\u{fffd}", "Zürich \u{1f30a}"];
    let labelled = |name: &str| name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let series: Vec<(String, Vec<u32>)> = (1..)
        .zip(names)
        .map(|(jobs, name)| {
            (format!("jobs_total{{queue=\"{}\"}}", labelled(name)), vec![0, 0, jobs, jobs, jobs])
        })
        .chain([("busy".to_owned(), vec![2; 5]), ("waiting".to_owned(), vec![5, 7, 3, 4, 4])])
        .collect();
    let series: Vec<(&str, &[u32])> =
        series.iter().map(|(name, values)| (name.as_str(), values.as_slice())).collect();
    let server = Prometheus::start_with(free_port(), START, &series, false).await;
    let jobs = |keys: &str, queues: &[&str]| read(&server, keys, queues).unwrap().log.jobs().len();

    for (number, name) in (1..).zip(names) {
        for matcher in ["=", "=~"] {
            let keys = format!("counter: 'jobs_total{{queue{matcher}\"{{queue}}\"}}', run: 30s");
            assert_eq!(jobs(&keys, &[name]), number, "{name:?} {matcher}");
        }
    }
    let counter = "counter: 'jobs_total{queue=\"{queue}\"}', run: 30s";
    assert_eq!(jobs(counter, &["md", "x-md", "nobody"]), 3);
    assert_eq!(jobs(counter, &["nobody"]), 0);
    // All of the three came in one step: there is no latest of them.
    assert_eq!(jobs(&format!("{counter}, jobs: 3"), &["md", "x-md"]), 3);
    assert_eq!(jobs(&format!("{counter}, jobs: 2"), &["md", "x-md"]), 0);

    let pinned = "depth: waiting, run: 30s, queue: md";
    assert_eq!((jobs(pinned, &["md"]), jobs(pinned, &["ct"]), jobs(pinned, &["ct", "md"])), (3, 0, 0));
    let by_busy = read(&server, "depth: waiting, busy: busy, queue: md", &["md"]).unwrap();
    // Two workers for some minutes, and three jobs.
    assert!(by_busy.log.jobs().iter().all(|job| job.run > 100.0), "{:?}", by_busy.log.jobs());
    assert!(by_busy.losses.iter().any(|loss| loss.contains("(give busy and run, or a counter)")));
    let flow = "depth: waiting, busy: busy, run: 30s, queue: md";
    assert!(jobs(flow, &["md"]) > 12, "what left is counted too");

    for (keys, words) in [
        ("counter: 'jobs_total{', run: 30s, queue: md", "refuses `jobs_total{`: "),
        ("depth: jobs_total, run: 30s, queue: md", "`jobs_total` gives 9 series; one is needed"),
        ("depth: waiting, busy: nothing, queue: md", "`nothing` has no points in this span"),
    ] {
        let error = format!("{:#}", read(&server, keys, &["md"]).unwrap_err());
        assert!(error.contains(words), "{keys}: {error}");
    }
}

#[tokio::test]
async fn a_prometheus_that_comes_later_is_learned_from_then_and_answers_go_on() {
    let redis = RedisServer::start().await;
    let port = free_port();
    let foresail = Foresail::serve(&sections(&redis, &format!("http://127.0.0.1:{port}"), "")).await;
    foresail
        .until_page("/metrics", "foresail_history_reads_total{result=\"error\",source=\"jobs\"} 2\n")
        .await;
    let refused = "a queue's past cannot be read: it learns from now on, and for a day it is tried again";
    foresail.until_value(&object("frames", "md"), 0.0).await;
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b", "c"]).await;
    foresail.until_value(&object("frames", "md"), 3.0).await;

    let _server = prometheus(port, false).await;
    foresail.process.signal("HUP");
    foresail.until_page("/metrics", "foresail_history_reads_total{result=\"ok\",source=\"jobs\"} 2\n").await;
    foresail.until_logged("the past of a layout can be read again").await;
    foresail.until_page("/api/queues", "\"bursts\":[{").await;
    assert_eq!(foresail.log().matches(refused).count(), 1, "{}", foresail.log());
    assert_eq!(reports(&foresail).iter().find(|report| report.queue == "md").unwrap().waiting, Some(3));
    foresail.until_value(&object("frames", "md"), 3.0).await;
}

#[tokio::test]
async fn an_authorization_is_read_anew_at_each_try_and_never_said() {
    let redis = RedisServer::start().await;
    let server = prometheus(free_port(), true).await;
    let file = server.folder.path().join("authorization");
    fs::write(&file, "Bearer hush\n").unwrap();
    let more = format!(", auth_file: {}", file.display());
    let foresail = Foresail::serve(&sections(&redis, &server.url, &more)).await;
    foresail.until_logged("answers 401 Unauthorized").await;
    fs::write(&file, "Basic bGFiOnF1YXk=\n").unwrap();
    foresail.process.signal("HUP");
    foresail.until_page("/metrics", "foresail_history_reads_total{result=\"ok\",source=\"jobs\"} 2\n").await;
    let told = [foresail.log(), foresail.page("/metrics"), foresail.page("/api/queues")].concat();
    assert!(!told.contains("hush") && !told.contains("bGFiOnF1YXk"), "{told}");
}

#[tokio::test]
async fn a_prometheus_that_never_answers_holds_up_neither_answers_nor_the_end() {
    let redis = RedisServer::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut foresail = Foresail::serve(&sections(&redis, &url, ", timeout: 1h")).await;
    let (_asking, _) = silent.accept().unwrap();
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b"]).await;
    foresail.until_value(&object("frames", "md"), 2.0).await;
    let asked_to = Instant::now();
    foresail.process.signal("TERM");
    wait_until("the end", LONG, async || !foresail.process.is_running()).await;
    assert!(asked_to.elapsed() < Duration::from_secs(10), "{:?}", asked_to.elapsed());
    assert!(foresail.log().contains("foresail has stopped"), "{}", foresail.log());
}
