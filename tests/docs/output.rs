//! What the pages show as printed is what the program prints.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use foresail::{answers::Answers, clock::WallClock, scaler::pb, telemetry::Metrics};
use regex::Regex;

use super::pages::{difference, page};
use crate::{
    foresail_process::{Foresail, LONG, command, object, run, text},
    support::{
        postgres::PostgresServer,
        process::{temp_dir, wait_until},
        redis::RedisServer,
    },
};

#[test]
fn the_filters_example_is_what_it_prints() {
    let block = page("docs/decide.md").block_after("decide example").text;
    let (lines, printed) = block.split_once("$ foresail decide < lines\n").unwrap();
    let lines = lines.strip_prefix("$ cat lines\n").unwrap();
    let mut filter = command().arg("decide").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    filter.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = filter.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), printed);
}

#[test]
fn the_filter_takes_a_tuned_policy_as_it_is() {
    let folder = temp_dir();
    let path = folder.path().join("tuned.yaml");
    std::fs::write(&path, page("docs/bench/tune.md").block_after("tuned policy").text).unwrap();
    let mut filter = command();
    filter.arg("decide").arg("--policy").arg(&path).stdin(Stdio::null());
    let output = filter.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// The table takes half a minute of a release build; what it depends on is printed before it.
#[test]
fn the_demo_says_of_itself_what_the_readme_shows() {
    let shown = page("README.md").block_after("output: foresail demo").text;
    let (settings, table) = shown.split_at(shown.find("\n\n  ").unwrap());
    assert!(table.contains("Foresail") && table.ends_with("0 failed.\n"), "{table}");
    let mut demo = command()
        .args(["demo", "--no-progress"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut printed = vec![0; settings.len()];
    let read = demo.stdout.take().unwrap().read_exact(&mut printed);
    demo.kill().unwrap();
    demo.wait().unwrap();
    read.unwrap();
    assert_eq!(text(&printed), settings);
}

#[tokio::test]
async fn the_readmes_explanation_is_what_its_configuration_gives() {
    let page = page("README.md");
    let config = page.blocks().into_iter().find(|block| block.text.contains("\nsources:\n")).unwrap().text;
    let redis = RedisServer::start().await;
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b", "c"]).await;
    let _: i64 = redis.command(&["LPUSH", "md:busy:md-7d4b9", "d"]).await;
    let url = Regex::new(r"url_file: \S+ \}").unwrap();
    assert!(url.is_match(&config));
    let watch = "    watch: [{ layout: frames, queue: md, workload: Deployment/chem-a/md }]\n";
    let config = url.replace(&config, format!("host: 127.0.0.1, port: {} }}", redis.port())) + watch;
    let foresail = Foresail::serve(&config).await;
    let explain = || text(&run(&["explain", "chem-a/md", "--http", &foresail.url("")]).stdout);
    wait_until("the answer to be 4", LONG, async || explain().contains("n=4")).await;
    let asked = pb::ScaledObjectRef { namespace: "chem-a".to_owned(), ..object("frames", "md") };
    let policy =
        [("source", "jobs"), ("policy", "default")].map(|(key, name)| (key.to_owned(), name.to_owned()));
    let asked = pb::ScaledObjectRef {
        scaler_metadata: asked.scaler_metadata.into_iter().chain(policy).collect(),
        ..asked
    };
    foresail.until_value(&asked, 4.0).await;

    let shown = page.blocks().into_iter().find(|block| block.text.starts_with("$ foresail explain")).unwrap();
    let (_, shown) = shown.text.split_once('\n').unwrap();
    let time = Regex::new(r"[0-9.]+ s (old|ago)").unwrap();
    assert_eq!(time.replace_all(&explain(), "$1"), time.replace_all(shown, "$1"));
}

#[tokio::test]
async fn the_acl_of_the_manual_has_the_commands_that_check_asks_for() {
    let redis = RedisServer::start().await;
    let folder = temp_dir();
    let path = folder.path().join("foresail.yaml");
    let layouts = "
      redis-list: { preset: redis-list, processing: \"{queue}:busy:{worker}\", workers: \"{queue}:workers\", stuck_after: 1h, age: tail }
      leases: { preset: redis-zset, processing: \"{queue}:leases\", processing_is: leases }
      stream: { preset: redis-stream, group: g, stuck_after: 1h }";
    let config = format!(
        "sources:\n  jobs:\n    redis: {{ host: 127.0.0.1, port: {} }}\n    layouts:{layouts}\n",
        redis.port()
    );
    std::fs::write(&path, config).unwrap();
    let said = text(&run(&["check", "--config", path.to_str().unwrap()]).stdout);
    let line =
        said.lines().find(|line| line.contains("ACL SETUSER")).unwrap_or_else(|| panic!("no ACL in\n{said}"));
    let manual = page("docs/operations.md");
    let shown = manual.blocks().into_iter().find(|block| block.text.starts_with("ACL SETUSER")).unwrap().text;
    let commands = |text: &str| -> BTreeSet<String> {
        text.split_whitespace().filter(|word| word.starts_with(['+', '-'])).map(str::to_owned).collect()
    };
    assert_eq!(difference(&commands(&shown), &commands(line)), Vec::<String>::new());
}

#[tokio::test]
async fn the_role_of_the_manual_reads_what_it_needs_and_no_more() {
    let postgres = PostgresServer::start().await;
    postgres.execute("CREATE DATABASE lab").await;
    let table = "CREATE SCHEMA lab; CREATE TABLE lab.renders (queue text, state text, worker text,
        run_at timestamptz, created_at timestamptz, payload text);
        INSERT INTO lab.renders VALUES ('night', 'ready', NULL, now(), now(), 'secret')";
    postgres.execute_in("lab", table).await;
    let manual = page("docs/operations.md");
    let role = manual.blocks().into_iter().find(|block| block.info == "sql").unwrap().text;
    postgres.execute_in("lab", &role).await;

    let folder = temp_dir();
    let path = folder.path().join("foresail.yaml");
    let check = |layout: &str| {
        let config = format!(
            "sources:\n  lab:\n    postgres: {{ host: 127.0.0.1, port: {}, user: foresail, database: lab }}\n    \
             namespaces: {{ imaging: [night] }}\n    layouts:\n      renders: {layout}\n",
            postgres.port()
        );
        std::fs::write(&path, config).unwrap();
        let output = run(&["check", "--config", path.to_str().unwrap()]);
        (output.status.success(), text(&output.stdout))
    };
    let (good, said) = check(
        "{ preset: pg-table, table: lab.renders, status: state, waiting: ready, worker: worker, run_at: run_at, created_at: created_at }",
    );
    assert!(good && said.contains("renders/night: waiting 1, in flight 0"), "{said}");
    assert!(!said.contains("warning") && !said.contains("role"), "{said}");
    let (good, said) =
        check("{ query: \"SELECT queue, count(payload) AS waiting FROM lab.renders GROUP BY queue\" }");
    assert!(!good && said.contains("permission denied"), "{said}");
}

#[tokio::test]
async fn a_scrape_has_the_documented_metrics_and_no_other() {
    let redis = RedisServer::start().await;
    let now: Vec<String> = redis.command(&["TIME"]).await;
    let (past, future) = (now[0].parse::<u64>().unwrap() - 60, now[0].parse::<u64>().unwrap() + 3600);
    let _: i64 = redis.command(&["ZADD", "later", &past.to_string(), "a", &future.to_string(), "b"]).await;
    let _: String = redis.command(&["XADD", "md", "*", "k", "v"]).await;
    let _: String = redis.command(&["XGROUP", "CREATE", "md", "workers", "0"]).await;
    let taken = ["XREADGROUP", "GROUP", "workers", "md-7d4b9", "COUNT", "1", "STREAMS", "md", ">"];
    let _: redis::Value = redis.command(&taken).await;
    let folder = temp_dir();
    let foresail = Foresail::serve(&format!(
        "
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {} }}
    namespaces: {{ chem: [\"*\"] }}
    layouts:
      frames: {{ preset: redis-stream, group: workers }}
      timed:
        preset: redis-zset
        history: {{ prometheus: {{ url: \"http://127.0.0.1:9\", depth: waiting, run: 1m, queue: later }} }}
    watch: [{{ layout: timed, queue: later, workload: Deployment/chem/later }}]
state: {{ file: {}, every: 1s }}
",
        redis.port(),
        folder.path().join("state").display()
    ))
    .await;
    let object = object("frames", "md");
    foresail.until_value(&object, 1.0).await;
    let _stream = foresail.client().await.stream_is_active(object).await.unwrap();

    let metrics = Metrics::new(Arc::new(Answers::default()), Arc::new(WallClock::new()));
    let described: BTreeSet<String> = metrics
        .describe()
        .iter()
        // A run time is known once jobs were seen to end, and looked at a minute later.
        .filter(|metric| !needs_kubernetes(&metric.name) && metric.name != "foresail_queue_run_seconds")
        .map(|metric| format!("{} {}", metric.name, metric.kind))
        .collect();
    let scraped = || -> BTreeSet<String> {
        let page = foresail.page("/metrics");
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect()
    };
    let settled = async {
        while !scraped().is_superset(&described) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(LONG, settled).await;
    assert_eq!(
        difference(&described, &scraped()),
        Vec::<String>::new(),
        "those not documented, and those without a value"
    );
}

/// Whether a metric has no value without a cluster; the cluster tests have one.
fn needs_kubernetes(name: &str) -> bool {
    let of_workloads =
        ["replicas", "ready", "starting", "terminating"].map(|what| format!("foresail_ref_{what}"));
    of_workloads.iter().any(|metric| metric == name)
        || ["in_sight", "refused", "watch_errors_total"]
            .iter()
            .any(|what| name == format!("foresail_kubernetes_{what}"))
        || ["foresail_pod_start_", "foresail_node_", "foresail_object_", "foresail_hint_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}
