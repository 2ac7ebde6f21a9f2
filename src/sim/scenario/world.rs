//! The world of a scenario: what of it differs from a plain one.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::Deserialize;

use super::fault::{Fault, RawFault};
use crate::sim::field::{Checked, FieldError, Scalar, seconds_or, within, wrong};
use crate::sim::start_delay::Span;

/// What a load meets. The default is a plain one: everything is seen, nothing goes wrong, and workers of one core
/// start on nodes of four that come within two minutes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "RawWorld")]
pub struct WorldSpec {
    /// The ScaledObject's maximum.
    pub max_workers: u32,
    /// Keys of a policy, and their values as text: who plays it by Foresail reads them.
    pub policy: BTreeMap<String, String>,
    /// What of the queue is seen.
    pub source: Sight,
    /// What is different with the workers.
    pub workers: Workers,
    /// What is different with the nodes.
    pub nodes: Machines,
    /// Chunks of room at most that Foresail keeps on nodes (node hints).
    pub hints: u32,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// What the layout can tell of a queue, besides how many jobs wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sight {
    /// How many are in flight.
    pub in_flight: bool,
    /// How many ever came and ended.
    pub counters: bool,
    /// Seconds that waiting must have been 0 before a target falls, where jobs in flight cannot be seen.
    pub max_run: f64,
}

/// Workers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Workers {
    /// How often a ready one crashes, per hour of each.
    pub crashes_an_hour: f64,
}

/// Nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machines {
    /// Cores of each.
    pub cpus: NonZeroU32,
    /// GPUs of each.
    pub gpus: u32,
    /// Seconds from asking for one to one that takes pods.
    pub cold: Span,
    /// The same of those that are there sooner, and their share of all, 0 to 1.
    pub warm: Option<(Span, f64)>,
    /// Seconds that the first pod of a node pulls its image.
    pub image_pull: f64,
}

impl Default for WorldSpec {
    fn default() -> Self {
        Self {
            max_workers: 100,
            policy: BTreeMap::new(),
            source: Sight::default(),
            workers: Workers::default(),
            nodes: Machines::default(),
            hints: 0,
            faults: Vec::new(),
        }
    }
}

impl Default for Sight {
    fn default() -> Self {
        Self { in_flight: true, counters: true, max_run: 300.0 }
    }
}

impl Default for Machines {
    /// Four cores, within 45 to 65 s, as Karpenter brings them.
    fn default() -> Self {
        let four = NonZeroU32::MIN.saturating_add(3);
        Self { cpus: four, gpus: 0, cold: Span { from: 45.0, to: 65.0 }, warm: None, image_pull: 0.0 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawWorld {
    max_workers: Option<u32>,
    policy: BTreeMap<String, Scalar>,
    source: RawSource,
    workers: RawWorkers,
    nodes: RawNodes,
    hints: u32,
    faults: Vec<RawFault>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawSource {
    shows: Option<Vec<Shown>>,
    max_run: Option<Scalar>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shown {
    Waiting,
    InFlight,
    Counters,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawWorkers {
    crashes_an_hour: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawNodes {
    cpus: Option<NonZeroU32>,
    gpus: u32,
    launch: RawLaunch,
    image_pull: Option<Scalar>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLaunch {
    cold: Option<[Scalar; 2]>,
    warm: Option<[Scalar; 2]>,
    warm_share: Option<f64>,
}

impl TryFrom<RawWorld> for WorldSpec {
    type Error = FieldError;

    fn try_from(raw: RawWorld) -> Checked<Self> {
        let RawWorld { max_workers, policy, source, workers, nodes, hints, faults } = raw;
        let fault = |(place, fault): (usize, RawFault)| fault.check(&format!("world.faults[{place}]"));
        let world = Self {
            max_workers: max_workers.unwrap_or(Self::default().max_workers),
            policy: policy.into_iter().map(|(key, value)| (key, value.text())).collect(),
            source: source.check()?,
            workers: Workers {
                crashes_an_hour: within(
                    "world.workers.crashes_an_hour",
                    workers.crashes_an_hour,
                    0.0,
                    3600.0,
                )?,
            },
            nodes: nodes.check()?,
            hints,
            faults: faults.into_iter().enumerate().map(fault).collect::<Checked<_>>()?,
        };
        if world.max_workers == 0 {
            return wrong("world.max_workers".to_owned(), "one at least is needed");
        }
        let mut notices = world.faults.iter().filter_map(|fault| match fault {
            Fault::SpotReclaim { notice, .. } => Some(*notice),
            _ => None,
        });
        match notices.next() {
            Some(first) if notices.any(|notice| notice.total_cmp(&first).is_ne()) => {
                wrong("world.faults".to_owned(), "every spot_reclaim has the same notice")
            }
            _ => Ok(world),
        }
    }
}

impl RawSource {
    fn check(self) -> Checked<Sight> {
        let default = Sight::default();
        let max_run = seconds_or("world.source.max_run", self.max_run.as_ref(), default.max_run)?;
        let Some(shows) = self.shows else { return Ok(Sight { max_run, ..default }) };
        if !shows.contains(&Shown::Waiting) {
            return wrong("world.source.shows".to_owned(), "`waiting` is what every source shows");
        }
        let shows = |what: Shown| shows.contains(&what);
        Ok(Sight { in_flight: shows(Shown::InFlight), counters: shows(Shown::Counters), max_run })
    }
}

impl RawNodes {
    fn check(self) -> Checked<Machines> {
        let default = Machines::default();
        let Self { cpus, gpus, launch, image_pull } = self;
        let RawLaunch { cold, warm, warm_share } = launch;
        let warm = match (warm, warm_share) {
            (None, None) => None,
            (Some(warm), Some(share)) => Some((
                span("world.nodes.launch.warm", &warm)?,
                within("world.nodes.launch.warm_share", share, 0.0, 1.0)?,
            )),
            _ => return wrong("world.nodes.launch".to_owned(), "give warm and warm_share, or neither"),
        };
        Ok(Machines {
            cpus: cpus.unwrap_or(default.cpus),
            gpus,
            cold: cold.map_or(Ok(default.cold), |cold| span("world.nodes.launch.cold", &cold))?,
            warm,
            image_pull: seconds_or("world.nodes.image_pull", image_pull.as_ref(), default.image_pull)?,
        })
    }
}

fn span(at: &str, [from, to]: &[Scalar; 2]) -> Checked<Span> {
    let (from, to) = (from.seconds(at)?, to.seconds(at)?);
    if from <= to { Ok(Span { from, to }) } else { wrong(at.to_owned(), "the first is more than the second") }
}
