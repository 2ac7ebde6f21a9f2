//! Who takes part.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use foresail::{
    config::policy::PolicyConfig,
    sim::{
        autoscaler::{ByKeda, ListLength, foresail::Sampling},
        keda::{ScaledObject, ScaledObjectSpec},
    },
    sizing::Policy,
};

use super::contender::{Contender, Role};

/// How many take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Field {
    /// Foresail, and KEDA as people run it.
    Small,
    /// Also every other rule, the bounds, and some 250 settings of KEDA, of which the best are shown.
    All,
}

impl Field {
    /// All of them, Foresail first.
    ///
    /// # Errors
    /// Where a policy cannot be read.
    pub(crate) fn contenders(self, policies: &[PathBuf], max: u32) -> anyhow::Result<Vec<Contender>> {
        let mut all = foresails(policies, max)?;
        all.extend([1.0, 5.0].map(|target| {
            Contender::new(format!("KEDA depth/{target}"), Role::AsPeopleRunIt, move |stage| {
                let spec = ScaledObjectSpec { max, ..ScaledObjectSpec::default() };
                let object = ScaledObject::new(spec, stage.world().from, 0);
                ByKeda::new(object, ListLength::waiting(target))
            })
        }));
        Ok(all)
    }
}

fn foresails(policies: &[PathBuf], max: u32) -> anyhow::Result<Vec<Contender>> {
    if policies.is_empty() {
        return Ok(vec![Contender::foresail("Foresail", default_policy(), Sampling::default(), max)]);
    }
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let config =
            PolicyConfig::from_yaml(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("Foresail {name}");
        Ok(Contender::foresail(name, config.policy().clone(), Sampling::default(), max))
    };
    policies.iter().map(read).collect()
}

fn default_policy() -> Policy {
    PolicyConfig::default().policy().clone()
}
