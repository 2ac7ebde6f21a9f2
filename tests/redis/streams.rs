//! `redis-stream`: a consumer group's backlog in every case in which Redis does not know it.

use foresail::{
    config::source::{Layout, MissingQueue},
    series::Quality,
    source::QueueError,
};

use crate::{holder, layout, read, sample, source, support::redis::RedisServer};

fn stream() -> Layout {
    layout("redis-stream", &[("group", "workers")])
}

/// Adds entries with the ids `<n>-0`, and makes the group at the start.
async fn filled(entries: impl IntoIterator<Item = u64>) -> RedisServer {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["XGROUP", "CREATE", "md", "workers", "0", "MKSTREAM"]).await;
    for id in entries {
        redis.command::<String>(&["XADD", "md", &format!("{id}-0"), "job", "x"]).await;
    }
    redis
}

async fn take(redis: &RedisServer, worker: &str, count: u64) {
    let count = count.to_string();
    let words = ["XREADGROUP", "GROUP", "workers", worker, "COUNT", &count, "STREAMS", "md", ">"];
    redis.command::<redis::Value>(&words).await;
}

async fn lag_is_nil(redis: &RedisServer) -> bool {
    let groups: redis::Value = redis.command(&["XINFO", "GROUPS", "md"]).await;
    format!("{groups:?}").ends_with("nil])])") || format!("{groups:?}").contains("'lag'), nil")
}

#[tokio::test]
async fn a_group_tells_what_waits_what_runs_and_who_has_it() {
    let redis = filled(1..=10).await;
    take(&redis, "w1", 3).await;
    take(&redis, "w2", 1).await;
    redis.command::<u64>(&["XACK", "md", "workers", "1-0"]).await;
    let sample = sample(&source(redis.url(), stream()), "md").await;
    assert_eq!((sample.waiting, sample.in_flight), (Some(6), Some(3)));
    assert_eq!(sample.holders, Some(vec![holder("w1", 2, 0), holder("w2", 1, 0)]));
    assert_eq!((sample.arrivals_total, sample.completions_total), (Some(10), Some(1)));
    assert_eq!((sample.quality, sample.seen, sample.stuck), (Quality::Exact, true, None));
    assert_eq!(sample.oldest_age, None, "ids of the producer's own are no times");
}

#[tokio::test]
async fn the_first_entry_that_was_not_delivered_tells_the_oldest_age() {
    let redis = RedisServer::start().await;
    let (seconds, _): (u64, u64) = redis.command(&["TIME"]).await;
    for ago in [100, 50, 10] {
        redis.command::<String>(&["XADD", "md", &format!("{}-0", (seconds - ago) * 1000), "job", "x"]).await;
    }
    let source = source(redis.url(), stream());
    let age = async || sample(&source, "md").await.oldest_age.unwrap();
    assert!((100.0..110.0).contains(&age().await), "no group yet: the first entry of all");
    redis.command::<()>(&["XGROUP", "CREATE", "md", "workers", "0"]).await;
    assert!((100.0..110.0).contains(&age().await));
    take(&redis, "w1", 1).await;
    assert!((50.0..60.0).contains(&age().await));
    take(&redis, "w1", 2).await;
    assert_eq!(sample(&source, "md").await.oldest_age, None);
}

#[tokio::test]
async fn a_stream_without_the_group_waits_with_all_its_entries() {
    let redis = RedisServer::start().await;
    let source = source(redis.url(), stream());
    let nothing = sample(&source, "md").await;
    assert_eq!((nothing.waiting, nothing.in_flight, nothing.seen), (Some(0), Some(0), false));
    redis.command::<String>(&["XADD", "md", "*", "job", "x"]).await;
    let waiting = sample(&source, "md").await;
    assert_eq!((waiting.waiting, waiting.in_flight, waiting.seen), (Some(1), Some(0), true));
}

#[tokio::test]
async fn a_stream_that_must_exist_and_does_not_is_an_error_but_an_empty_one_is_not() {
    let redis = RedisServer::start().await;
    let source = source(redis.url(), Layout { missing_queue: MissingQueue::Error, ..stream() });
    let error = read(&source, "md").await.unwrap_err();
    assert_eq!(error, QueueError::Missing("md".to_owned()));
    assert!(error.to_string().contains("missing_queue: error"), "{error}");
    redis.command::<()>(&["XGROUP", "CREATE", "md", "workers", "$", "MKSTREAM"]).await;
    let empty = sample(&source, "md").await;
    assert_eq!((empty.waiting, empty.seen), (Some(0), true));
}

#[tokio::test]
async fn a_deletion_among_the_unread_makes_the_lag_nil_and_the_rest_is_counted() {
    let redis = filled(1..=10).await;
    take(&redis, "w1", 2).await;
    redis.command::<u64>(&["XDEL", "md", "6-0"]).await;
    assert!(lag_is_nil(&redis).await);
    let sample = sample(&source(redis.url(), stream()), "md").await;
    assert_eq!((sample.waiting, sample.in_flight, sample.quality), (Some(7), Some(2), Quality::Exact));
}

#[tokio::test]
async fn a_deletion_among_the_unread_before_any_was_read_leaves_the_length() {
    let redis = filled(5..=9).await;
    redis.command::<u64>(&["XDEL", "md", "7-0"]).await;
    assert_eq!(sample(&source(redis.url(), stream()), "md").await.waiting, Some(4));
}

#[tokio::test]
async fn a_group_made_in_the_middle_counts_from_there() {
    let redis = filled(1..=10).await;
    redis.command::<()>(&["XGROUP", "DESTROY", "md", "workers"]).await;
    redis.command::<()>(&["XGROUP", "CREATE", "md", "workers", "4-0"]).await;
    assert!(lag_is_nil(&redis).await);
    assert_eq!(sample(&source(redis.url(), stream()), "md").await.waiting, Some(6));
}

#[tokio::test]
async fn a_group_that_has_read_all_waits_for_nothing_though_the_lag_is_nil() {
    let redis = filled(1..=10).await;
    redis.command::<()>(&["XGROUP", "SETID", "md", "workers", "9-5"]).await;
    redis.command::<u64>(&["XDEL", "md", "10-0"]).await;
    redis.command::<()>(&["XGROUP", "SETID", "md", "workers", "10-0"]).await;
    let sample = sample(&source(redis.url(), stream()), "md").await;
    assert_eq!((sample.waiting, sample.oldest_age), (Some(0), None));
}

#[tokio::test]
async fn entries_that_were_trimmed_before_they_were_read_do_not_wait() {
    let redis = filled(1..=5).await;
    take(&redis, "w1", 1).await;
    redis.command::<u64>(&["XTRIM", "md", "MAXLEN", "1"]).await;
    let sample = sample(&source(redis.url(), stream()), "md").await;
    assert_eq!((sample.waiting, sample.in_flight, sample.arrivals_total), (Some(1), Some(1), Some(5)));
}

#[tokio::test]
async fn a_long_backlog_of_unknown_lag_is_counted_up_to_a_bound_and_says_so() {
    let redis = filled([1, 2]).await;
    take(&redis, "w1", 1).await;
    let fill = "for i = 1, 12000 do redis.call('XADD', KEYS[1], '*', 'job', 'x') end";
    redis.command::<()>(&["EVAL", fill, "1", "md"]).await;
    redis.command::<u64>(&["XDEL", "md", "2-0"]).await;
    assert!(lag_is_nil(&redis).await);
    let sample = sample(&source(redis.url(), stream()), "md").await;
    assert_eq!((sample.waiting, sample.quality), (Some(10_000), Quality::Sampled));
    assert!(sample.oldest_age.is_some());
}

#[tokio::test]
async fn entries_idle_for_too_long_are_stuck_with_their_consumer() {
    let redis = filled(1..=5).await;
    take(&redis, "dead", 3).await;
    take(&redis, "alive", 1).await;
    let two_hours = "7200000";
    let words = ["XCLAIM", "md", "workers", "dead", "0", "1-0", "2-0", "IDLE", two_hours, "JUSTID"];
    redis.command::<Vec<String>>(&words).await;
    let stuck_after = async |seconds: f64| {
        sample(&source(redis.url(), Layout { stuck_after: Some(seconds), ..stream() }), "md").await
    };
    let an_hour = stuck_after(3600.0).await;
    assert_eq!((an_hour.waiting, an_hour.in_flight, an_hour.stuck), (Some(1), Some(4), Some(2)));
    assert_eq!(an_hour.holders, Some(vec![holder("alive", 1, 0), holder("dead", 3, 2)]));
    assert_eq!(stuck_after(86_400.0).await.stuck, Some(0));
}

#[tokio::test]
async fn a_stream_key_of_another_type_is_named() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["RPUSH", "md", "a"]).await;
    let error = read(&source(redis.url(), stream()), "md").await.unwrap_err().to_string();
    assert!(error.contains("XINFO STREAM of key \"md\"") && error.contains("WRONGTYPE"), "{error}");
}
