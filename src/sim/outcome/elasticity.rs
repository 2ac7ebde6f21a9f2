//! How closely the supply followed the demand.

use serde::{Deserialize, Serialize};

use super::steps::{Steps, same};

/// The elasticity metrics of the SPEC Research Group (Herbst et al., "Ready for rain? A view from SPEC Research
/// on the future of cloud metrics", SPEC-RG-2016-01), and the same in worker-hours, which say more where the
/// demand is often 0. Demand is what would run if every job started at once; supply are ready workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Elasticity {
    /// Accuracy, under-provisioned: mean of max(demand - supply, 0) / max(demand, 1), per cent.
    pub accuracy_under: f64,
    /// Accuracy, over-provisioned: mean of max(supply - demand, 0) / max(demand, 1), per cent.
    pub accuracy_over: f64,
    /// Time under-provisioned, per cent.
    pub time_under: f64,
    /// Time over-provisioned, per cent.
    pub time_over: f64,
    /// Time in which supply and demand did not move in the same direction from one minute to the next, per cent.
    pub instability: f64,
    /// Worker-hours that were missing.
    pub hours_under: f64,
    /// Worker-hours that nobody needed.
    pub hours_over: f64,
}

/// Seconds between the instants at which directions are compared.
const MINUTE: f64 = 60.0;

impl Elasticity {
    /// Between `from` and `to`.
    pub fn of(demand: &Steps, supply: &Steps, from: f64, to: f64) -> Self {
        let span = to - from;
        if span <= 0.0 {
            return Self::default();
        }
        let mut sums = Self::default();
        for (seconds, wanted, there) in stretches(demand, supply, from, to) {
            let (under, over) = ((wanted - there).max(0.0), (there - wanted).max(0.0));
            sums.accuracy_under += seconds * under / wanted.max(1.0);
            sums.accuracy_over += seconds * over / wanted.max(1.0);
            sums.time_under += if under > 0.0 { seconds } else { 0.0 };
            sums.time_over += if over > 0.0 { seconds } else { 0.0 };
            sums.hours_under += seconds * under / 3600.0;
            sums.hours_over += seconds * over / 3600.0;
        }
        let percent = |sum: f64| 100.0 * sum / span;
        Self {
            accuracy_under: percent(sums.accuracy_under),
            accuracy_over: percent(sums.accuracy_over),
            time_under: percent(sums.time_under),
            time_over: percent(sums.time_over),
            instability: instability(demand, supply, from, to),
            ..sums
        }
    }

    /// By how much this is better than another: the geometric mean of the four ratios of accuracy and time, other
    /// over this ("elastic speedup"). Measures of which either is 0 are left out.
    pub fn speedup_over(&self, other: &Self) -> f64 {
        let four = |e: &Self| [e.accuracy_under, e.accuracy_over, e.time_under, e.time_over];
        let ratios = four(other).into_iter().zip(four(self)).filter(|&(a, b)| a > 0.0 && b > 0.0);
        let (n, sum) = ratios.fold((0_u32, 0.0), |(n, sum), (a, b)| (n + 1, sum + (a / b).ln()));
        (sum / f64::from(n.max(1))).exp()
    }
}

/// The stretches in which neither changes: seconds, demand, supply.
fn stretches(demand: &Steps, supply: &Steps, from: f64, to: f64) -> impl Iterator<Item = (f64, f64, f64)> {
    let within = move |steps: &Steps| {
        let changes = steps.changes();
        let first = changes.partition_point(|change| change.at <= from);
        let last = changes.partition_point(|change| change.at < to);
        (first, last)
    };
    let ((mut d, d_end), (mut s, s_end)) = (within(demand), within(supply));
    let (mut at, mut wanted, mut there) = (from, demand.at(from), supply.at(from));
    let (demand, supply) = (demand.changes(), supply.changes());
    std::iter::from_fn(move || {
        if at >= to {
            return None;
        }
        let next_d = if d < d_end { demand[d].at } else { to };
        let next_s = if s < s_end { supply[s].at } else { to };
        let next = next_d.min(next_s);
        let stretch = (next - at, wanted, there);
        if d < d_end && next_d <= next {
            wanted = demand[d].to;
            d += 1;
        }
        if s < s_end && next_s <= next {
            there = supply[s].to;
            s += 1;
        }
        at = next;
        Some(stretch)
    })
}

fn instability(demand: &Steps, supply: &Steps, from: f64, to: f64) -> f64 {
    let (mut minutes, mut unlike) = (0_u32, 0_u32);
    let mut at = from + MINUTE;
    let direction = |steps: &Steps, at: f64| {
        let (before, now) = (steps.at(at - MINUTE), steps.at(at));
        if same(before, now) { 0.0 } else { (now - before).signum() }
    };
    while at <= to {
        minutes += 1;
        unlike += u32::from(!same(direction(demand, at), direction(supply, at)));
        at += MINUTE;
    }
    100.0 * f64::from(unlike) / f64::from(minutes.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(changes: &[(f64, f64)]) -> Steps {
        let mut steps = Steps::default();
        for &(at, to) in changes {
            steps.note(at, to);
        }
        steps
    }

    #[test]
    fn a_supply_that_lags_is_short_first_and_too_much_afterwards() {
        let demand = steps(&[(0.0, 0.0), (100.0, 10.0), (200.0, 0.0)]);
        let supply = steps(&[(0.0, 0.0), (150.0, 10.0), (300.0, 0.0)]);
        let found = Elasticity::of(&demand, &supply, 0.0, 1000.0);
        let per_cent = |value: f64| format!("{value:.3}");
        assert_eq!(
            [found.accuracy_under, found.accuracy_over, found.time_under, found.time_over].map(per_cent),
            ["5.000", "100.000", "5.000", "10.000"],
            "50 s of 10 of 10 missing; 100 s of 10 where one counts"
        );
        assert_eq!(per_cent(found.hours_under), per_cent(500.0 / 3600.0));
        assert_eq!(per_cent(found.hours_over), per_cent(1000.0 / 3600.0));
        assert!(found.instability > 0.0);
        assert!((found.speedup_over(&found) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_supply_that_is_the_demand_is_perfect() {
        let demand = steps(&[(0.0, 3.0), (61.0, 5.0), (500.0, 1.0)]);
        assert_eq!(Elasticity::of(&demand, &demand, 0.0, 1000.0), Elasticity::default());
    }
}
