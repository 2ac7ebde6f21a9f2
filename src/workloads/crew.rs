//! The pods of one workload by name: who lives, who is about to go, who is gone.

use std::{collections::HashMap, sync::Arc};

use crate::series::{Holder, Sample};

/// Seconds that a pod must have been gone before the jobs in its name are lost: a job that ended with it may
/// still be in a sample.
pub const MOMENT: f64 = 15.0;

/// Pods by name. Of those that are gone the latest are kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Crew(HashMap<Arc<str>, Standing>);

/// How a pod stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// It runs, or is about to.
    Live,
    /// It has been told to go.
    Terminating,
    /// It has ended, or is not there any more.
    Gone {
        /// When that was first seen, Unix seconds.
        since: f64,
    },
}

impl Standing {
    /// Of several pods with one name the liveliest counts.
    fn rank(self) -> u8 {
        match self {
            Self::Live => 0,
            Self::Terminating => 1,
            Self::Gone { .. } => 2,
        }
    }
}

impl FromIterator<(Arc<str>, Standing)> for Crew {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Standing)>>(pods: I) -> Self {
        Self(pods.into_iter().collect())
    }
}

impl Crew {
    /// The pod that a worker's name is, or starts with: `md-7d9f8-x2x4z` for `md-7d9f8-x2x4z:17`.
    pub fn pod_of(&self, worker: &str) -> Option<(&Arc<str>, Standing)> {
        let whole = self.0.get_key_value(worker);
        let parts = || {
            let ends = worker.char_indices().rev().filter(|(_, c)| !c.is_ascii_alphanumeric());
            ends.map(|(end, _)| &worker[..end]).find_map(|part| self.0.get_key_value(part))
        };
        whole.or_else(parts).map(|(name, standing)| (name, *standing))
    }

    /// Pods that are there.
    pub fn live(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, standing)| **standing == Standing::Live).map(|(name, _)| &**name)
    }
}

/// Marks the jobs of a sample whose workers are pods that have gone as stuck, takes those out of the busy
/// workers whose pods are terminating, and returns the jobs that these hold. Workers of one pod become one.
///
/// A name that is no pod's that was ever seen stays what it was. `all_in_view` says whether the pods of all
/// refs of the queue are among `crews`: where they are not, a pod of the same name may live elsewhere, and
/// nobody is gone.
pub fn call_roll(sample: &mut Sample, crews: &[&Crew], all_in_view: bool, at: f64) -> u64 {
    let Some(holders) = &mut sample.holders else { return 0 };
    let (mut draining, mut lost, mut renamed) = (0_u64, 0_u64, false);
    holders.retain_mut(|holder| {
        let known = crews.iter().filter_map(|crew| crew.pod_of(&holder.worker));
        let Some((pod, standing)) = known.min_by_key(|(_, standing)| standing.rank()) else { return true };
        if *holder.worker != **pod {
            holder.worker = pod.as_ref().into();
            renamed = true;
        }
        let running = u64::from(holder.jobs.saturating_sub(holder.stuck));
        match standing {
            Standing::Live => true,
            Standing::Terminating => {
                draining += running;
                false
            }
            Standing::Gone { since } => {
                if all_in_view && at - since > MOMENT {
                    lost += running;
                    holder.stuck = holder.jobs;
                }
                true
            }
        }
    });
    if renamed {
        one_a_pod(holders);
    }
    if lost > 0 {
        sample.stuck = Some(sample.stuck.unwrap_or(0).saturating_add(lost));
    }
    draining
}

fn one_a_pod(holders: &mut Vec<Holder>) {
    holders.sort_unstable_by(|a, b| a.worker.cmp(&b.worker));
    holders.dedup_by(|later, first| {
        let same = later.worker == first.worker;
        if same {
            first.jobs = first.jobs.saturating_add(later.jobs);
            first.stuck = first.stuck.saturating_add(later.stuck);
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy as _, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn crew(pods: &[(&str, Standing)]) -> Crew {
        pods.iter().map(|(name, standing)| (Arc::from(*name), *standing)).collect()
    }

    fn held(holders: &[(&str, u32, u32)]) -> Sample {
        let sum = |of: fn(&(&str, u32, u32)) -> u32| holders.iter().map(|h| u64::from(of(h))).sum();
        Sample {
            waiting: Some(0),
            in_flight: Some(sum(|h| h.1)),
            stuck: Some(sum(|h| h.2)),
            holders: Some(
                holders
                    .iter()
                    .map(|&(worker, jobs, stuck)| Holder { worker: worker.into(), jobs, stuck })
                    .collect(),
            ),
            ..Sample::default()
        }
    }

    #[test]
    fn a_worker_is_the_pod_that_its_name_starts_with() {
        let crew =
            crew(&[("md-1", Standing::Live), ("md-10", Standing::Terminating), ("md", Standing::Live)]);
        let pod = |worker| crew.pod_of(worker).map(|(name, _)| name.to_string());
        for (worker, wanted) in
            [("md-1", "md-1"), ("md-1:5", "md-1"), ("md-10@x", "md-10"), ("md-1-7/3", "md-1"), ("md-2", "md")]
        {
            assert_eq!(pod(worker).as_deref(), Some(wanted), "{worker}");
        }
        assert_eq!((pod("other"), pod("md1"), pod("")), (None, None, None));
    }

    #[test]
    fn jobs_on_terminating_pods_drain_and_those_on_pods_that_have_gone_are_stuck() {
        let crew = crew(&[
            ("a", Standing::Live),
            ("b", Standing::Terminating),
            ("c", Standing::Gone { since: 100.0 }),
            ("d", Standing::Gone { since: 195.0 }),
        ]);
        let mut sample =
            held(&[("a:1", 1, 0), ("a:2", 2, 1), ("b", 3, 1), ("c", 2, 0), ("d", 1, 0), ("stranger", 1, 0)]);
        assert_eq!(call_roll(&mut sample, &[&crew], true, 200.0), 2);
        assert_eq!((sample.in_flight, sample.stuck), (Some(10), Some(4)));
        assert_eq!(sample.busy_workers(), Some(3), "a, d and the stranger");
    }

    #[test]
    fn nobody_is_gone_while_somebody_of_that_name_may_live() {
        let gone = crew(&[("md-0", Standing::Gone { since: 0.0 })]);
        let stuck = |crews: &[&Crew], all_in_view| {
            let mut sample = held(&[("md-0", 1, 0)]);
            call_roll(&mut sample, crews, all_in_view, 200.0);
            sample.stuck
        };
        assert_eq!(stuck(&[&gone], true), Some(1));
        assert_eq!(stuck(&[&gone], false), Some(0));
        assert_eq!(stuck(&[&gone, &crew(&[("md-0", Standing::Live)])], true), Some(0));
    }

    #[test]
    fn where_no_pod_is_known_a_sample_stays_as_it_is() {
        let mut sample = held(&[("a", 1, 0), ("b", 2, 0)]);
        let before = sample.clone();
        assert_eq!(call_roll(&mut sample, &[], true, 200.0), 0);
        assert_eq!(sample, before);
    }

    proptest! {
        /// Whoever holds what: no job appears or is lost, and what drains is not stuck.
        #[test]
        fn jobs_are_neither_made_nor_lost(
            pods in prop::collection::vec(("[ab]-[0-9]", 0..3_u8), 0..8),
            holders in prop::collection::vec(("[abc]-[0-9](:[0-9])?", 1..4_u32, 0..2_u32), 0..12),
        ) {
            let standing = |kind| match kind {
                0 => Standing::Live,
                1 => Standing::Terminating,
                _ => Standing::Gone { since: 0.0 },
            };
            let crew: Crew = pods.iter().map(|(name, kind)| (Arc::from(name.as_str()), standing(*kind))).collect();
            let holders: Vec<_> = holders.iter().map(|(w, jobs, stuck)| (w.as_str(), *jobs, *stuck)).collect();
            let mut sample = held(&holders);
            let before = sample.clone();
            let draining = call_roll(&mut sample, &[&crew], true, 1000.0);
            let (stuck, in_flight) = (sample.stuck.unwrap(), sample.in_flight.unwrap());
            prop_assert_eq!(before.in_flight, sample.in_flight);
            prop_assert!(stuck >= before.stuck.unwrap() && stuck + draining <= in_flight);
            prop_assert!(sample.busy_workers().unwrap() <= before.busy_workers().unwrap());
        }

        /// A name is found whatever it is: multi-byte characters are no boundary inside of themselves.
        #[test]
        fn any_name_can_be_looked_for(worker in "\\PC{0,20}".prop_map(|s| s)) {
            let crew = crew(&[("a", Standing::Live)]);
            prop_assert_eq!(crew.pod_of(&worker).is_some(), worker == "a" || worker.strip_prefix('a').is_some_and(|rest| rest.starts_with(|c: char| !c.is_ascii_alphanumeric())));
        }
    }
}
