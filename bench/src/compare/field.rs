//! Who takes part.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use foresail::{config::policy::PolicyConfig, sim::autoscaler::KedaSetting, sizing::Policy};

use super::{
    contender::{Contender, Role},
    hints, others, parts,
};

/// How many take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Field {
    /// Foresail, and KEDA as people run it.
    Small,
    /// Foresail, and Foresail without each of its parts: what they bring.
    Parts,
    /// Foresail with node hints, without them, and with placeholder pods: what hints bring, and for how many nodes.
    Hints,
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
        match self {
            Self::Parts => {
                all.extend(changed(policies, max)?);
                return Ok(all);
            }
            Self::Hints => return hinted(policies, max),
            Self::Small | Self::All => {}
        }
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
    let variants = variants(policies)?.into_iter();
    Ok(variants.map(|(name, policy, victims)| Contender::foresail(name, policy, victims, max)).collect())
}

fn changed(policies: &[PathBuf], max: u32) -> anyhow::Result<Vec<Contender>> {
    let of = |(name, policy, victims): (String, Policy, bool)| {
        parts::of(&name, &policy, victims, max).collect::<Vec<_>>()
    };
    Ok(variants(policies)?.into_iter().flat_map(of).collect())
}

fn hinted(policies: &[PathBuf], max: u32) -> anyhow::Result<Vec<Contender>> {
    let of = |(name, policy, victims): (String, Policy, bool)| {
        if victims {
            hints::of_workers(&name, &policy, max)
        } else {
            hints::of_jobs(&format!("{name}, jobs"), &policy, max)
        }
    };
    Ok(variants(policies)?.into_iter().flat_map(of).collect())
}

/// Names and policies of Foresail, each as shipped and as recommended, with victims.
fn variants(policies: &[PathBuf]) -> anyhow::Result<Vec<(String, Policy, bool)>> {
    let both = |name: String, policy: Policy| {
        let victims = format!("{name}, victims");
        [(name, policy.clone(), false), (victims, policy, true)]
    };
    if policies.is_empty() {
        return Ok(both("Foresail".to_owned(), default_policy()).into());
    }
    let read = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(both(format!("Foresail {name}"), read_policy(path)?))
    };
    Ok(policies.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect())
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
