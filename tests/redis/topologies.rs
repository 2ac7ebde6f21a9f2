//! Sentinel sets, Clusters and replicas.

use foresail::{
    config::source::{Address, RedisConfig, RedisTopology},
    source::{Source as _, SourceError, redis::RedisSource},
};

use crate::{
    batch, config, holder, layout, sample, source,
    support::{
        process::{PATIENCE, wait_until},
        redis::{PRIMARY_NAME, RedisCluster, RedisServer, SentinelSet},
    },
    wanted,
};

fn addresses(servers: &[RedisServer]) -> Vec<Address> {
    servers.iter().map(|server| Address { host: "127.0.0.1".to_owned(), port: server.port() }).collect()
}

fn sentinel(set: &SentinelSet, master: &str) -> RedisConfig {
    let nodes = addresses(&set.sentinels);
    let topology =
        RedisTopology::Sentinel { master: master.to_owned(), nodes, username: None, password: None };
    RedisConfig { topology, ..config("") }
}

fn clustered(cluster: &RedisCluster) -> RedisConfig {
    RedisConfig { topology: RedisTopology::Cluster(addresses(&cluster.nodes)), timeout: 2.0, ..config("") }
}

#[tokio::test]
async fn after_a_failover_the_new_primary_is_read_under_another_identity() {
    let mut set = SentinelSet::start(3).await;
    set.primary.command::<()>(&["RPUSH", "md", "a", "b"]).await;
    set.primary.command::<u64>(&["WAIT", "1", "5000"]).await;
    let source = RedisSource::new(sentinel(&set, PRIMARY_NAME), vec![layout("redis-list", &[])]).unwrap();
    let before = batch(&source, "md").await.unwrap();
    assert_eq!(before.samples[0].as_ref().unwrap().waiting, Some(2));

    set.kill_primary().await;
    wait_until("the new primary is read", PATIENCE, async || match batch(&source, "md").await {
        Ok(after) => {
            assert_eq!(after.samples[0].as_ref().unwrap().waiting, Some(2));
            assert_ne!(after.identity, before.identity);
            true
        }
        Err(_) => false,
    })
    .await;
}

#[tokio::test]
async fn a_dead_sentinel_is_passed_over_and_an_unknown_name_is_said() {
    let mut set = SentinelSet::start(2).await;
    set.sentinels[0].pause();
    let source = RedisSource::new(sentinel(&set, PRIMARY_NAME), vec![layout("redis-list", &[])]).unwrap();
    assert!(batch(&source, "md").await.is_ok());
    set.sentinels[0].resume();
    set.sentinels[0].kill();
    let source = RedisSource::new(sentinel(&set, "jbos"), vec![layout("redis-list", &[])]).unwrap();
    let error = batch(&source, "md").await.unwrap_err().to_string();
    assert!(error.contains("no sentinel knows the primary \"jbos\""), "{error}");
}

#[tokio::test]
async fn a_primary_that_sentinels_name_wrongly_is_not_trusted() {
    let mut set = SentinelSet::start(1).await;
    let other = RedisServer::start().await;
    set.primary.command::<()>(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]).await;
    let source = RedisSource::new(sentinel(&set, PRIMARY_NAME), vec![layout("redis-list", &[])]).unwrap();
    let error = batch(&source, "md").await.unwrap_err();
    assert!(matches!(&error, SourceError::NotTrusted(what) if what.contains("replica")), "{error}");
    set.primary.kill();
}

#[tokio::test]
async fn a_cluster_is_read_over_all_its_slots_in_two_rounds() {
    let cluster = RedisCluster::start().await;
    let names: Vec<String> = (0..200).map(|i| format!("queue-{i}")).collect();
    for name in &names {
        cluster.command::<()>(&["RPUSH", name, "a"]).await;
        cluster.command::<()>(&["RPUSH", &format!("{name}:work:w1"), "b"]).await;
    }
    let searched = layout("redis-list", &[("processing", "{queue}:work:{worker}")]);
    let source = RedisSource::new(clustered(&cluster), vec![searched]).unwrap();
    let batch = source.read(&wanted(names.iter().map(String::as_str))).await.unwrap();
    assert!(batch.round_trips <= 2);
    for sample in &batch.samples {
        let sample = sample.as_ref().unwrap();
        assert_eq!((sample.waiting, sample.in_flight), (Some(1), Some(1)));
        assert_eq!(sample.holders, Some(vec![holder("w1", 1, 0)]));
    }
    for node in &cluster.nodes {
        let clients: String = node.command(&["CLIENT", "LIST"]).await;
        assert_eq!(clients.matches("name=foresail").count(), 1, "{clients}");
    }
}

#[tokio::test]
async fn a_slot_that_moves_is_read_where_it_is() {
    let cluster = RedisCluster::start().await;
    cluster.command::<()>(&["RPUSH", "md", "a"]).await;
    let source = RedisSource::new(clustered(&cluster), vec![layout("redis-list", &[])]).unwrap();
    assert_eq!(sample(&source, "md").await.waiting, Some(1));

    let from = cluster.node_of("md").await;
    let to = cluster.nodes.iter().find(|node| node.port() != from.port()).unwrap();
    let slot = from.command::<u64>(&["CLUSTER", "KEYSLOT", "md"]).await.to_string();
    let id_from: String = from.command(&["CLUSTER", "MYID"]).await;
    let id_to: String = to.command(&["CLUSTER", "MYID"]).await;
    to.command::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id_from]).await;
    from.command::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id_to]).await;
    from.command::<()>(&["MIGRATE", "127.0.0.1", &to.port().to_string(), "md", "0", "5000"]).await;
    assert_eq!(sample(&source, "md").await.waiting, Some(1), "while it moves (ASK)");

    for node in [to, from] {
        node.command::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &id_to]).await;
    }
    assert_eq!(sample(&source, "md").await.waiting, Some(1), "after it moved (MOVED)");
    let settled = batch(&source, "md").await.unwrap();
    assert_eq!(settled.round_trips, 1);
}

#[tokio::test]
async fn a_cluster_node_that_is_away_spoils_its_own_queues_only_and_is_found_again() {
    let mut cluster =
        RedisCluster::of(|| RedisServer::builder().line("cluster-require-full-coverage no")).await;
    let names: Vec<String> = (0..30).map(|i| format!("queue-{i}")).collect();
    for name in &names {
        cluster.command::<()>(&["RPUSH", name, "a"]).await;
    }
    let wanted = wanted(names.iter().map(String::as_str));
    let source = RedisSource::new(clustered(&cluster), vec![layout("redis-list", &[])]).unwrap();
    let before = source.read(&wanted).await.unwrap();
    cluster.nodes[1].kill();
    let without = source.read(&wanted).await.unwrap();
    let failed = without.samples.iter().filter(|sample| sample.is_err()).count();
    assert!(failed > 0 && failed < names.len(), "{failed} of {} failed", names.len());
    assert_eq!(without.identity, before.identity, "nothing is known of another node yet");
    let findings = source.inspect().await;
    assert!(findings.iter().any(|f| f.what.contains("a node of the cluster cannot be read")), "{findings:?}");

    cluster.nodes[1].start_again().await;
    wait_until("all queues are read again, under another identity", PATIENCE, async || {
        let after = source.read(&wanted).await;
        after.is_ok_and(|after| after.samples.iter().all(Result::is_ok) && after.identity != before.identity)
    })
    .await;
}

#[tokio::test]
async fn a_cluster_node_that_hangs_spoils_its_own_queues_only() {
    let cluster = RedisCluster::of(|| RedisServer::builder().line("cluster-require-full-coverage no")).await;
    let names: Vec<String> = (0..30).map(|i| format!("queue-{i}")).collect();
    let wanted = wanted(names.iter().map(String::as_str));
    let config = clustered(&cluster);
    let known = RedisSource::new(config.clone(), vec![layout("redis-list", &[])]).unwrap();
    assert!(known.read(&wanted).await.unwrap().samples.iter().all(Result::is_ok));
    cluster.nodes[0].pause();
    let new = RedisSource::new(config, vec![layout("redis-list", &[])]).unwrap();
    for source in [known, new] {
        for _ in 0..3 {
            let batch = source.read(&wanted).await.unwrap();
            let failed = batch.samples.iter().filter(|sample| sample.is_err()).count();
            assert!(failed > 0 && failed < names.len(), "{failed} of {} failed", names.len());
        }
    }
    cluster.nodes[0].resume();
}

#[tokio::test]
async fn a_replica_is_refused_unless_the_operator_wants_it() {
    let primary = RedisServer::start().await;
    primary.command::<()>(&["RPUSH", "md", "a"]).await;
    let replica = RedisServer::builder().replica_of(&primary).start().await;
    replica.until_in_sync().await;
    let refused = source(replica.url(), layout("redis-list", &[]));
    let error = batch(&refused, "md").await.unwrap_err();
    assert!(matches!(&error, SourceError::NotTrusted(what) if what.contains("`replica: true`")), "{error}");

    let allowed = RedisConfig { replica: true, ..config(replica.url()) };
    let allowed = RedisSource::new(allowed, vec![layout("redis-list", &[])]).unwrap();
    assert_eq!(sample(&allowed, "md").await.waiting, Some(1));
    drop(primary);
    wait_until("a replica without its primary is not trusted", PATIENCE, async || {
        matches!(batch(&allowed, "md").await, Err(SourceError::NotTrusted(_)))
    })
    .await;
}
