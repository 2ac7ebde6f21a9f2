//! The three sentences with which a page begins: what was played, what came of it, and how sure that is.

use foresail::sim::world::Day;

use super::{actors::verdict, say};
use crate::compare::{
    Report,
    contender::Role,
    judge::{Ratio, Verdict, interval},
    stats::{Interval, geometric_mean},
};

/// The sentences, for the first of Foresail's variants.
pub(crate) fn opening(report: &Report) -> Vec<String> {
    let rivals = report.played.of(Role::Foresail).next().zip(report.played.of(Role::AsPeopleRunIt).next());
    let found =
        rivals.map(
            |(ours, keda)| {
                if report.played.cases.len() == 1 { of_one(report, ours, keda) } else { of_many(report) }
            },
        );
    let sure = rivals.map(|(ours, keda)| sure(report, ours, keda));
    [Some(played(report)), found, sure].into_iter().flatten().collect()
}

fn played(report: &Report) -> String {
    let cases = &report.played.cases;
    let mut logs: Vec<String> = cases.iter().map(|case| case.log.clone()).collect();
    logs.dedup();
    let mut worlds: Vec<String> = cases.iter().map(|case| case.label.clone()).collect();
    worlds.sort_unstable();
    worlds.dedup();
    let first = |case: usize| report.played.outcome(case, 0);
    let jobs: usize = (0..cases.len()).map(|case| first(case).waits.jobs).sum();
    let days: usize = (0..cases.len()).map(|case| first(case).days.len()).sum();
    let where_from = match logs.as_slice() {
        [one] => format!("the job log {one}"),
        some => format!("{} job logs ({})", some.len(), say::list(some)),
    };
    format!(
        "{} of {where_from} were played through {} of simulated cluster time ({}): by Foresail's own decision code \
         and, beside it, by models of KEDA and of the autoscaler of Kubernetes that it drives.",
        say::counted(jobs, "job"),
        say::counted(days, "day"),
        worlds.join("; "),
    )
}

fn of_one(report: &Report, ours: usize, keda: usize) -> String {
    let outcome = |at| report.played.outcome(0, at);
    let (us, them) = (outcome(ours), outcome(keda));
    let (wait, paid) = (us.waits.mean / them.waits.mean, us.paid() / them.paid());
    let best = verdict(report, 0).and_then(|verdict| verdict.same_cost).map(|(at, ratio)| {
        format!(
            " Beside the best of {} settings of KEDA that cost no more, chosen with hindsight for this very log, \
             its waits are {} at {} cost.",
            report.played.of(Role::KedaSetting).count(),
            say::long(ratio.mean),
            at_cost(outcome(ours).paid() / outcome(at).paid()),
        )
    });
    format!(
        "With KEDA as people run it (workers by the length of the list) a job waited {} on average and {} at worst; \
         with Foresail it would have waited {} and {}: {}, for {}.{}",
        say::time(them.waits.mean),
        say::time(them.waits.max),
        say::time(us.waits.mean),
        say::time(us.waits.max),
        say::long(wait),
        cost(paid),
        best.unwrap_or_default(),
    )
}

fn of_many(report: &Report) -> String {
    let verdicts: Vec<&Verdict> =
        (0..report.played.cases.len()).filter_map(|case| verdict(report, case)).collect();
    let mean = |ratios: &[Ratio], of: fn(&Ratio) -> f64| {
        // A mean wait of 0 has no ratio: the smallest that a table would show stands for it.
        geometric_mean(ratios.iter().map(|ratio| of(ratio).max(1e-3)))
    };
    let as_run: Vec<Ratio> =
        verdicts.iter().filter_map(|v| v.as_run.first()).map(|&(_, ratio)| ratio).collect();
    let same: Vec<Ratio> = verdicts.iter().filter_map(|v| v.same_cost).map(|(_, ratio)| ratio).collect();
    let worst = as_run.iter().map(|ratio| ratio.mean).fold(0.0, f64::max);
    let beside_keda = match (mean(&as_run, |r| r.mean), mean(&as_run, |r| r.paid)) {
        (Some(wait), Some(paid)) => format!(
            "Beside KEDA as people run it (workers by the length of the list), a job's mean wait with Foresail would \
             have been {} (the middle of the logs, as a geometric mean; {} where it is worst), for {}.",
            say::long(wait),
            say::long(worst),
            cost(paid),
        ),
        _ => {
            "Beside KEDA as people run it no ratio can be given: some run waited or cost nothing.".to_owned()
        }
    };
    let beside_best = mean(&same, |r| r.mean).zip(mean(&same, |r| r.paid)).map(|(wait, paid)| {
        format!(
            " Beside the best of {} settings of KEDA that cost no more, chosen with hindsight for each log by itself, \
             its waits are {} at {} cost.",
            report.played.of(Role::KedaSetting).count(),
            say::long(wait),
            at_cost(paid),
        )
    });
    beside_keda + &beside_best.unwrap_or_default()
}

fn cost(ratio: f64) -> String {
    match ratio {
        r if (0.995..1.005).contains(&r) => "the same cost".to_owned(),
        r => format!("{} cost", say::much(r).replace(" as much", " the")),
    }
}

fn at_cost(ratio: f64) -> String {
    match ratio {
        r if (0.985..1.015).contains(&r) => "the same".to_owned(),
        r => say::much(r),
    }
}

fn sure(report: &Report, ours: usize, keda: usize) -> String {
    let spans = |of: fn(&Day) -> f64| -> Option<Vec<Interval>> {
        let outcome = |case, at| report.played.outcome(case, at);
        (0..report.played.cases.len())
            .map(|case| interval(outcome(case, ours), outcome(case, keda), of))
            .collect()
    };
    let (Some(waits), Some(paid)) = (spans(|day| day.waited), spans(|day| day.paid)) else {
        return "How sure this is cannot be said in numbers: there are too few days with waits to draw from. It is a \
                simulation, and tomorrow's jobs will not be yesterday's."
            .to_owned();
    };
    let percent = |ratio: f64| format!("{} %", say::amount(100.0 * ratio));
    let ends = |all: &[Interval]| {
        let low = all.iter().map(|interval| interval.low).fold(f64::INFINITY, f64::min);
        let high = all.iter().map(|interval| interval.high).fold(0.0, f64::max);
        format!("{} and {}", percent(low), percent(high))
    };
    let of = if waits.len() == 1 { "" } else { ", over all of them" };
    format!(
        "With the days drawn anew a thousand times, 19 times of 20 the waits come to between {} of KEDA's{of}, and the \
         cost to between {}; this tells how much days differ, and not how well the simulation mirrors your cluster, \
         for which see the limits at the end.",
        ends(&waits),
        ends(&paid),
    )
}
