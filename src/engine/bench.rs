//! An engine for tests: samples, objects and pods come in one by one.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use crate::{
    answers::{Answers, ObjectRow, Row, Table},
    config::{Config, source::WorkloadName},
    engine::Engine,
    refs::{self, Caller, RefKey, Refs},
    sampler::{Interest, ReadBatch, Reading},
    series::{Holder, Sample},
    workloads::{Change, Fold, PodRecord, SCALED_OBJECT, ScaledRecord, Sight},
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
pub(super) struct Bench {
    pub(super) engine: Engine,
    pub(super) answers: Arc<Answers>,
    pub(super) fold: Fold,
    news: std::sync::mpsc::Receiver<Arc<refs::RefEntry>>,
    pub(super) now: f64,
}

fn config(more: &str) -> Arc<Config> {
    Arc::new(Config::from_yaml("test", &format!("{CONFIG}{more}")).unwrap())
}

pub(super) fn name(kind: &str, name: &str) -> WorkloadName {
    WorkloadName { kind: kind.into(), namespace: "chem".into(), name: name.into() }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// With more in its configuration.
    pub(super) fn with(more: &str) -> Self {
        let config = config(more);
        let answers = Arc::new(Answers::default());
        let (sender, news) = std::sync::mpsc::channel();
        let refs = Arc::new(Refs::new(move |entry| sender.send(entry).unwrap()));
        let engine = Engine::new(config, refs, answers.clone());
        Self { engine, answers, fold: Fold::default(), news, now: 1000.0 }
    }

    /// Takes another configuration.
    pub(super) fn reload(&mut self, more: &str) -> &mut Self {
        self.engine.reload(config(more), self.now);
        self
    }

    pub(super) fn object(&mut self, metadata: &serde_json::Value) -> &mut Self {
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

    pub(super) fn pod(&mut self, name: &str, there: bool, terminating: bool) -> &mut Self {
        self.pod_as(name, there.then(|| PodRecord { terminating, ..Self::ready_pod() }))
    }

    /// A pod of the Deployment as it is.
    pub(super) fn pod_as(&mut self, name: &str, record: Option<PodRecord>) -> &mut Self {
        self.fold.apply(self.now, Change::Pod("chem".into(), name.into(), record), 1);
        self
    }

    pub(super) fn ready_pod() -> PodRecord {
        PodRecord {
            owner_kind: "Deployment".into(),
            owner: "md".into(),
            created: 0.0,
            scheduled: None,
            ready: Some(1.0),
            terminating: false,
            finished: false,
            node: Some("node-1".into()),
            cost: None,
            grace: None,
        }
    }

    /// Four pods that are Ready.
    pub(super) fn pods(&mut self) -> &mut Self {
        ["md-1", "md-2", "md-3", "md-4"].into_iter().fold(self, |bench, name| bench.pod(name, true, false))
    }

    pub(super) fn see(&mut self, sight: Sight) -> &mut Self {
        self.engine.see(&self.fold.take_news(), sight, self.now);
        while let Ok(entry) = self.news.try_recv() {
            self.engine.adopt(entry);
        }
        self.engine.announce();
        self
    }

    /// KEDA calls for the object.
    pub(super) fn call(&mut self) -> &mut Self {
        let key = RefKey::new("chem".into(), "so".into(), [("queue".to_owned(), "md".to_owned())]);
        let (spec, _) = refs::resolve(&key, &self.engine.config, Caller::Keda).unwrap();
        self.engine.refs.add(key, spec, Caller::Keda, self.now).unwrap();
        let entry = self.news.recv().unwrap();
        self.engine.adopt(entry);
        self.engine.announce();
        self
    }

    /// A sample of every queue that is wanted.
    pub(super) fn sample(&mut self, sample: &Sample) -> &mut Self {
        let interest: Arc<Interest> = Arc::new(self.engine.interests()["jobs"].borrow().clone());
        let samples = interest.queues.iter().map(|_| Ok(sample.clone())).collect();
        let result = Ok(ReadBatch { samples, identity: None });
        self.engine.absorb(Reading { source: "jobs".into(), at: self.now, interest, result });
        self
    }

    pub(super) fn after(&mut self, seconds: f64) -> &mut Self {
        self.now += seconds;
        self
    }

    /// The only row after a tick.
    pub(super) fn row(&mut self) -> Row {
        self.engine.tick(self.now);
        let table = self.answers.load_newest();
        let rows: Vec<_> = table.rows.iter().flatten().collect();
        let [row] = rows[..] else { panic!("{rows:?}") };
        row.clone()
    }

    /// The table after a tick.
    pub(super) fn table(&mut self) -> Arc<Table> {
        self.engine.tick(self.now);
        self.answers.load_newest()
    }

    pub(super) fn target(&mut self) -> u32 {
        self.row().answer.unwrap().target
    }

    pub(super) fn objects(&mut self) -> Arc<[ObjectRow]> {
        self.engine.tick(self.now);
        self.answers.load().objects.clone()
    }
}

pub(super) fn held(holders: &[&str]) -> Sample {
    let holders = holders.iter().map(|worker| Holder { worker: (*worker).into(), jobs: 1, stuck: 0 });
    let holders: Vec<_> = holders.collect();
    Sample {
        waiting: Some(0),
        in_flight: Some(holders.len() as u64),
        holders: Some(holders),
        ..Sample::default()
    }
}

pub(super) fn nothing() -> Sample {
    held(&[])
}
