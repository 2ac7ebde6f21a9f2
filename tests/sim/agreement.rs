//! Today's Foresail in a closed loop against the recorded timelines: the jobs, the delays of pods and nodes and the
//! rhythm of KEDA and the HPA go in, and what Foresail decides makes the replicas.
//!
//! A timeline compares only while it was recorded with the decisions of today: see [`DECISION_VERSION`].

#![allow(clippy::print_stderr, reason = "whoever looks is told that nothing was compared")]

use foresail::sim::autoscaler::foresail::{Limits, Sampling};
use foresail::sim::autoscaler::{ByKeda, Foresail};
use foresail::sim::closed_loop::ClosedLoop;
use foresail::sim::hpa::{Behavior, Controller, Policy as HpaPolicy, ScalingRules};
use foresail::sim::keda::{ScaledObject, ScaledObjectSpec};
use foresail::sim::timeline::Event;
use foresail::sizing::{DECISION_VERSION, Policy};

use super::open_loop::{Totals, pool, recorded};
use super::timeline::{Timeline, timelines};

/// How far a wait or a sum may be off. Foresail's samples and KEDA's polls stand to each other as they happened to, and
/// a target that is one sample late is one HPA sync late.
const TOLERANCE: f64 = 0.1;

/// Its second burst comes with a sync of the HPA, and which is first decides on 15 s of its waits: it is replayed with
/// the recorded replicas only, in `open_loop`.
const WITHIN_A_SYNC: &str = "capacity-buffer";

#[test]
fn todays_decisions_come_out_as_the_recorded_ones() {
    for timeline in timelines().into_iter().filter(|timeline| timeline.name != WITHIN_A_SYNC) {
        let then = timeline.header.decision_version;
        if then != DECISION_VERSION {
            eprintln!(
                "{} was recorded with decision version {then}, and today's is {DECISION_VERSION}: nothing to compare \
                 until it is recorded anew (`make timelines`)",
                timeline.name
            );
            continue;
        }
        let recorded = recorded(&timeline);
        let simulated = play(&timeline);
        for (what, simulated, recorded) in simulated.beside(&recorded) {
            let off = simulated / recorded - 1.0;
            assert!(
                off.abs() < TOLERANCE,
                "{}: {what} is {simulated:.2}, {:.1} % off {recorded:.2}",
                timeline.name,
                off * 100.0
            );
        }
    }
}

fn play(timeline: &Timeline) -> Totals {
    let header = &timeline.header;
    let at = |is: fn(&Event) -> bool| -> Vec<f64> {
        timeline.lines.iter().filter(|line| is(&line.event)).map(|line| line.at).collect()
    };
    let polls = at(|event| matches!(event, Event::KedaPolled(_)));
    let syncs = at(|event| matches!(event, Event::HpaSynced(_)));
    let began = *polls.first().expect("KEDA polls");
    let (first, last) = (*syncs.first().expect("the HPA syncs"), *syncs.last().expect("the HPA syncs"));
    // The controller's period is what was set and what a sync takes.
    let periods = ((last - first) / header.hpa.sync_period).round();
    let controller = Controller {
        tolerance: header.hpa.tolerance,
        sync_period: (last - first) / periods,
        phase: first,
        ..Controller::default()
    };
    let rules = |policies: Vec<HpaPolicy>| ScalingRules {
        stabilization: header.hpa.stabilization,
        tolerance: Some(header.hpa.tolerance),
        policies,
        ..ScalingRules::up()
    };
    let behavior = Behavior {
        scale_up: rules(vec![HpaPolicy::Pods { value: header.hpa.up_pods, period: header.hpa.up_period }]),
        scale_down: rules(ScalingRules::down().policies),
    };
    let limits = Limits { min: header.keda.min_replicas, max: header.keda.max_replicas };
    let spec = ScaledObjectSpec {
        min: limits.min,
        max: limits.max,
        polling_interval: header.keda.polling_interval,
        cooldown_period: header.keda.cooldown_period,
        behavior: Some(behavior),
        controller,
        ..ScaledObjectSpec::default()
    };
    let policy =
        Policy { keep_alive: header.foresail.keep_alive, slots: header.foresail.slots, ..Policy::default() };
    let sampling = Sampling { every: header.foresail.sample_every, ..Sampling::default() };
    let foresail = Foresail::new(policy, limits, sampling, 0.0);
    let autoscaler = ByKeda::new(ScaledObject::new(spec, began, 0), foresail);
    let mut run = ClosedLoop { pool: pool(timeline, 1), autoscaler };
    let end = timeline.lines.last().expect("a timeline has lines").at + 60.0;
    run.run_to(end);
    assert!(run.pool.is_done(), "{}: every job was done", timeline.name);
    Totals::of(&run.pool.summary())
}
