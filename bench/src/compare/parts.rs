//! Foresail without one of its parts, or with a forecast that no server could have: what each part brings.

use foresail::{
    sim::{autoscaler::foresail::Ablation, world::Outcome},
    sizing::Policy,
};

use super::{
    contender::{Contender, Role},
    play::Played,
    stats,
};
use crate::table::Table;

/// How Foresail is changed.
struct Part {
    name: &'static str,
    policy: fn(Policy) -> Policy,
    ablation: Option<Ablation>,
}

const PARTS: [Part; 6] = [
    Part { name: "no forecast", policy: |policy| Policy { budget: 0.0, ..policy }, ablation: None },
    Part { name: "no calendar", policy: |policy| policy, ablation: Some(Ablation::NoCalendar) },
    Part { name: "no calibration", policy: |policy| policy, ablation: Some(Ablation::NoCalibration) },
    Part { name: "no keep-alive", policy: |policy| Policy { keep_alive: 0.0, ..policy }, ablation: None },
    Part { name: "perfect forecast", policy: |policy| policy, ablation: Some(Ablation::Perfect) },
    Part { name: "inverted forecast", policy: |policy| policy, ablation: Some(Ablation::Inverted) },
];

/// One of Foresail's variants, changed in each of the ways.
pub(super) fn of(whole: &str, policy: &Policy, victims: bool, max: u32) -> impl Iterator<Item = Contender> {
    PARTS.into_iter().map(move |part| {
        let name = format!("{whole}, {}", part.name);
        Contender::changed(name, (part.policy)(policy.clone()), victims, max, part.ablation)
    })
}

/// Each changed variant beside its whole, over all cases.
pub(super) fn table(played: &Played, worth: f64) -> Option<Table> {
    let mut table =
        Table::new(["changed, beside the whole", "mean wait", "p95 wait", "paid", "cost", "turns"]);
    // Both in the order of the variants, as many of the one for each of the other.
    let wholes = played.of(Role::Foresail).flat_map(|whole| std::iter::repeat_n(whole, PARTS.len()));
    for (whole, part) in wholes.zip(played.of(Role::Part)) {
        let mean = |of: fn(&Outcome, f64) -> f64| {
            let cases = 0..played.cases.len();
            let ratio = |case| {
                let (part, whole) = (played.outcome(case, part), played.outcome(case, whole));
                (of(whole, worth) > 0.0).then(|| of(part, worth) / of(whole, worth))
            };
            let mean = stats::geometric_mean(cases.filter_map(ratio));
            mean.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.3}"))
        };
        table.row([
            played.contenders[part].name.clone(),
            mean(|run, _| run.waits.mean),
            mean(|run, _| run.waits.p95.max(1.0)),
            mean(|run, _| run.paid()),
            mean(Outcome::cost),
            mean(|run, _| run.reversals as f64),
        ]);
    }
    (!table.is_empty()).then_some(table)
}
