//! Prometheus metrics: counters of the rooms, and a collector that reads the answers at scrape time,
//! so that a queue or a ref that is gone leaves no series behind.

mod kept;
mod outcomes;
mod rooms;
mod table;

use std::sync::Arc;

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
    core::{Collector, Desc},
    proto::MetricType,
};

pub use self::kept::StateMetrics;
use self::table::TableCollector;
use crate::{answers::Answers, clock::Clock};

/// Seconds, from a table look-up to a hung backend.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];

/// Seconds that a pod takes to start, with a node there and with one to come, and that a node takes.
const START_SECONDS: &[f64] = &[1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0];

/// One metric as the docs show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: Vec<String>,
    /// What it says, in one sentence.
    pub help: String,
}

/// Every metric that rooms count themselves.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    described: Arc<[Described]>,
    /// Calls answered, by method and gRPC code.
    pub grpc_requests: IntCounterVec,
    /// Seconds to answer a call, by method.
    pub grpc_seconds: HistogramVec,
    /// Streams open, by method.
    pub grpc_streams: IntGaugeVec,
    /// Connections whose TLS handshake failed, by [`TlsRefusal`].
    pub tls_refused: IntCounterVec,
    /// Reads of a source, by result: `ok`, `partial` or `error`.
    pub reads: IntCounterVec,
    /// Seconds of a read, by source.
    pub read_seconds: HistogramVec,
    /// Round trips of a source's last good read.
    pub read_round_trips: IntGaugeVec,
    /// Whether a source's last read succeeded.
    pub source_up: IntGaugeVec,
    /// Whether the read guard, not the interval, sets a source's pace.
    pub read_guarded: IntGaugeVec,
    /// Reads of what queues of a source were like before, by result: `ok`, `none` or `error`.
    pub history_reads: IntCounterVec,
    /// Seconds of a tick.
    pub tick_seconds: Histogram,
    /// Seconds by which the last tick came late.
    pub tick_lag: prometheus::Gauge,
    /// Reloads of the configuration, by result: `ok` or `error`.
    pub reloads: IntCounterVec,
    /// Refs known.
    pub refs: IntGauge,
    /// What is seen of Kubernetes.
    pub kubernetes: KubernetesMetrics,
    /// What is written to Kubernetes.
    pub hints: HintsMetrics,
    /// What is kept over restarts.
    pub state: StateMetrics,
}

/// What the writing to Kubernetes counts.
#[derive(Debug, Clone)]
pub struct HintsMetrics {
    /// Whether this replica is the one that writes.
    pub leader: IntGauge,
    /// Events written, by result: `ok` or `error`.
    pub events: IntCounterVec,
    /// Deletion costs written or taken back, by result: `ok` or `error`.
    pub cost_writes: IntCounterVec,
    /// Writes that ask for room, by kind of what was written and result.
    pub room_writes: IntCounterVec,
}

impl HintsMetrics {
    fn new() -> Self {
        Self {
            leader: IntGauge::new(
                "foresail_leader",
                "1 on the replica that holds the Lease and so writes to Kubernetes, else 0.",
            )
            .expect(FIXED),
            events: counters("foresail_events_total", "Events written to Kubernetes.", &["result"]),
            cost_writes: counters(
                "foresail_deletion_cost_writes_total",
                "Deletion costs written onto pods or taken back.",
                &["result"],
            ),
            room_writes: counters(
                "foresail_hint_writes_total",
                "Writes that ask for room: ok, absent (the API is not there), conflict, forbidden or error.",
                &["kind", "result"],
            ),
        }
    }
}

/// What the watch of Kubernetes counts.
#[derive(Debug, Clone)]
pub struct KubernetesMetrics {
    /// Failures of a watch, by kind.
    pub watch_errors: IntCounterVec,
    /// Kinds that may not be read in a namespace.
    pub refused: IntGaugeVec,
    /// Pods kept in memory.
    pub pods: IntGauge,
    /// Seconds from a pod's creation to Ready, by whether it had to wait for a node.
    pub starts: HistogramVec,
    /// Pods that went before they were Ready, while they waited for a node.
    pub given_up: IntCounter,
    /// Seconds from a NodeClaim's creation to each of its phases, by NodePool.
    pub node_starts: HistogramVec,
    /// NodeClaims that went before their node took pods, by NodePool.
    pub node_failures: IntCounterVec,
}

impl KubernetesMetrics {
    fn new() -> Self {
        Self {
            watch_errors: counters(
                "foresail_kubernetes_watch_errors_total",
                "Failures of a list or a watch in Kubernetes.",
                &["kind"],
            ),
            refused: gauges(
                "foresail_kubernetes_refused",
                "1 for a kind that may not be read in a namespace: nothing of that namespace is seen.",
                &["namespace", "kind"],
            ),
            pods: IntGauge::new("foresail_kubernetes_pods", "Pods that are kept in memory.").expect(FIXED),
            starts: HistogramVec::new(
                HistogramOpts::new(
                    "foresail_pod_start_seconds",
                    "Time from a pod's creation to Ready; cold: it had to wait for a node, from whose claim it counts where \
                     that is known and older.",
                )
                .buckets(START_SECONDS.to_vec()),
                &["start"],
            )
            .expect(FIXED),
            given_up: IntCounter::new(
                "foresail_pod_starts_given_up_total",
                "Pods that went before they were ever Ready, and had waited for a node.",
            )
            .expect(FIXED),
            node_starts: HistogramVec::new(
                HistogramOpts::new(
                    "foresail_node_start_seconds",
                    "Time from a NodeClaim's creation until its node was launched, registered, initialized.",
                )
                .buckets(START_SECONDS.to_vec()),
                &["node_pool", "phase"],
            )
            .expect(FIXED),
            node_failures: counters(
                "foresail_node_starts_failed_total",
                "NodeClaims that went before their node was initialized.",
                &["node_pool"],
            ),
        }
    }
}

/// Why a TLS handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsRefusal {
    /// The client showed no certificate, and the server wants one.
    NoCertificate,
    /// The client's certificate is of another authority, or no longer valid.
    Certificate,
    /// The client does not speak TLS.
    NotTls,
    /// The client refused: it does not trust the server's certificate.
    ByClient,
    /// The client took too long.
    Timeout,
    /// The client went: a TCP probe does.
    Closed,
    /// Anything else, such as no version of TLS in common.
    Other,
}

impl TlsRefusal {
    const ALL: [Self; 7] = [
        Self::NoCertificate,
        Self::Certificate,
        Self::NotTls,
        Self::ByClient,
        Self::Timeout,
        Self::Closed,
        Self::Other,
    ];

    /// The metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::Certificate => "certificate",
            Self::NotTls => "not_tls",
            Self::ByClient => "by_client",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Other => "other",
        }
    }
}

impl Metrics {
    /// Registers every metric, and those that the answers give.
    pub fn new(answers: Arc<Answers>, clock: Arc<dyn Clock>) -> Self {
        let mut metrics = Self {
            registry: Registry::new(),
            described: Arc::default(),
            grpc_requests: counters("foresail_grpc_requests_total", "Calls answered.", &["method", "code"]),
            grpc_seconds: seconds(
                "foresail_grpc_request_duration_seconds",
                "Time to answer a call.",
                &["method"],
            ),
            grpc_streams: gauges("foresail_grpc_streams", "Streams open.", &["method"]),
            tls_refused: counters(
                "foresail_grpc_tls_refused_total",
                "Connections to the gRPC port whose TLS handshake failed.",
                &["reason"],
            ),
            reads: counters(
                "foresail_source_reads_total",
                "Reads of a source: ok, partial (some queue failed) or error.",
                &["source", "result"],
            ),
            read_seconds: seconds(
                "foresail_source_read_duration_seconds",
                "Time that a read of a source took, connecting not included.",
                &["source"],
            ),
            read_round_trips: gauges(
                "foresail_source_read_round_trips",
                "Round trips of the last good read.",
                &["source"],
            ),
            source_up: gauges(
                "foresail_source_up",
                "1 when the last read of the source succeeded, else 0.",
                &["source"],
            ),
            read_guarded: gauges(
                "foresail_source_read_guarded",
                "1 when reads are so slow that the 5 % guard, not sample_every, sets their pace.",
                &["source"],
            ),
            history_reads: counters(
                "foresail_history_reads_total",
                "Reads of what new queues were like before: ok, none (no jobs) or error.",
                &["source", "result"],
            ),
            tick_seconds: Histogram::with_opts(
                HistogramOpts::new("foresail_tick_duration_seconds", "Time that a tick took.")
                    .buckets(SECONDS.to_vec()),
            )
            .expect(FIXED),
            tick_lag: prometheus::Gauge::new(
                "foresail_tick_lag_seconds",
                "By how much the last tick came late.",
            )
            .expect(FIXED),
            reloads: counters("foresail_config_reloads_total", "Reloads of the configuration.", &["result"]),
            refs: IntGauge::new("foresail_refs", "References known.").expect(FIXED),
            kubernetes: KubernetesMetrics::new(),
            hints: HintsMetrics::new(),
            state: StateMetrics::new(clock.clone()),
        };
        let build = gauges("foresail_build_info", "The version that runs; always 1.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        metrics.begin_at_zero();
        let process = prometheus::process_collector::ProcessCollector::for_self();
        let mut all: Vec<Box<dyn Collector>> = vec![Box::new(build)];
        all.extend(metrics.counted());
        all.push(Box::new(TableCollector::new(answers, clock)));
        all.push(Box::new(process));
        let described = all.iter().flat_map(|collector| describe(collector.as_ref())).collect();
        for collector in all {
            metrics.registry.register(collector).expect("each name is registered once");
        }
        metrics.described = described;
        metrics
    }

    /// What the rooms count; nothing is left out.
    fn counted(&self) -> Vec<Box<dyn Collector>> {
        let Self {
            registry: _,
            described: _,
            grpc_requests,
            grpc_seconds,
            grpc_streams,
            tls_refused,
            reads,
            read_seconds,
            read_round_trips,
            source_up,
            read_guarded,
            history_reads,
            tick_seconds,
            tick_lag,
            reloads,
            refs,
            kubernetes:
                KubernetesMetrics { watch_errors, refused, pods, starts, given_up, node_starts, node_failures },
            hints: HintsMetrics { leader, events, cost_writes, room_writes },
            state,
        } = self;
        vec![
            Box::new(grpc_requests.clone()),
            Box::new(grpc_seconds.clone()),
            Box::new(grpc_streams.clone()),
            Box::new(tls_refused.clone()),
            Box::new(reads.clone()),
            Box::new(read_seconds.clone()),
            Box::new(read_round_trips.clone()),
            Box::new(source_up.clone()),
            Box::new(read_guarded.clone()),
            Box::new(history_reads.clone()),
            Box::new(tick_seconds.clone()),
            Box::new(tick_lag.clone()),
            Box::new(reloads.clone()),
            Box::new(refs.clone()),
            Box::new(watch_errors.clone()),
            Box::new(refused.clone()),
            Box::new(pods.clone()),
            Box::new(starts.clone()),
            Box::new(given_up.clone()),
            Box::new(node_starts.clone()),
            Box::new(node_failures.clone()),
            Box::new(leader.clone()),
            Box::new(events.clone()),
            Box::new(cost_writes.clone()),
            Box::new(room_writes.clone()),
            Box::new(state.clone()),
        ]
    }

    /// What has not happened yet is 0, where its labels are known: so that the first time is seen as a rise.
    fn begin_at_zero(&self) {
        for result in ["ok", "error"] {
            self.reloads.with_label_values(&[result]);
            self.hints.events.with_label_values(&[result]);
            self.hints.cost_writes.with_label_values(&[result]);
            self.state.writes.with_label_values(&[result]);
        }
        for reason in TlsRefusal::ALL {
            self.tls_refused.with_label_values(&[reason.name()]);
        }
    }

    /// Begins at 0 what will be counted of a source whose layouts have a history.
    pub fn expect_history(&self, source: &str) {
        for result in HISTORY_RESULTS {
            self.history_reads.with_label_values(&[source, result]);
        }
    }

    /// Drops what was counted of a source that is gone: its last state would alert for ever.
    pub fn forget_source(&self, source: &str) {
        let Self { reads, read_seconds, read_round_trips, source_up, read_guarded, history_reads, .. } = self;
        // A series that was never there is an error, and gone all the same.
        for result in ["ok", "partial", "error"] {
            let _ = reads.remove_label_values(&[source, result]);
        }
        for result in HISTORY_RESULTS {
            let _ = history_reads.remove_label_values(&[source, result]);
        }
        let _ = read_seconds.remove_label_values(&[source]);
        for gauge in [read_round_trips, source_up, read_guarded] {
            let _ = gauge.remove_label_values(&[source]);
        }
    }

    /// Every metric that there is, with or without a value now, for the docs.
    pub fn describe(&self) -> &[Described] {
        &self.described
    }

    /// Everything in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => format!("# metrics could not be written: {error}\n"),
        }
    }
}

fn describe(collector: &dyn Collector) -> Vec<Described> {
    // A family without a value is left out of a scrape, but its collector knows its kind.
    let families = collector.collect();
    let kind = |name: &str| match families.iter().find(|family| family.name() == name) {
        Some(family) if family.get_field_type() == MetricType::COUNTER => "counter",
        Some(family) if family.get_field_type() == MetricType::HISTOGRAM => "histogram",
        _ => "gauge",
    };
    let described = |desc: &Desc| Described {
        name: desc.fq_name.clone(),
        kind: kind(&desc.fq_name),
        labels: desc.variable_labels.clone(),
        help: desc.help.clone(),
    };
    collector.desc().into_iter().map(described).collect()
}

/// What may come of a read of the past.
const HISTORY_RESULTS: [&str; 3] = ["ok", "none", "error"];

const FIXED: &str = "the name and labels are fixed and valid";

fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect(FIXED)
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(name, help), labels).expect(FIXED)
}

fn seconds(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels).expect(FIXED)
}
