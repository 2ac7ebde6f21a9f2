//! `/api/queues`, `/api/refs` and `/api/objects`: the table as JSON, the same that `foresail explain` prints.

mod ask;
mod learned;
mod objects;

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};

use ask::{Found, FoundRef};

use crate::{
    answers::{QueueRow, Row},
    http::Http,
    sizing::Workload,
    workloads::{NewestNode, Sighting, StartKind},
};

pub use objects::{ObjectReport, RoomReport, TrapReport, TroubleReport};
pub(super) use objects::{objects, objects_of};

pub use learned::{
    AheadReport, BurstReport, ForecastReport, LeadReport, LeadTimeReport, PartReport, QuantileReport,
    ServiceReport, SkillReport, SpendReport,
};

/// What is known of one queue. What is unknown is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueReport {
    /// Source.
    pub source: String,
    /// Layout.
    pub layout: String,
    /// Queue, or several joined by commas.
    pub queue: String,
    /// Jobs that a worker could take now.
    pub waiting: Option<u64>,
    /// Jobs held by workers.
    pub in_flight: Option<u64>,
    /// Jobs in flight whose worker is lost.
    pub stuck: Option<u64>,
    /// Distinct workers that hold a job.
    pub busy_workers: Option<u64>,
    /// Jobs that become ready later.
    pub scheduled: Option<u64>,
    /// Seconds that the oldest waiting job has waited.
    pub oldest_age: Option<f64>,
    /// Seconds since the last good sample.
    pub sample_age: Option<f64>,
    /// What is wrong or odd; empty when nothing is.
    pub warnings: Vec<String>,
    /// What is expected to come; null beyond the first 1,000 of a list.
    pub forecast: Option<ForecastReport>,
    /// How long its jobs run; null as for the forecast.
    pub service: Option<ServiceReport>,
}

/// What one ref is answered, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefReport {
    /// Namespace.
    pub namespace: String,
    /// Name of the ScaledObject or ScaledJob.
    pub name: String,
    /// The metric's name.
    pub metric: String,
    /// Workers wanted; null when KEDA is told an error.
    pub target: Option<u32>,
    /// Workers wanted without any forecast.
    pub reactive: Option<u32>,
    /// Spare pods wanted beyond the target.
    pub hint: Option<u32>,
    /// Whether KEDA is told that it is active.
    pub active: Option<bool>,
    /// How the target came about.
    pub why: Option<String>,
    /// Why there is no target.
    pub error: Option<String>,
    /// Seconds since KEDA last asked; null while it never has.
    pub last_asked: Option<f64>,
    /// What it scales; null while that is unknown.
    pub workload: Option<WorkloadReport>,
    /// Its queue.
    pub queue: Option<QueueReport>,
    /// What is expected within its own lead time; null beyond the first 1,000 of a list.
    pub ahead: Option<AheadReport>,
    /// How long its workers take to start; null as for what is ahead.
    pub lead: Option<LeadReport>,
    /// What it spends on forecasts; null as for what is ahead.
    pub spend: Option<SpendReport>,
}

/// What is seen in Kubernetes of one workload. What is unknown is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadReport {
    /// What it is: `Kind/namespace/name`.
    pub target: String,
    /// Replicas, or Jobs that have not ended.
    pub replicas: Option<u32>,
    /// Pods that are Ready and not terminating.
    pub ready: Option<u32>,
    /// Pods asked for and not Ready.
    pub starting: Option<u32>,
    /// Pods that have been told to go.
    pub terminating: Option<u32>,
    /// Replicas at least.
    pub min: Option<u32>,
    /// Replicas at most.
    pub max: Option<u32>,
    /// Starts on a node that was there.
    pub warm_starts: StartReport,
    /// Starts that had to wait for a node.
    pub cold_starts: StartReport,
    /// Pods that went before they were ever Ready, and had waited for a node.
    pub given_up_starts: u64,
    /// The newest node that its pods have been on; null where NodeClaims are not watched, or none was seen.
    pub newest_node: Option<NodeReport>,
}

/// A node that came for pods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its NodePool; empty for one of no pool.
    pub node_pool: String,
    /// What was launched.
    pub instance_type: Option<String>,
    /// Seconds from being asked for until it took pods.
    pub seconds: f64,
}

/// How long pods took to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartReport {
    /// Starts seen.
    pub count: u64,
    /// Seconds from created to Ready, median of the latest; null before the first. Cold ones from the claim of the
    /// node where that is known and older.
    pub median: Option<f64>,
}

fn workload_report(sighting: &Sighting) -> WorkloadReport {
    let Workload { replicas, ready, starting, terminating, min, max } = sighting.workload;
    let starts = |kind| {
        let latest = sighting.starts.of(kind);
        StartReport { count: latest.count, median: latest.median() }
    };
    let node = |node: &NewestNode| NodeReport {
        node_pool: node.pool.to_string(),
        instance_type: node.instance_type.as_deref().map(str::to_owned),
        seconds: node.seconds,
    };
    WorkloadReport {
        target: sighting.target.to_string(),
        replicas,
        ready,
        starting,
        terminating,
        min,
        max,
        warm_starts: starts(StartKind::Warm),
        cold_starts: starts(StartKind::Cold),
        given_up_starts: sighting.starts.of(StartKind::GivenUp).count,
        newest_node: sighting.newest_node.as_ref().map(node),
    }
}

/// Which queues are wanted; what is not given is no matter.
#[derive(Debug, Deserialize)]
pub(super) struct QueueFilter {
    source: Option<String>,
    layout: Option<String>,
    queue: Option<String>,
}

impl QueueFilter {
    fn wants(&self, row: &QueueRow) -> bool {
        let key = &row.queue.key;
        self.source.as_ref().is_none_or(|source| *source == key.source)
            && self.layout.as_ref().is_none_or(|layout| *layout == key.layout)
            && self.queue.as_ref().is_none_or(|queue| *queue == key.queue())
    }
}

pub(super) async fn queues(
    State(http): State<Http>,
    Query(filter): Query<QueueFilter>,
) -> Json<Vec<QueueReport>> {
    let mut found: Vec<_> = {
        let table = http.answers.load();
        let wanted = table.queues.iter().filter(|row| filter.wants(row));
        wanted.map(|row| Found { queue: row.queue.clone(), report: queue_report(row) }).collect()
    };
    found.sort_by(|a, b| {
        let (a, b) = (&a.report, &b.report);
        (&a.source, &a.layout, &a.queue).cmp(&(&b.source, &b.layout, &b.queue))
    });
    ask::of_queues(&http, &mut found).await;
    Json(found.into_iter().map(|found| found.report).collect())
}

pub(super) async fn refs(State(http): State<Http>) -> Json<Vec<RefReport>> {
    Json(reports(&http, |_| true).await)
}

pub(super) async fn refs_of(
    State(http): State<Http>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<Vec<RefReport>>, (StatusCode, String)> {
    let wanted = |row: &Row| row.entry.key.namespace == namespace && row.entry.key.name == name;
    let reports = reports(&http, wanted).await;
    if reports.is_empty() {
        return Err((
            StatusCode::NOT_FOUND,
            format!("no ref is called {namespace}/{name}: nobody has asked for it\n"),
        ));
    }
    Ok(Json(reports))
}

async fn reports(http: &Http, wanted: impl Fn(&Row) -> bool) -> Vec<RefReport> {
    let mut found: Vec<_> = {
        let (table, now) = (http.answers.load(), http.clock.now());
        let queues: HashMap<_, _> = table.queues.iter().map(|row| (&row.queue.key, row)).collect();
        let rows = table.rows.iter().flatten().filter(|row| wanted(row));
        rows.map(|row| {
            let queue = queues.get(&row.entry.spec.queue).copied();
            let report = ref_report(queue, row, now);
            FoundRef { entry: row.entry.clone(), queue: queue.map(|row| row.queue.clone()), report }
        })
        .collect()
    };
    found.sort_by(|a, b| {
        let (a, b) = (&a.report, &b.report);
        (&a.namespace, &a.name, &a.metric).cmp(&(&b.namespace, &b.name, &b.metric))
    });
    ask::of_refs(http, &mut found).await;
    found.into_iter().map(|found| found.report).collect()
}

fn ref_report(queue: Option<&QueueRow>, row: &Row, now: f64) -> RefReport {
    let decision = row.answer.as_ref().ok();
    RefReport {
        namespace: row.entry.key.namespace.clone(),
        name: row.entry.key.name.clone(),
        metric: row.entry.metric_name.clone(),
        target: decision.map(|decision| decision.target),
        reactive: decision.map(|decision| decision.reactive),
        hint: decision.map(|decision| decision.hint),
        active: decision.map(crate::sizing::Decision::active),
        why: decision.map(|decision| decision.why.to_string()),
        error: row.answer.as_ref().err().map(ToString::to_string),
        last_asked: row.entry.last_asked().map(|at| (now - at).max(0.0)),
        workload: row.sighting.as_deref().map(workload_report),
        queue: queue.map(queue_report),
        ahead: None,
        lead: None,
        spend: None,
    }
}

fn queue_report(row: &QueueRow) -> QueueReport {
    let view = row.view.as_ref().ok();
    let depth = view.map(|view| view.depth);
    let key = &row.queue.key;
    QueueReport {
        source: key.source.clone(),
        layout: key.layout.clone(),
        queue: key.queue(),
        waiting: depth.map(|depth| depth.waiting),
        in_flight: depth.and_then(|depth| depth.in_flight),
        stuck: depth.map(|depth| depth.stuck),
        busy_workers: depth.and_then(|depth| depth.busy_workers),
        scheduled: depth.and_then(|depth| depth.scheduled),
        oldest_age: depth.and_then(|depth| depth.oldest_age),
        sample_age: view.map(|view| view.age),
        warnings: warnings(row),
        forecast: None,
        service: None,
    }
}

fn warnings(row: &QueueRow) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(error) = &row.error {
        warnings.push(error.to_string());
    }
    match &row.view {
        Err(unseen) => warnings.push(unseen.to_string()),
        Ok(view) if !view.ever_seen => {
            warnings.push("never seen in the store: is the name right?".to_owned());
        }
        Ok(_) => {}
    }
    if row.worker_refs > 1 {
        warnings.push(format!(
            "{} refs of mode workers ask for this queue, and each sees all of it",
            row.worker_refs
        ));
    }
    warnings
}
