//! Whether forecasts mean what they say: the chances that they gave, and the shares that came true.

use foresail::sim::foresight::{COVERED_AT, Foresight};
use maud::{Markup, html};

use super::{
    chart::{Axis, Panel},
    page::{Figure, key},
    say,
};

/// Looks of the lengths of time, the shortest first.
const CLASSES: [&str; 3] = ["f0", "f1", "f2"];

/// The plot and its numbers, of forecasts over each length of time.
pub(crate) fn section(found: &[Foresight]) -> Markup {
    html! {
        (figure(found).draw())
        div { @for one in found { p.how { (said(one)) } } }
    }
}

fn figure(found: &[Foresight]) -> Figure {
    let panel = Panel {
        x: Axis::chances("chance given that no more come"),
        y: Axis::chances("share of the times that no more came"),
        height: 380.0,
    };
    let content = html! {
        (panel.line(&[(0.0, 0.0), (1.0, 1.0)], "front"))
        @for (one, class) in found.iter().zip(CLASSES) {
            @let points: Vec<(f64, f64)> = COVERED_AT.into_iter().zip(one.covered).collect();
            (panel.line(&points, class))
        }
    };
    let names: Vec<String> = found.iter().map(|one| format!("{} ahead", say::time(one.seconds))).collect();
    let lines = CLASSES.into_iter().zip(names.iter().map(String::as_str));
    Figure {
        title: "Whether forecasts mean what they say".to_owned(),
        drawing: panel.draw("Chances that forecasts gave, and the shares that came true", &content),
        key: key(lines.chain([("front", "what is right")])),
        how_to_read: "Of the times at which a forecast gave a number of jobs that would not be exceeded with some \
                      chance, the share in which it was not: on the dashed line every chance is right; below it \
                      forecasts are too low, above it too high."
            .to_owned(),
    }
}

/// What a length of time came to, in one line.
fn said(one: &Foresight) -> String {
    let (level, share) = one.told();
    format!(
        "{} ahead: {} forecasts, {:.1} jobs each; the loss of \"nothing comes\" is {} with them; the {:.0} % quantile held {:.1} % of the times.",
        say::time(one.seconds),
        crate::table::count(u64::from(one.outcomes)),
        one.jobs as f64 / f64::from(one.outcomes.max(1)),
        say::much(1.0 - one.quantile_loss.against_nothing()),
        100.0 * level,
        100.0 * share,
    )
}
