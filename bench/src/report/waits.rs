//! Which share of the jobs waited longer than how long.

use maud::{Markup, html};

use super::{
    actors::Actor,
    chart::{Axis, Panel},
    page::{Figure, key},
};

/// Waits from here on are told apart, seconds.
const SHORTEST: f64 = 1.0;

/// Points of each line.
const POINTS: i32 = 160;

/// The plot; each of the actors with its waits, the shortest first.
pub(crate) fn figure(actors: &[(Actor, Vec<f64>)]) -> Figure {
    let longest =
        actors.iter().filter_map(|(_, waits)| waits.last().copied()).fold(10.0 * SHORTEST, f64::max);
    let most = actors.iter().map(|(_, waits)| waits.len()).max().unwrap_or(1).max(1);
    let panel = Panel {
        x: Axis::durations(SHORTEST, longest, "waited longer than this (log scale)"),
        y: Axis::shares(1.0 / most as f64, "share of the jobs (log scale)"),
        height: 380.0,
    };
    let content = html! {
        @for (actor, waits) in actors.iter().rev() { (line(&panel, waits, actor.class)) }
    };
    Figure {
        title: "How long jobs waited".to_owned(),
        drawing: panel.draw("Share of the jobs that waited longer than a time, by autoscaler", &content),
        key: key(actors.iter().map(|(actor, _)| (actor.class, actor.name.as_str()))),
        how_to_read:
            "Pick a time below and go up to a line: that share of the jobs waited longer than this. Lower \
                      and further left is better; the right end of a line is the longest wait of all."
                .to_owned(),
    }
}

fn line(panel: &Panel, waits: &[f64], class: &str) -> Markup {
    let jobs = waits.len() as f64;
    let longest = waits.last().copied().unwrap_or(0.0).max(SHORTEST);
    let step = (longest / SHORTEST).ln() / f64::from(POINTS);
    let points: Vec<(f64, f64)> = (0..=POINTS)
        .map(|n| SHORTEST * (f64::from(n) * step).exp())
        .map(|time| (time, (waits.len() - waits.partition_point(|&wait| wait <= time)) as f64 / jobs))
        .take_while(|&(_, share)| share > 0.0)
        .collect();
    // To the bottom where the longest wait was.
    let end = points.last().map(|_| (longest, 0.5 / jobs));
    let points: Vec<(f64, f64)> = points.into_iter().chain(end).collect();
    panel.line(&points, class)
}
