//! Who is busy with the jobs of a queue.

use crate::{series::Sample, workloads::Crew};

/// Workers of a queue that hold jobs, as of its newest sample.
#[derive(Debug, Default)]
pub(super) struct Busy {
    /// Their names, sorted; those of pods where they are known.
    names: Vec<Box<str>>,
    /// Some hold jobs, and none of them is a pod: names in the store say nothing of pods.
    pub(super) strangers_only: bool,
}

impl Busy {
    /// Those that hold a job of this sample which is not stuck; `None` where the layout cannot tell.
    pub(super) fn of(sample: &Sample, crews: &[&Crew]) -> Option<Self> {
        let running = sample.holders.as_ref()?.iter().filter(|holder| holder.jobs > holder.stuck);
        let mut names: Vec<_> = running.map(|holder| holder.worker.clone()).collect();
        names.sort_unstable();
        let is_pod = |name: &str| crews.iter().any(|crew| crew.pod_of(name).is_some());
        let strangers_only = !names.is_empty() && !names.iter().any(|name| is_pod(name));
        Some(Self { names, strangers_only })
    }

    /// Whether this pod is one of them.
    pub(super) fn holds(&self, pod: &str) -> bool {
        self.names.binary_search_by(|name| (**name).cmp(pod)).is_ok()
    }
}
