//! State and secrets: statements 31 to 35.

use foresail::{clock::Clock as _, series::Sample};
use tonic::Code;

use super::harness::{CONFIG, Stack, object, queue};

#[tokio::test]
async fn c31_refs_are_told_apart_by_metadata_and_not_by_kedas_own_keys() {
    let mut stack = Stack::start();
    stack.world.set("a", 3, Some(0));
    stack.world.set("b", 8, Some(0));
    // Two triggers of one object, and a ScaledJob of the same name.
    let (one, two) = (object("so", &[("queue", "a")]), object("so", &[("queue", "b")]));
    let job = object("so", &[("queue", "b"), ("mode", "jobs"), ("strategy", "accurate")]);
    assert_eq!(stack.value(&one).await.unwrap(), 3.0);
    assert_eq!(stack.value(&two).await.unwrap(), 8.0);
    assert_eq!(stack.value(&job).await.unwrap(), 8.0);
    let mut over_tls = one.clone();
    over_tls.scaler_metadata.insert("enableTLS".into(), "true".into());
    assert_eq!(stack.value(&over_tls).await.unwrap(), 3.0);
    assert_eq!(stack.refs.len(), 3);
}

#[tokio::test]
async fn c32_a_ref_that_nobody_asks_for_expires_and_its_queue_is_no_longer_read() {
    let mut stack = Stack::start();
    stack.world.set("md", 1, Some(0));
    stack.value(&queue("md")).await.unwrap();
    stack.seconds(30).await;
    stack.value(&queue("md")).await.unwrap();
    stack.seconds(590).await;
    assert_eq!(stack.refs.len(), 1, "a pause of minutes looks like silence");
    stack.seconds(60).await;
    assert_eq!(stack.refs.len(), 0);
    let before = stack.world.reads();
    stack.seconds(5).await;
    assert_eq!(stack.world.reads(), before);
    assert_eq!(stack.value(&queue("md")).await.unwrap(), 1.0, "and it comes back when asked for");
}

#[tokio::test]
async fn c33_values_of_metadata_reach_neither_metrics_nor_errors() {
    let mut stack = Stack::start();
    let secrets = [
        ("queue", "md"),
        ("password", "hunter2"),
        ("connectionFromEnv", "hunter2"),
        ("worthFromEnv", "hunter2"),
    ];
    let status = stack.value(&object("so", &secrets)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(!status.message().contains("hunter2"), "{}", status.message());
    assert_eq!(stack.value(&object("so", &secrets[..3])).await.unwrap(), 0.0);
    stack.second().await;
    let metrics = stack.metrics.text();
    assert!(metrics.contains("scaled_object=\"so\"") && !metrics.contains("hunter2"));
}

#[tokio::test]
async fn c34_a_namespace_uses_only_what_the_operator_opened_to_it() {
    let config = CONFIG.replace("\"*\": [\"*\"]", "\"chem*\": [\"md\", \"spectra-*\"]");
    let mut stack = Stack::with(&config);
    for (namespace, name, allowed) in [
        ("chem", "md", true),
        ("chem-b", "spectra-7", true),
        ("chem", "genomes", false),
        ("bio", "md", false),
        ("chem", "md,genomes", false),
    ] {
        let mut object = queue(name);
        object.namespace = namespace.to_owned();
        let answer = stack.value(&object).await;
        assert_eq!(answer.is_ok(), allowed, "{namespace} {name}: {answer:?}");
    }
    let raw = object("so", &[("queue", "md"), ("address", "redis://evil:6379"), ("query", "select 1")]);
    assert!(stack.value(&raw).await.is_ok(), "unknown keys mean nothing, addresses among them");
}

#[tokio::test]
async fn c35_keys_that_nobody_knows_are_ignored_and_missing_env_keys_are_handled() {
    let mut stack = Stack::start();
    stack.world.set("md", 2, Some(0));
    assert_eq!(stack.value(&object("a", &[("queue", "md"), ("colour", "blue")])).await.unwrap(), 2.0);
    assert_eq!(stack.value(&object("b", &[("queueFromEnv", "md")])).await.unwrap(), 2.0);
    let missing = stack.value(&object("c", &[])).await.unwrap_err();
    assert!(missing.message().contains("metadata queue: missing"), "{}", missing.message());
}

#[tokio::test]
async fn a_megabyte_of_metadata_is_refused_and_the_server_lives_on() {
    let mut stack = Stack::start();
    let large = object("so", &[("queue", "md"), ("note", &"x".repeat(1 << 20))]);
    assert!(stack.value(&large).await.is_err());
    assert_eq!(stack.refs.len(), 0);
    assert_eq!(stack.value(&queue("md")).await.unwrap(), 0.0);
}

#[tokio::test]
async fn an_override_beats_every_ref_within_one_tick_and_a_reload_keeps_what_is_known() {
    let mut stack = Stack::start();
    stack.world.set("md", 9, Some(0));
    assert_eq!(stack.value(&queue("md")).await.unwrap(), 9.0);
    stack.reload(&format!(
        "{CONFIG}\noverride: [{{ match: chem/md, mode: 2 }}, {{ match: '*', mode: hold }}]"
    ));
    stack.tick_only(0.0);
    assert_eq!(stack.value(&queue("md")).await.unwrap(), 2.0);
    stack.reload(&CONFIG.replace("keep_alive: 0s,", "keep_alive: 0s, max: 5,"));
    stack.tick_only(0.0);
    assert_eq!(stack.value(&queue("md")).await.unwrap(), 5.0);
    stack.reload(&CONFIG.replace("frames:", "pages:"));
    stack.tick_only(0.0);
    let status = stack.value(&queue("md")).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("there are pages"), "{}", status.message());
}

#[tokio::test]
async fn a_queue_name_with_a_typo_is_an_empty_queue_that_is_flagged() {
    let mut stack = Stack::start();
    assert_eq!(stack.value(&queue("mdd")).await.unwrap(), 0.0);
    stack.second().await;
    assert!(
        stack
            .metrics
            .text()
            .contains("foresail_queue_never_seen{layout=\"frames\",queue=\"mdd\",source=\"jobs\"} 1")
    );
    let why = stack.answers.load().rows[0].as_ref().unwrap().answer.as_ref().unwrap().why.to_string();
    assert!(why.ends_with("never_seen"), "{why}");
}

#[tokio::test]
async fn a_sum_of_queues_is_one_queue_and_watched_refs_need_no_namespace() {
    let config = CONFIG.replace(
        "    layouts:",
        "    watch: [ { layout: frames, queue: \"b,a\", workload: Deployment/closed/md } ]\n    layouts:",
    );
    let config = config.replace("\"*\": [\"*\"]", "chem: [\"*\"]");
    let mut stack = Stack::with(&config);
    stack.world.set("a", 3, Some(1));
    stack.world.set("b", 4, Some(0));
    assert_eq!(stack.value(&queue("a,b")).await.unwrap(), 8.0);
    let mut closed = object("md", &[("queue", "b,a"), ("policy", "default")]);
    closed.namespace = "closed".to_owned();
    let status = stack.value(&closed).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "watching opens nothing: {}", status.message());
    stack.seconds(3700).await;
    let table = stack.answers.load_newest();
    assert_eq!(table.queues.len(), 1);
    let kept: Vec<_> = table.rows.iter().flatten().map(|row| row.entry.key.namespace.as_str()).collect();
    assert_eq!(kept, ["closed"], "KEDA's ref expired, the watched one stays");
    assert!(table.at <= stack.clock.now());
}

#[tokio::test]
async fn an_edited_trigger_changes_nothing_by_itself() {
    let mut stack = Stack::start();
    // A plain list: what its workers do is not seen, so a stranger would have to wait for max_run.
    let sample = |waiting| Sample { waiting: Some(waiting), seen: true, ..Sample::default() };
    stack.world.put("md", sample(6));
    let before = object("so", &[("queue", "md"), ("worth", "2")]);
    assert_eq!(stack.value(&before).await.unwrap(), 6.0);
    stack.world.put("md", sample(0));
    stack.seconds(5).await;
    let edited = object("so", &[("queue", "md"), ("worth", "3")]);
    assert_eq!(stack.value(&edited).await.unwrap(), 6.0);
    let stranger = object("other", &[("queue", "md")]);
    assert_eq!(stack.value(&stranger).await.unwrap_err().code(), Code::Unavailable);
}
