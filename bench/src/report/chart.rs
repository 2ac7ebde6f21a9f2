//! A plot's frame: axes, ticks, and where values go. Its look is in page.css, so that it follows light and dark.

use foresail::sim::outcome::Change;
use maud::{Markup, html};

/// Width of every plot, in its own units. It is as wide as its column, which is 350 pixels on a telephone.
pub(crate) const WIDTH: f64 = 560.0;

/// Room for the numbers and titles of the axes.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 54.0;

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Equal steps for equal differences.
    Linear {
        /// The value at the beginning.
        from: f64,
        /// The value at the end.
        to: f64,
    },
    /// Equal steps for equal ratios.
    Log {
        /// The value at the beginning, above 0; smaller ones are drawn there.
        from: f64,
        /// The value at the end.
        to: f64,
    },
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) at: f64,
    pub(crate) label: String,
    /// Left out where the screen is narrow.
    pub(crate) minor: bool,
}

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) scale: Scale,
    pub(crate) ticks: Vec<Tick>,
    /// What it shows, and the unit.
    pub(crate) title: String,
}

/// A plot's two axes and its height.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Panel {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) height: f64,
}

impl Scale {
    /// The place of a value: 0 at the beginning, 1 at the end; what is beyond is drawn at the edge.
    fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Linear { from, to } => (value - from) / (to - from),
            Self::Log { from, to } => (value.max(from) / from).ln() / (to / from).ln(),
        };
        place.clamp(0.0, 1.0)
    }

    const fn ends(self) -> (f64, f64) {
        match self {
            Self::Linear { from, to } | Self::Log { from, to } => (from, to),
        }
    }
}

/// Durations at which a logarithmic axis has ticks.
const TIMES: [(f64, &str); 9] = [
    (0.1, "0.1 s"),
    (1.0, "1 s"),
    (10.0, "10 s"),
    (60.0, "1 min"),
    (600.0, "10 min"),
    (3600.0, "1 h"),
    (36_000.0, "10 h"),
    (345_600.0, "4 days"),
    (3_456_000.0, "40 days"),
];

impl Axis {
    /// From 0 to `to` or a little more, at whole numbers.
    pub(crate) fn amounts(to: f64, title: impl Into<String>) -> Self {
        let step = whole_step(to / 3.0);
        let steps = (to / step).ceil().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "three or four steps")]
        let ticks = (0..=steps as u32)
            .map(|n| f64::from(n) * step)
            .map(|at| Tick { at, label: crate::report::say::amount(at).replace(".0", ""), minor: false })
            .collect();
        Self { scale: Scale::Linear { from: 0.0, to: steps * step }, ticks, title: title.into() }
    }

    /// Chances, from 0 to 1.
    pub(crate) fn chances(title: impl Into<String>) -> Self {
        let tick = |n: u32| Tick {
            at: f64::from(n) / 10.0,
            label: if n == 0 { "0".to_owned() } else { format!("{} %", 10 * n) },
            minor: !n.is_multiple_of(5),
        };
        let ticks = [0, 2, 4, 5, 6, 8, 10].map(tick);
        Self { scale: Scale::Linear { from: 0.0, to: 1.0 }, ticks: ticks.into(), title: title.into() }
    }

    /// Durations, logarithmic; the ends go out to the next tick.
    pub(crate) fn durations(from: f64, to: f64, title: impl Into<String>) -> Self {
        let first = TIMES.iter().rposition(|&(at, _)| at <= from).unwrap_or(0);
        let last = TIMES.iter().position(|&(at, _)| at >= to).unwrap_or(TIMES.len() - 1).max(first + 1);
        let ticks = TIMES[first..=last].iter();
        Self {
            scale: Scale::Log { from: TIMES[first].0, to: TIMES[last].0 },
            ticks: ticks.map(|&(at, label)| Tick { at, label: label.to_owned(), minor: false }).collect(),
            title: title.into(),
        }
    }

    /// Amounts above 0, logarithmic, with as many round ticks as fit.
    pub(crate) fn ratios(from: f64, to: f64, title: impl Into<String>) -> Self {
        let decades = (to / from).log10();
        let digits: &[f64] = match decades {
            d if d < 0.5 => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
            d if d < 1.2 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
            d if d < 2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        #[expect(clippy::cast_possible_truncation, reason = "powers of ten of hours")]
        let powers = from.log10().floor() as i32..=to.log10().ceil() as i32;
        let all = powers.flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power)));
        let ticks = all.filter(|at| (from..=to).contains(at)).enumerate();
        let ticks = ticks.map(|(nth, at)| Tick {
            at,
            label: crate::report::say::amount(at).replace(".0", ""),
            minor: nth % 2 == 1,
        });
        Self { scale: Scale::Log { from, to }, ticks: ticks.collect(), title: title.into() }
    }

    /// Shares from one to `least`, logarithmic.
    pub(crate) fn shares(least: f64, title: impl Into<String>) -> Self {
        let all = [(1.0, "100 %"), (0.1, "10 %"), (0.01, "1 %"), (0.001, "0.1 %"), (1e-4, "0.01 %")];
        let end = all.iter().position(|&(at, _)| at <= least).unwrap_or(all.len() - 1).max(1);
        let ticks = all[..=end].iter().rev();
        Self {
            scale: Scale::Log { from: all[end].0, to: 1.0 },
            ticks: ticks.map(|&(at, label)| Tick { at, label: label.to_owned(), minor: false }).collect(),
            title: title.into(),
        }
    }
}

/// 1, 2 or 5 times a power of ten, no less than `least` nor 1.
fn whole_step(least: f64) -> f64 {
    let least = least.max(1.0);
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|&step| step >= least).unwrap_or(power)
}

impl Panel {
    /// Where a value of the first axis is drawn.
    pub(crate) fn x(&self, value: f64) -> f64 {
        LEFT + self.x.scale.place(value) * (WIDTH - LEFT - RIGHT)
    }

    /// Where a value of the second axis is drawn.
    pub(crate) fn y(&self, value: f64) -> f64 {
        self.height - BOTTOM - self.y.scale.place(value) * (self.height - TOP - BOTTOM)
    }

    /// Left, top, right and bottom of what may be drawn in.
    pub(crate) fn inside(&self) -> [f64; 4] {
        [LEFT, TOP, WIDTH - RIGHT, self.height - BOTTOM]
    }

    /// The plot: its frame, and in it `content`. `name` is for those who do not see it.
    pub(crate) fn draw(&self, name: &str, content: &Markup) -> Markup {
        let [left, top, right, bottom] = self.inside();
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {}", self.height)) role="img" aria-label=(name) {
                text.title x=(0) y=(px(top - 14.0)) { (self.y.title) }
                @for tick in &self.y.ticks {
                    @let y = self.y(tick.at);
                    line.grid.minor[tick.minor] x1=(px(left)) x2=(px(right)) y1=(px(y)) y2=(px(y)) {}
                    text.minor[tick.minor] x=(px(left - 7.0)) y=(px(y + 4.5)) text-anchor="end" { (tick.label) }
                }
                @for tick in &self.x.ticks {
                    @let x = self.x(tick.at);
                    line.grid.minor[tick.minor] x1=(px(x)) x2=(px(x)) y1=(px(top)) y2=(px(bottom)) {}
                    text.minor[tick.minor] x=(px(x)) y=(px(bottom + 22.0)) text-anchor="middle" { (tick.label) }
                }
                text.title x=(px(right)) y=(px(self.height - 8.0)) text-anchor="end" { (self.x.title) }
                (content)
            }
        }
    }

    /// A line that stays at each value until the next.
    pub(crate) fn steps(&self, changes: &[Change], class: &str) -> Markup {
        html! { path class=(format!("line {class}")) d=(self.step_path(changes)) {} }
    }

    /// The same, with the area below it filled.
    pub(crate) fn area(&self, changes: &[Change], class: &str) -> Markup {
        let mut path = self.step_path(changes);
        if let Some(first) = changes.first() {
            let (_, bottom) = (self.x(first.at), self.y(self.y.scale.ends().0));
            path = format!("{path}V{}H{}Z", px(bottom), px(self.x(first.at)));
        }
        html! { path class=(format!("area {class}")) d=(path) {} }
    }

    fn step_path(&self, changes: &[Change]) -> String {
        let piece = |(nth, change): (usize, &Change)| {
            let (x, y) = (px(self.x(change.at)), px(self.y(change.to)));
            if nth == 0 { format!("M{x} {y}") } else { format!("H{x}V{y}") }
        };
        let end = (!changes.is_empty()).then(|| format!("H{}", px(self.x(self.x.scale.ends().1))));
        changes.iter().enumerate().map(piece).chain(end).collect::<Vec<_>>().concat()
    }

    /// A line from point to point.
    pub(crate) fn line(&self, points: &[(f64, f64)], class: &str) -> Markup {
        let piece = |(nth, &(x, y)): (usize, &(f64, f64))| {
            let letter = if nth == 0 { 'M' } else { 'L' };
            format!("{letter}{} {}", px(self.x(x)), px(self.y(y)))
        };
        let path = points.iter().enumerate().map(piece).collect::<Vec<_>>().concat();
        html! { path class=(format!("line {class}")) d=(path) {} }
    }
}

/// A place, to a tenth of a unit.
pub(crate) fn px(place: f64) -> String {
    let text = format!("{place:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn axes_hold_their_values_and_have_round_ticks() {
        let jobs = Axis::amounts(1234.0, "");
        assert_eq!(labels(&jobs), ["0", "500", "1,000", "1,500"]);
        assert_eq!(labels(&Axis::amounts(0.0, "")), ["0", "1"]);
        let waits = Axis::durations(0.3, 700.0, "");
        assert_eq!(labels(&waits), ["0.1 s", "1 s", "10 s", "1 min", "10 min", "1 h"]);
        assert_eq!(labels(&Axis::ratios(900.0, 6000.0, "")), ["1,000", "1,500", "2,000", "3,000", "5,000"]);
        assert_eq!(labels(&Axis::shares(0.004, "")), ["0.1 %", "1 %", "10 %", "100 %"]);
    }

    #[test]
    fn what_is_beyond_an_axis_is_drawn_at_its_edge() {
        let scale = Scale::Log { from: 1.0, to: 100.0 };
        let places = [0.0, 1.0, 10.0, 100.0, 1e9].map(|at| format!("{:.2}", scale.place(at)));
        assert_eq!(places, ["0.00", "0.00", "0.50", "1.00", "1.00"]);
    }
}
