//! What is played: the log, the workers and the two kinds of KEDA.

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::{
    config::{
        Config, GrpcConfig, HttpConfig,
        hints::HintsConfig,
        policy::PolicyConfig,
        source::{Access, Layout, LayoutRead, MissingQueue, SourceConfig, StoreConfig, WorkloadName},
        text::Glob,
    },
    scaler::pb,
    sim::{
        autoscaler::{ByKeda, ListLength},
        closed_loop::ClosedLoop,
        hpa::Behavior,
        job_log::JobLog,
        keda::{ScaledObject, ScaledObjectSpec},
        workers::{PoolSpec, Span, StartDelay, WorkerPool},
    },
    sizing::Workload,
    source::replay,
    workloads::{SCALED_OBJECT, Sighting, Standing, Starts},
};

use super::Options;

/// Monday 2017-10-09 00:00, the log's own clock read as UTC; Unix seconds.
const FIRST_DAY: f64 = 1_507_507_200.0;

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// Workers at most, for everybody.
pub(super) const MAX_WORKERS: u32 = 300;

/// Start of a worker whose node is there, and of one whose node has to come first: how many of four, and
/// how long it takes.
pub(super) const STARTS: [(u32, Span); 2] =
    [(3, Span { from: 2.0, to: 5.0 }), (1, Span { from: 40.0, to: 90.0 })];

/// Waiting jobs for one worker, for the two plain KEDAs.
pub(super) const PLAIN_TARGETS: [f64; 2] = [1.0, 5.0];

/// Names of the one source and its layout.
pub(super) const SOURCE: &str = "replay";
const LAYOUT: &str = "log";

/// The ScaledObject and what it scales.
const NAMESPACE: &str = "demo";
const WORKERS: &str = "workers";

/// A part of the log, and who works on it.
pub(super) struct World {
    /// The jobs, run times scaled.
    pub(super) log: JobLog,
    /// When it begins, Unix seconds.
    pub(super) start: f64,
    /// When it is given up: long after every job must have ended.
    pub(super) limit: f64,
    seed: u64,
}

impl World {
    pub(super) fn new(options: &Options) -> anyhow::Result<Self> {
        let end = FIRST_DAY + f64::from(options.days) * DAY;
        let log = JobLog::bundled().context("the bundled job log")?;
        let log = log.window(FIRST_DAY, end).with_run_times(options.median, options.cap);
        Ok(Self { log, start: FIRST_DAY, limit: end + options.cap + 7.0 * DAY, seed: options.seed })
    }

    /// The queue, and nobody working yet. The same seed gives every run the same start delays.
    pub(super) fn pool(&self) -> WorkerPool {
        let parts = STARTS.map(|(weight, span)| (f64::from(weight), span));
        let spec = PoolSpec { start: StartDelay::Mixture(parts.to_vec()), ..PoolSpec::default() };
        WorkerPool::new(&self.log, &spec, self.seed, self.start)
    }

    /// The ScaledObject that asks Foresail.
    pub(super) fn foresails_keda(&self) -> ScaledObject {
        ScaledObject::new(foresails_spec(), self.start, 0)
    }

    /// KEDA with its own list scaler, which divides the waiting jobs by a target.
    pub(super) fn plain_keda(&self, scaler: ListLength) -> ClosedLoop<ByKeda<ListLength>> {
        let object = ScaledObject::new(plain_spec(), self.start, 0);
        ClosedLoop { pool: self.pool(), autoscaler: ByKeda::new(object, scaler) }
    }
}

/// What a ScaledObject for Foresail says.
pub(super) fn foresails_spec() -> ScaledObjectSpec {
    ScaledObjectSpec {
        max: MAX_WORKERS,
        cooldown_period: 15.0,
        behavior: Some(Behavior::foresail()),
        ..ScaledObjectSpec::default()
    }
}

/// What a ScaledObject says that leaves everything else to KEDA.
pub(super) fn plain_spec() -> ScaledObjectSpec {
    ScaledObjectSpec { max: MAX_WORKERS, ..ScaledObjectSpec::default() }
}

/// How plain KEDA answers itself.
pub(super) fn plain_scalers() -> impl Iterator<Item = ListLength> {
    PLAIN_TARGETS.into_iter().map(ListLength::waiting)
}

/// The reference that KEDA calls for.
pub(super) fn scaled_object() -> pb::ScaledObjectRef {
    let metadata = [("source", SOURCE), ("layout", LAYOUT), ("queue", replay::QUEUE)];
    pb::ScaledObjectRef {
        name: WORKERS.to_owned(),
        namespace: NAMESPACE.to_owned(),
        scaler_metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    }
}

/// What Kubernetes would show of the workers. Of their pods only those matter that are about to go.
pub(super) fn sighting(pool: &WorkerPool) -> Sighting {
    let name = |kind: &str| WorkloadName {
        kind: kind.to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: WORKERS.to_owned(),
    };
    let count = |n: usize| Some(u32::try_from(n).unwrap_or(u32::MAX));
    Sighting {
        name: name(SCALED_OBJECT),
        target: name("Deployment"),
        workload: Workload {
            replicas: count(pool.replicas()),
            ready: count(pool.ready()),
            starting: count(pool.starting()),
            terminating: count(pool.terminating()),
            min: Some(0),
            max: Some(MAX_WORKERS),
        },
        crew: pool
            .draining_workers()
            .map(|worker| (worker.to_string().into(), Standing::Terminating))
            .collect(),
        roster: Vec::new(),
        grace: None,
        starts: Starts::default(),
        newest_node: None,
        object: None,
    }
}

/// The configuration that the demo serves with; no file is read.
pub(super) fn config(options: &Options) -> Config {
    let layout = Layout {
        name: LAYOUT.to_owned(),
        implied: false,
        read: LayoutRead::Embedded,
        missing_queue: MissingQueue::Error,
        max_run: 300.0,
        stuck_after: None,
        worker_pod: None,
        history: None,
    };
    let source = SourceConfig {
        name: SOURCE.to_owned(),
        store: StoreConfig::Replay,
        access: Access(vec![(Glob::new("*"), vec![Glob::new("*")])]),
        sample_every: options.sample_every,
        stale_after: 120.0_f64.max(3.0 * options.sample_every),
        distrust: 120.0,
        layouts: vec![layout],
        watch: Vec::new(),
    };
    let loopback = ([127, 0, 0, 1], 0).into();
    Config {
        grpc: GrpcConfig { listen: loopback, tls: None, reflection: false, max_connection_age: None },
        http: HttpConfig { listen: options.http },
        sources: BTreeMap::from([(SOURCE.to_owned(), source)]),
        policies: BTreeMap::from([("default".to_owned(), PolicyConfig::default())]),
        groups: BTreeMap::new(),
        kubernetes: None,
        overrides: Vec::new(),
        state: None,
        hints: HintsConfig::default(),
    }
}
