//! Streams with a consumer group: two consumers hold four jobs each, twelve more wait.

use std::sync::Arc;

use anyhow::Context as _;
use foresail::{
    config::{Config, source::StoreConfig},
    source::{Source, redis::RedisSource},
};
use redis::aio::MultiplexedConnection;

use super::{Args, Seen, WARM_UP, config, reads, with_refs};
use crate::{store::Store, world};

const GROUP: &str = "workers";
const JOBS: usize = 20;
const TAKEN: usize = 4;
const CONSUMERS: [&str; 2] = ["workers-7c9d5b-abcde", "workers-7c9d5b-fghij"];

/// Queues whose commands go to the server in one piece while the store is filled.
const AT_ONCE: usize = 200;

pub(super) async fn measure(args: &Args) -> anyhow::Result<Seen> {
    let queues = args.redis_queues;
    let mut store = Store::redis()?;
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/", store.port))?;
    let mut own = store.until(async || client.get_multiplexed_async_connection().await).await?;
    fill(&mut own, queues).await?;

    let config = config(
        &format!("redis: {{ host: 127.0.0.1, port: {} }}", store.port),
        &format!("{{ preset: redis-stream, group: {GROUP} }}"),
    )?;
    let reader = source(&config)?;
    reads(reader.as_ref(), queues, u32::try_from(WARM_UP)?).await?;
    let before = commands(&mut own).await?;
    let read = reads(reader.as_ref(), queues, args.reads).await?;
    // INFO counts itself.
    let commands = Some((commands(&mut own).await? - before - 1.0) / f64::from(args.reads));
    drop(reader);

    let mut connections = Vec::new();
    for &refs in &args.refs {
        let source = source(&config)?;
        let count = with_refs(config.clone(), source, refs, queues, async || others(&mut own).await);
        connections.push(count.await?);
    }
    Ok(Seen { queues, read, commands, connections })
}

fn source(config: &Config) -> anyhow::Result<Arc<dyn Source>> {
    let source = &config.sources[world::SOURCE];
    let StoreConfig::Redis(redis) = &source.store else { anyhow::bail!("the bench's source is no Redis") };
    Ok(Arc::new(RedisSource::new(redis.clone(), source.layouts.clone())?))
}

async fn fill(own: &mut MultiplexedConnection, queues: usize) -> anyhow::Result<()> {
    for first in (0..queues).step_by(AT_ONCE) {
        let mut pipe = redis::pipe();
        for number in first..queues.min(first + AT_ONCE) {
            let key = world::queue(number);
            pipe.cmd("XGROUP").arg("CREATE").arg(&key).arg(GROUP).arg("0").arg("MKSTREAM").ignore();
            for job in 0..JOBS {
                pipe.cmd("XADD").arg(&key).arg("*").arg("frame").arg(job).ignore();
            }
            for consumer in CONSUMERS {
                pipe.cmd("XREADGROUP").arg("GROUP").arg(GROUP).arg(consumer).arg("COUNT").arg(TAKEN);
                pipe.arg("STREAMS").arg(&key).arg(">").ignore();
            }
        }
        pipe.exec_async(own).await?;
    }
    Ok(())
}

/// Commands that the server has executed.
async fn commands(own: &mut MultiplexedConnection) -> anyhow::Result<f64> {
    let info: String = redis::cmd("INFO").arg("stats").query_async(own).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    Ok(line.context("INFO counts no commands")?.trim().parse()?)
}

/// Connections beside the bench's own.
async fn others(own: &mut MultiplexedConnection) -> anyhow::Result<usize> {
    let list: String = redis::cmd("CLIENT").arg("LIST").query_async(own).await?;
    Ok(list.lines().count() - 1)
}
