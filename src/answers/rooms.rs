//! What is asked for of node autoscalers, as whoever writes it published it last.

use std::collections::BTreeMap;

use crate::config::source::WorkloadName;

/// Room for pods to come, seen from this replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Rooms {
    /// Nobody asks for any: the configuration wants none.
    #[default]
    Off,
    /// Another replica is the one that asks, or is about to be.
    Elsewhere,
    /// This replica asks.
    Here {
        /// By the ScaledObject or ScaledJob that the room is for: those for which there is any, or should be.
        rows: BTreeMap<WorkloadName, RoomRow>,
        /// What keeps room from being asked for whatever it is for.
        trouble: Option<Trouble>,
    },
}

/// The room for pods of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomRow {
    /// Chunks that are asked for, each with room for one pod; `None` where nothing asks for any.
    pub chunks: Option<u32>,
    /// Chunks that should be asked for now.
    pub due: u32,
    /// Chunks at most, since no node came for more; `None` where that has not happened.
    pub at_most: Option<u32>,
    /// What is in the way.
    pub troubles: Vec<Trouble>,
}

/// What keeps room from being asked for, or from coming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Its name, as metrics and docs have it.
    pub reason: &'static str,
    /// What it is, and what to do, in words.
    pub words: String,
}
