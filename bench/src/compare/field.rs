//! Who takes part.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use foresail::{config::policy::PolicyConfig, sim::autoscaler::KedaSetting, sizing::Policy};

use super::{
    contender::{Contender, Role},
    others,
};

/// How many take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Field {
    /// Foresail, and KEDA as people run it.
    Small,
    /// Also every other rule, the bounds, and some 270 settings of KEDA, of which the best are shown.
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
            keda(
                format!("KEDA depth/{target}"),
                Role::AsPeopleRunIt,
                KedaSetting { target, ..KedaSetting::default() },
                max,
            )
        }));
        if self == Self::All {
            all.extend(
                KedaSetting::grid()
                    .into_iter()
                    .map(|setting| keda(format!("KEDA {setting}"), Role::KedaSetting, setting, max)),
            );
            all.extend(others::rules(max));
            all.extend(others::bounds(max));
        }
        Ok(all)
    }
}

fn keda(name: String, role: Role, setting: KedaSetting, max: u32) -> Contender {
    Contender::new(name, role, move |stage| setting.autoscaler(max, stage.world().from))
}

fn foresails(policies: &[PathBuf], max: u32) -> anyhow::Result<Vec<Contender>> {
    if policies.is_empty() {
        return Ok(both("Foresail", &default_policy(), max).into());
    }
    let read = |path: &PathBuf| {
        let policy = read_policy(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("Foresail {name}");
        Ok(both(&name, &policy, max))
    };
    Ok(policies.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// With a policy: as shipped, and as recommended.
fn both(name: &str, policy: &Policy, max: u32) -> [Contender; 2] {
    [(name.to_owned(), false), (format!("{name}, victims"), true)]
        .map(|(name, victims)| Contender::foresail(name, policy.clone(), victims, max))
}

/// The policy that a file holds.
pub(super) fn read_policy(path: &Path) -> anyhow::Result<Policy> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let config =
        PolicyConfig::from_yaml(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    Ok(config.policy().clone())
}

/// The policy of a ref that names none.
pub(crate) fn default_policy() -> Policy {
    PolicyConfig::default().policy().clone()
}
