//! Whether jobs can end within the time that their pods have once they are told to go.

use super::Engine;
use crate::workloads::{SCALED_OBJECT, SHORT_GRACE, Sight};

/// Of so many jobs, one may run longer than its pod's grace.
const LEVEL: f64 = 0.95;

/// Jobs that must have been seen to end before their run times say anything.
const ENOUGH: f64 = 30.0;

/// A ref is looked at in one of so many ticks, its neighbours in others.
const TURNS: usize = 30;

impl Engine {
    /// Compares what was learned of run times with what pods have, for the refs whose turn it is.
    pub(super) fn compare_graces(&mut self) {
        if self.cluster.sight() != Some(Sight::Clear) {
            return;
        }
        let turn = usize::try_from(self.tick).unwrap_or(0) % TURNS;
        for active in self.active.iter().skip(turn).step_by(TURNS).flatten() {
            let Some(sighting) = active.sighting.as_ref().filter(|seen| seen.name.kind == SCALED_OBJECT)
            else {
                continue;
            };
            let triggers = sighting.object.as_ref().map_or(0, |object| object.triggers.len());
            let queue = active.queue.as_ref().and_then(|known| self.queues.get(known));
            let Some((grace, queue)) = sighting.grace.zip(queue) else { continue };
            let service = queue.learner.forecast().service();
            let short = service.jobs() >= ENOUGH && service.law().quantile(LEVEL) > f64::from(grace);
            // Where one of several queues has long jobs, the others do not unsay it.
            if short || triggers == 1 {
                self.cluster.observe(&sighting.name, &SHORT_GRACE, short);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        engine::bench::{Bench, nothing},
        series::Sample,
        workloads::{PodRecord, Sight},
    };

    /// Jobs of so many seconds come one after the other, for an hour.
    fn told(run: u64, grace: u32) -> bool {
        let mut bench = Bench::new();
        bench.object(&json!({ "queue": "md" }));
        bench.pod_as("md-1", Some(PodRecord { grace: Some(grace), ..Bench::ready_pod() }));
        bench.see(Sight::Clear);
        for second in 0..3_600_u64 {
            let ended = second / run;
            let sample = Sample {
                waiting: Some(0),
                in_flight: Some(1),
                arrivals_total: Some(ended + 1),
                completions_total: Some(ended),
                holders: None,
                ..nothing()
            };
            bench.after(1.0).sample(&sample);
            bench.engine.tick(bench.now);
        }
        let objects = bench.objects();
        objects[0].traps().any(|(trap, _)| trap == "short-grace")
    }

    #[test]
    fn jobs_that_run_longer_than_their_pods_may_are_told() {
        assert!(told(60, 20));
        assert!(!told(60, 300));
    }
}
