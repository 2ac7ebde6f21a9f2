//! What was learned outlives the process, and what cannot be kept or read stops nothing.

use std::{fs, path::Path};

use foresail::{
    clock::{Clock as _, WallClock},
    forecast::{
        Forecast,
        arrivals::Seen,
        horizons::Horizons,
        lead::{Asked, Start},
        state::State,
    },
    series::QueueKey,
    sizing::{Memory, RefState},
    state::{Name, Record, Store as _, file::FileStore},
};
use tempfile::TempDir;

use super::foresail::{Foresail, LONG, redis_sections, serve, with_listeners};
use crate::support::{
    process::{temp_dir, wait_until},
    redis::RedisServer,
};

/// One watched queue, and its state in a file.
fn sections(redis: &RedisServer, state: &Path, every: &str) -> String {
    let watch = "    watch: [ { layout: reliable, queue: md, workload: Deployment/bio/md } ]\n    layouts:";
    let sections = redis_sections(redis.port()).replace("    layouts:", watch);
    format!("{sections}state: {{ file: {}, every: {every} }}\n", state.display())
}

fn kept(path: &Path) -> Vec<Record> {
    let loaded = FileStore::new(path.to_owned()).load().unwrap();
    assert_eq!(loaded.fault, None);
    loaded.records
}

fn write(path: &Path, records: impl IntoIterator<Item = Record>) {
    let mut store = FileStore::new(path.to_owned());
    store.put(&records.into_iter().map(Into::into).collect::<Vec<_>>()).unwrap();
    store.commit(0.0).unwrap();
}

/// A queue to which 20 jobs come every two hours.
fn learned() -> Forecast {
    let mut forecast = Forecast::new(Horizons::default());
    for second in 0..400_000_u32 {
        forecast.observe(f64::from(second), Seen::Arrivals(u64::from(second % 7_200 < 20)), 0);
    }
    forecast
}

fn queue_of(records: &[Record]) -> Forecast {
    let queue = records.iter().find(|record| matches!(record.name, Name::Queue(_)));
    queue.expect("a queue was kept").forecast().unwrap()
}

fn ref_of(records: &[Record]) -> RefState {
    let of_ref = records.iter().find(|record| matches!(record.name, Name::Ref(_)));
    of_ref.expect("a ref was kept").ref_state().unwrap()
}

/// A server that has come to know its queue and has ended: what it left.
async fn first_life(redis: &RedisServer, path: &Path) -> Vec<Record> {
    let mut foresail = Foresail::serve(&sections(redis, path, "1h")).await;
    foresail.until_page("/api/queues", "\"waiting\":0").await;
    foresail.process.stop("TERM");
    assert!(foresail.log().contains("foresail has stopped"), "{}", foresail.log());
    kept(path)
}

#[tokio::test]
async fn a_killed_server_knows_after_its_restart_what_it_had_learned() {
    let (redis, folder) = (RedisServer::start().await, temp_dir());
    let path = folder.path().join("state");
    let left = first_life(&redis, &path).await;
    assert_eq!(left.len(), 2, "the queue and its ref, since it was told to stop");

    let before = learned();
    let mut remembered = RefState::default();
    (0..40).for_each(|_| remembered.lead.started(Start::Cold, 200.0, Asked::Beside));
    let learned_so_far = left.into_iter().map(|record| match record.name {
        Name::Queue(key) => Record::of_queue(key, record.used, &State::of(&before)),
        Name::Ref(name) => Record::of_ref(name, record.used, &Memory::of(&remembered)),
    });
    write(&path, learned_so_far);
    let written_at = kept(&path)[0].used;

    let mut foresail = Foresail::serve(&sections(&redis, &path, "1s")).await;
    foresail.until_page("/api/queues", "\"waiting\":0").await;
    let _: i64 = redis.command(&["LPUSH", "md", "a"]).await;
    wait_until("it keeps what it goes on to learn", LONG, async || {
        let records = kept(&path);
        records[0].used > written_at && queue_of(&records).arrivals().age() < 1_000.0
    })
    .await;
    foresail.process.kill();
    let records = kept(&path);
    let (now, of_ref) = (queue_of(&records), ref_of(&records));
    for (horizon, was) in now.arrivals().horizons().iter().zip(before.arrivals().horizons()) {
        assert!(horizon.skill().outcomes() >= was.skill().outcomes() * 0.99, "{horizon:?} {was:?}");
        assert_eq!(horizon.weights(), was.weights(), "the pause taught nothing");
    }
    assert_eq!(of_ref.lead, remembered.lead);
    assert!(foresail.log().contains("what was learned before is taken up"), "{}", foresail.log());
    assert!(now.arrivals().seen_until() > before.arrivals().seen_until());
}

#[tokio::test]
async fn a_server_killed_while_it_writes_leaves_the_old_state_whole() {
    let (redis, folder) = (RedisServer::start().await, temp_dir());
    let path = folder.path().join("state");
    let state = State::of(&learned());
    let key = |n: u32| QueueKey { source: "jobs".into(), layout: "old".into(), names: vec![n.to_string()] };
    let now = WallClock::new().now();
    write(&path, (0..5_000).map(|n| Record::of_queue(key(n), now, &state)));

    let mut foresail = Foresail::serve(&sections(&redis, &path, "1s")).await;
    wait_until("it writes", LONG, async || is_writing(&folder)).await;
    foresail.process.kill();
    let queues = kept(&path).iter().filter(|record| matches!(record.name, Name::Queue(_))).count();
    assert!(queues >= 5_000, "{queues}");
}

fn is_writing(folder: &TempDir) -> bool {
    let unfinished = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".new");
    fs::read_dir(folder.path()).unwrap().flatten().any(|entry| unfinished(&entry))
}

#[tokio::test]
async fn a_state_that_cannot_be_used_is_said_once_and_kept_aside() {
    let (redis, folder) = (RedisServer::start().await, temp_dir());
    let path = folder.path().join("state");
    fs::write(&path, "somebody's notes").unwrap();
    let foresail = Foresail::serve(&sections(&redis, &path, "1s")).await;
    foresail.until_page("/api/refs/bio/md", "\"target\":0").await;
    let aside = folder.path().join("state.unusable");
    wait_until("it keeps its own state", LONG, async || aside.exists() && path.exists()).await;
    assert_eq!(fs::read_to_string(aside).unwrap(), "somebody's notes");
    let log = foresail.log();
    assert_eq!(log.matches("it is no kept state").count(), 1, "{log}");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_stops_nothing() {
    let (redis, folder) = (RedisServer::start().await, temp_dir());
    let path = folder.path().join("not-there").join("state");
    let sections = sections(&redis, &path, "1s");
    let mut foresail = Foresail::serve(&sections).await;
    foresail.until_logged("what is learned cannot be kept").await;
    foresail.until_page("/api/refs/bio/md", "\"target\":0").await;
    let metrics = foresail.page("/metrics");
    assert!(metrics.contains("foresail_state_writes_total{result=\"ok\"} 0\n"), "{metrics}");
    assert!(!metrics.contains("foresail_state_writes_total{result=\"error\"} 0\n"), "{metrics}");
    assert!(!metrics.contains("foresail_state_age_seconds"), "{metrics}");
    fs::create_dir(path.parent().unwrap()).unwrap();
    foresail.until_logged("what is learned is kept again").await;
    foresail.until_page("/metrics", "\nforesail_state_age_seconds ").await;
    assert!(!kept(&path).is_empty());

    // The same file, by hand: `serve` with a state from before.
    foresail.process.stop("TERM");
    let config = folder.path().join("again.yaml");
    fs::write(&config, with_listeners(&sections, foresail.grpc, foresail.http)).unwrap();
    let log = folder.path().join("again.log");
    let _again = serve(&config, &log);
    wait_until("it is taken up", LONG, async || {
        fs::read_to_string(&log).unwrap_or_default().contains("\"queues\":1,\"refs\":1")
    })
    .await;
}
