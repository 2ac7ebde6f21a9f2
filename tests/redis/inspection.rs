//! What `foresail check` finds in a Redis.

use foresail::source::{Finding, LayoutIndex, Level, Source as _, redis::RedisSource};

use crate::{config, layout, sample, source, support::redis::RedisServer};

fn find<'a>(findings: &'a [Finding], words: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.what.contains(words)).unwrap_or_else(|| panic!("{findings:?}"))
}

#[tokio::test]
async fn queues_are_found_by_type_and_form_and_worker_lists_are_none() {
    let redis = RedisServer::start().await;
    for key in ["jobs:md", "jobs:spectra", "jobs:md:work:w1", "else"] {
        redis.command::<()>(&["RPUSH", key, "a"]).await;
    }
    redis.command::<()>(&["ZADD", "jobs:scored", "1", "a"]).await;
    redis.command::<String>(&["XADD", "frames", "*", "a", "b"]).await;
    let lists =
        layout("redis-list", &[("key", "jobs:{queue}"), ("processing", "jobs:{queue}:work:{worker}")]);
    let layouts = vec![lists, layout("redis-zset", &[]), layout("redis-stream", &[("group", "g")])];
    let source = RedisSource::new(config(redis.url()), layouts).unwrap();
    assert_eq!(source.discover(LayoutIndex(0), 10).await.unwrap(), ["md", "spectra"]);
    assert_eq!(source.discover(LayoutIndex(0), 1).await.unwrap().len(), 1);
    assert_eq!(source.discover(LayoutIndex(1), 10).await.unwrap(), ["jobs:scored"]);
    assert_eq!(source.discover(LayoutIndex(2), 10).await.unwrap(), ["frames"]);
}

#[tokio::test]
async fn the_default_user_and_eviction_are_warned_of_with_a_rule_that_works() {
    let redis =
        RedisServer::builder().line("maxmemory 1gb").line("maxmemory-policy allkeys-lru").start().await;
    let layouts = || {
        vec![
            layout(
                "redis-list",
                &[("key", "jobs:{queue}"), ("processing", "work:{queue}:{worker}"), ("age", "tail")],
            ),
            layout("redis-zset", &[("key", "later:{queue}")]),
            layout("redis-stream", &[("key", "frames:{queue}"), ("group", "workers")]),
        ]
    };
    let findings = RedisSource::new(config(redis.url()), layouts()).unwrap().inspect().await;
    assert_eq!(find(&findings, "maxmemory-policy is allkeys-lru").level, Level::Warning);
    let rule = find(&findings, "user \"default\"").todo.clone().unwrap();
    let rule = rule.split_once("ACL SETUSER ").unwrap().1.replace("PASSWORD", "secret");

    // The user that this rule makes reads everything, and nothing is found against it.
    let words: Vec<&str> = ["ACL", "SETUSER"].into_iter().chain(rule.split_whitespace()).collect();
    redis.command::<()>(&words).await;
    redis.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    let reader = RedisSource::new(config(redis.url_for("foresail", "secret")), layouts()).unwrap();
    assert_eq!(reader.inspect().await, []);
    redis.command::<()>(&["XGROUP", "CREATE", "frames:a", "workers", "0", "MKSTREAM"]).await;
    for id in ["1-0", "2-0", "3-0", "4-0"] {
        redis.command::<String>(&["XADD", "frames:a", id, "a", "b"]).await;
    }
    redis
        .command::<redis::Value>(&[
            "XREADGROUP",
            "GROUP",
            "workers",
            "w",
            "COUNT",
            "1",
            "STREAMS",
            "frames:a",
            ">",
        ])
        .await;
    redis.command::<u64>(&["XDEL", "frames:a", "3-0"]).await;
    for layout in 0..3 {
        let queue = foresail::source::Wanted { layout: LayoutIndex(layout), queue: "a".into() };
        let sample = reader.read(&[queue]).await.unwrap().samples.remove(0);
        assert!(sample.is_ok(), "{layout}: {sample:?}");
        assert!(reader.discover(LayoutIndex(layout), 5).await.is_ok());
    }
}

#[tokio::test]
async fn a_command_that_the_acl_forbids_is_found_before_any_queue_is_read() {
    let redis = RedisServer::builder().user("reader on >secret ~* -@all +info +time +scan").start().await;
    let source = source(redis.url_for("reader", "secret"), layout("redis-list", &[]));
    let findings = source.inspect().await;
    let finding = find(&findings, "forbids LLEN");
    assert_eq!((finding.level, finding.subject.as_str()), (Level::Error, "layout redis-list"));
    assert!(finding.todo.as_ref().unwrap().contains("+llen"), "{finding:?}");
}

#[tokio::test]
async fn a_search_that_the_acl_forbids_leaves_in_flight_unknown_and_is_found() {
    let redis = RedisServer::builder().user("reader on >secret ~* -@all +info +time +llen").start().await;
    let searched = layout("redis-list", &[("processing", "{queue}:work:{worker}")]);
    let source = source(redis.url_for("reader", "secret"), searched);
    assert_eq!(sample(&source, "md").await.in_flight, None);
    assert!(find(&source.inspect().await, "forbids SCAN").what.contains("+scan"));
}

#[tokio::test]
async fn a_source_that_cannot_be_reached_is_a_finding() {
    let source = source("redis://127.0.0.1:1/", layout("redis-list", &[]));
    let findings = source.inspect().await;
    assert_eq!((findings.len(), findings[0].level), (1, Level::Error));
    assert!(findings[0].what.contains("cannot connect: 127.0.0.1:1"), "{}", findings[0].what);
}

#[tokio::test]
async fn a_group_that_no_stream_has_is_probably_a_typo() {
    let redis = RedisServer::start().await;
    let source = source(redis.url(), layout("redis-stream", &[("group", "wrokers")]));
    let about_groups =
        |findings: Vec<Finding>| findings.into_iter().filter(|f| f.what.contains("group")).count();
    assert_eq!(about_groups(source.inspect().await), 0, "no streams, nothing to judge by");
    redis.command::<()>(&["XGROUP", "CREATE", "md", "workers", "0", "MKSTREAM"]).await;
    let findings = source.inspect().await;
    assert_eq!(find(&findings, "\"wrokers\"").level, Level::Warning);
    redis.command::<()>(&["XGROUP", "CREATE", "md", "wrokers", "0"]).await;
    assert_eq!(about_groups(source.inspect().await), 0);
}
