//! What is kept of Kubernetes, measured as the process's resident memory: so this target has one test.

use std::{fs, sync::Arc};

use foresail::{
    config::source::WorkloadName,
    workloads::{Change, Fold, PodRecord, SCALED_OBJECT, ScaledRecord},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// More than are promised, so that pages and the allocator's own tables do not matter.
const PODS: usize = 100_000;

/// Bytes.
const A_KILOBYTE: usize = 1000;

#[test]
fn ten_thousand_pods_are_kept_in_less_than_a_kilobyte_each() {
    let mut fold = Fold::default();
    let spec = serde_json::json!({
        "scaleTargetRef": { "name": "molecular-dynamics" },
        "triggers": [{ "type": "external", "metadata": { "scalerAddress": "f:6000", "queue": "md" } }],
    });
    let metadata = ObjectMeta { namespace: Some("chemistry".to_owned()), ..ObjectMeta::default() };
    let record = ScaledRecord::read(SCALED_OBJECT, &metadata, &spec, &["f:6000".to_owned()]);
    fold.apply(0.0, Change::Scaled(name(SCALED_OBJECT), record.map(Arc::new)), 1);
    fold.apply(0.0, Change::Target(name("Deployment"), Some(u32::try_from(PODS).unwrap())), 1);
    let before = resident();
    for pod in 0..PODS {
        let name = format!("molecular-dynamics-7d9f8c6b5-{pod:05}");
        fold.apply(0.0, Change::Pod("chemistry".into(), name.as_str().into(), Some(record_of_pod())), 1);
    }
    // The engine holds one sighting while the next is made.
    let sightings = [fold.take_news(), touched(&mut fold)];
    let each = resident().saturating_sub(before) / PODS;
    assert_eq!(
        (fold.pods(), sightings[1].seen[0].workload.ready),
        (PODS, Some(u32::try_from(PODS).unwrap()))
    );
    println!("{each} bytes a pod");
    assert!(each > 0 && each < A_KILOBYTE, "{each} bytes a pod");
}

fn touched(fold: &mut Fold) -> foresail::workloads::News {
    fold.apply(1.0, Change::Target(name("Deployment"), Some(1)), 1);
    fold.take_news()
}

fn name(kind: &str) -> WorkloadName {
    WorkloadName { kind: kind.into(), namespace: "chemistry".into(), name: "molecular-dynamics".into() }
}

fn record_of_pod() -> PodRecord {
    PodRecord {
        owner_kind: "Deployment".into(),
        owner: "molecular-dynamics".into(),
        created: 1.0,
        scheduled: Some(2.0),
        ready: Some(3.0),
        terminating: false,
        finished: false,
        node: Some("node-1".into()),
        cost: None,
        grace: None,
    }
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().expect("a number of kB") * 1024
}
