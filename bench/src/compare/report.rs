//! The tables.

use std::fmt;

use foresail::sim::{foresight::Foresight, world::Outcome};

use super::{
    contender::Role,
    hints,
    judge::{Ratio, Tuned, Verdict, judge},
    parts,
    play::Played,
    stats, trade,
};
use crate::table::{Table, count};

/// All runs, and what follows from them.
pub(crate) struct Report {
    pub(crate) played: Played,
    /// Of each of Foresail's variants: which contender it is, and how it did in each case.
    pub(crate) judged: Vec<(usize, Vec<Verdict>)>,
    pub(crate) worth: f64,
}

impl Report {
    pub(crate) fn new(played: Played, worth: f64) -> Self {
        let judged = played.of(Role::Foresail).map(|ours| (ours, judge(&played, ours, worth))).collect();
        Self { played, judged, worth }
    }

    /// Whom the table of a case shows: all, but of KEDA's settings only those that were chosen, and the front.
    pub(crate) fn shown(&self, case: usize) -> Vec<usize> {
        let of = |verdict: &Verdict| {
            let chosen = [verdict.elsewhere, verdict.same_cost, verdict.same_cost_p95, verdict.same_wait];
            let tuned = verdict.tuned.map(|tuned| tuned.setting);
            chosen.into_iter().flatten().map(|(at, _)| at).chain(tuned).collect::<Vec<_>>()
        };
        let beside = hints::beside(&self.played, case).into_iter().flat_map(|(_, others)| others);
        let chosen = self.judged.iter().flat_map(|(_, verdicts)| of(&verdicts[case]));
        let chosen: Vec<usize> = chosen.chain(beside).collect();
        let is_shown = |at: &usize| !self.played.contenders[*at].is_setting() || chosen.contains(at);
        (0..self.played.contenders.len()).filter(is_shown).collect()
    }

    /// A row for each of those, with all that is measured.
    pub(crate) fn runs(&self, case: usize) -> Table {
        let mut table = Table::new([
            "",
            "mean",
            "p50",
            "p95",
            "p99",
            "max",
            "late %",
            "slowdown p95",
            "worker-h",
            "node-h",
            "cost",
            "pods",
            "nodes",
            "turns",
            "busy told to go",
            "speculated %",
        ]);
        for at in self.shown(case) {
            let outcome = self.played.outcome(case, at);
            let name = &self.played.contenders[at].name;
            let name = match outcome.unfinished {
                0 => name.clone(),
                left => format!("{name} ({} jobs not done)", count(left as u64)),
            };
            table.row([name].into_iter().chain(cells(outcome, self.worth)));
        }
        table
    }

    /// Those than whom nobody is both cheaper and quicker, the cheapest first.
    pub(crate) fn front(&self, case: usize) -> Vec<usize> {
        let played = &self.played;
        let points: Vec<(f64, f64)> = (0..played.contenders.len())
            .map(|at| {
                let outcome = played.outcome(case, at);
                let playable = played.contenders[at].role != Role::Bound && outcome.unfinished == 0;
                if playable { (outcome.paid(), outcome.waits.mean) } else { (f64::INFINITY, f64::INFINITY) }
            })
            .collect();
        stats::front(&points)
    }

    fn name_front(&self, case: usize) -> String {
        let name = |at: usize| {
            let outcome = self.played.outcome(case, at);
            let (name, hours) = (&self.played.contenders[at].name, outcome.paid() / 3600.0);
            format!("{name} ({hours:.0} h, {} s)", short(outcome.waits.mean))
        };
        self.front(case).into_iter().map(name).collect::<Vec<_>>().join("; ")
    }

    /// What follows for one of Foresail's variants in one case.
    fn say(&self, f: &mut fmt::Formatter<'_>, ours: usize, verdict: &Verdict) -> fmt::Result {
        let name = |at: usize| &self.played.contenders[at].name;
        if let (Some(interval), Some(&(first, ratio))) = (verdict.interval, verdict.as_run.first()) {
            let (ours, theirs) = (name(ours), name(first));
            let (mean, low, high) = (ratio.mean, interval.low, interval.high);
            writeln!(
                f,
                "- {ours}: mean wait over that of {theirs} {mean:.3} (95 %: {low:.3} to {high:.3}, by resampling days)"
            )?;
        }
        if let Some(Tuned { setting, ratio, of_bound }) = verdict.tuned {
            let (ours, tuned) = (name(ours), name(setting));
            write!(
                f,
                "- {ours}: cost over that of the best setting of KEDA in hindsight ({tuned}) {ratio:.3}"
            )?;
            match of_bound {
                Some(part) => writeln!(f, "; {:.0} % of what a clairvoyant would have saved", 100.0 * part),
                None => writeln!(f),
            }?;
        }
        Ok(())
    }

    /// How good forecasts of each log are, from the learned ones to those that need no model.
    pub(crate) fn foresight(&self) -> Table {
        let mut table = Table::new([
            "arrivals forecast",
            "s ahead",
            "outcomes",
            "jobs each",
            "skill",
            "over persistence",
            "CRPS",
            "CRPS over persistence",
            "0.9 covers",
        ]);
        for case in self.played.logs() {
            for found in self.played.foresight(case) {
                let Foresight { seconds, outcomes, jobs, quantile_loss, crps, .. } = found;
                table.row([
                    self.played.cases[case].log.clone(),
                    format!("{seconds:.0}"),
                    count(u64::from(*outcomes)),
                    format!("{:.2}", *jobs as f64 / f64::from((*outcomes).max(1))),
                    format!("{:.2}", quantile_loss.against_nothing()),
                    format!("{:.2}", quantile_loss.against_persistence()),
                    format!("{:.3}", crps.forecast),
                    format!("{:.2}", crps.against_persistence()),
                    format!("{:.3}", found.told().1),
                ]);
            }
        }
        table
    }

    /// Over all cases, against each opponent of one of Foresail's variants.
    pub(crate) fn summary(&self, ours: usize, verdicts: &[Verdict]) -> Option<Table> {
        let against = format!("{} against", self.played.contenders[ours].name);
        let mut table = Table::new([&against, "mean wait", "p95 wait", "cost", "worst mean wait", "logs"]);
        let first = self.played.of(Role::AsPeopleRunIt);
        for (nth, at) in first.enumerate() {
            summarise(&mut table, verdicts, &self.played.contenders[at].name, |verdict| {
                verdict.as_run.get(nth).map(|&(_, ratio)| ratio)
            });
        }
        let of = |chosen: Option<(usize, Ratio)>| chosen.map(|(_, ratio)| ratio);
        summarise(&mut table, verdicts, "the setting of KEDA that is best on the other logs", |v| {
            of(v.elsewhere)
        });
        summarise(&mut table, verdicts, "KEDA in hindsight, same cost: mean", |v| of(v.same_cost));
        summarise(&mut table, verdicts, "KEDA in hindsight, same cost: p95", |v| of(v.same_cost_p95));
        summarise(&mut table, verdicts, "KEDA in hindsight, same mean wait", |v| of(v.same_wait));
        (!table.is_empty()).then_some(table)
    }
}

fn summarise(table: &mut Table, verdicts: &[Verdict], name: &str, ratio: impl Fn(&Verdict) -> Option<Ratio>) {
    let ratios: Vec<Ratio> = verdicts.iter().filter_map(ratio).collect();
    if ratios.is_empty() {
        return;
    }
    let mean = |value: fn(&Ratio) -> f64| {
        stats::geometric_mean(ratios.iter().map(value))
            .map_or_else(|| "-".to_owned(), |mean| format!("{mean:.2}"))
    };
    let worst = ratios.iter().map(|ratio| ratio.mean).fold(0.0, f64::max);
    table.row([
        name.to_owned(),
        mean(|ratio| ratio.mean),
        mean(|ratio| ratio.p95),
        mean(|ratio| ratio.paid),
        format!("{worst:.2}"),
        ratios.len().to_string(),
    ]);
}

fn cells(outcome: &Outcome, worth: f64) -> impl Iterator<Item = String> {
    let waits = &outcome.waits;
    let hours = |seconds: f64| format!("{:.0}", seconds / 3600.0);
    let times = [waits.mean, waits.p50, waits.p95, waits.p99, waits.max].map(short);
    let rest = [
        format!("{:.1}", 100.0 * waits.missed),
        format!("{:.2}", outcome.slowdown.p95),
        hours(outcome.workers.total),
        hours(outcome.nodes.seconds.total),
        hours(outcome.cost(worth)),
        count(outcome.launched as u64),
        count(outcome.nodes.launched as u64),
        count(outcome.reversals as u64),
        count(outcome.told_to_go_busy as u64),
        format!("{:.1}", 100.0 * outcome.speculated / outcome.workers.busy.max(1.0)),
    ];
    times.into_iter().chain(rest)
}

fn short(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.1}") } else { format!("{seconds:.0}") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Waits in seconds; late: waited more than 5 minutes; cost: worker-hours of the nodes, and {} for each \
             hour of waiting; turns: from growing to shrinking or back; speculated: workers idle on the word of a \
             forecast, of the busy ones.\n",
            self.worth
        )?;
        for (at, case) in self.played.cases.iter().enumerate() {
            writeln!(f, "### {}, {}\n\n{}", case.log, case.label, self.runs(at))?;
            for (ours, verdicts) in &self.judged {
                self.say(f, *ours, &verdicts[at])?;
            }
            writeln!(f, "\nNobody is both cheaper and quicker than: {}.\n", self.name_front(at))?;
        }
        self.over_all(f)
    }
}

/// The same without the single cases.
pub(crate) struct Brief(pub(crate) Report);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.over_all(f)
    }
}

impl Report {
    fn over_all(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "### Forecasts\n\nSkill: part of the loss of \"nothing comes\" that was saved (1 is perfect, 0 worthless), by \
             the quantile loss; over persistence: of \"as many as in the same time before\". CRPS: the continuous ranked \
             probability score, in jobs. 0.9 covers: share of the outcomes within the 0.9 quantile.\n\n{}",
            self.foresight()
        )?;
        if let Some(hints) = hints::table(&self.played) {
            writeln!(f, "### Node hints\n\n{hints}")?;
        }
        if !self.judged.is_empty() {
            writeln!(f, "### All of them, geometric means (below 1 is better)\n")?;
        }
        for (ours, verdicts) in &self.judged {
            if let Some(summary) = self.summary(*ours, verdicts) {
                writeln!(f, "{summary}")?;
            }
            if let Some(trade) = trade::table(&self.played, *ours) {
                writeln!(f, "{trade}")?;
            }
            let as_quick = |case: usize| verdicts[case].same_wait.map(|(at, _)| at);
            if let Some(turns) = trade::turns(&self.played, *ours, as_quick) {
                writeln!(f, "Turns over those of the setting with the same mean wait: {turns:.2}.\n")?;
            }
        }
        if let Some(parts) = parts::table(&self.played, self.worth) {
            writeln!(f, "{parts}")?;
        }
        Ok(())
    }
}
