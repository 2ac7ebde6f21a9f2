//! Waits and cost added up, at several worths, beside the settings of KEDA that hindsight would choose.

use super::{contender::Role, play::Played, stats};
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
        let beside: Vec<Beside> =
            (0..played.cases.len()).filter_map(|case| Beside::of(played, case, ours, worth)).collect();
        let worst = beside.iter().max_by(|a, b| a.ratio.total_cmp(&b.ratio))?;
        let mean = stats::geometric_mean(beside.iter().map(|one| one.ratio))?;
        let saved: Vec<f64> = beside.iter().filter_map(|one| one.of_bound).collect();
        let saved = if saved.is_empty() {
            "-".to_owned()
        } else {
            format!("{:.0} %", 100.0 * saved.iter().sum::<f64>() / saved.len() as f64)
        };
        table.row([
            format!("a second of waiting worth {worth} worker-seconds"),
            format!("{mean:.2}"),
            format!("{:.2}", worst.ratio),
            format!("{}, {}", played.cases[worst.case].log, played.cases[worst.case].label),
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

/// One run beside the best setting of KEDA for its case.
struct Beside {
    case: usize,
    ratio: f64,
    /// Of what the better clairvoyant saves against that setting, the part that is saved here.
    of_bound: Option<f64>,
}

impl Beside {
    fn of(played: &Played, case: usize, ours: usize, worth: f64) -> Option<Self> {
        let cost = |at: usize| played.outcome(case, at).cost(worth);
        let done = |at: &usize| played.outcome(case, *at).unfinished == 0;
        let least = |role: Role| played.of(role).filter(done).map(cost).min_by(f64::total_cmp);
        let tuned = least(Role::KedaSetting)?;
        let of_bound = least(Role::Bound)
            .filter(|bound| *bound < tuned)
            .map(|bound| (tuned - cost(ours)) / (tuned - bound));
        Some(Self { case, ratio: cost(ours) / tuned, of_bound })
    }
}
