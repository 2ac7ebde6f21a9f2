//! Two days, minute by minute: the one with the longest waits, and a usual one.

use std::ops::Range;

use foresail::sim::{
    outcome::Change,
    world::{Day, World},
};
use maud::{Markup, html};

use super::{
    actors::Actor,
    chart::{Axis, Panel, Scale, Tick},
    page::key,
    say,
    trace::{Lines, crests},
};

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// Parts of a day of which the most is drawn: three minutes each.
const PARTS: u32 = 480;

/// A day that is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) title: String,
    /// Unix seconds.
    pub(crate) span: Range<f64>,
}

/// The day on which jobs waited longest in all, and the one with the median number of jobs, of the days that have
/// any; by the waits of one run.
pub(crate) fn choose(days: &[Day], world: &World) -> Vec<Shown> {
    let mut with_jobs: Vec<usize> = (0..days.len()).filter(|&day| days[day].jobs > 0).collect();
    let shown = |day: usize, what: &str| {
        let from = world.counted_from + day as f64 * DAY;
        let jobs = say::counted(days[day].jobs, "job");
        Shown {
            title: format!("{what}: counted day {} of {}, {jobs}", day + 1, days.len()),
            span: from..from + DAY,
        }
    };
    let worst =
        with_jobs.iter().copied().max_by(|&a, &b| days[a].waited.total_cmp(&days[b].waited).then(b.cmp(&a)));
    with_jobs.sort_by_key(|&day| (days[day].jobs, day));
    let typical = with_jobs.get(with_jobs.len().saturating_sub(1) / 2).copied();
    let both = [(worst, "The worst day"), (typical.filter(|_| typical != worst), "A typical day")];
    both.into_iter().filter_map(|(day, what)| Some(shown(day?, what))).collect()
}

/// What is drawn of a day for one of the rivals.
pub(crate) struct Side<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) lines: &'a Lines,
}

/// A day: the rivals beside each other on the same scales. `demand` is what would be busy if no job waited.
pub(crate) fn day(shown: &Shown, sides: &[Side<'_>], demand: &[Change], nodes: bool) -> Markup {
    let drawn: Vec<[Vec<Change>; 4]> = sides
        .iter()
        .map(|Side { lines, .. }| {
            [&lines.waiting, &lines.wanted, &lines.ready, &lines.nodes]
                .map(|steps| crests(steps, &shown.span, PARTS))
        })
        .collect();
    let most = |which: &[usize]| {
        let all = drawn.iter().flat_map(|lines| which.iter().flat_map(|&at| &lines[at]));
        all.map(|change| change.to).fold(0.0, f64::max)
    };
    let hours = (shown.span.end - shown.span.start) / 3600.0;
    let panel = |to: f64, title: &str| Panel { x: clock(hours), y: Axis::amounts(to, title), height: 190.0 };
    let busy = demand.iter().map(|change| change.to).fold(0.0, f64::max);
    let waiting = panel(most(&[0]), "jobs waiting");
    let workers = panel(most(&[1, 2]).max(busy), "workers");
    let on_nodes = panel(most(&[3]), "nodes");
    html! {
        section.day {
            h4 { (shown.title) }
            div.columns {
                @for (side, lines) in sides.iter().zip(&drawn) {
                    @let name = &side.actor.name;
                    div {
                        h5 { (name) }
                        (waiting.draw(&format!("Jobs waiting under {name}"), &waiting.area(&lines[0], "waits")))
                        (workers.draw(&format!("Workers under {name}"), &html! {
                            (workers.area(demand, "demand"))
                            (workers.steps(&lines[1], "wanted"))
                            (workers.steps(&lines[2], side.actor.class))
                        }))
                        @if nodes {
                            (on_nodes.draw(&format!("Nodes under {name}"), &on_nodes.area(&lines[3], "nodes")))
                        }
                        (key([("wanted", "workers asked for"), (side.actor.class, "workers ready")].into_iter()
                            .chain([("demand", "would be busy if nothing waited")])))
                    }
                }
            }
        }
    }
}

/// The crests of the demand within a day.
pub(crate) fn demand(steps: &foresail::sim::outcome::Steps, shown: &Shown) -> Vec<Change> {
    crests(steps, &shown.span, PARTS)
}

/// Hours of a day; of another span, the minutes or hours since it began.
fn clock(hours: f64) -> Axis {
    if (hours - 24.0).abs() > 1e-9 {
        let (unit, name) = match hours {
            h if h < 0.05 => (3600.0, "seconds"),
            h if h < 3.0 => (60.0, "minutes"),
            _ => (1.0, "hours"),
        };
        let title = format!("{name} since the first look");
        let axis = Axis::amounts(hours * unit, title);
        let ticks = axis.ticks.into_iter().map(|tick| Tick { at: tick.at / unit, ..tick });
        let ticks = ticks.filter(|tick| tick.at <= hours).collect();
        return Axis { scale: Scale::Linear { from: 0.0, to: hours }, ticks, title: axis.title };
    }
    let ticks = [0.0, 6.0, 12.0, 18.0, 24.0].into_iter();
    Axis {
        scale: Scale::Linear { from: 0.0, to: hours },
        ticks: ticks.map(|at| Tick { at, label: format!("{at:.0}:00"), minor: false }).collect(),
        title: "time of day (UTC)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use foresail::sim::{job_log::JobLog, workers::PoolSpec};

    use super::*;

    #[test]
    fn the_worst_day_has_the_longest_waits_and_the_typical_one_the_median_of_jobs() {
        let day = |jobs, waited| Day { jobs, waited, paid: 0.0 };
        let log = JobLog::bundled().expect("the bundled log is well formed");
        let world = World::around(&log, PoolSpec::default(), 0.0, 1);
        let days = [day(5, 1.0), day(0, 0.0), day(90, 7.0), day(20, 2.0)];
        let titles = |days: &[Day]| -> Vec<String> {
            choose(days, &world).into_iter().map(|shown| shown.title).collect()
        };
        assert_eq!(
            titles(&days),
            ["The worst day: counted day 3 of 4, 90 jobs", "A typical day: counted day 4 of 4, 20 jobs"]
        );
        assert_eq!(titles(&days[..1]).len(), 1, "one day is both");
        assert!(titles(&[]).is_empty());
    }
}
