//! What happened, step by step.

use foresail::{sim::workers::WorkerPool, sizing::Decision};
use serde::Serialize;

/// Every change of what was asked for or was there.
pub(super) struct Steps {
    began: f64,
    all: Vec<Step>,
}

/// How it stood when something had changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Step {
    /// Seconds since the begin.
    pub(super) at: f64,
    /// Jobs that wait.
    pub(super) waiting: usize,
    /// Jobs that run.
    pub(super) in_flight: usize,
    /// Workers that are to stay.
    pub(super) replicas: usize,
    /// Of those, the ready ones.
    pub(super) ready: usize,
    /// Nodes that are there or come.
    pub(super) nodes: usize,
    /// Foresail's target; `None` of others, and while it has none.
    pub(super) target: Option<u32>,
    /// How it came about, where it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

impl Steps {
    /// None yet, of a run that begins at this time.
    pub(super) const fn new(began: f64) -> Self {
        Self { began, all: Vec::new() }
    }

    /// Sees the pool after something has happened, and what Foresail decided last.
    pub(super) fn see(&mut self, pool: &WorkerPool, decision: Option<&Decision>) {
        let target = decision.map(|decision| decision.target);
        let last = self.all.last();
        let decided = target != last.and_then(|last| last.target);
        let (replicas, ready, nodes) = (pool.replicas(), pool.ready(), pool.nodes().count());
        let same =
            last.is_some_and(|last| (last.replicas, last.ready, last.nodes) == (replicas, ready, nodes));
        if same && !decided {
            return;
        }
        self.all.push(Step {
            at: pool.now() - self.began,
            waiting: pool.waiting(),
            in_flight: pool.in_flight(),
            replicas,
            ready,
            nodes,
            target,
            why: decision.filter(|_| decided).map(|decision| decision.why.to_string()),
        });
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Step] {
        &self.all
    }

    /// Those from one time to another, the last one of every so many seconds, with the most jobs that waited in
    /// them; without a number, some fifty.
    pub(super) fn some(&self, from: f64, to: f64, every: Option<f64>) -> Vec<Step> {
        let within = self.all.iter().filter(|step| (from..to).contains(&step.at));
        let first = within.clone().next().map_or(0.0, |step| step.at);
        let last = within.clone().next_back().map_or(0.0, |step| step.at);
        let every = every.unwrap_or_else(|| round((last - first) / 50.0));
        let mut shown: Vec<Step> = Vec::new();
        for step in within {
            let turn = |step: &Step| if every > 0.0 { (step.at / every).floor() } else { step.at };
            match shown.last_mut() {
                Some(before) if every > 0.0 && turn(before).total_cmp(&turn(step)).is_eq() => {
                    let why = step.why.clone().or(before.why.take());
                    *before = Step { why, waiting: before.waiting.max(step.waiting), ..step.clone() };
                }
                _ => shown.push(step.clone()),
            }
        }
        shown
    }
}

/// The next duration that people would choose, seconds; 0 below one second.
fn round(seconds: f64) -> f64 {
    const USUAL: [f64; 15] = [
        1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21_600.0, 43_200.0,
        86_400.0,
    ];
    if seconds <= 0.0 {
        return 0.0;
    }
    USUAL
        .into_iter()
        .find(|&usual| usual >= seconds)
        .unwrap_or_else(|| (seconds / 86_400.0).ceil() * 86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(at: f64, replicas: usize, why: Option<&str>) -> Step {
        Step {
            at,
            waiting: 0,
            in_flight: 0,
            replicas,
            ready: 0,
            nodes: 0,
            target: None,
            why: why.map(str::to_owned),
        }
    }

    #[test]
    fn the_last_step_of_a_turn_stands_for_it_and_keeps_the_newest_reason() {
        let all =
            vec![step(1.0, 1, Some("a")), step(2.0, 2, None), step(10.0, 3, None), step(31.0, 4, Some("b"))];
        let steps = Steps { began: 0.0, all };
        let shown = |from, to, every| {
            let shown = steps.some(from, to, every);
            shown.into_iter().map(|step| (step.replicas, step.why.unwrap_or_default())).collect::<Vec<_>>()
        };
        let text =
            |all: &[(usize, &str)]| all.iter().map(|&(n, why)| (n, why.to_owned())).collect::<Vec<_>>();
        assert_eq!(shown(0.0, 100.0, Some(10.0)), text(&[(2, "a"), (3, ""), (4, "b")]));
        assert_eq!(shown(0.0, 100.0, Some(0.0)), text(&[(1, "a"), (2, ""), (3, ""), (4, "b")]));
        assert_eq!(shown(2.0, 31.0, None), text(&[(2, ""), (3, "")]));
        for (seconds, rounded) in [(0.0, 0.0), (0.3, 1.0), (61.0, 120.0), (200_000.0, 259_200.0)] {
            assert!((round(seconds) - rounded).abs() < 1e-9, "{seconds}: {}", round(seconds));
        }
    }
}
