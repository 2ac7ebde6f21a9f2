//! The cost of a read: round trips, connections, commands.

use std::time::Instant;

use foresail::source::{LayoutIndex, Source as _, Wanted, redis::RedisSource};

use crate::{config, layout, support::redis::RedisServer, wanted};

#[tokio::test]
async fn two_thousand_queues_take_two_rounds_over_one_connection() {
    let redis = RedisServer::start().await;
    let fill =
        "for i = 0, 1999 do redis.call('RPUSH', 'q' .. i, 'a'); redis.call('ZADD', 'z' .. i, 1, 'a') end";
    redis.command::<()>(&["EVAL", fill, "0"]).await;
    let layouts = vec![layout("redis-list", &[]), layout("redis-zset", &[])];
    let source = RedisSource::new(config(redis.url()), layouts).unwrap();
    let names: Vec<String> = (0..2000).flat_map(|i| [format!("q{i}"), format!("z{i}")]).collect();
    let wanted: Vec<Wanted> = names
        .iter()
        .map(|name| Wanted {
            layout: LayoutIndex(usize::from(name.starts_with('z'))),
            queue: name.as_str().into(),
        })
        .collect();
    let before = redis.info("total_connections_received").await.parse::<u64>().unwrap();
    for _ in 0..3 {
        let batch = source.read(&wanted).await.unwrap();
        assert!(batch.round_trips <= 2, "{} round trips", batch.round_trips);
        assert!(batch.samples.iter().all(|sample| sample.as_ref().is_ok_and(|s| s.waiting == Some(1))));
    }
    let clients: String = redis.command(&["CLIENT", "LIST"]).await;
    assert_eq!(clients.matches("name=foresail").count(), 1, "{clients}");
    // Ours, this INFO's and CLIENT LIST's.
    let after = redis.info("total_connections_received").await.parse::<u64>().unwrap();
    assert_eq!(after - before, 3);
    let stats: String = redis.command(&["INFO", "commandstats"]).await;
    assert!(stats.contains("cmdstat_llen:calls=6000,"), "each queue is asked once a read");
}

#[tokio::test]
async fn queues_that_need_a_second_look_still_take_two_rounds() {
    let redis = RedisServer::start().await;
    let fill =
        "for i = 1, 300 do local k = 's' .. i; redis.call('XGROUP', 'CREATE', k, 'w', '0', 'MKSTREAM');
        for j = 1, 5 do redis.call('XADD', k, j .. '-0', 'a', 'b') end;
        redis.call('XREADGROUP', 'GROUP', 'w', 'c', 'COUNT', 1, 'STREAMS', k, '>');
        redis.call('XDEL', k, '3-0') end";
    redis.command::<()>(&["EVAL", fill, "0"]).await;
    let source =
        RedisSource::new(config(redis.url()), vec![layout("redis-stream", &[("group", "w")])]).unwrap();
    let names: Vec<String> = (1..=300).map(|i| format!("s{i}")).collect();
    let batch = source.read(&wanted(names.iter().map(String::as_str))).await.unwrap();
    assert_eq!(batch.round_trips, 2);
    assert!(batch.samples.iter().all(|sample| sample.as_ref().is_ok_and(|s| s.waiting == Some(3))));
}

#[tokio::test]
async fn more_commands_than_one_buffer_takes_are_still_one_round() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&["RPUSH", "q24999", "a"]).await;
    let source = RedisSource::new(config(redis.url()), vec![layout("redis-list", &[])]).unwrap();
    let names: Vec<String> = (0..25_000).map(|i| format!("q{i}")).collect();
    let started = Instant::now();
    let batch = source.read(&wanted(names.iter().map(String::as_str))).await.unwrap();
    assert_eq!((batch.round_trips, batch.samples.len()), (1, 25_000), "after {:?}", started.elapsed());
    assert_eq!(batch.samples[24_999].as_ref().unwrap().waiting, Some(1));
}

#[tokio::test]
async fn reading_nothing_still_tells_which_store_answers() {
    let redis = RedisServer::start().await;
    let source = RedisSource::new(config(redis.url()), vec![layout("redis-list", &[])]).unwrap();
    let batch = source.read(&[]).await.unwrap();
    assert!(batch.samples.is_empty());
    assert!(batch.identity.unwrap().0.contains(&redis.info("run_id").await));
}
