//! Who takes part, and how each is put together for a stage.

use foresail::sim::{
    autoscaler::{
        Autoscaler, Foresail,
        foresail::{Ablation, Limits, Sampling},
    },
    world::Stage,
};
use foresail::sizing::Policy;

/// Somebody who can play.
pub(crate) struct Contender {
    /// As tables show it.
    pub(crate) name: String,
    /// What it is compared as.
    pub(crate) role: Role,
    build: Build,
}

/// Puts an autoscaler together for a stage.
type Build = Box<dyn Fn(&Stage<'_>) -> Box<dyn Autoscaler> + Send + Sync>;

/// What a contender is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Foresail with some policy: it is judged.
    Foresail,
    /// Foresail without a part, or with another forecast.
    Part,
    /// Foresail, to be compared with node hints and without.
    Unhinted,
    /// The same with node hints.
    Hinted,
    /// The same with so many placeholder pods instead; one of several among which the one is looked for that
    /// costs as much.
    Placeholders,
    /// KEDA as people run it.
    AsPeopleRunIt,
    /// One of the settings among which the best KEDA is looked for.
    KedaSetting,
    /// Somebody else's rule.
    Other,
    /// No autoscaler at all, but a bound on what any could reach.
    Bound,
}

impl Contender {
    pub(crate) fn new<A: Autoscaler + 'static>(
        name: impl Into<String>,
        role: Role,
        build: impl Fn(&Stage<'_>) -> A + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), role, build: Box::new(move |stage| Box::new(build(stage))) }
    }

    /// Whether it is one of many settings, of which those are shown that were chosen.
    pub(crate) fn is_setting(&self) -> bool {
        matches!(self.role, Role::KedaSetting | Role::Placeholders)
    }

    /// A fresh one of it, for one run.
    pub(crate) fn on(&self, stage: &Stage<'_>) -> Box<dyn Autoscaler> {
        (self.build)(stage)
    }

    /// Foresail with a policy, in a ScaledObject as the docs recommend it.
    pub(crate) fn foresail(name: impl Into<String>, policy: Policy, victims: bool, max: u32) -> Self {
        Self::new(name, Role::Foresail, move |stage| {
            scaler(stage, &policy, victims, max).in_object(stage.world().from)
        })
    }

    /// The same, with another forecast perhaps.
    pub(super) fn changed(
        name: String,
        policy: Policy,
        victims: bool,
        max: u32,
        ablation: Option<Ablation>,
    ) -> Self {
        Self::new(name, Role::Part, move |stage| {
            let whole = scaler(stage, &policy, victims, max);
            let changed = match ablation {
                Some(ablation) => whole.ablated(ablation),
                None => whole,
            };
            changed.in_object(stage.world().from)
        })
    }
}

fn scaler(stage: &Stage<'_>, policy: &Policy, victims: bool, max: u32) -> Foresail {
    let limits = Limits { min: 0, max };
    let scaler = Foresail::new(policy.clone(), limits, Sampling::default(), stage.world().from);
    if victims { scaler.with_victims() } else { scaler }
}
