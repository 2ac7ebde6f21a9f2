//! `check`, `explain` and the words of a wrong configuration.

use super::foresail::{Foresail, object, redis_sections, run, text};
use crate::support::{process::temp_dir, redis::RedisServer};

#[tokio::test]
async fn explain_says_what_is_answered_and_why() {
    let redis = RedisServer::start().await;
    let foresail = Foresail::serve(&redis_sections(redis.port())).await;
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b"]).await;
    foresail.until_value(&object("plain", "md"), 2.0).await;
    let output = run(&["explain", "chem/md", "--http", &foresail.url("")]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for words in [
        "chem/md  metric foresail-md-",
        "n=2 why=reactive Q=2 busy=?",
        "target   2, active",
        "queue    md (source jobs, layout plain)",
    ] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    let unknown = run(&["explain", "chem/other", "--http", &foresail.url("")]);
    assert!(
        !unknown.status.success() && text(&unknown.stderr).contains("nobody has asked"),
        "{}",
        text(&unknown.stderr)
    );
}

#[tokio::test]
async fn explain_without_a_server_says_where_it_asked() {
    let output = run(&["explain", "chem/md", "--http", "http://127.0.0.1:1"]);
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains("is --http the address of Foresail's http.listen?"),
        "{}",
        text(&output.stderr)
    );
}

#[tokio::test]
async fn check_prints_what_it_saw_and_what_to_do() {
    let redis = RedisServer::start().await;
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b"]).await;
    let folder = temp_dir();
    let path = folder.path().join("foresail.yaml");
    std::fs::write(&path, redis_sections(redis.port()).replace("[\"*\"]", "[md]")).unwrap();
    let output = run(&["check", "--config", path.to_str().unwrap()]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    for words in
        ["the configuration is valid", "source jobs", "plain/md: waiting 2, in flight ?", "max_run (3600 s)"]
    {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
}

#[tokio::test]
async fn check_reads_what_is_watched_or_configured_under_a_presets_own_name() {
    let redis = RedisServer::start().await;
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b"]).await;
    let folder = temp_dir();
    let path = folder.path().join("foresail.yaml");
    let source = format!("redis: {{ port: {}, host: 127.0.0.1 }}", redis.port());
    for (keys, words) in [
        (
            "watch: [ { layout: redis-list, queue: md, workload: Deployment/bio/md } ]",
            "redis-list/md: waiting 2",
        ),
        (
            "namespaces: { bio: [other] }, watch: [ { layout: redis-list, queue: md, workload: Deployment/bio/md } ]",
            "redis-list/other: waiting 0",
        ),
        ("layouts: { redis-list: { preset: redis-list, max_run: 1h } }", "redis-list/md: waiting 2"),
        (
            "namespaces: { bio: [md] }, layouts: { redis-list: { preset: redis-list } }",
            "redis-list/md: waiting 2",
        ),
        ("namespaces: { bio: [md] }", "no layout that is configured or watched"),
    ] {
        std::fs::write(&path, format!("sources: {{ jobs: {{ {source}, {keys} }} }}")).unwrap();
        let output = run(&["check", "--config", path.to_str().unwrap()]);
        let said = text(&output.stdout);
        assert!(
            output.status.success() && said.contains(words),
            "{keys}: {words:?} is not in\n{said}{}",
            text(&output.stderr)
        );
    }
}

#[tokio::test]
async fn check_fails_where_nothing_listens() {
    let folder = temp_dir();
    let path = folder.path().join("foresail.yaml");
    std::fs::write(&path, redis_sections(1)).unwrap();
    let output = run(&["check", "--config", path.to_str().unwrap()]);
    assert!(!output.status.success());
    assert!(text(&output.stdout).contains("cannot connect"), "{}", text(&output.stdout));
}

#[tokio::test]
async fn a_wrong_configuration_names_file_line_and_field() {
    let folder = temp_dir();
    let path = folder.path().join("foresail.yaml");
    let good = redis_sections(6379);
    for (from, to, words) in [
        ("sample_every: 200ms", "smaple_every: 200ms", "smaple_every"),
        (
            "sample_every: 200ms",
            "sample_every: soon",
            "foresail.yaml:6: sources.jobs.sample_every: \"soon\" is not a duration",
        ),
        (
            "max_run: 1h",
            "max_rum: 1h",
            "foresail.yaml:8: sources.jobs.layouts.plain.max_rum: no such parameter; redis-list knows key",
        ),
        (
            "preset: redis-list, max_run: 1h",
            "preset: redis-lisp",
            "no preset is called \"redis-lisp\"; there are redis-list",
        ),
        ("keep_alive: 0s", "keep_alive: 0s, calendar: 3", "policies.default.calendar: not in this version"),
        (
            "keep_alive: 0s",
            "keep_alive: 0s, group: gpu",
            "policies.default.group: no group is called \"gpu\"; there are none (groups)",
        ),
        (
            "policies:",
            "groups: { gpu: {} }\npolicies:",
            "groups.gpu: a group has a name, and max or max_spend",
        ),
        (
            "policies:",
            "groups: { gpu: { max: -1 } }\npolicies:",
            "groups.gpu.max: \"-1\" is not a whole number",
        ),
        ("host: 127.0.0.1,", "", "sources.jobs.redis: give exactly one of url"),
        ("policies:", "hints: { mode: capacity-buffer }\npolicies:", "hints: kubernetes is not watched"),
    ] {
        std::fs::write(&path, good.replace(from, to)).unwrap();
        let output = run(&["serve", "--config", path.to_str().unwrap()]);
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{to:?}: {words:?} is not in\n{said}");
    }
}

#[tokio::test]
async fn a_wrong_file_never_shows_the_password_in_it() {
    let folder = temp_dir();
    let path = folder.path().join("foresail.yaml");
    for text_of_file in [
        "sources: { jobs: { redis: { url: \"redis://:hunter2@h\", prot: 1 } } }",
        "sources: { jobs: { redis: { url: [\"redis://:hunter2@h\"] } } }",
        "sources: { jobs: { redis: { url: \"redis://:hunter2@h\" ",
        "sources: { jobs: { redis: { url: \"redis://:hunter2@h\", username: a } } }",
    ] {
        std::fs::write(&path, text_of_file).unwrap();
        let output = run(&["check", "--config", path.to_str().unwrap()]);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(!output.status.success() && !said.contains("hunter2"), "{said}");
    }
}
