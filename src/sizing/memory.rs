//! What is kept of a ref over restarts.

use serde::{Deserialize, Serialize};

use super::{Budget, RefState};
use crate::forecast::lead::LeadTimes;

/// Rises with every change after which what was kept before can no longer be read, or means something else.
pub const MEMORY_VERSION: u32 = 1;

/// What a ref has learned of its workers, and what it has spent; with the version of its meaning.
///
/// The target is not in it: where a ref starts from is what its workload shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    version: u32,
    lead: LeadTimes,
    budget: Budget,
}

/// Why a kept memory is of no use. The ref then begins with the priors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMemory {
    /// It was kept by another version.
    #[error("the memory is of version {0}, this is version {MEMORY_VERSION}: learning begins anew")]
    Version(u32),
    /// A number in it cannot have been learned.
    #[error("the memory holds numbers that cannot have been learned: learning begins anew")]
    Unsound,
}

impl Memory {
    /// What is to be kept of a ref.
    pub fn of(state: &RefState) -> Self {
        Self { version: MEMORY_VERSION, lead: state.lead.clone(), budget: state.budget }
    }

    /// A ref that has decided nothing yet, and remembers this. The time since then is not accounted for.
    ///
    /// # Errors
    /// Where another version kept it, or it holds what cannot have been learned.
    pub fn recall(self) -> Result<RefState, BadMemory> {
        let Self { version, lead, budget } = self;
        if version != MEMORY_VERSION {
            return Err(BadMemory::Version(version));
        }
        if !(lead.is_sound() && budget.is_sound()) {
            return Err(BadMemory::Unsound);
        }
        Ok(RefState { lead, budget: budget.after_a_pause(), has_past: true, ..RefState::default() })
    }
}
