//! Waits and cost added up, at several worths, beside the settings of KEDA that hindsight would choose.

use super::{judge::Tuned, play::Played, stats};
use crate::table::Table;

/// Worker-seconds that a second of waiting is worth.
const WORTHS: [f64; 4] = [0.3, 1.0, 3.0, 10.0];

/// A contender at each worth, over all cases; nothing where KEDA's settings do not take part.
pub(super) fn table(played: &Played, ours: usize) -> Option<Table> {
    let mut table = Table::new([
        &format!("{}, waits and cost added up", played.contenders[ours].name),
        "KEDA in hindsight",
        "worst",
        "on",
        "of the clairvoyant's saving",
    ]);
    for worth in WORTHS {
        let tuned: Vec<(usize, Tuned)> = (0..played.cases.len())
            .filter_map(|case| Some((case, Tuned::of(played, ours, case, worth)?)))
            .collect();
        let (worst, Tuned { ratio, .. }) = tuned.iter().max_by(|a, b| a.1.ratio.total_cmp(&b.1.ratio))?;
        let worst = &played.cases[*worst];
        let mean = stats::geometric_mean(tuned.iter().map(|(_, tuned)| tuned.ratio))?;
        let saved: Vec<f64> = tuned.iter().filter_map(|(_, tuned)| tuned.of_bound).collect();
        let saved = if saved.is_empty() {
            "-".to_owned()
        } else {
            format!("{:.0} %", 100.0 * saved.iter().sum::<f64>() / saved.len() as f64)
        };
        table.row([
            format!("a second of waiting worth {worth} worker-seconds"),
            format!("{mean:.2}"),
            format!("{ratio:.2}"),
            format!("{}, {}", worst.log, worst.label),
            saved,
        ]);
    }
    Some(table)
}

/// How often a contender turns from growing to shrinking, over how often the setting of KEDA does that waits as long
/// for the least cost: geometric mean.
pub(super) fn turns(played: &Played, ours: usize, as_quick: impl Fn(usize) -> Option<usize>) -> Option<f64> {
    let ratio = |case: usize| {
        let theirs = played.outcome(case, as_quick(case)?).reversals;
        (theirs > 0).then(|| played.outcome(case, ours).reversals as f64 / theirs as f64)
    };
    stats::geometric_mean((0..played.cases.len()).filter_map(ratio))
}
