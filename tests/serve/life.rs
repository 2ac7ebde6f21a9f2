//! From start to stop: probes, metrics, signals, reloads.

use std::{
    io::Write as _,
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    time::Instant,
};

use foresail::engine::WATCHED;
use futures_util::StreamExt as _;
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::foresail::{Foresail, LONG, command, object, redis_sections, text, with_listeners};
use crate::support::{
    process::{Process, binary, free_port, run, temp_dir, wait_until},
    redis::RedisServer,
};

#[tokio::test]
async fn a_job_pushed_to_redis_becomes_a_worker_and_the_stream_says_so() {
    let redis = RedisServer::start().await;
    let foresail = Foresail::serve(&redis_sections(redis.port())).await;
    let md = object("reliable", "md");
    assert_eq!(foresail.value(&md).await.unwrap(), 0.0);
    let mut stream = foresail.client().await.stream_is_active(md.clone()).await.unwrap().into_inner();

    let _: i64 = redis.command(&["LPUSH", "md", "a", "b", "c"]).await;
    let message = tokio::time::timeout(LONG, stream.next()).await.expect("a message").unwrap().unwrap();
    assert!(message.result);
    foresail.until_value(&md, 3.0).await;
    let _: String = redis.command(&["LMOVE", "md", "md:busy", "RIGHT", "LEFT"]).await;
    foresail.until_value(&md, 3.0).await;
    let _: i64 = redis.command(&["DEL", "md", "md:busy"]).await;
    foresail.until_value(&md, 0.0).await;
}

#[tokio::test]
async fn an_address_to_bind_takes_the_place_of_those_in_the_file() {
    let (folder, ports) = (temp_dir(), [free_port(), free_port()]);
    let config = folder.path().join("foresail.yaml");
    std::fs::write(&config, with_listeners("", ports[0], ports[1])).unwrap();
    let mut serve = command();
    serve.args(["serve", "--bind", "127.0.0.2", "--config"]).arg(&config);
    let mut foresail = Process::spawn("foresail", &mut serve, &folder.path().join("log"));
    let listens = |host: &str| ports.map(|port| TcpStream::connect((host, port)).is_ok());
    foresail.until_ready(async || listens("127.0.0.2") == [true, true]).await;
    assert_eq!(listens("127.0.0.1"), [false, false]);
}

#[tokio::test]
async fn over_grpc_it_is_alive_at_once_and_ready_after_the_first_pass() {
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = format!(
        "sources: {{ jobs: {{ redis: {{ host: 127.0.0.1, port: {}, timeout: 5s }}, watch: [{{ layout: redis-list, \
         queue: md, workload: Deployment/chem/md }}] }} }}",
        hung.local_addr().unwrap().port()
    );
    let foresail = Foresail::serve(&source).await;
    let channel = Channel::from_shared(format!("http://127.0.0.1:{}", foresail.grpc)).unwrap();
    let mut health = HealthClient::new(channel.connect().await.unwrap());
    let mut watch = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        let stream = health.watch(request).await.unwrap().into_inner();
        stream.map(|status| status.unwrap().status())
    };
    let mut ready = watch("readiness").await;
    let mut alive = watch("liveness").await;
    assert_eq!(ready.next().await, Some(ServingStatus::NotServing));
    assert_eq!(alive.next().await, Some(ServingStatus::Serving));
    let turned = tokio::time::timeout(LONG, ready.next()).await.expect("the first pass ends");
    assert_eq!(turned, Some(ServingStatus::Serving));
}

#[tokio::test]
async fn pages_probes_and_metrics_say_what_the_process_knows() {
    let redis = RedisServer::start().await;
    let foresail = Foresail::serve(&redis_sections(redis.port())).await;
    let _: i64 = redis.command(&["LPUSH", "md", "a"]).await;
    foresail.until_value(&object("reliable", "md"), 1.0).await;
    wait_until("readiness", LONG, async || foresail.page("/readyz") == "ok\n").await;
    assert_eq!(foresail.page("/livez"), "ok\n");

    let queues: serde_json::Value = serde_json::from_str(&foresail.page("/api/queues")).unwrap();
    assert_eq!((queues[0]["queue"].as_str(), queues[0]["waiting"].as_u64()), (Some("md"), Some(1)));
    let refs: serde_json::Value = serde_json::from_str(&foresail.page("/api/refs/chem/md")).unwrap();
    assert_eq!(refs[0]["target"], 1);
    assert!(refs[0]["why"].as_str().unwrap().starts_with("n=1 why=reactive Q=1 busy=0"), "{refs}");
    assert!(foresail.page("/api/refs/chem/other").contains("nobody has asked for it"));

    let promtool = binary("promtool", &[], "apt-get install prometheus");
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(foresail.page("/metrics").as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[tokio::test]
async fn sigterm_ends_it_in_time_though_a_peer_is_silent_and_a_stream_is_open() {
    let redis = RedisServer::start().await;
    let mut foresail = Foresail::serve(&redis_sections(redis.port())).await;
    // hyper would wait an hour for this one.
    let silent = TcpStream::connect(("127.0.0.1", foresail.grpc)).unwrap();
    let mut stream =
        foresail.client().await.stream_is_active(object("plain", "md")).await.unwrap().into_inner();
    let started = Instant::now();
    foresail.process.signal("TERM");
    assert!(stream.next().await.is_none(), "the stream ends with OK");
    wait_until("the end", LONG, async || !foresail.process.is_running()).await;
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    assert!(foresail.log().contains("foresail has stopped"), "{}", foresail.log());
    drop(silent);
}

#[tokio::test]
async fn a_changed_configuration_is_taken_up_and_a_wrong_one_is_not() {
    let redis = RedisServer::start().await;
    let sections = redis_sections(redis.port());
    let foresail = Foresail::serve(&sections).await;
    let md = object("plain", "md");
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b", "c", "d"]).await;
    foresail.until_value(&md, 4.0).await;

    foresail.rewrite(&sections.replace("keep_alive: 0s", "keep_alive: 0s, slots: 2, max: 3"));
    foresail.process.signal("HUP");
    foresail.until_value(&md, 3.0).await;
    let _: Vec<String> = redis.command(&["LPOP", "md", "4"]).await;

    foresail.rewrite(&sections.replace("keep_alive", "keep_alife"));
    foresail.process.signal("HUP");
    foresail.until_logged("no such policy key").await;
    assert_eq!(foresail.value(&md).await.unwrap(), 3.0, "a plain list holds, and the old configuration too");
    assert!(foresail.page("/metrics").contains("foresail_config_reloads_total{result=\"error\"} 1"));

    // The file's change alone is enough; the layout is another one and the queue goes on.
    foresail.rewrite(&format!("{sections}\noverride: [ {{ match: '*', mode: 7 }} ]"));
    foresail.until_value(&md, 7.0).await;
}

#[tokio::test]
async fn an_emptied_file_is_not_taken_up() {
    let redis = RedisServer::start().await;
    let foresail = Foresail::serve(&redis_sections(redis.port())).await;
    let md = object("plain", "md");
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b"]).await;
    foresail.until_value(&md, 2.0).await;
    std::fs::write(foresail.folder.path().join("foresail.yaml"), "\n").unwrap();
    foresail.process.signal("HUP");
    foresail.until_logged("foresail.yaml is empty").await;
    assert_eq!(foresail.value(&md).await.unwrap(), 2.0);
}

#[tokio::test]
async fn a_change_that_sighup_tells_of_during_the_start_is_taken_up() {
    let redis = RedisServer::start().await;
    let sections = redis_sections(redis.port());
    let _: i64 = redis.command(&["LPUSH", "md", "a"]).await;
    let mut foresail = Foresail::spawn(|path, _, _| drop(run(Command::new("mkfifo").arg(path))));
    let path = foresail.folder.path().join("foresail.yaml");
    // Opens once the process reads from the other end.
    let mut first = tokio::task::spawn_blocking({
        let path = path.clone();
        move || std::fs::File::options().write(true).open(path).unwrap()
    })
    .await
    .unwrap();
    std::fs::remove_file(&path).unwrap();
    foresail.rewrite(&format!("{sections}\noverride: [ {{ match: '*', mode: 7 }} ]"));
    foresail.process.signal("HUP");
    first.write_all(with_listeners(&sections, foresail.grpc, foresail.http).as_bytes()).unwrap();
    drop(first);
    foresail.until_alive().await;
    foresail.until_value(&object("plain", "md"), 7.0).await;
    foresail.until_logged("the configuration was taken up").await;
}

#[tokio::test]
async fn a_source_that_changes_its_address_is_read_there_and_others_go_on() {
    let (one, other) = (RedisServer::start().await, RedisServer::start().await);
    let foresail = Foresail::serve(&redis_sections(one.port())).await;
    let md = object("reliable", "md");
    let _: i64 = one.command(&["LPUSH", "md", "a"]).await;
    let _: i64 = other.command(&["LPUSH", "md", "a", "b", "c"]).await;
    foresail.until_value(&md, 1.0).await;
    foresail.rewrite(&redis_sections(other.port()));
    foresail.process.signal("HUP");
    foresail.until_value(&md, 3.0).await;
}

#[tokio::test]
async fn a_source_keeps_its_connection_where_its_reading_stays_as_it_was() {
    let redis = RedisServer::start().await;
    let sections = redis_sections(redis.port());
    let foresail = Foresail::serve(&sections).await;
    let md = object("plain", "md");
    let _: i64 = redis.command(&["LPUSH", "md", "a"]).await;
    foresail.until_value(&md, 1.0).await;
    let before = connections(&redis).await;
    let changed = sections
        .replace("chem: [\"*\"]", "chem: [\"*\"], bio: [\"*\"]")
        .replace("sample_every: 200ms", "sample_every: 100ms\n    stale_after: 3m\n    distrust: 1m");
    foresail.rewrite(&changed);
    foresail.process.signal("HUP");
    foresail.until_logged("the configuration was taken up").await;
    let _: i64 = redis.command(&["LPUSH", "md", "b"]).await;
    foresail.until_value(&md, 2.0).await;
    assert_eq!(connections(&redis).await, before + 2, "the LPUSH and this look");
}

#[tokio::test]
async fn a_source_that_is_gone_leaves_no_metrics() {
    let redis = RedisServer::start().await;
    let sections = redis_sections(redis.port());
    let watch = "    watch: [ { layout: reliable, queue: md, workload: Deployment/bio/md } ]\n    layouts:";
    let foresail = Foresail::serve(&sections.replace("    layouts:", watch)).await;
    foresail.until_page("/metrics", "foresail_source_up{source=\"jobs\"} 1").await;
    foresail.rewrite(&sections.replace("  jobs:", "  others:"));
    foresail.process.signal("HUP");
    foresail.until_logged("the configuration was taken up").await;
    foresail.until_page("/metrics", "foresail_config_reloads_total{result=\"ok\"} 1").await;
    let metrics = foresail.page("/metrics");
    let left = |line: &&str| line.starts_with("foresail_source_") && line.contains("\"jobs\"");
    assert_eq!(metrics.lines().find(left), None);
}

/// Connections that the server has taken since its start, the tests' own too: one a command.
async fn connections(redis: &RedisServer) -> u64 {
    redis.info("total_connections_received").await.trim().parse().unwrap()
}

#[tokio::test]
async fn a_watched_queue_is_decided_on_and_logged_without_keda() {
    let redis = RedisServer::start().await;
    let watch = "    watch: [ { layout: reliable, queue: md, workload: Deployment/bio/md } ]\n    layouts:";
    let foresail = Foresail::serve(&redis_sections(redis.port()).replace("    layouts:", watch)).await;
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b"]).await;
    foresail.until_logged(WATCHED).await;
    foresail.until_logged("n=2 why=reactive Q=2").await;
    assert!(foresail.page("/api/refs/bio/md").contains("\"target\":2"));

    let log = foresail.log();
    let line = log.lines().rfind(|line| line.contains(WATCHED)).expect("it was logged");
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let told = |key: &str| line[key].as_u64();
    assert_eq!([told("wanted"), told("waiting"), told("in_flight"), told("slots")], [2, 2, 0, 1].map(Some));
    assert_eq!(told("replicas"), None, "Kubernetes is not watched here");
    assert!(line["at"].as_f64() >= line["read_at"].as_f64(), "{line}");
}
