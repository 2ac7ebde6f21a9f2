//! What the configuration says of a queue and of a ref.

use crate::{
    config::{
        Config,
        source::{SourceConfig, WorkloadName},
    },
    refs::{Caller, RefEntry, RefKey, RefSpec},
    series::{QueueKey, QueueRules},
    sizing::Mode,
    source::{LayoutIndex, Wanted},
    workloads::{SCALED_JOB, SCALED_OBJECT},
};

/// What a ref is called in Kubernetes: the workload of a `watch` line, else the object that KEDA calls for,
/// whose kind KEDA does not tell.
pub(super) fn object(config: &Config, entry: &RefEntry, spec: Option<&RefSpec>) -> WorkloadName {
    let RefKey { namespace, name, .. } = &entry.key;
    if entry.caller() == Caller::Operator {
        let lines = config.sources.values().flat_map(|source| &source.watch);
        let mut named = lines.map(|line| &line.workload);
        if let Some(workload) = named.find(|named| (&named.namespace, &named.name) == (namespace, name)) {
            return workload.clone();
        }
    }
    let jobs = spec.is_some_and(|spec| matches!(spec.policy.mode, Mode::Jobs(_)));
    let kind = if jobs { SCALED_JOB } else { SCALED_OBJECT };
    WorkloadName { kind: kind.to_owned(), namespace: namespace.clone(), name: name.clone() }
}

/// The rules of a queue; `None` where its source or layout is not configured.
pub(super) fn rules(config: &Config, key: &QueueKey) -> Option<QueueRules> {
    let source = config.sources.get(&key.source)?;
    let layout = source.layout(&key.layout)?;
    Some(QueueRules { max_run: layout.max_run, stale_after: source.stale_after })
}

/// What a source must read for a queue.
pub(super) fn wanted(config: &SourceConfig, key: &QueueKey) -> Vec<Wanted> {
    let Some(layout) = config.layouts.iter().position(|layout| layout.name == key.layout) else {
        return Vec::new();
    };
    key.names.iter().map(|name| Wanted { layout: LayoutIndex(layout), queue: name.as_str().into() }).collect()
}

/// The keys of all refs that `watch` names, as KEDA would give them.
pub(super) fn watched(config: &Config) -> Vec<RefKey> {
    let lines =
        config.sources.values().flat_map(|source| source.watch.iter().map(move |line| (source, line)));
    lines
        .map(|(source, line)| {
            let pairs = [
                ("source", &source.name),
                ("layout", &line.layout),
                ("queue", &line.queue),
                ("policy", &line.policy),
            ];
            let metadata = pairs.map(|(key, value)| (key.to_owned(), value.clone()));
            RefKey::new(line.workload.namespace.clone(), line.workload.name.clone(), metadata)
        })
        .collect()
}
