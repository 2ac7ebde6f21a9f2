use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::*;
use crate::{
    answers::{Answers, NoAnswer, Row},
    engine::Engine,
    sampler::{Interest, ReadBatch, Reading},
    series::{Holder, Sample},
    sizing::Undecided,
    workloads::{Change, Fold, News, PodRecord, SCALED_OBJECT},
};

const CONFIG: &str = "
sources:
  jobs:
    redis: { host: h }
    namespaces: { chem: [md] }
    layouts: { list: { preset: redis-list } }
kubernetes: { addresses: [\"f:6000\"] }
";

/// An engine with a cluster whose objects come in one by one.
struct Bench {
    engine: Engine,
    answers: Arc<Answers>,
    fold: Fold,
    news: std::sync::mpsc::Receiver<Arc<refs::RefEntry>>,
    now: f64,
}

fn name(kind: &str, name: &str) -> WorkloadName {
    WorkloadName { kind: kind.into(), namespace: "chem".into(), name: name.into() }
}

impl Bench {
    fn new() -> Self {
        let config = Arc::new(Config::from_yaml("test", CONFIG).unwrap());
        let answers = Arc::new(Answers::default());
        let (sender, news) = std::sync::mpsc::channel();
        let refs = Arc::new(Refs::new(move |entry| sender.send(entry).unwrap()));
        let engine = Engine::new(config, refs, answers.clone());
        Self { engine, answers, fold: Fold::default(), news, now: 1000.0 }
    }

    fn object(&mut self, metadata: &serde_json::Value) -> &mut Self {
        let mut metadata = metadata.clone();
        metadata["scalerAddress"] = "F:6000".into();
        let spec = json!({
            "scaleTargetRef": { "name": "md" }, "maxReplicaCount": 9,
            "triggers": [{ "type": "external-push", "metadata": metadata }],
        });
        let metadata = ObjectMeta { namespace: Some("chem".into()), ..ObjectMeta::default() };
        let record = ScaledRecord::read(SCALED_OBJECT, &metadata, &spec, &["f:6000".into()]).unwrap();
        self.fold.apply(self.now, Change::Scaled(name(SCALED_OBJECT, "so"), Some(Arc::new(record))), 1);
        self.fold.apply(self.now, Change::Target(name("Deployment", "md"), Some(4)), 1);
        self
    }

    fn pod(&mut self, name: &str, there: bool, terminating: bool) -> &mut Self {
        let record = PodRecord {
            owner_kind: "Deployment".into(),
            owner: "md".into(),
            created: 0.0,
            scheduled: None,
            ready: Some(1.0),
            terminating,
            finished: false,
            unschedulable: false,
        };
        self.fold.apply(self.now, Change::Pod("chem".into(), name.into(), there.then_some(record)), 1);
        self
    }

    /// Four pods that are Ready.
    fn pods(&mut self) -> &mut Self {
        ["md-1", "md-2", "md-3", "md-4"].into_iter().fold(self, |bench, name| bench.pod(name, true, false))
    }

    fn see(&mut self, sight: Sight) -> &mut Self {
        self.engine.see(&self.fold.take_news(), sight, self.now);
        while let Ok(entry) = self.news.try_recv() {
            self.engine.adopt(entry);
        }
        self.engine.announce();
        self
    }

    /// KEDA calls for the object.
    fn call(&mut self) -> &mut Self {
        let key = RefKey::new("chem".into(), "so".into(), [("queue".to_owned(), "md".to_owned())]);
        let (spec, _) = refs::resolve(&key, &self.engine.config, Caller::Keda).unwrap();
        self.engine.refs.add(key, spec, Caller::Keda, self.now).unwrap();
        let entry = self.news.recv().unwrap();
        self.engine.adopt(entry);
        self.engine.announce();
        self
    }

    /// A sample of every queue that is wanted.
    fn sample(&mut self, sample: &Sample) -> &mut Self {
        let interest: Arc<Interest> = Arc::new(self.engine.interests()["jobs"].borrow().clone());
        let samples = interest.queues.iter().map(|_| Ok(sample.clone())).collect();
        let result = Ok(ReadBatch { samples, identity: None });
        self.engine.absorb(Reading { source: "jobs".into(), at: self.now, interest, result });
        self
    }

    fn after(&mut self, seconds: f64) -> &mut Self {
        self.now += seconds;
        self
    }

    /// The only row after a tick.
    fn row(&mut self) -> Row {
        self.engine.tick(self.now);
        let table = self.answers.load_newest();
        let rows: Vec<_> = table.rows.iter().flatten().collect();
        let [row] = rows[..] else { panic!("{rows:?}") };
        row.clone()
    }

    fn target(&mut self) -> u32 {
        self.row().answer.unwrap().target
    }

    fn objects(&mut self) -> Arc<[ObjectRow]> {
        self.engine.tick(self.now);
        self.answers.load().objects.clone()
    }
}

fn held(holders: &[&str]) -> Sample {
    let holders = holders.iter().map(|worker| Holder { worker: (*worker).into(), jobs: 1, stuck: 0 });
    let holders: Vec<_> = holders.collect();
    Sample {
        waiting: Some(0),
        in_flight: Some(holders.len() as u64),
        holders: Some(holders),
        ..Sample::default()
    }
}

fn nothing() -> Sample {
    held(&[])
}

#[test]
fn a_trigger_seen_in_kubernetes_is_a_ref_that_starts_from_the_replicas_that_are_there() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).pods().see(Sight::Clear).sample(&nothing());
    let row = bench.row();
    assert_eq!(row.entry.caller(), Caller::Cluster);
    assert_eq!((row.answer.unwrap().target, row.entry.last_asked()), (4, None));
    assert_eq!(row.sighting.unwrap().workload.max, Some(9));
}

#[test]
fn before_the_first_list_a_ref_without_a_target_waits_for_half_a_minute_and_no_longer() {
    let mut bench = Bench::new();
    bench.call().sample(&nothing());
    for _ in 0..2 {
        assert_eq!(bench.row().answer, Err(NoAnswer::Undecided(Undecided::NotListed, None)));
        bench.after(29.0);
    }
    let decision = bench.sample(&nothing()).row().answer.unwrap();
    assert_eq!(decision.target, 0);
    assert!(decision.why.to_string().contains("workers=?"), "{}", decision.why);
}

#[test]
fn a_ref_that_is_called_for_before_its_object_was_seen_waits_a_moment_for_its_replicas() {
    let mut bench = Bench::new();
    bench.see(Sight::Clear).call().sample(&nothing());
    assert_eq!(bench.row().answer, Err(NoAnswer::WorkloadPending));
    bench.after(1.0).object(&json!({ "queue": "md" })).pods();
    assert!(bench.engine.see(&bench.fold.take_news(), Sight::Clear, bench.now), "a call waits for this tick");
    assert_eq!(bench.target(), 4);
    bench.after(1.0).pod("md-1", true, true);
    assert!(!bench.engine.see(&bench.fold.take_news(), Sight::Clear, bench.now), "and for no later one");
}

#[test]
fn a_ref_whose_workload_is_not_to_be_seen_is_answered_without_it_after_three_seconds() {
    let mut bench = Bench::new();
    bench.see(Sight::Clear).call().sample(&nothing());
    for _ in 0..3 {
        assert_eq!(bench.row().answer, Err(NoAnswer::WorkloadPending));
        bench.after(1.0);
    }
    let decision = bench.row().answer.unwrap();
    assert_eq!(decision.target, 0);
    assert!(decision.why.to_string().contains("workers=?"), "{}", decision.why);
}

#[test]
fn an_edited_trigger_keeps_the_target_and_the_old_one_expires() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).pods().see(Sight::Clear).sample(&nothing());
    assert_eq!(bench.target(), 4);
    bench.object(&json!({ "queue": "md", "policy": "default" })).see(Sight::Clear);
    bench.engine.tick(bench.now);
    let table = bench.answers.load_newest();
    let callers: Vec<_> = table.rows.iter().flatten().map(|row| row.entry.caller()).collect();
    assert_eq!(callers, [Caller::Keda, Caller::Cluster]);
    assert!(table.rows.iter().flatten().all(|row| row.answer.as_ref().unwrap().target == 4));
    bench.after(4000.0).sample(&nothing());
    assert_eq!(bench.row().entry.caller(), Caller::Cluster);
}

#[test]
fn a_trigger_that_is_wrong_or_that_may_not_is_told_and_no_ref() {
    let mut bench = Bench::new();
    for (metadata, wanted) in [
        (json!({ "queue": "secret" }), "does not let namespace chem"),
        (json!({ "queue": "md", "layout": "none" }), "nothing is called"),
    ] {
        let objects = bench.object(&metadata).see(Sight::Clear).objects();
        let traps: Vec<_> = objects.iter().flat_map(ObjectRow::traps).collect();
        let wrong: Vec<_> = traps.iter().filter(|(trap, _)| *trap == "wrong-metadata").collect();
        assert!(matches!(&wrong[..], [(_, what)] if what.contains(wanted)), "{wrong:?}");
    }
    assert!(bench.answers.load().rows.iter().flatten().next().is_none());
    let objects = bench.object(&json!({ "queueFromEnv": "QUEUE" })).see(Sight::Clear).objects();
    assert_eq!(objects[0].faults, [], "what KEDA takes from the environment is not known");
}

#[test]
fn a_cluster_out_of_sight_is_unknown_and_not_zero() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).see(Sight::Clear).sample(&nothing());
    assert!(bench.row().answer.unwrap().why.to_string().contains("workers=0+4"));
    let row = bench.see(Sight::Lost).row();
    assert!(row.answer.unwrap().why.to_string().contains("workers=?") && row.sighting.is_none());
}

#[test]
fn jobs_on_terminating_pods_ask_for_nobody_and_those_of_pods_that_went_are_stuck() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).pod("md-1", true, false).pod("md-2", true, false);
    bench.see(Sight::Clear).sample(&held(&["md-1", "md-2"]));
    bench.row();
    bench.after(100.0).sample(&held(&["md-1", "md-2"]));
    assert_eq!(bench.target(), 2);
    bench.pod("md-2", true, true).see(Sight::Clear).after(100.0).sample(&held(&["md-1", "md-2"]));
    let decision = bench.row().answer.unwrap();
    let depth = decision.why.depth.unwrap();
    assert_eq!(
        (decision.target, depth.draining, depth.busy_workers),
        (2, 1, Some(1)),
        "replaced, not given up"
    );
    bench.pod("md-2", false, true).see(Sight::Clear).after(100.0).sample(&held(&["md-1", "md-2"]));
    let depth = bench.row().answer.unwrap().why.depth.unwrap();
    assert_eq!((depth.stuck, depth.draining, depth.busy_workers), (1, 0, Some(1)));
}

#[test]
fn the_scaled_objects_maximum_binds_and_is_said() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).see(Sight::Clear);
    bench.sample(&Sample { waiting: Some(50), in_flight: Some(0), ..Sample::default() });
    let decision = bench.row().answer.unwrap();
    assert_eq!((decision.target, decision.why.object_max), (9, true));
    assert!(decision.why.to_string().contains("object_max=9"), "{}", decision.why);
}

#[test]
fn news_without_an_object_takes_its_refs_hold() {
    let mut bench = Bench::new();
    bench.object(&json!({ "queue": "md" })).see(Sight::Clear);
    let gone = News { seen: Vec::new(), gone: vec![name(SCALED_OBJECT, "so")] };
    bench.engine.see(&gone, Sight::Clear, bench.now);
    assert_eq!(bench.row().entry.caller(), Caller::Keda);
    assert!(bench.objects().is_empty());
}
