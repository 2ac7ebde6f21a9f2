//! `redis-zset`: jobs with the time when they are due, by the server's clock.

use crate::{layout, read, sample, source, support::redis::RedisServer};

async fn server_seconds(redis: &RedisServer) -> f64 {
    let (seconds, micros): (f64, f64) = redis.command(&["TIME"]).await;
    seconds + micros * 1e-6
}

#[tokio::test]
async fn what_is_due_waits_and_what_is_not_is_scheduled() {
    for (unit, scale) in [("s", 1.0), ("ms", 1e3), ("us", 1e6)] {
        let redis = RedisServer::start().await;
        let now = server_seconds(&redis).await;
        for (job, due) in [("a", now - 100.0), ("b", now - 1.0), ("c", now + 60.0), ("d", now + 90.0)] {
            redis.command::<()>(&["ZADD", "md", &format!("{:.3}", due * scale), job]).await;
        }
        let source = source(redis.url(), layout("redis-zset", &[("score_unit", unit)]));
        let sample = sample(&source, "md").await;
        assert_eq!((sample.waiting, sample.scheduled, sample.in_flight), (Some(2), Some(2), None), "{unit}");
        let (due, age) = (sample.next_due.unwrap(), sample.oldest_age.unwrap());
        assert!((50.0..=60.0).contains(&due), "{unit}: {due}");
        assert!((100.0..110.0).contains(&age), "{unit}: {age}");
    }
}

#[tokio::test]
async fn jobs_held_under_a_lease_are_in_flight_and_stuck_when_it_has_ended() {
    let redis = RedisServer::start().await;
    let now = server_seconds(&redis).await;
    redis.command::<()>(&["ZADD", "md:leases", &(now + 60.0).to_string(), "a"]).await;
    redis.command::<()>(&["ZADD", "md:leases", &(now - 5.0).to_string(), "b"]).await;
    let leases = [("processing", "{queue}:leases"), ("processing_is", "leases")];
    let sample = sample(&source(redis.url(), layout("redis-zset", &leases)), "md").await;
    assert_eq!((sample.waiting, sample.in_flight, sample.stuck), (Some(0), Some(2), Some(1)));
    assert!(sample.seen, "jobs in work are of a queue that exists");
}

#[tokio::test]
async fn jobs_moved_to_a_list_are_in_flight() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["RPUSH", "md:work", "a", "b"]).await;
    let source = source(redis.url(), layout("redis-zset", &[("processing", "{queue}:work")]));
    let sample = sample(&source, "md").await;
    assert_eq!((sample.in_flight, sample.stuck), (Some(2), None));
}

#[tokio::test]
async fn scores_of_another_unit_are_an_error_and_no_empty_queue() {
    let redis = RedisServer::start().await;
    let millis = server_seconds(&redis).await * 1e3;
    redis.command::<()>(&["ZADD", "md", &millis.to_string(), "a"]).await;
    let error = read(&source(redis.url(), layout("redis-zset", &[])), "md").await.unwrap_err().to_string();
    assert!(error.contains("\"md\"") && error.contains("is score_unit right?"), "{error}");
}

#[tokio::test]
async fn a_score_that_is_no_time_gives_no_age() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["ZADD", "md", "0", "at once", "+inf", "never"]).await;
    let sample = sample(&source(redis.url(), layout("redis-zset", &[])), "md").await;
    assert_eq!((sample.waiting, sample.scheduled), (Some(1), Some(1)));
    assert_eq!((sample.oldest_age, sample.next_due), (None, None));
}
