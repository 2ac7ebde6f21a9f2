//! The page of watched refs.

use std::ops::Range;

use maud::{Markup, html};

use super::{Found, History, Played, Ref};
use crate::report::{
    actors::Actor,
    days::{self, Shown, Side},
    page,
    trace::Lines,
    waits,
};

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// The page.
pub(crate) fn page(found: &Found, command: &str) -> String {
    let body = html! {
        @for one in &found.refs { (section(one)) }
        (methods(command))
    };
    page::document("What Foresail would have done beside what was", &body)
}

/// What is shown at close range: all of a short recording; of a longer one the day in which most waited, and its last
/// whole day.
pub(super) fn spans(history: &History) -> Vec<Range<f64>> {
    shown(history).into_iter().map(|shown| shown.span).collect()
}

fn shown(history: &History) -> Vec<Shown> {
    let (from, until) = (history.from, history.until);
    if until - from < 1.5 * DAY {
        return vec![Shown { title: "From the first look to the last".to_owned(), span: from..until }];
    }
    let first = (from / DAY).ceil() * DAY;
    let days = (0..).map(|n| first + f64::from(n) * DAY).take_while(|day| day + DAY <= until);
    let days: Vec<Range<f64>> = days.map(|day| day..day + DAY).collect();
    let waited = |day: &Range<f64>| History::area(&history.waiting, day.start, day.end);
    let worst = days.iter().rev().max_by(|a, b| waited(a).total_cmp(&waited(b)));
    let last = days.last().filter(|last| Some(*last) != worst);
    let named = [("The day on which most waited", worst), ("The last whole day", last)];
    named
        .into_iter()
        .filter_map(|(title, span)| Some(Shown { title: title.to_owned(), span: span?.clone() }))
        .collect()
}

fn section(one: &Ref) -> Markup {
    let History { name, look, count, .. } = &one.history;
    html! {
        section.case {
            h2 { (name) }
            div.opening { @for sentence in one.opening() { p { (sentence) } } }
            (page::table(&one.table()))
            p.how {
                (count.in_words()) " The queue was looked at every " (format!("{look:.1}")) " s: no wait is known more \
                closely."
            }
            @if let Some(played) = &one.played { (plots(one, played)) }
        }
    }
}

/// What was, in its colours, and Foresail, in its own.
fn actors() -> [Actor; 3] {
    [("what was, measured", "k0"), ("what was, simulated", "k1"), ("Foresail deciding, simulated", "f0")]
        .map(|(name, class)| Actor { contender: 0, name: name.to_owned(), class })
}

fn plots(one: &Ref, played: &Played) -> Markup {
    let [measured, simulated, ours] = actors();
    let waits: Vec<(Actor, Vec<f64>)> = [
        Some((measured.clone(), one.was.sorted.clone())),
        played.as_it_was.as_ref().map(|run| (simulated, run.trace.waits.clone())),
        Some((ours.clone(), played.deciding.trace.waits.clone())),
    ]
    .into_iter()
    .flatten()
    .collect();
    html! {
        div.columns { (waits::figure(&waits).draw()) }
        h3 { "What was, and what would have been" }
        p.how {
            "On the left what was seen: jobs that waited, the workers that there were and those that were ready. On the \
             right the same jobs with Foresail deciding, simulated. Grey: workers that would be busy if no job had to \
             wait. Lines show the most within each of 480 parts of the time."
        }
        @for (nth, shown) in shown(&one.history).iter().enumerate() {
            @let seen = seen(&one.history);
            @let sides = [
                Side { actor: &measured, lines: &seen },
                Side { actor: &ours, lines: &played.deciding.trace.spans[nth] },
            ];
            (days::day(shown, &sides, &days::demand(&played.demand, shown), false))
        }
    }
}

/// What was seen, as lines.
fn seen(history: &History) -> Lines {
    Lines {
        waiting: history.waiting.clone(),
        wanted: history.replicas.clone().unwrap_or_default(),
        ready: history.ready.clone().unwrap_or_default(),
        ..Lines::default()
    }
}

fn methods(command: &str) -> Markup {
    html! {
        section.methods {
            h2 { "How this was made, and its limits" }
            ul {
                li {
                    b { "Measured: " } "what waited, what was in flight, the workers that there were, and Foresail's \
                    answers, all from its log. A job's wait is from the look at which it had come to the look at which it \
                    had been taken, with jobs taken in the order in which they came. Workers' time is replicas, summed \
                    over time."
                }
                li {
                    b { "Estimated: " } "run times, by matching starts and ends in their order: right on average, and not \
                    for single jobs. The same jobs are then played in a simulated cluster, whose nodes and start times are \
                    those of " code { "--node-size" } " and " code { "--node-start" } "; node-hours are estimates in every \
                    row. Set them to what your cluster does, until what was, simulated, agrees with what was measured."
                }
                li {
                    b { "Deciding " } "means that Foresail, as the policy has it, is asked by a model of KEDA and of the \
                    HorizontalPodAutoscaler with the settings that the documentation recommends, and sees what follows \
                    from its own answers. " b { "Logged answers " } "are played as they were given: beside another's \
                    workers, so that they ask for too many wherever those were too few."
                }
                li {
                    b { "Not known: " } "people who submit otherwise when they wait less, jobs that failed and came again, \
                    and whatever happened while nobody looked."
                }
            }
            p { "Made by:" }
            pre { (command) }
        }
    }
}
