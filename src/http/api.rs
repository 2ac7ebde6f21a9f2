//! `/api/queues`, `/api/refs` and `/api/objects`: the table as JSON, the same that `foresail explain` prints.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};

use crate::{
    answers::{ObjectRow, QueueRow, Row},
    config::source::WorkloadName,
    http::Http,
    series::QueueKey,
    sizing::Workload,
    workloads::{Latest, Sighting},
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
}

/// How long pods took to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartReport {
    /// Starts seen.
    pub count: u64,
    /// Seconds from created to Ready, median of the latest; null before the first.
    pub median: Option<f64>,
}

/// A ScaledObject or ScaledJob that refers to this Foresail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectReport {
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// What it scales.
    pub workload: WorkloadReport,
    /// What stands in the way in it.
    pub traps: Vec<TrapReport>,
}

/// What stands in the way in an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrapReport {
    /// Its name, as metrics have it.
    pub trap: String,
    /// What it does, and what would be right.
    pub what: String,
}

pub(super) async fn objects(State(http): State<Http>) -> Json<Vec<ObjectReport>> {
    Json(http.answers.load().objects.iter().map(object_report).collect())
}

pub(super) async fn objects_of(
    State(http): State<Http>,
    Path((namespace, name)): Path<(String, String)>,
) -> Json<Vec<ObjectReport>> {
    let table = http.answers.load();
    let named =
        |row: &&ObjectRow| (&row.sighting.name.namespace, &row.sighting.name.name) == (&namespace, &name);
    Json(table.objects.iter().filter(named).map(object_report).collect())
}

fn object_report(row: &ObjectRow) -> ObjectReport {
    let WorkloadName { kind, namespace, name } = row.sighting.name.clone();
    let traps = row.traps().map(|(trap, what)| TrapReport { trap: trap.to_owned(), what });
    ObjectReport { kind, namespace, name, workload: workload_report(&row.sighting), traps: traps.collect() }
}

fn workload_report(sighting: &Sighting) -> WorkloadReport {
    let Workload { replicas, ready, starting, terminating, min, max } = sighting.workload;
    let starts = |latest: &Latest| StartReport { count: latest.count, median: latest.median() };
    WorkloadReport {
        target: sighting.target.to_string(),
        replicas,
        ready,
        starting,
        terminating,
        min,
        max,
        warm_starts: starts(&sighting.starts.warm),
        cold_starts: starts(&sighting.starts.cold),
    }
}

pub(super) async fn queues(State(http): State<Http>) -> Json<Vec<QueueReport>> {
    let table = http.answers.load();
    let mut reports: Vec<_> = table.queues.iter().map(queue_report).collect();
    reports.sort_by(|a, b| (&a.source, &a.layout, &a.queue).cmp(&(&b.source, &b.layout, &b.queue)));
    Json(reports)
}

pub(super) async fn refs(State(http): State<Http>) -> Json<Vec<RefReport>> {
    Json(reports(&http, |_| true))
}

pub(super) async fn refs_of(
    State(http): State<Http>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<Vec<RefReport>>, (StatusCode, String)> {
    let reports = reports(&http, |row| row.entry.key.namespace == namespace && row.entry.key.name == name);
    if reports.is_empty() {
        return Err((
            StatusCode::NOT_FOUND,
            format!("no ref is called {namespace}/{name}: nobody has asked for it\n"),
        ));
    }
    Ok(Json(reports))
}

fn reports(http: &Http, wanted: impl Fn(&Row) -> bool) -> Vec<RefReport> {
    let (table, now) = (http.answers.load(), http.clock.now());
    let queues: HashMap<_, _> = table.queues.iter().map(|row| (&row.queue.key, row)).collect();
    let mut reports: Vec<_> = table
        .rows
        .iter()
        .flatten()
        .filter(|row| wanted(row))
        .map(|row| ref_report(&queues, row, now))
        .collect();
    reports.sort_by(|a, b| (&a.namespace, &a.name, &a.metric).cmp(&(&b.namespace, &b.name, &b.metric)));
    reports
}

fn ref_report(queues: &HashMap<&QueueKey, &QueueRow>, row: &Row, now: f64) -> RefReport {
    let decision = row.answer.as_ref().ok();
    let queue = queues.get(&row.entry.spec.queue);
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
        queue: queue.map(|queue| queue_report(queue)),
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
