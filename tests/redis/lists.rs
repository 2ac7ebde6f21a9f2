//! `redis-list`: what producers push and workers pop or move.

use foresail::{
    config::source::{Layout, MissingQueue},
    series::Quality,
    source::redis::RedisSource,
};
use regex::Regex;

use crate::{
    config, holder, layout, read, sample, source,
    support::{
        process::{PATIENCE, wait_until},
        redis::RedisServer,
    },
};

#[tokio::test]
async fn a_plain_list_tells_what_waits_and_not_what_runs() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["LPUSH", "jobs:md", "a", "b", "c"]).await;
    let source = source(redis.url(), layout("redis-list", &[("key", "jobs:{queue}")]));
    let before = sample(&source, "md").await;
    assert_eq!((before.waiting, before.in_flight, before.holders, before.seen), (Some(3), None, None, true));

    redis.command::<String>(&["RPOP", "jobs:md"]).await;
    let after = sample(&source, "md").await;
    assert_eq!((after.waiting, after.stuck, after.oldest_age), (Some(2), None, None));
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_empty_and_unseen_as_is_one_that_has_run_dry() {
    let redis = RedisServer::start().await;
    let source = source(redis.url(), layout("redis-list", &[]));
    let seen = async || {
        let sample = sample(&source, "md").await;
        (sample.waiting, sample.seen)
    };
    assert_eq!(seen().await, (Some(0), false));
    redis.command::<()>(&["LPUSH", "md", "a"]).await;
    assert_eq!(seen().await, (Some(1), true));
    redis.command::<String>(&["RPOP", "md"]).await;
    assert_eq!(seen().await, (Some(0), false));
}

#[test]
fn a_queue_whose_key_goes_when_it_runs_dry_cannot_be_required_to_exist() {
    for preset in ["redis-list", "redis-zset"] {
        let strict = Layout { missing_queue: MissingQueue::Error, ..layout(preset, &[]) };
        let error = RedisSource::new(config("redis://localhost"), vec![strict]).unwrap_err().to_string();
        assert!(error.contains(&format!("layout {preset}: missing_queue: ")), "{error}");
        assert!(error.contains("a drained queue would fail for ever"), "{error}");
    }
}

#[test]
fn stuck_after_is_refused_where_nothing_tells_since_when_a_job_runs() {
    let leases = [("processing", "p"), ("processing_is", "leases")];
    for (preset, parameters, wanted) in [
        ("redis-list", &[][..], "it needs processing"),
        ("redis-zset", &[], "processing_is: leases"),
        ("redis-zset", &[("processing", "p")], "processing_is: leases"),
        ("redis-zset", &leases, "the leases say themselves"),
    ] {
        let deaf = Layout { stuck_after: Some(60.0), ..layout(preset, parameters) };
        let error = RedisSource::new(config("redis://localhost"), vec![deaf]).unwrap_err().to_string();
        assert!(error.contains(&format!("layout {preset}: stuck_after: ")), "{error}");
        assert!(error.contains(wanted), "{error}");
    }
}

#[tokio::test]
async fn a_list_of_jobs_in_work_counts_what_runs() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["LPUSH", "md", "a", "b", "c"]).await;
    redis.command::<String>(&["BLMOVE", "md", "md:work", "RIGHT", "LEFT", "1"]).await;
    redis.command::<String>(&["BLMOVE", "md", "md:work", "RIGHT", "LEFT", "1"]).await;
    let source = source(redis.url(), layout("redis-list", &[("processing", "{queue}:work")]));
    let sample = sample(&source, "md").await;
    assert_eq!((sample.waiting, sample.in_flight, sample.holders), (Some(1), Some(2), None));
    assert_eq!((sample.stuck, sample.quality), (None, Quality::Exact));
}

#[tokio::test]
async fn workers_that_a_set_names_are_told_apart_by_their_pods() {
    let redis = RedisServer::start().await;
    redis
        .command::<()>(&["SADD", "md:workers", "md-7f-x1@0", "md-7f-x1@1", "md-7f-x2@0", "md-7f-x3@0"])
        .await;
    redis.command::<()>(&["LPUSH", "md", "a", "b", "c", "d"]).await;
    for worker in ["md-7f-x1@0", "md-7f-x1@1", "md-7f-x2@0"] {
        redis.command::<String>(&["BLMOVE", "md", &format!("md:work:{worker}"), "RIGHT", "LEFT", "1"]).await;
    }
    let parameters = [("processing", "{queue}:work:{worker}"), ("workers", "{queue}:workers")];
    let mut layout = layout("redis-list", &parameters);
    layout.worker_pod = Some(Regex::new("^(.+)@").unwrap());
    let source = source(redis.url(), layout);
    let first = sample(&source, "md").await;
    assert_eq!((first.waiting, first.in_flight, first.quality), (Some(1), Some(3), Quality::Exact));
    assert_eq!(first.holders, Some(vec![holder("md-7f-x1", 2, 0), holder("md-7f-x2", 1, 0)]));

    // A worker that is new is seen in the same read, and one that left the set is not forgotten.
    redis.command::<()>(&["SREM", "md:workers", "md-7f-x2@0"]).await;
    redis.command::<String>(&["BLMOVE", "md", "md:work:md-7f-x3@0", "RIGHT", "LEFT", "1"]).await;
    let second = sample(&source, "md").await;
    let pods: Vec<_> = second.holders.unwrap().into_iter().map(|holder| holder.worker).collect();
    assert_eq!((second.in_flight, pods.len()), (Some(4), 3));
}

#[tokio::test]
async fn workers_that_nothing_names_are_found_among_all_keys() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["LPUSH", "md", "a", "b", "c"]).await;
    redis.command::<()>(&["LPUSH", "spectra:work:w9", "x"]).await;
    redis.command::<String>(&["LMOVE", "md", "md:work:w1", "RIGHT", "LEFT"]).await;
    let source = source(redis.url(), layout("redis-list", &[("processing", "{queue}:work:{worker}")]));
    let first = sample(&source, "md").await;
    assert_eq!((first.in_flight, first.quality), (Some(1), Quality::Exact));
    assert_eq!(first.holders, Some(vec![holder("w1", 1, 0)]));

    redis.command::<String>(&["LMOVE", "md", "md:work:w2", "RIGHT", "LEFT"]).await;
    redis.command::<()>(&["DEL", "md:work:w1"]).await;
    let second = sample(&source, "md").await;
    assert_eq!((second.in_flight, second.holders), (Some(1), Some(vec![holder("w2", 1, 0)])));
}

#[tokio::test]
async fn in_flight_is_unknown_until_all_keys_were_searched_through() {
    let redis = RedisServer::start().await;
    let fill = "for i = 1, 20000 do redis.call('SET', 'other:' .. i, 'x') end";
    redis.command::<()>(&["EVAL", fill, "0"]).await;
    redis.command::<()>(&["LPUSH", "md:work:w1", "a"]).await;
    let source = source(redis.url(), layout("redis-list", &[("processing", "{queue}:work:{worker}")]));
    assert_eq!(sample(&source, "md").await.in_flight, None);
    wait_until("the search is through", PATIENCE, async || sample(&source, "md").await.in_flight == Some(1))
        .await;
    assert_eq!(sample(&source, "md").await.quality, Quality::LowerBound);

    redis.command::<()>(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    redis.command::<()>(&["LPUSH", "md:work:w1", "b"]).await;
    let after = sample(&source, "md").await;
    assert_eq!(
        (after.in_flight, after.quality),
        (Some(2), Quality::LowerBound),
        "what was found stays known"
    );
}

#[tokio::test]
async fn a_job_that_stays_too_long_in_work_is_stuck() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["LPUSH", "md:work", "dead", "alive-1"]).await;
    let mut shared = layout("redis-list", &[("processing", "{queue}:work")]);
    shared.stuck_after = Some(0.05);
    let shared = source(redis.url(), shared);
    assert_eq!(sample(&shared, "md").await.stuck, Some(0), "nobody knows yet how long it has been there");
    wait_until("the unchanged job is stuck and the new one is not", PATIENCE, async || {
        redis.command::<()>(&["LPOP", "md:work"]).await;
        redis.command::<()>(&["LPUSH", "md:work", &format!("alive-{:?}", std::time::Instant::now())]).await;
        let sample = sample(&shared, "md").await;
        (sample.in_flight, sample.stuck) == (Some(2), Some(1))
    })
    .await;
}

#[tokio::test]
async fn all_jobs_of_a_worker_whose_oldest_job_stays_are_stuck() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["LPUSH", "md:work:w1", "dead", "behind it"]).await;
    redis.command::<()>(&["SADD", "workers", "w1", "w2"]).await;
    let parameters = [("processing", "{queue}:work:{worker}"), ("workers", "workers")];
    let mut layout = layout("redis-list", &parameters);
    layout.stuck_after = Some(0.05);
    let source = RedisSource::new(config(redis.url()), vec![layout]).unwrap();
    wait_until("the worker is stuck, and only that one", PATIENCE, async || {
        redis.command::<()>(&["DEL", "md:work:w2"]).await;
        redis.command::<()>(&["LPUSH", "md:work:w2", &format!("{:?}", std::time::Instant::now())]).await;
        let sample = sample(&source, "md").await;
        sample.holders == Some(vec![holder("w1", 2, 2), holder("w2", 1, 0)]) && sample.stuck == Some(2)
    })
    .await;
}

#[tokio::test]
async fn the_oldest_job_ages_while_it_stays_at_its_end() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["LPUSH", "md", "old", "new"]).await;
    let source = source(redis.url(), layout("redis-list", &[("age", "tail")]));
    assert_eq!(sample(&source, "md").await.oldest_age, Some(0.0));
    let older = async |than: f64| sample(&source, "md").await.oldest_age.is_some_and(|age| age > than);
    wait_until("it has aged", PATIENCE, async || older(0.05).await).await;
    redis.command::<String>(&["RPOP", "md"]).await;
    assert_eq!(sample(&source, "md").await.oldest_age, Some(0.0), "another job stands there now");
    redis.command::<String>(&["RPOP", "md"]).await;
    assert_eq!(sample(&source, "md").await.oldest_age, None);
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_that_names_it_and_spoils_no_other_queue() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["ZADD", "scored", "1", "a"]).await;
    redis.command::<()>(&["RPUSH", "md", "a"]).await;
    let source = source(redis.url(), layout("redis-list", &[]));
    let error = read(&source, "scored").await.unwrap_err().to_string();
    assert!(error.contains("LLEN of key \"scored\"") && error.contains("WRONGTYPE"), "{error}");
    assert_eq!(sample(&source, "md").await.waiting, Some(1));
}

#[test]
fn a_parameter_that_makes_no_sense_is_named_before_anything_is_read() {
    for (parameters, wanted) in [
        (&[("oldest", "top")][..], "layout redis-list: oldest: \"top\" is none of right, left"),
        (&[("age", "payload")], "layout redis-list: age: \"payload\" is none of none, tail"),
        (&[("processing", "p"), ("workers", "w")], "must hold {worker}"),
    ] {
        let error = RedisSource::new(config("redis://localhost"), vec![layout("redis-list", parameters)]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
