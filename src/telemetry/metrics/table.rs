//! Turns the newest table into gauges when Prometheus asks.

use std::{collections::HashMap, sync::Arc};

use prometheus::{
    CounterVec, GaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    FIXED,
    outcomes::{self, FORECAST_METRICS},
    rooms::{self, ROOM_METRICS},
};
use crate::{
    answers::{Answers, QueueRow, Row, Table},
    clock::Clock,
    sizing::Workload,
    workloads::Sight,
};

/// The collector of everything that a row of the table says.
pub(super) struct TableCollector {
    answers: Arc<Answers>,
    clock: Arc<dyn Clock>,
    described: Vec<Desc>,
}

impl TableCollector {
    /// Of the table that `answers` holds when it is asked.
    pub(super) fn new(answers: Arc<Answers>, clock: Arc<dyn Clock>) -> Self {
        Self { answers, clock, described: described() }
    }
}

/// A metric of the table: its name, what it says, and its value for a row, if known. A counter where the name ends in
/// `_total`, else a gauge.
struct Column<R: 'static>(&'static str, &'static str, fn(&R, f64) -> Option<f64>);

const QUEUE_LABELS: &[&str] = &["source", "layout", "queue"];
const REF_LABELS: &[&str] = &["namespace", "scaled_object", "metric"];

const QUEUE_COLUMNS: &[Column<QueueRow>] = &[
    Column("foresail_queue_waiting", "Jobs that a worker could take now.", |row, _| {
        depth(row, |d| Some(d.waiting as f64))
    }),
    Column("foresail_queue_in_flight", "Jobs held by workers.", |row, _| {
        depth(row, |d| d.in_flight.map(|n| n as f64))
    }),
    Column("foresail_queue_stuck", "Jobs in flight whose worker is lost.", |row, _| {
        depth(row, |d| Some(d.stuck as f64))
    }),
    Column("foresail_queue_scheduled", "Jobs that become ready later.", |row, _| {
        depth(row, |d| d.scheduled.map(|n| n as f64))
    }),
    Column("foresail_queue_oldest_age_seconds", "Age of the oldest waiting job.", |row, _| {
        depth(row, |d| d.oldest_age)
    }),
    Column("foresail_queue_sample_age_seconds", "Age of the last good sample.", |row, _| {
        row.view.as_ref().ok().map(|view| view.age)
    }),
    Column(
        "foresail_queue_unknown",
        "1 when nothing may be believed of the queue (never read, or stale).",
        |row, _| Some(f64::from(u8::from(row.view.is_err()))),
    ),
    Column(
        "foresail_queue_never_seen",
        "1 when the queue was read and never seen to exist: its name is probably a typo.",
        |row, _| row.view.as_ref().ok().map(|view| f64::from(u8::from(!view.ever_seen))),
    ),
    Column(
        "foresail_queue_arrivals",
        "Jobs seen to arrive since the start, where the layout counts them.",
        |row, _| row.arrivals.map(|n| n as f64),
    ),
    Column(
        "foresail_queue_completions",
        "Jobs seen to end since the start, where the layout counts them.",
        |row, _| row.completions.map(|n| n as f64),
    ),
    Column(
        "foresail_queue_run_seconds",
        "Run time of a job, mean; absent until jobs were seen to end.",
        |row, _| row.run_time,
    ),
];

const REF_COLUMNS: &[Column<Row>] = &[
    Column("foresail_ref_target", "Workers wanted: what KEDA is told.", |row, _| {
        row.answer.as_ref().ok().map(|d| f64::from(d.target))
    }),
    Column("foresail_ref_reactive", "Workers wanted without any forecast.", |row, _| {
        row.answer.as_ref().ok().map(|d| f64::from(d.reactive))
    }),
    Column(
        "foresail_ref_hint",
        "Spare pods wanted beyond the target: room for those that a forecast expects.",
        |row, _| row.answer.as_ref().ok().map(|d| f64::from(d.hint)),
    ),
    Column("foresail_ref_active", "1 when KEDA is told that the ref is active.", |row, _| {
        row.answer.as_ref().ok().map(|d| f64::from(u8::from(d.active())))
    }),
    Column("foresail_ref_unavailable", "1 when KEDA is told UNAVAILABLE or INVALID_ARGUMENT.", |row, _| {
        Some(f64::from(u8::from(row.answer.is_err())))
    }),
    Column("foresail_ref_last_asked_seconds", "Seconds since KEDA last asked.", |row, now| {
        Some((now - row.entry.last_asked()?).max(0.0))
    }),
    Column(
        "foresail_ref_lead_seconds",
        "Time that a worker takes to start, mean: how far ahead is looked; assumed before a start was seen.",
        |row, _| Some(row.standing.lead),
    ),
    Column(
        "foresail_ref_speculative_seconds_total",
        "Worker-seconds since the start that were idle on the word of a forecast.",
        |row, _| Some(row.standing.spent),
    ),
    Column("foresail_ref_busy_seconds_total", "Worker-seconds since the start that were busy.", |row, _| {
        Some(row.standing.worked)
    }),
    Column(
        "foresail_ref_budget_left_seconds",
        "Idle worker-seconds that may be spent on forecasts now.",
        |row, _| Some(row.standing.left),
    ),
    Column("foresail_ref_replicas", "Replicas of what the ref scales, or its Jobs.", |row, _| {
        workload(row, |w| w.replicas)
    }),
    Column("foresail_ref_ready", "Its pods that are Ready and not terminating.", |row, _| {
        workload(row, |w| w.ready)
    }),
    Column("foresail_ref_starting", "Its pods that are asked for and not Ready.", |row, _| {
        workload(row, |w| w.starting)
    }),
    Column("foresail_ref_terminating", "Its pods that have been told to go.", |row, _| {
        workload(row, |w| w.terminating)
    }),
];

/// What is known of objects in Kubernetes rather than of refs.
const OBJECT_METRICS: &[(&str, &str, &[&str])] = &[
    (
        "foresail_kubernetes_in_sight",
        "1 when Kubernetes is listed and watched, else 0; absent where it is not configured.",
        &[],
    ),
    (
        "foresail_object_traps",
        "1 for each trap that a ScaledObject or ScaledJob is in.",
        &["namespace", "scaled_object", "trap"],
    ),
];

/// Names and words of the gauges that come from the table.
fn table_metrics() -> impl Iterator<Item = (&'static str, &'static str, &'static [&'static str])> {
    let queues = QUEUE_COLUMNS.iter().map(|column| (column.0, column.1, QUEUE_LABELS));
    let refs = REF_COLUMNS.iter().map(|column| (column.0, column.1, REF_LABELS));
    queues.chain(refs).chain(FORECAST_METRICS).chain(OBJECT_METRICS.iter().copied()).chain(ROOM_METRICS)
}

fn described() -> Vec<Desc> {
    table_metrics()
        .map(|(name, help, labels)| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new()).expect(FIXED)
        })
        .collect()
}

impl Collector for TableCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.described.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (table, now) = (self.answers.load(), self.clock.now());
        let queues = table.queues.iter().map(|row| {
            let key = &row.queue.key;
            (row, [key.source.clone(), key.layout.clone(), key.queue()])
        });
        let mut families = families(QUEUE_COLUMNS, QUEUE_LABELS, &queues.collect::<Vec<_>>(), now);
        let refs: Vec<_> =
            newest_refs(&table).into_iter().map(|(labels, row)| (row, labels.map(str::to_owned))).collect();
        families.extend(self::families(REF_COLUMNS, REF_LABELS, &refs, now));
        families.extend(outcomes::families(&table.outcomes));
        families.extend(object_families(&table));
        families.extend(rooms::families(&self.answers.rooms()));
        families
    }
}

fn families<R>(
    columns: &[Column<R>],
    labels: &[&str],
    rows: &[(&R, [String; 3])],
    now: f64,
) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    for Column(name, help, value) in columns {
        let known = rows.iter().filter_map(|(row, labels)| Some((labels, value(row, now)?)));
        if name.ends_with("_total") {
            let counter = CounterVec::new(Opts::new(*name, *help), labels).expect(FIXED);
            known.for_each(|([a, b, c], value)| counter.with_label_values(&[a, b, c]).inc_by(value));
            families.extend(counter.collect());
        } else {
            let gauge = GaugeVec::new(Opts::new(*name, *help), labels).expect(FIXED);
            known.for_each(|([a, b, c], value)| gauge.with_label_values(&[a, b, c]).set(value));
            families.extend(gauge.collect());
        }
    }
    families
}

fn object_families(table: &Table) -> Vec<MetricFamily> {
    let [in_sight, traps] = OBJECT_METRICS else { unreachable!("two stand in the table") };
    let gauge = |(name, help, labels): &(&str, &str, &[&str])| {
        GaugeVec::new(Opts::new(*name, *help), labels).expect(FIXED)
    };
    let (in_sight, traps) = (gauge(in_sight), gauge(traps));
    if let Some(sight) = table.sight {
        in_sight.with_label_values::<&str>(&[]).set(f64::from(u8::from(sight == Sight::Clear)));
    }
    for row in table.objects.iter() {
        let name = &row.sighting.name;
        for (trap, _) in row.traps() {
            traps.with_label_values(&[name.namespace.as_str(), &name.name, trap]).set(1.0);
        }
    }
    [in_sight.collect(), traps.collect()].concat()
}

/// Refs by their labels. An edited trigger leaves its former self behind for a while: of two with the
/// same labels the one that was asked for last counts.
fn newest_refs(table: &Table) -> HashMap<[&str; 3], &Row> {
    let mut newest: HashMap<[&str; 3], &Row> = HashMap::new();
    for row in table.rows.iter().flatten() {
        let key =
            [row.entry.key.namespace.as_str(), row.entry.key.name.as_str(), row.entry.metric_name.as_str()];
        newest
            .entry(key)
            .and_modify(|known| {
                if row.entry.last_seen() > known.entry.last_seen() {
                    *known = row;
                }
            })
            .or_insert(row);
    }
    newest
}

fn workload(row: &Row, value: fn(&Workload) -> Option<u32>) -> Option<f64> {
    row.sighting.as_ref().and_then(|sighting| value(&sighting.workload)).map(f64::from)
}

fn depth(row: &QueueRow, value: fn(&crate::series::Depth) -> Option<f64>) -> Option<f64> {
    row.view.as_ref().ok().and_then(|view| value(&view.depth))
}
