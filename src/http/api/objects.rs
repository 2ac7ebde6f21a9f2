//! `/api/objects`: what Kubernetes has that refers to this Foresail, what stands in its way, and the room that is asked for.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};

use super::{WorkloadReport, workload_report};
use crate::{
    answers::{ObjectRow, RoomRow, Rooms, Trouble},
    config::source::WorkloadName,
    http::Http,
};

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
    /// Room for its pods to come; null where `hints.mode` is `observe`.
    pub room: Option<RoomReport>,
    /// What stands in the way in it.
    pub traps: Vec<TrapReport>,
}

/// Room that is asked for on nodes, for pods that are expected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomReport {
    /// Whether this replica is the one that asks; what follows is known of it alone.
    pub asked_here: bool,
    /// Chunks that are asked for, each with room for one pod; null where nothing asks for any.
    pub chunks: Option<u32>,
    /// Chunks that should be asked for now, as limits and steps allow.
    pub due: u32,
    /// Chunks at most, since no node came for more; null where that has not happened.
    pub at_most: Option<u32>,
    /// What is in the way.
    pub troubles: Vec<TroubleReport>,
}

/// What keeps room from being asked for, or from coming.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleReport {
    /// Its name, as metrics have it.
    pub reason: String,
    /// What it is, and what to do.
    pub what: String,
}

/// What stands in the way in an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrapReport {
    /// Its name, as metrics have it.
    pub trap: String,
    /// What it does, and what would be right.
    pub what: String,
}

pub(in crate::http) async fn objects(State(http): State<Http>) -> Json<Vec<ObjectReport>> {
    let rooms = http.answers.rooms();
    Json(http.answers.load().objects.iter().map(|row| object_report(row, &rooms)).collect())
}

pub(in crate::http) async fn objects_of(
    State(http): State<Http>,
    Path((namespace, name)): Path<(String, String)>,
) -> Json<Vec<ObjectReport>> {
    let (table, rooms) = (http.answers.load(), http.answers.rooms());
    let named =
        |row: &&ObjectRow| (&row.sighting.name.namespace, &row.sighting.name.name) == (&namespace, &name);
    Json(table.objects.iter().filter(named).map(|row| object_report(row, &rooms)).collect())
}

fn object_report(row: &ObjectRow, rooms: &Rooms) -> ObjectReport {
    let room = room_report(&row.sighting.name, rooms);
    let WorkloadName { kind, namespace, name } = row.sighting.name.clone();
    let traps = row.traps().map(|(trap, what)| TrapReport { trap: trap.to_owned(), what });
    let workload = workload_report(&row.sighting);
    ObjectReport { kind, namespace, name, workload, room, traps: traps.collect() }
}

fn room_report(name: &WorkloadName, rooms: &Rooms) -> Option<RoomReport> {
    let (rows, of_all) = match rooms {
        Rooms::Off => return None,
        Rooms::Elsewhere => return Some(RoomReport::default()),
        Rooms::Here { rows, trouble } => (rows, trouble),
    };
    let RoomRow { chunks, due, at_most, troubles } = rows.get(name).cloned().unwrap_or_default();
    let told = |Trouble { reason, words }| TroubleReport { reason: String::from(reason), what: words };
    let troubles = of_all.iter().cloned().chain(troubles).map(told).collect();
    Some(RoomReport { asked_here: true, chunks, due, at_most, troubles })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_of_all_is_told_of_each_object_by_the_replica_that_asks() {
        let name = |name: &str| WorkloadName {
            kind: "ScaledObject".into(),
            namespace: "chem".into(),
            name: name.into(),
        };
        let trouble = |reason| Trouble { reason, words: format!("it is {reason}") };
        let row = RoomRow { chunks: Some(2), due: 3, at_most: None, troubles: vec![trouble("conflict")] };
        let rooms = Rooms::Here { rows: [(name("md"), row)].into(), trouble: Some(trouble("forbidden")) };
        let told = |of: &str, rooms: &Rooms| room_report(&name(of), rooms);
        let reasons =
            |room: &RoomReport| room.troubles.iter().map(|one| one.reason.clone()).collect::<Vec<_>>();

        let md = told("md", &rooms).unwrap();
        assert_eq!((md.asked_here, md.chunks, md.due), (true, Some(2), 3));
        assert_eq!(reasons(&md), ["forbidden", "conflict"]);
        let other = told("other", &rooms).unwrap();
        assert_eq!(
            (other.asked_here, other.chunks, reasons(&other)),
            (true, None, vec!["forbidden".to_owned()])
        );
        assert_eq!(told("md", &Rooms::Elsewhere), Some(RoomReport::default()));
        assert_eq!(told("md", &Rooms::Off), None);
    }
}
