//! Scenario files: a load, the world that it meets, and the bounds that the outcome must keep.
//!
//! [`Scenario`] is read with serde; tests/scenarios/README.md has the keys. [`Setting`] is one with a seed, ready to
//! be played; [`Watch`] takes its measures while it is.

mod bounds;
mod fault;
mod setting;
mod watch;
mod world;

use serde::Deserialize;

use super::load::Load;

pub use self::bounds::{Bound, Bounds, Measure};
pub use self::fault::Fault;
pub use self::setting::Setting;
pub use self::watch::{Measures, Watch};
pub use self::world::{Machines, Sight, Workers, WorldSpec};

/// One scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What should happen: one sentence.
    pub description: String,
    /// The jobs.
    pub load: Load,
    /// Workers, nodes, the source, and what goes wrong with them.
    #[serde(default)]
    pub world: WorldSpec,
    /// What must hold, with each seed.
    pub bounds: Bounds,
    /// Seeds to run it with: 0, 1, 2, ...
    #[serde(default = "five")]
    pub seeds: u32,
}

/// Seeds of a scenario that does not say.
const fn five() -> u32 {
    5
}
