//! A scenario with a seed: its jobs and its world, ready to be played.

use super::world::{Machines, Sight};
use super::{Fault, Measures, Scenario, Watch, WorldSpec};
use crate::nodes::{self, Lower};
use crate::series::QueueRules;
use crate::sim::autoscaler::foresail::{self, Limits, Sampling, Sees, Wrong};
use crate::sim::autoscaler::{Autoscaler, ByKeda, Foresail};
use crate::sim::job_log::{Job, JobLog};
use crate::sim::nodes::{NodePoolSpec, NodeType, Resources, Shortage, Spot, Storm};
use crate::sim::start_delay::{Span, StartDelay};
use crate::sim::workers::{PoolSpec, WorkerPool};
use crate::sim::world::{Outcome, Stage, World};
use crate::sizing::Policy;

/// A scenario with a seed.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The jobs.
    pub jobs: JobLog,
    /// Where they are played.
    pub world: World,
    spec: WorldSpec,
    seed: u64,
}

/// Seconds from a place on a node to a worker that takes jobs, as `foresail-bench compare` has them.
const START: Span = Span { from: 2.0, to: 5.0 };

/// Seconds beyond the longest job in which what is left at the end may still be done.
const PATIENCE: f64 = 30.0 * 86_400.0;

/// Seconds for which a type of instance is not tried again where there was none. Karpenter on AWS.
const RETRY_AFTER: f64 = 180.0;

impl Scenario {
    /// With this seed.
    pub fn setting(&self, seed: u64) -> Setting {
        let jobs = self.load.jobs(seed);
        let longest = jobs.jobs().iter().map(|job| job.run).fold(0.0, f64::max);
        let start = self.load.start;
        let pool = PoolSpec {
            start: StartDelay::Mixture(vec![(1.0, START)]),
            crash: self.world.workers.crashes_an_hour,
            nodes: Some(self.world.node_pool(jobs.jobs(), start)),
            ..PoolSpec::default()
        };
        let world = World {
            pool,
            from: start,
            counted_from: start,
            until: start + self.load.length,
            patience: longest + PATIENCE,
            agreed_wait: 300.0,
            seed,
        };
        Setting { jobs, world, spec: self.world.clone(), seed }
    }
}

impl Setting {
    /// Foresail with a policy, which sees the source as the scenario says, in a ScaledObject as the documentation
    /// recommends it; `victims`: it says who goes first.
    pub fn foresail(&self, policy: Policy, victims: bool) -> ByKeda<Foresail> {
        let Sight { in_flight, counters, max_run } = self.spec.source;
        let default = Sampling::default();
        let sampling = Sampling {
            faults: self.spec.faults.iter().filter_map(|fault| fault.of_sampling(self.world.from)).collect(),
            sees: Sees { in_flight, totals: counters, pods: true },
            rules: QueueRules { max_run, ..default.rules },
            seed: self.seed,
            ..default
        };
        let limits = Limits { min: 0, max: self.spec.max_workers };
        let now = self.world.from;
        let foresail = Foresail::new(policy, limits, sampling, now);
        let foresail = match self.spec.hints {
            0 => foresail,
            chunks => {
                let stays = self.world.pool.nodes.as_ref().map(NodePoolSpec::stays_empty_for);
                foresail.with_hints(limits_of(chunks), Lower::suiting(stays, START.to))
            }
        };
        if victims { foresail.with_victims() } else { foresail }.in_object(now)
    }

    /// Plays it, and says what it came to.
    pub fn play(&self, autoscaler: impl Autoscaler) -> (Outcome, Measures) {
        self.watch(autoscaler, |_, _| ())
    }

    /// Plays it, and shows `see` the pool after everything that happened.
    pub fn watch<A: Autoscaler>(
        &self,
        autoscaler: A,
        mut see: impl FnMut(&WorkerPool, &A),
    ) -> (Outcome, Measures) {
        let mut watch = Watch::new(self.world.from);
        let outcome = Stage::new(&self.world, &self.jobs).watch(autoscaler, |pool, autoscaler| {
            watch.see(pool, autoscaler.decision());
            see(pool, autoscaler);
        });
        let measures = watch.measures(&outcome, self.jobs.work());
        (outcome, measures)
    }
}

/// So many chunks, at once if need be, for the default time.
fn limits_of(chunks: u32) -> nodes::Limits {
    nodes::Limits { chunks, total: chunks, step: chunks, hold: 120.0 }
}

impl WorldSpec {
    /// Nodes for workers that have what the largest of these jobs needs.
    fn node_pool(&self, jobs: &[Job], start: f64) -> NodePoolSpec {
        let default = NodePoolSpec::default();
        let Machines { cpus, gpus, cold, warm, image_pull } = self.nodes;
        let most = |need: fn(&Job) -> Option<u64>| jobs.iter().filter_map(need).max();
        let pod = Resources {
            cpu: most(|job| Some(1000 * u64::from(job.cpus?.get()))).unwrap_or(default.pod.cpu),
            memory: most(|job| Some(job.memory?.get())).unwrap_or(default.pod.memory),
            gpus: most(|job| Some(u64::from(job.gpus?.get()))).unwrap_or(default.pod.gpus),
        };
        let cpus = u64::from(cpus.get());
        let kind = NodeType {
            allocatable: Resources {
                cpu: 1000 * cpus,
                memory: cpus * MEMORY_OF_A_CORE,
                gpus: u64::from(gpus),
            },
            ..default.types[0].clone()
        };
        let register = match warm {
            None => vec![(1.0, cold)],
            Some((warm, share)) => vec![(share, warm), (1.0 - share, cold)],
        };
        let closed = self.faults.iter().filter_map(|fault| match *fault {
            Fault::NoCapacity { during } => Some(during.later(start)),
            _ => None,
        });
        let storms = self.faults.iter().filter_map(|fault| match *fault {
            Fault::SpotReclaim { during, share, notice } => {
                Some((Storm { during: during.later(start), share }, notice))
            }
            _ => None,
        });
        let (storms, notices): (Vec<Storm>, Vec<f64>) = storms.unzip();
        NodePoolSpec {
            pod,
            types: vec![kind],
            launch: StartDelay::Fixed(0.0),
            register: StartDelay::Mixture(register),
            image_pull: StartDelay::Fixed(image_pull),
            shortage: Shortage { chance: 0.0, closed: closed.collect(), retry_after: RETRY_AFTER },
            spot: notices.first().map(|&notice| Spot { reclaims_per_hour: 0.0, storms, notice }),
            ..default
        }
    }
}

/// Bytes of memory of a node, by core.
const MEMORY_OF_A_CORE: u64 = 4 << 30;

impl Fault {
    /// What Foresail feels of it, where it is one of what it sees; the load begins at `start`.
    fn of_sampling(&self, start: f64) -> Option<foresail::Fault> {
        let (during, what) = match *self {
            Self::DroppedSamples { during, share } => (during, Wrong::Dropped(share)),
            Self::PoisonedCounters { during, arrivals } => (during, Wrong::Arrivals(arrivals)),
            Self::FlappingSource { during, up, down } => (during, Wrong::Flapping { up, down }),
            Self::SourceDown { during } => (during, Wrong::Dropped(1.0)),
            Self::WrongZero { during, other } => (during, Wrong::EmptyStore { other }),
            Self::KubernetesOutOfSight { during } => (during, Wrong::KubernetesUnseen),
            Self::Restart { during } => (during, Wrong::Down),
            Self::SpotReclaim { .. } | Self::NoCapacity { .. } => return None,
        };
        Some(foresail::Fault { during: during.later(start), what })
    }
}
