//! The page of a comparison on job logs.

use maud::{Markup, html};
use rayon::prelude::*;

use super::{
    actors::{self, Actor},
    calibration,
    days::{self, Side},
    front, page, say,
    trace::Trace,
    waits,
};
use crate::{
    compare::{Report, contender::Role},
    table::Table,
};

/// The page.
pub(crate) fn page(report: &Report, opening: &[String], command: &str) -> String {
    let cases = report.played.cases.len();
    let body = html! {
        div.opening { @for sentence in opening { p { (sentence) } } }
        @if cases > 1 { (over_all(report)) }
        @for section in (0..cases).into_par_iter().map(|case| self::case(report, case)).collect::<Vec<_>>() {
            (section)
        }
        (methods(report, command))
    };
    page::document("What Foresail would have done", &body)
}

fn over_all(report: &Report) -> Markup {
    html! {
        section {
            h2 { "All logs" }
            p.how {
                "Ratios, as geometric means over the logs: below 1 Foresail waits or costs less. Worst mean wait: \
                 the ratio on the log where Foresail does worst."
            }
            @for (ours, verdicts) in &report.judged {
                @if let Some(summary) = report.summary(*ours, verdicts) { (page::table(&summary)) }
            }
        }
    }
}

/// All of one log in one world.
fn case(report: &Report, case: usize) -> Markup {
    let played = &report.played;
    let at = &played.cases[case];
    let rivals = actors::rivals(report, case);
    let stage = at.stage();
    let by = rivals.first().map_or(0, |first| first.contender);
    let shown = days::choose(&played.outcome(case, by).days, &at.world);
    let spans: Vec<_> = shown.iter().map(|day| day.span.clone()).collect();
    let traces: Vec<(Actor, Trace)> = actors::actors(report, case)
        .into_iter()
        .map(|actor| {
            let (_, trace) = Trace::of(&stage, played.contenders[actor.contender].on(&stage), &spans);
            (actor, trace)
        })
        .collect();
    let all: Vec<Actor> = traces.iter().map(|(actor, _)| actor.clone()).collect();
    let waits: Vec<(Actor, Vec<f64>)> =
        traces.iter().map(|(actor, trace)| (actor.clone(), trace.waits.clone())).collect();
    html! {
        section.case {
            h2 { (at.log) }
            p.how { "Cluster: " (at.label) "." }
            div.columns {
                (front::figure(report, case, &all).draw())
                (waits::figure(&waits).draw())
            }
            h3 { "Two days, hour by hour" }
            p.how {
                "Foresail and KEDA on the same jobs: what waits, the workers that were asked for and those that were \
                 ready, and the nodes that they stood on. Grey: workers that would be busy if no job had to wait. Lines \
                 show the most within each three minutes. The worst day is the one on which jobs waited longest in all \
                 under Foresail; the typical one has the median number of jobs."
            }
            @for (nth, day) in shown.iter().enumerate() {
                @let sides = rivals.iter().filter_map(|actor| {
                    let (_, trace) = traces.iter().find(|(other, _)| other == actor)?;
                    Some(Side { actor, lines: &trace.spans[nth] })
                }).collect::<Vec<_>>();
                (days::day(day, &sides, &days::demand(stage.demand(), day), at.world.pool.nodes.is_some()))
            }
            @if played.logs().any(|first| first == case) {
                h3 { "Forecasts" }
                div.columns { (calibration::section(played.foresight(case))) }
            }
            h3 { "Numbers" }
            (page::table(&numbers(report, case)))
            details { summary { "All that was measured" } (page::table(&report.runs(case))) }
        }
    }
}

/// What a reader asks first of each that is shown.
fn numbers(report: &Report, case: usize) -> Table {
    let mut table = Table::new([
        "",
        "mean wait",
        "95 % waited at most",
        "longest",
        "over 5 min",
        "paid",
        "nodes started",
    ]);
    for at in report.shown(case) {
        let outcome = report.played.outcome(case, at);
        let contender = &report.played.contenders[at];
        let mut name = contender.name.clone();
        if contender.role == Role::KedaSetting {
            name += " (chosen)";
        }
        if outcome.unfinished > 0 {
            name = format!("{name} ({} not done)", say::counted(outcome.unfinished, "job"));
        }
        table.row([
            name,
            say::time(outcome.waits.mean),
            say::time(outcome.waits.p95),
            say::time(outcome.waits.max),
            format!("{:.1} %", 100.0 * outcome.waits.missed),
            say::hours(outcome.paid()),
            crate::table::count(outcome.nodes.launched as u64),
        ]);
    }
    table
}

fn methods(report: &Report, command: &str) -> Markup {
    html! {
        section.methods {
            h2 { "How this was made, and its limits" }
            ul {
                li {
                    b { "Decided for real. " } "Foresail's targets come from the same code that serves KEDA. KEDA, the \
                    HorizontalPodAutoscaler, the scheduler and Karpenter are models, held in tests against recordings of \
                    the real ones, with which they agree within 10 % in waits, worker-hours and node-hours."
                }
                li {
                    b { "Waits " } "run from submission to start. " b { "Paid " } "are the hours of the nodes, each counted \
                    by the workers that it has room for (without nodes: hours of the workers), until all jobs are done. \
                    Best KEDA in hindsight is the setting with the least waits and cost together, with an hour of waiting \
                    worth " (report.worth) " worker-hours."
                }
                li {
                    b { "As people run it " } "is a trigger on the length of the list, one or five jobs for a worker, all \
                    else by default. The other settings are a grid over what its operators tune. Settings marked chosen \
                    were picked from it by some rule of hindsight."
                }
                li {
                    b { "Not modelled: " } "workers that take different times to start for different jobs, failures of \
                    jobs, other tenants of the cluster, prices that change, people who submit otherwise when they wait \
                    less. Run times may be scaled, as the description of each cluster says. Logs of HPC machines are an \
                    imperfect mirror: your own history is a better one."
                }
                li {
                    b { "Who leaves. " } "Replicas that KEDA takes away are chosen by the ReplicaSet, busy or not, as they \
                    are for plain Foresail; workers of the other rules leave by themselves when they are idle, as they \
                    do in the systems that these rules come from. \"Foresail, victims\" also says who goes first."
                }
            }
            p { "Made by:" }
            pre { (command) }
        }
    }
}
