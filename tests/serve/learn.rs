//! What a queue was like before Foresail watched it: by hand, and at its first start.

use std::{fs, path::Path, process::Output};

use foresail::state::{Record, Store as _, file::FileStore};

use super::foresail::{Foresail, LONG, run, text, with_listeners};
use crate::support::{
    postgres::PostgresServer,
    process::{free_port, temp_dir, wait_until},
    prometheus::{Prometheus, START},
};

/// Twelve days of jobs: 30 at two o'clock every night, and one in about 20 minutes, each of 50 to 79 s.
const TABLE: &str = "CREATE TABLE jobs (id serial, queue text, status text, created_at timestamptz, \
    started_at timestamptz, ended_at timestamptz); \
    INSERT INTO jobs (queue, status, created_at) SELECT 'md', 'done', \
    date_trunc('day', now(), 'UTC') - make_interval(days => day) + interval '2 h' + make_interval(secs => n / 10) \
    FROM generate_series(0, 11) AS day, generate_series(1, 30) AS n; \
    INSERT INTO jobs (queue, status, created_at) SELECT 'md', 'done', now() - make_interval(mins => 20 * n, secs => hashtext(n::text) & 1023) \
    FROM generate_series(1, 800) AS n; \
    DELETE FROM jobs WHERE created_at > now(); \
    INSERT INTO jobs (queue, status, created_at) SELECT 'other', 'done', now() - make_interval(mins => n) \
    FROM generate_series(1, 100) AS n; \
    UPDATE jobs SET started_at = created_at + interval '5 s', ended_at = created_at + make_interval(secs => 55 + id % 30)";

const QUERY: &str = "SELECT queue, created_at AS submit, started_at AS start, ended_at AS \"end\" FROM jobs;";

fn sections(postgres: &PostgresServer, query: &str, state: &str) -> String {
    format!(
        r#"
sources:
  lab:
    postgres: {{ url: "{}", timeout: 2s }}
    sample_every: 1s
    layouts:
      renders:
        preset: pg-table
        table: jobs
        queue: queue
        history: {{ query: '{query}', span: 30d }}
      bare: {{ preset: pg-table, table: jobs, queue: queue }}
    watch: [ {{ layout: renders, queue: md, workload: Deployment/bio/md }} ]
state: {state}
"#,
        postgres.url("postgres", "postgres")
    )
}

struct Lab {
    postgres: PostgresServer,
    folder: tempfile::TempDir,
}

impl Lab {
    async fn start() -> Self {
        let postgres = PostgresServer::start().await;
        postgres.execute(TABLE).await;
        Self { postgres, folder: temp_dir() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// `foresail learn` with this state.
    fn learn(&self, state: &str, arguments: &[&str]) -> Output {
        let config = self.path("foresail.yaml");
        let sections = sections(&self.postgres, QUERY, state);
        fs::write(&config, with_listeners(&sections, free_port(), free_port())).unwrap();
        run(&[&["learn", "--config", &config], arguments].concat())
    }

    fn refused(&self, state: &str, arguments: &[&str]) -> String {
        let output = self.learn(state, arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
        text(&output.stderr)
    }
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn only_record(path: &Path) -> Record {
    let mut loaded = FileStore::new(path.to_owned()).load().unwrap();
    assert_eq!((loaded.records.len(), loaded.fault), (1, None));
    loaded.records.remove(0)
}

#[tokio::test]
async fn a_table_fills_the_state_of_a_queue_and_a_dry_run_only_says_what_it_would() {
    let lab = Lab::start().await;
    let (place, state) = (lab.path("state"), format!("{{ file: {} }}", lab.path("state")));
    let output = said(&lab.learn("none", &["lab/renders/md", "--dry-run"]));
    for words in [
        "jobs      1,",
        "run time  half within 1m",
        "better than expecting nothing",
        "bursts    daily at 02:00: ",
        "kept      nowhere: --dry-run",
    ] {
        assert!(output.contains(words), "{words:?} is not in\n{output}");
    }
    assert!(!Path::new(&place).exists());
    for _ in 0..2 {
        let output = said(&lab.learn(&state, &["lab/renders/md"]));
        assert!(output.contains(&format!("kept      in {place}")), "{output}");
    }
    let learned = only_record(Path::new(&place)).forecast().unwrap();
    let median = learned.service().law().quantile(0.5);
    assert!((50.0..80.0).contains(&median), "{median}");
    assert!(learned.arrivals().horizons()[1].skill().outcomes() > 1_000.0);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_how_to_mend_it() {
    let lab = Lab::start().await;
    let log = lab.path("log.csv");
    fs::write(&log, "submit,run,queue\n1704067200,30,spectra\n").unwrap();
    for (state, arguments, words) in [
        (
            "none",
            &["lab/renders/md"][..],
            "write state: { file: /var/lib/foresail/state }, or give --dry-run",
        ),
        ("none", &["md", "--dry-run"], "\"md\" is not SOURCE/LAYOUT/QUEUE, such as jobs/frames/md"),
        ("none", &["lab/frames/md", "--dry-run"], "renders"),
        ("none", &["lab/bare/md", "--dry-run"], "sources.lab.layouts.bare has no history"),
        ("none", &["lab/renders/none", "--dry-run"], "no jobs were found"),
        (
            "none",
            &["lab/renders/md", "--dry-run", "--counter", "x"],
            "--counter is a question to a Prometheus",
        ),
        (
            "none",
            &["lab/renders/md", "--dry-run", "--log", &log],
            "has no jobs of md; its queues are spectra",
        ),
        ("none", &["lab/renders/md", "--dry-run", "--log", "no/such"], "cannot read no/such"),
    ] {
        let said = lab.refused(state, arguments);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let file = lab.path("notes");
    fs::write(&file, "somebody's notes").unwrap();
    let said = lab.refused(&format!("{{ file: {file} }}"), &["lab/renders/md"]);
    assert!(said.contains("is left as it is: it is no kept state"), "{said}");
    assert_eq!(fs::read_to_string(file).unwrap(), "somebody's notes");
}

#[tokio::test]
async fn a_log_and_a_prometheus_do_as_well() {
    let lab = Lab::start().await;
    let log = lab.path("log.csv");
    let rows: Vec<String> = (0..500).map(|n| format!("{},{},md\n", START + 600 * n, 20 + n % 20)).collect();
    fs::write(&log, format!("submit,run,queue\n{}1704067200,9,other\n", rows.concat())).unwrap();
    let output = said(&lab.learn("none", &["lab/bare/md", "--dry-run", "--log", &log]));
    assert!(output.contains("jobs      500 jobs in "), "{output}");
    assert!(output.contains("arrivals  6.0"), "{output}");

    let counted: Vec<u32> = (0..300).map(|minute| minute / 3).collect();
    let server = Prometheus::start(&[("jobs_total", &counted)], false).await;
    let end = (START + 299 * 60).to_string();
    let questions = ["--counter", "jobs_total", "--run", "30s", "--start", "2024-01-01", "--end", &end];
    let arguments = [&["lab/bare/md", "--dry-run", "--prometheus", &server.url][..], &questions].concat();
    let output = said(&lab.learn("none", &arguments));
    assert!(output.contains("jobs      99 jobs in "), "{output}");
    assert!(output.contains("note      all jobs have the same run time, 30.000 s"), "{output}");
}

#[tokio::test]
async fn a_new_queue_learns_from_its_table_at_its_first_start_and_only_then() {
    let lab = Lab::start().await;
    let path = lab.folder.path().join("state");
    let sections = sections(&lab.postgres, QUERY, &format!("{{ file: {}, every: 1h }}", path.display()));
    let mut foresail = Foresail::serve(&sections).await;
    foresail.until_logged("a queue has learned from its past").await;
    foresail.until_page("/api/queues", "\"waiting\":0").await;
    foresail.process.stop("TERM");
    let records = FileStore::new(path.clone()).load().unwrap().records;
    let forecast = records.iter().find_map(|record| record.forecast().ok()).expect("the queue's");
    assert!(forecast.service().jobs() > 300.0, "{}", forecast.service().jobs());
    let now = forecast.arrivals().seen_until().unwrap();
    let daily = forecast.calendar().recurrences(now).find(|burst| !burst.hourly && burst.jobs > 20.0);
    assert_eq!(daily.unwrap().at.rem_euclid(86_400.0).round() / 60.0, 120.0, "{daily:?}");

    let mut again = Foresail::serve(&sections).await;
    again.until_page("/api/queues", "\"waiting\":0").await;
    again.process.stop("TERM");
    let log = again.log();
    assert!(log.contains("what was learned before is taken up") && !log.contains("from its past"), "{log}");
}

/// 30 jobs of ten minutes, on each of twelve days about when 45 s from now will have passed.
const SOON: &str = "INSERT INTO jobs (queue, status, created_at, started_at, ended_at) SELECT 'soon', 'done', at, at, \
    at + interval '10 min' FROM generate_series(1, 12) AS day, generate_series(1, 30) AS n, LATERAL (SELECT now() \
    - make_interval(days => day) + make_interval(secs => 45 + (n + hashtext(day::text) & 7) / 10.0) AS at) AS times";

/// The target of the burst's workers, and the worker-seconds that may be spent on forecasts; none of either before it
/// is known.
fn target_and_left(foresail: &Foresail) -> (u64, f64) {
    let page: serde_json::Value =
        serde_json::from_str(&foresail.page("/api/refs/bio/soon")).unwrap_or_default();
    (page[0]["target"].as_u64().unwrap_or(0), page[0]["spend"]["left"].as_f64().unwrap_or(0.0))
}

#[tokio::test]
async fn on_its_first_day_workers_start_ahead_of_a_burst_for_what_the_past_has_earned_once() {
    let lab = Lab::start().await;
    lab.postgres.execute(SOON).await;
    let of_soon = |state: &str| {
        sections(&lab.postgres, QUERY, state)
            .replace("md", "soon")
            .replace("sample_every: 1s", "sample_every: 5s")
    };
    let kept = of_soon(&format!("{{ file: {}, every: 1h }}", lab.path("state")));
    let (mut foresail, forgetful) = (Foresail::serve(&kept).await, Foresail::serve(&of_soon("none")).await);
    wait_until("workers for what is expected", LONG, async || target_and_left(&foresail).0 >= 10).await;
    let (_, left) = target_and_left(&foresail);
    // Twelve days of 18,000 s, each counting for e^-1 of the day after it, of which a quarter may be spent.
    assert!((500.0..2_700.0).contains(&left), "{left}");
    foresail.process.stop("TERM");

    forgetful.until_logged("a queue has learned from its past").await;
    forgetful.until_page("/api/refs/bio/soon", "\"left\":0.0").await;
    assert_eq!(target_and_left(&forgetful).0, 0, "it would earn it anew at each start");

    let again = Foresail::serve(&kept).await;
    again.until_page("/api/queues", "\"waiting\":0").await;
    assert!((1.0..=left).contains(&target_and_left(&again).1), "{:?} of {left}", target_and_left(&again));
}

#[tokio::test]
async fn a_past_that_cannot_be_read_is_said_once_and_live_learning_goes_on() {
    let lab = Lab::start().await;
    let sections = sections(&lab.postgres, "SELECT nothing FROM jobs", "none").replace(
        "workload: Deployment/bio/md }",
        "workload: Deployment/bio/md }, { layout: renders, queue: other, workload: Deployment/bio/other }",
    );
    let foresail = Foresail::serve(&sections).await;
    foresail.until_logged("a queue's past cannot be read: it learns from now on").await;
    foresail.until_page("/api/refs/bio/md", "\"target\":0").await;
    foresail.until_page("/api/refs/bio/other", "\"target\":0").await;
    let log = foresail.log();
    assert!(log.contains("column \\\"nothing\\\" does not exist"), "{log}");
    assert_eq!(log.matches("past cannot be read").count(), 1, "{log}");
}
