//! What the newest decisions want, object by object.

use std::{collections::BTreeMap, sync::Arc};

use super::Target;
use crate::{
    answers::Table,
    config::source::WorkloadName,
    nodes::{Lower, Wanted},
};

/// Seconds after which a table says nothing of now.
pub(super) const STALE: f64 = 10.0;

/// KEDA's own API, in which a ScaledJob has its template.
const KEDA: &str = "keda.sh/v1alpha1";

/// What one object wants.
#[derive(Debug, Clone)]
pub(super) struct Wants {
    /// `None` where none of its triggers has a decision.
    pub(super) wanted: Option<Wanted>,
    /// Seconds that its workers take to start where a node is yet to come.
    pub(super) cold: f64,
    /// Its uid.
    pub(super) uid: Box<str>,
    /// Where the template of its pods stands.
    pub(super) target: Target,
}

/// What all objects want: of those that are `kept`, and of those that want something.
pub(super) fn of(
    table: &Table,
    kept: impl Fn(&WorkloadName) -> bool,
    consolidate_after: Option<f64>,
) -> BTreeMap<WorkloadName, Wants> {
    let mut all: BTreeMap<WorkloadName, Wants> = BTreeMap::new();
    for row in table.rows.iter().flatten() {
        let Some((sighting, object)) = row.sighting.as_ref().and_then(|s| Some((s, s.object.as_ref()?)))
        else {
            continue;
        };
        let decision = row.answer.as_ref().ok();
        if decision.is_none_or(|decision| decision.hint == 0) && !kept(&sighting.name) {
            continue;
        }
        let policy = &row.entry.spec.policy;
        let lower = Lower::suiting(consolidate_after, row.standing.lead);
        let wanted = decision.map(|decision| {
            let of = Wanted::of(decision, policy.mode, policy.group.is_some(), sighting.workload, lower);
            let pods = sighting.workload.ready.map(|_| u32::try_from(sighting.crew.live().count()));
            Wanted { pods: pods.map(|pods| pods.unwrap_or(u32::MAX)), ..of }
        });
        let (target, version) = match &object.target {
            Some((target, version)) => (target.clone(), Arc::from(&**version)),
            None => (sighting.name.clone(), Arc::from(KEDA)),
        };
        let wants =
            Wants { wanted, cold: row.standing.cold, uid: object.uid.clone(), target: (target, version) };
        match all.get_mut(&sighting.name) {
            None => drop(all.insert(sighting.name.clone(), wants)),
            Some(known) => {
                known.cold = known.cold.max(wants.cold);
                known.wanted = match (known.wanted, wants.wanted) {
                    (Some(one), Some(other)) => Some(one.with(other)),
                    (one, other) => one.or(other),
                };
            }
        }
    }
    all
}

/// Whether an object wants room, or nobody knows yet whether it does.
pub(super) fn may_be_wanted(table: &Table, name: &WorkloadName) -> bool {
    let mut rows = table
        .rows
        .iter()
        .flatten()
        .filter(|row| row.sighting.as_ref().is_some_and(|sighting| sighting.name == *name));
    let (mut any, mut wanted) = (false, false);
    rows.by_ref().for_each(|row| {
        any = true;
        wanted |= row.answer.as_ref().map_or(true, |decision| decision.hint > 0);
    });
    wanted || !any
}
