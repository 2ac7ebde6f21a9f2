//! Waits against cost: everybody as a point, and the line that nobody is beyond.

use maud::{Markup, html};

use super::{
    actors::Actor,
    chart::{Axis, Panel, px},
    labels::{self, Point},
    page::{Figure, key},
    say,
};
use crate::compare::{Report, contender::Role};

/// Waits below this are drawn as this, seconds: nobody feels them.
const SHORTEST: f64 = 0.1;

/// A line's corners: a staircase through the points, from the left edge to the right.
type Corners = Vec<(f64, f64)>;

/// Everybody's place: hours paid, mean wait in seconds.
struct Places(Vec<(f64, f64)>);

/// The plot of one case.
pub(crate) fn figure(report: &Report, case: usize, actors: &[Actor]) -> Figure {
    let played = &report.played;
    let places = Places::of(report, case);
    let (from, to, longest) = places.window(report, actors);
    let panel = Panel {
        x: Axis::ratios(from, to, "worker-hours paid (log scale)"),
        y: Axis::durations(SHORTEST, longest, "mean wait (log scale)"),
        height: 420.0,
    };
    let is_drawn = |at: usize| {
        let (paid, wait) = places.0[at];
        (from..=to).contains(&paid) && wait <= longest && played.outcome(case, at).unfinished == 0
    };
    let shown: Vec<usize> = (0..places.0.len()).filter(|&at| is_drawn(at)).collect();
    let of = |role: Role| {
        let unnamed = |at: &usize| actors.iter().all(|actor| actor.contender != *at);
        shown
            .iter()
            .copied()
            .filter(move |&at| played.contenders[at].role == role)
            .filter(unnamed)
            .collect::<Vec<_>>()
    };
    let (settings, others, bounds) = (of(Role::KedaSetting), of(Role::Other), of(Role::Bound));
    let numbered: Vec<usize> = others.iter().chain(&bounds).copied().collect();
    let spot = |at: usize| {
        let (paid, wait) = places.0[at];
        (panel.x(paid), panel.y(wait))
    };
    let title = |at: usize| {
        let (paid, wait) = places.0[at];
        format!(
            "{}: {} paid, mean wait {}",
            played.contenders[at].name,
            say::hours(3600.0 * paid),
            say::time(wait)
        )
    };
    let named = actors.iter().filter(|actor| is_drawn(actor.contender)).map(|actor| {
        let (x, y) = spot(actor.contender);
        Point { x, y, name: actor.name.clone(), class: actor.class }
    });
    let numbers = numbered.iter().enumerate().map(|(nth, &at)| {
        let (x, y) = spot(at);
        Point { x, y, name: (nth + 1).to_string(), class: "number" }
    });
    let points: Vec<Point> = named.chain(numbers).collect();
    let stairs = stairs(&report.front(case), &places, to, longest);
    let content = html! {
        (panel.line(&stairs, "front"))
        @for &at in &settings {
            @let (x, y) = spot(at);
            circle.setting cx=(px(x)) cy=(px(y)) r="2.6" { title { (title(at)) } }
        }
        @for &at in &numbered {
            @let (x, y) = spot(at);
            @let class = if played.contenders[at].role == Role::Bound { "bound" } else { "other" };
            (diamond(x, y, class, &title(at)))
        }
        @for actor in actors.iter().rev().filter(|actor| is_drawn(actor.contender)) {
            @let (x, y) = spot(actor.contender);
            circle class=(format!("actor {}", actor.class)) cx=(px(x)) cy=(px(y)) r="5.5" {
                title { (title(actor.contender)) }
            }
        }
        (labels::beside(&panel, &points))
    };
    let kinds = [
        (("setting", "other settings of KEDA"), !settings.is_empty()),
        (("other", "others' rules"), !others.is_empty()),
        (("bound", "knows the future"), !bounds.is_empty()),
        (("front", "nobody is both cheaper and quicker"), true),
    ];
    Figure {
        title: "Waits against cost".to_owned(),
        drawing: panel.draw("Mean wait against worker-hours paid, one point for each autoscaler", &content),
        key: html! {
            (key(kinds.into_iter().filter(|(_, there)| *there).map(|(kind, _)| kind)))
            p.numbers {
                @for (nth, &at) in numbered.iter().enumerate() {
                    span { b { (nth + 1) } " " (played.contenders[at].name) } " "
                }
            }
        },
        how_to_read: how_to_read(&places, &shown),
    }
}

impl Places {
    fn of(report: &Report, case: usize) -> Self {
        let outcomes = (0..report.played.contenders.len()).map(|at| report.played.outcome(case, at));
        Self(outcomes.map(|outcome| (outcome.paid() / 3600.0, outcome.waits.mean.max(SHORTEST))).collect())
    }

    /// What is drawn: hours from and to, and the longest wait. It holds everybody who is shown by name; of the
    /// others those that are not far beyond.
    fn window(&self, report: &Report, actors: &[Actor]) -> (f64, f64, f64) {
        let named = || {
            let shown = |role| role == Role::Foresail || role == Role::AsPeopleRunIt;
            let all = actors.iter().map(|actor| actor.contender);
            all.filter(move |&at| shown(report.played.contenders[at].role)).map(|at| self.0[at])
        };
        let longest = 1.5 * named().map(|(_, wait)| wait).fold(10.0 * SHORTEST, f64::max);
        let dearest = 2.0 * named().map(|(paid, _)| paid).fold(1.0, f64::max);
        let near = self.0.iter().filter(|&&(paid, wait)| paid <= dearest && wait <= longest);
        let cheapest = near.map(|&(paid, _)| paid).fold(dearest, f64::min);
        (cheapest * 0.9, dearest, longest)
    }
}

fn how_to_read(places: &Places, shown: &[usize]) -> String {
    let beyond = places.0.len() - shown.len();
    let beyond = match beyond {
        0 => String::new(),
        n => format!(
            " {} not drawn: far slower or dearer, or not done with all jobs.",
            match n {
                1 => "One is".to_owned(),
                n => format!("{n} are"),
            }
        ),
    };
    format!(
        "Each point is one way to run the same jobs: further left costs less, further down waits less. Whoever \
         stands on the line cannot be beaten in both at once; whoever stands above or right of it can.{beyond}"
    )
}

/// The staircase through these points, the cheapest first: whoever stands above it is beaten.
fn stairs(front: &[usize], places: &Places, to: f64, longest: f64) -> Corners {
    let within: Vec<(f64, f64)> =
        front.iter().map(|&at| places.0[at]).filter(|&(paid, wait)| paid <= to && wait <= longest).collect();
    let mut corners = Vec::with_capacity(2 * within.len() + 1);
    let mut above = longest;
    for (paid, wait) in within {
        corners.extend([(paid, above), (paid, wait)]);
        above = wait;
    }
    corners.push((to, above));
    corners
}

fn diamond(x: f64, y: f64, class: &str, title: &str) -> Markup {
    let d = format!("M{} {}l4.5 4.5l-4.5 4.5l-4.5-4.5z", px(x), px(y - 4.5));
    html! { path class=(class) d=(d) { title { (title) } } }
}
