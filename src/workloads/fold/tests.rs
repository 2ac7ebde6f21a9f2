use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use serde_json::json;

use super::*;
use crate::{
    sizing::Workload,
    workloads::{SCALED_OBJECT, Sighting, Standing, StartKind},
};

mod starts;

fn scaled(kind: &'static str, target: &str) -> Arc<ScaledRecord> {
    let spec = json!({
        "scaleTargetRef": { "name": target }, "minReplicaCount": 1, "maxReplicaCount": 9,
        "triggers": [{ "type": "external", "metadata": { "scalerAddress": "f:6000", "queue": "md" } }],
    });
    let metadata = ObjectMeta { namespace: Some("ns".into()), ..ObjectMeta::default() };
    Arc::new(ScaledRecord::read(kind, &metadata, &spec, &["f:6000".to_owned()]).expect("it means us"))
}

fn pod(owner: &str, created: f64) -> PodRecord {
    PodRecord {
        owner_kind: "Deployment".into(),
        owner: owner.into(),
        created,
        scheduled: Some(created + 1.0),
        ready: None,
        terminating: false,
        finished: false,
        node: Some("node-1".into()),
        cost: None,
        grace: None,
    }
}

fn change(name: &str, record: Option<PodRecord>) -> Change {
    Change::Pod("ns".into(), name.into(), record)
}

fn start(kind: StartKind, seconds: f64) -> Start {
    Start { kind, seconds, behind: 0.0 }
}

fn object() -> WorkloadName {
    name(SCALED_OBJECT, "ns", "so")
}

/// A ScaledObject `so` that scales a Deployment `md` of three replicas, one pod of which is there.
fn started() -> Fold {
    let mut fold = Fold::default();
    fold.apply(0.0, Change::Scaled(object(), Some(scaled(SCALED_OBJECT, "md"))), 1);
    fold.apply(0.0, Change::Target(name("Deployment", "ns", "md"), Some(3)), 1);
    fold.apply(0.0, change("md-1", Some(pod("md", 100.0))), 1);
    fold
}

fn only(news: &News) -> Sighting {
    let [sighting] = &news.seen[..] else { panic!("{news:?}") };
    sighting.as_ref().clone()
}

#[test]
fn a_namespace_of_which_a_part_may_not_be_read_is_not_seen_at_all_until_it_may() {
    let mut fold = started();
    fold.close(["ns".to_owned()].into());
    let news = fold.take_news();
    assert_eq!((news.seen.len(), &news.gone[..]), (0, &[object()][..]));
    fold.apply(1.0, change("md-1", None), 1);
    assert!(fold.take_news().seen.is_empty(), "whatever is heard of it");
    fold.close(["other".to_owned()].into());
    let seen = only(&fold.take_news());
    assert_eq!((seen.workload.replicas, seen.workload.starting), (Some(3), Some(3)));
}

#[test]
fn replicas_that_have_no_pod_yet_are_starting() {
    let mut fold = started();
    let seen = only(&fold.take_news());
    let wanted = Workload {
        replicas: Some(3),
        ready: Some(0),
        starting: Some(3),
        terminating: Some(0),
        min: Some(1),
        max: Some(9),
    };
    assert_eq!(seen.workload, wanted);
    let ready = PodRecord { ready: Some(130.0), ..pod("md", 100.0) };
    fold.apply(131.0, change("md-1", Some(ready.clone())), 1);
    let seen = only(&fold.take_news());
    assert_eq!((seen.workload.ready, seen.workload.starting), (Some(1), Some(2)));
    fold.apply(140.0, change("md-1", Some(PodRecord { terminating: true, ..ready })), 1);
    let seen = only(&fold.take_news());
    assert_eq!(
        (seen.workload.ready, seen.workload.starting, seen.workload.terminating),
        (Some(0), Some(3), Some(1))
    );
    assert!(fold.take_news().seen.is_empty());
}

#[test]
fn a_target_that_is_not_there_is_unknown_and_not_zero() {
    let mut fold = started();
    fold.apply(1.0, Change::Target(name("Deployment", "ns", "md"), None), 1);
    let seen = only(&fold.take_news()).workload;
    assert_eq!((seen.replicas, seen.ready, seen.starting, seen.terminating), (None, None, None, None));
}

#[test]
fn a_start_is_told_once_and_only_when_it_was_seen() {
    let mut fold = started();
    fold.take_news();
    let ready = PodRecord { ready: Some(107.0), ..pod("md", 100.0) };
    for _ in 0..3 {
        fold.apply(108.0, change("md-1", Some(ready.clone())), 1);
        fold.apply(109.0, change("md-1", Some(pod("md", 100.0))), 1);
    }
    fold.apply(110.0, change("md-old", Some(ready)), 1);
    assert_eq!(fold.take_started(), [start(StartKind::Warm, 7.0)]);
    assert_eq!(only(&fold.take_news()).starts.of(StartKind::Warm).median(), Some(7.0));
}

#[test]
fn a_pod_that_got_its_node_late_had_a_cold_start() {
    let mut fold = started();
    let pending = PodRecord { scheduled: None, ..pod("md", 100.0) };
    fold.apply(101.0, change("md-2", Some(pending)), 1);
    let late = PodRecord { scheduled: Some(140.0), ready: Some(144.0), ..pod("md", 100.0) };
    fold.apply(145.0, change("md-2", Some(late)), 1);
    assert_eq!(fold.take_started(), [start(StartKind::Cold, 44.0)]);
}

#[test]
fn pods_that_ended_or_went_are_remembered_as_gone() {
    let mut fold = started();
    fold.apply(50.0, change("md-2", Some(PodRecord { finished: true, ..pod("md", 10.0) })), 1);
    fold.apply(60.0, change("md-2", None), 1);
    fold.apply(70.0, change("md-1", None), 1);
    let crew = only(&fold.take_news()).crew;
    let standing = |pod: &str| crew.pod_of(pod).map(|(_, standing)| standing);
    assert_eq!(standing("md-1"), Some(Standing::Gone { since: 70.0 }));
    assert_eq!(standing("md-2"), Some(Standing::Gone { since: 50.0 }));
    assert_eq!(standing("md-3"), None);
}

#[test]
fn what_a_new_list_does_not_hold_is_gone() {
    let mut fold = started();
    fold.apply(5.0, change("md-2", Some(pod("md", 4.0))), 2);
    fold.sweep(6.0, "Pod", Some("other"), 2);
    assert_eq!(only(&fold.take_news()).crew.live().count(), 2);
    fold.sweep(6.0, "Pod", None, 2);
    assert_eq!(only(&fold.take_news()).crew.live().collect::<Vec<_>>(), ["md-2"]);
    fold.sweep(7.0, "Deployment", None, 9);
    fold.sweep(7.0, SCALED_OBJECT, None, 9);
    assert_eq!(fold.take_news().gone, [object()]);
}

#[test]
fn the_jobs_of_a_scaled_job_that_have_not_ended_are_its_replicas() {
    let mut fold = Fold::default();
    let name = name(SCALED_JOB, "ns", "sj");
    fold.apply(0.0, Change::Scaled(name, Some(scaled(SCALED_JOB, ""))), 1);
    for (job, finished) in [("a", false), ("b", true), ("c", false)] {
        let record = JobRecord { scaled_job: "sj".into(), finished };
        fold.apply(0.0, Change::Job("ns".into(), job.into(), Some(record)), 1);
    }
    let of_job = PodRecord { owner_kind: SCALED_JOB.into(), ready: Some(3.0), ..pod("sj", 1.0) };
    fold.apply(0.0, change("a-x", Some(of_job)), 1);
    let seen = only(&fold.take_news()).workload;
    assert_eq!((seen.replicas, seen.ready, seen.starting), (Some(2), Some(1), Some(1)));
}

#[test]
fn pods_of_another_kind_of_target_are_known_only_where_they_name_it() {
    let mut fold = Fold::default();
    let rollout = name("Rollout", "ns", "md");
    fold.watch(BTreeSet::from([rollout.clone()]));
    fold.apply(0.0, Change::Target(rollout.clone(), Some(2)), 1);
    let seen = only(&fold.take_news()).workload;
    assert_eq!((seen.replicas, seen.ready, seen.starting), (Some(2), None, None));
    fold.apply(0.0, change("r-1", Some(PodRecord { owner_kind: "Rollout".into(), ..pod("md", 1.0) })), 1);
    let seen = only(&fold.take_news()).workload;
    assert_eq!((seen.replicas, seen.ready, seen.starting), (Some(2), Some(0), Some(2)));
    fold.watch(BTreeSet::new());
    assert_eq!(fold.take_news().gone, [rollout]);
}

fn any_change() -> impl Strategy<Value = Change> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let record = ("md|re|other", flags).prop_map(|(owner, (ready, terminating, finished))| PodRecord {
        ready: ready.then_some(20.0),
        terminating,
        finished,
        ..pod(&owner, 10.0)
    });
    let job = (any::<bool>(), "sj|other")
        .prop_map(|(finished, name)| JobRecord { scaled_job: name.into(), finished });
    prop_oneof![
        ("so[12]", prop::option::of("md|re")).prop_map(|(so, target)| Change::Scaled(
            name(SCALED_OBJECT, "ns", &so),
            target.map(|target| scaled(SCALED_OBJECT, &target))
        )),
        prop::option::of(Just(())).prop_map(|there| Change::Scaled(
            name(SCALED_JOB, "ns", "sj"),
            there.map(|()| scaled(SCALED_JOB, ""))
        )),
        ("md|re", prop::option::of(0..5_u32))
            .prop_map(|(target, n)| Change::Target(name("Deployment", "ns", &target), n)),
        ("j[0-3]", prop::option::of(job)).prop_map(|(name, job)| Change::Job("ns".into(), name.into(), job)),
        ("p[0-5]", prop::option::of(record)).prop_map(|(name, record)| change(&name, record)),
    ]
}

/// Numbers and living pods by object.
fn picture<'a>(
    sightings: impl IntoIterator<Item = &'a Arc<Sighting>>,
) -> BTreeMap<String, (Workload, BTreeSet<String>)> {
    let live = |sighting: &Sighting| sighting.crew.live().map(str::to_owned).collect();
    sightings.into_iter().map(|seen| (seen.name.to_string(), (seen.workload, live(seen)))).collect()
}

proptest! {
    /// News by news the same picture comes about as by one list of what is there at the end.
    #[test]
    fn in_whatever_order_things_happen_the_picture_is_that_of_the_end(
        changes in prop::collection::vec((any_change(), any::<bool>()), 0..60),
    ) {
        let (mut fold, mut seen) = (Fold::default(), BTreeMap::new());
        let mut end: BTreeMap<String, Change> = BTreeMap::new();
        for (at, (change, tell)) in changes.into_iter().enumerate() {
            let key = match &change {
                Change::Scaled(name, _) | Change::Target(name, _) => name.to_string(),
                Change::Job(_, name, _) | Change::Pod(_, name, _) | Change::Claim(name, _) => name.to_string(),
            };
            end.insert(key, change.clone());
            fold.apply(at as f64, change, 1);
            if tell {
                take(&mut fold, &mut seen);
            }
        }
        take(&mut fold, &mut seen);
        let mut fresh = Fold::default();
        for change in end.into_values() {
            fresh.apply(0.0, change, 1);
        }
        prop_assert_eq!(picture(seen.values()), picture(&fresh.take_news().seen));
    }
}

fn take(fold: &mut Fold, seen: &mut BTreeMap<WorkloadName, Arc<Sighting>>) {
    let news = fold.take_news();
    for name in news.gone {
        seen.remove(&name);
    }
    seen.extend(news.seen.into_iter().map(|sighting| (sighting.name.clone(), sighting)));
}
