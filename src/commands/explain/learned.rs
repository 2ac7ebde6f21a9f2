//! What was learned, in words for somebody at three in the morning.

use std::io;

use crate::{
    forecast::{predictive::Basis, service::ServiceBasis},
    http::{
        AheadReport, BurstReport, ForecastReport, LeadReport, LeadTimeReport, RefReport, ServiceReport,
        SpendReport,
    },
};

/// Parts of a forecast below so many jobs are left out.
const SMALL: f64 = 0.005;

/// Writes what was learned of a ref and of its queue, as far as it is known.
pub(super) fn write(out: &mut impl io::Write, report: &RefReport) -> io::Result<()> {
    if let Some(ahead) = &report.ahead {
        write_ahead(out, ahead)?;
    }
    if let Some(queue) = &report.queue {
        if let Some(forecast) = &queue.forecast {
            write_forecast(out, forecast)?;
        }
        if let Some(service) = &queue.service {
            write_service(out, service)?;
        }
    }
    if let Some(lead) = &report.lead {
        write_lead(out, lead)?;
    }
    report.spend.as_ref().map_or(Ok(()), |spend| write_spend(out, spend))
}

fn write_ahead(out: &mut impl io::Write, ahead: &AheadReport) -> io::Result<()> {
    let AheadReport { seconds, expected, quantiles, parts, skill } = ahead;
    let at_most = quantiles.iter().map(|one| format!("{} ({})", one.jobs, percent(one.level)));
    let at_most = list(at_most);
    let (expected, within) = (number(*expected), time(*seconds));
    writeln!(out, "  ahead    {expected} jobs expected within {within}, a lead time; at most {at_most}")?;
    let parts = parts.iter().filter(|part| part.expected >= SMALL);
    let parts: Vec<_> = parts.map(|part| format!("{} ({:.2} jobs)", part.words, part.expected)).collect();
    let parts = parts.join("; ");
    if !parts.is_empty() {
        writeln!(out, "  because  {parts}")?;
    }
    let (Some(nothing), Some(persistence)) = (skill.against_nothing, skill.against_persistence) else {
        return writeln!(out, "  skill    not known yet: no such forecast has come out");
    };
    let (nothing, persistence) = (percent(nothing), percent(persistence));
    writeln!(
        out,
        "  skill    {nothing} less loss than \"nothing comes\", {persistence} less than \"as many as before\"; {:.0} outcomes",
        skill.outcomes
    )?;
    let covered = quantiles.iter().filter_map(|one| Some((one.level, one.covered?)));
    let covered = list(covered.map(|(level, share)| format!("{}: {}", percent(level), percent(share))));
    writeln!(out, "  covered  {covered} of the outcomes were within that quantile")
}

fn write_forecast(out: &mut impl io::Write, forecast: &ForecastReport) -> io::Result<()> {
    if forecast.basis == Basis::NetIncrease {
        writeln!(
            out,
            "  note     arrivals are not counted here, only seen as a growing depth: more may come"
        )?;
    }
    for BurstReport { at, due_in, spread, every, chance, jobs } in &forecast.bursts {
        let when = if *due_in < 0.0 { "late by" } else { "in" };
        let (due_in, spread) = (time(due_in.abs()), time(*spread));
        writeln!(
            out,
            "  burst    {} jobs at {at}, {when} {due_in}, give or take {spread}; every {every}, chance {}",
            number(*jobs),
            percent(*chance)
        )?;
    }
    Ok(())
}

fn write_service(out: &mut impl io::Write, service: &ServiceReport) -> io::Result<()> {
    let ServiceReport { mean, median, p95, jobs, basis } = service;
    let from = match basis {
        ServiceBasis::Prior => return writeln!(out, "  run time not known yet: no job was seen to end"),
        ServiceBasis::BusyTime => "by the time that workers were busy",
        ServiceBasis::RunTimes => "by their run times",
    };
    let (mean, median, p95) = (time(*mean), time(*median), time(*p95));
    writeln!(
        out,
        "  run time {mean} on average, median {median}, 95 % at most {p95}; from {jobs:.0} jobs, {from}"
    )
}

fn write_lead(out: &mut impl io::Write, lead: &LeadReport) -> io::Result<()> {
    if lead.warm.starts + lead.cold.starts <= 0.0 {
        return writeln!(
            out,
            "  lead     {} to start a worker, assumed: no start was seen yet",
            time(lead.mean)
        );
    }
    let kind = |law: &LeadTimeReport| {
        let (mean, p95) = (time(law.mean), time(law.p95));
        if law.starts > 0.0 {
            format!("{mean} (95 % at most {p95}; {:.0} starts)", law.starts)
        } else {
            format!("{mean} (assumed: no such start was seen)")
        }
    };
    let (mean, warm, cold) = (time(lead.mean), kind(&lead.warm), kind(&lead.cold));
    let (share, alone) = (percent(lead.cold_share), percent(lead.cold_share_alone));
    writeln!(out, "  lead     {mean} to start a worker: {warm} on a node that is there,")?;
    writeln!(
        out,
        "           {cold} on one that has to come, as for {share} of the latest starts, {alone} of those from zero"
    )
}

fn write_spend(out: &mut impl io::Write, spend: &SpendReport) -> io::Result<()> {
    let SpendReport { spent, allowed, left } = spend;
    let (used, allowed) = (percent(*spent), percent(*allowed));
    writeln!(
        out,
        "  budget   {used} of a day's work was spent on forecasts, {allowed} may be; {left:.0} worker-seconds are left"
    )
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn number(n: f64) -> String {
    if n < 9.95 { format!("{n:.1}") } else { format!("{n:.0}") }
}

/// A duration in the unit that suits it.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 300.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{PartReport, QuantileReport, QueueReport, SkillReport};

    /// The example of docs/api.md.
    fn report() -> RefReport {
        let quantile = |level, jobs, covered| QuantileReport { level, jobs, covered: Some(covered) };
        let part = |words: &str, expected| PartReport { words: words.to_owned(), expected };
        let start = |mean, median, p95, starts| LeadTimeReport { mean, median, p95, starts };
        let ahead = AheadReport {
            seconds: 62.0,
            expected: 1.24,
            quantiles: vec![
                quantile(0.5, 0, 0.52),
                quantile(0.75, 1, 0.74),
                quantile(0.9, 4, 0.91),
                quantile(0.97, 9, 0.966),
            ],
            parts: vec![
                part("0.41 from the last half minute", 0.83),
                part("0.20 from the last 40 minutes", 0.4),
                part("0.05 from the last day", 0.001),
                part("1.08 an hour, the last one having come under 2 minutes ago", 0.018),
            ],
            skill: SkillReport {
                against_nothing: Some(0.34),
                against_persistence: Some(0.21),
                outcomes: 812.4,
            },
        };
        let burst = BurstReport {
            at: "2026-03-03T02:00:12+01:00".to_owned(),
            due_in: 18_700.0,
            spread: 41.0,
            every: "day".to_owned(),
            chance: 0.86,
            jobs: 118.0,
        };
        let queue = QueueReport {
            source: "jobs".to_owned(),
            layout: "frames".to_owned(),
            queue: "md".to_owned(),
            waiting: Some(3),
            in_flight: Some(1),
            stuck: Some(0),
            busy_workers: Some(1),
            scheduled: None,
            oldest_age: None,
            sample_age: Some(0.1),
            warnings: Vec::new(),
            forecast: Some(ForecastReport {
                basis: Basis::Counted,
                last_arrival: Some(12.0),
                horizons: Vec::new(),
                bursts: vec![burst],
            }),
            service: Some(ServiceReport {
                mean: 312.0,
                median: 118.0,
                p95: 1_240.0,
                jobs: 431.0,
                basis: ServiceBasis::BusyTime,
            }),
        };
        RefReport {
            namespace: "chem-a".to_owned(),
            name: "md".to_owned(),
            metric: "foresail-md-c829f25a".to_owned(),
            target: Some(4),
            reactive: Some(4),
            hint: Some(0),
            active: Some(true),
            why: None,
            error: None,
            last_asked: None,
            workload: None,
            queue: Some(queue),
            ahead: Some(ahead),
            lead: Some(LeadReport {
                mean: 62.0,
                cold_share: 0.71,
                cold_share_alone: 0.94,
                warm: start(9.1, 8.2, 21.0, 12.3),
                cold: start(84.0, 79.0, 163.0, 30.1),
            }),
            spend: Some(SpendReport { spent: 0.031, allowed: 0.25, left: 1_204.0 }),
        }
    }

    fn written(report: &RefReport) -> String {
        let mut out = Vec::new();
        write(&mut out, report).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_example_of_the_documentation_is_what_is_written() {
        let page = include_str!("../../../docs/api.md");
        let shown = page.split("<!-- output: learned -->\n\n```text\n").nth(1).unwrap();
        let (shown, _) = shown.split_once("```").unwrap();
        assert_eq!(written(&report()), shown);
    }

    #[test]
    fn what_was_not_learned_is_said_to_be_assumed_or_left_out() {
        let mut fresh = report();
        let ahead = fresh.ahead.as_mut().unwrap();
        ahead.skill = SkillReport { against_nothing: None, against_persistence: None, outcomes: 0.0 };
        ahead.parts.clear();
        let queue = fresh.queue.as_mut().unwrap();
        queue.service.as_mut().unwrap().basis = ServiceBasis::Prior;
        queue.forecast.as_mut().unwrap().bursts.clear();
        fresh.lead.as_mut().unwrap().cold.starts = 0.0;
        let said = written(&fresh);
        for words in ["skill    not known yet", "run time not known yet", "assumed: no such start was seen"] {
            assert!(said.contains(words), "{words:?} is not in\n{said}");
        }
        fresh.lead.as_mut().unwrap().warm.starts = 0.0;
        assert!(written(&fresh).contains("62 s to start a worker, assumed: no start was seen yet"));
        assert!(!said.contains("burst") && !said.contains("because"), "{said}");
        assert_eq!(written(&RefReport { ahead: None, queue: None, lead: None, spend: None, ..fresh }), "");
    }
}
