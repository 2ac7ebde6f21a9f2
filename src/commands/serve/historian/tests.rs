use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        mpsc::{self, Receiver},
    },
};

use tokio::{
    sync::{Notify, mpsc::UnboundedSender},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    answers::Answers,
    clock::Clock,
    forecast::horizons::Horizons,
    series::{QueueRules, Series},
    telemetry::Metrics,
};

const CONFIG: &str = "sources: { jobs: { redis: { host: h } } }";

/// Time as tokio has it: in these tests it leaps to whatever is waited for.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Says one thing after the other, and notes what it was asked: queue, time, and until when.
struct Script {
    clock: Paused,
    words: Mutex<VecDeque<anyhow::Result<Found>>>,
    asked: Arc<Mutex<Vec<(String, f64, f64)>>>,
}

impl Memory for Script {
    async fn read(&self, key: &QueueKey, _: &Zone, until: f64) -> anyhow::Result<Found> {
        self.asked.lock().unwrap().push((key.queue(), self.clock.now().round(), until.round()));
        self.words.lock().unwrap().pop_front().unwrap_or_else(|| Err(anyhow::anyhow!("out of order")))
    }
}

fn jobs() -> Found {
    let learned = Box::new(Forecast::new(Horizons::default()));
    Found::Jobs { jobs: 1, learned, losses: Vec::new() }
}

fn failure() -> anyhow::Result<Found> {
    Err(anyhow::anyhow!("out of order"))
}

struct Room {
    shared: Arc<Shared>,
    events: Receiver<Event>,
    asking: UnboundedSender<Unlearned>,
    asked: Arc<Mutex<Vec<(String, f64, f64)>>>,
}

impl Room {
    /// A historian at work, with somebody who remembers that much.
    fn with(words: impl IntoIterator<Item = anyhow::Result<Found>>) -> Self {
        let start = Instant::now();
        let (sender, events) = mpsc::channel();
        let (answers, clock) = (Arc::new(Answers::default()), Arc::new(Paused(start)));
        let shared = Arc::new(Shared {
            config: Arc::new(ArcSwap::from_pointee(Config::from_yaml("test", CONFIG).unwrap())),
            answers: answers.clone(),
            clock: clock.clone(),
            metrics: Metrics::new(answers, clock),
            ready: Arc::default(),
            events: sender,
            reloaded: Notify::new(),
            stop: CancellationToken::new(),
        });
        let (asking, unlearned) = unbounded_channel();
        let asked = Arc::default();
        let words = Mutex::new(words.into_iter().collect());
        let script = Script { clock: Paused(start), words, asked: Arc::clone(&asked) };
        tokio::spawn(attend(shared.clone(), unlearned, script));
        Self { shared, events, asking, asked }
    }

    fn ask(&self, name: &str) -> Arc<KnownQueue> {
        let names = vec![name.to_owned()];
        let key = QueueKey { source: "jobs".to_owned(), layout: "list".to_owned(), names };
        let index = Series::default().add(QueueRules { max_run: 300.0, stale_after: 120.0 });
        let known = Arc::new(KnownQueue { key, index });
        self.asking.send(Unlearned { known: known.clone(), zone: Zone::named(None) }).unwrap();
        known
    }

    /// What was asked until then: queue and seconds.
    async fn until(&self, seconds: u64) -> Vec<(String, u64)> {
        sleep(Duration::from_secs(seconds)).await;
        let asked = self.asked.lock().unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds of a day")]
        asked.iter().map(|(queue, at, _)| (queue.clone(), *at as u64)).collect()
    }

    fn counted(&self, result: &str, times: u32) -> bool {
        let line = format!("foresail_history_reads_total{{result=\"{result}\",source=\"jobs\"}} {times}\n");
        self.shared.metrics.text().contains(&line)
    }
}

fn tries(queue: &str, at: &[u64]) -> Vec<(String, u64)> {
    at.iter().map(|&at| (queue.to_owned(), at)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_past_that_could_not_be_read_is_learned_when_it_can() {
    let room = Room::with([failure(), failure(), Ok(jobs())]);
    let md = room.ask("md");
    assert_eq!(room.until(7_200).await, tries("md", &[0, 60, 180]));
    // What came since it was asked for is the queue's own.
    assert!(room.asked.lock().unwrap().iter().all(|(_, _, until)| *until == 0.0));
    let Ok(Event::Learned(known, _)) = room.events.try_recv() else { panic!("nothing was learned") };
    assert!(Arc::ptr_eq(&known, &md));
    assert!(room.counted("error", 2) && room.counted("ok", 1), "{}", room.shared.metrics.text());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_again_for_a_queue_that_has_no_past_or_that_nobody_asks_for() {
    let room = Room::with([Ok(Found::None), failure()]);
    let _new = room.ask("new");
    let gone = room.ask("gone");
    room.until(30).await;
    drop(gone);
    let all = [tries("new", &[0]), tries("gone", &[0])].concat();
    assert_eq!(room.until(90_000).await, all);
    assert!(room.counted("none", 1) && room.counted("error", 1), "{}", room.shared.metrics.text());
}

#[tokio::test(start_paused = true)]
async fn a_reload_tries_at_once_what_failed() {
    let room = Room::with([failure(), failure(), failure(), Ok(jobs())]);
    let _md = room.ask("md");
    room.until(100).await;
    room.shared.reloaded.notify_one();
    assert_eq!(room.until(10).await, tries("md", &[0, 60, 100]));
    assert_eq!(room.until(600).await, tries("md", &[0, 60, 100, 340]));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_went_meanwhile_leaves_no_series() {
    let room = Room::with([failure()]);
    room.shared.config.store(Arc::new(Config::from_yaml("test", "").unwrap()));
    let _md = room.ask("md");
    room.until(1).await;
    assert!(!room.shared.metrics.text().contains("foresail_history_reads_total"));
}

#[test]
fn a_failure_is_said_once_for_a_layout_until_it_is_another_one() {
    let key = |layout: &str, queue: &str| QueueKey {
        source: "jobs".to_owned(),
        layout: layout.to_owned(),
        names: vec![queue.to_owned()],
    };
    let mut said = Failures::new();
    let mut tell = |layout: &str, queue: &str, result: anyhow::Result<Found>| {
        let before = said.clone();
        tell(&mut said, &key(layout, queue), &result);
        said != before
    };
    let fails = |words: &'static str| Err(anyhow::anyhow!(words));
    assert!(tell("list", "md", fails("refused")));
    assert!(!tell("list", "ct", fails("refused")));
    assert!(tell("zset", "md", fails("refused")));
    assert!(tell("list", "ct", fails("answers 401")));
    assert!(tell("list", "md", Ok(jobs())), "it went well");
    assert!(!tell("list", "ct", Ok(jobs())));
    assert!(tell("list", "ct", fails("answers 401")), "and failed again");
}
