//! Names beside points, so that none covers another.

use maud::{Markup, html};

use super::chart::{Panel, px};

/// A point, and what is to stand beside it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// Where it is drawn.
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) name: String,
    /// The style of the name.
    pub(crate) class: &'static str,
}

/// Where a name goes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spot {
    /// The place of its start, middle or end, whichever is the anchor: letters are smaller on a wide screen.
    x: f64,
    anchor: &'static str,
    /// The middle of its height.
    middle: f64,
    /// Whether a line has to tell which point is meant.
    led: bool,
}

/// Size of the letters on a narrow screen, where they are largest against the plot.
const LETTER: f64 = 9.8;
const LINE: f64 = 20.0;
/// Room that a point itself takes.
const POINT: f64 = 6.0;

/// Names for all points that find room, the first ones first.
pub(crate) fn beside(panel: &Panel, points: &[Point]) -> Markup {
    let spots = place(panel.inside(), points);
    html! {
        @for (point, spot) in points.iter().zip(&spots) {
            @if let Some(spot) = spot {
                @if spot.led {
                    @let near = if spot.anchor == "middle" { point.x } else { spot.x };
                    line.lead x1=(px(point.x)) y1=(px(point.y)) x2=(px(near)) y2=(px(spot.middle)) {}
                }
                text class=(format!("name {}", point.class)) x=(px(spot.x)) y=(px(spot.middle + 4.5))
                    text-anchor=(spot.anchor) { (point.name) }
            }
        }
    }
}

fn width(name: &str) -> f64 {
    LETTER * name.chars().count() as f64
}

fn place(inside: [f64; 4], points: &[Point]) -> Vec<Option<Spot>> {
    let mut taken: Vec<[f64; 4]> = points
        .iter()
        .map(|point| [point.x - POINT, point.y - POINT, point.x + POINT, point.y + POINT])
        .collect();
    let mut spots = Vec::with_capacity(points.len());
    for point in points {
        let wide = width(&point.name);
        let tried = candidates(point).map(|spot| (spot, spot.covers(wide)));
        let found = { tried }
            .find(|(_, spot)| is_within(spot, &inside) && !taken.iter().any(|other| overlap(spot, other)));
        if let Some((_, taken_now)) = found {
            taken.push(taken_now);
        }
        spots.push(found.map(|(spot, _)| spot));
    }
    spots
}

impl Spot {
    /// Left, top, right and bottom of a name that is so wide.
    fn covers(&self, wide: f64) -> [f64; 4] {
        let left = match self.anchor {
            "end" => self.x - wide,
            "middle" => self.x - wide / 2.0,
            _ => self.x,
        };
        [left - 2.0, self.middle - LINE / 2.0, left + wide + 2.0, self.middle + LINE / 2.0]
    }
}

/// Places around a point, the nearest first.
fn candidates(point: &Point) -> impl Iterator<Item = Spot> {
    let (px, py) = (point.x, point.y);
    let rings = [11.0, 24.0, 40.0, 60.0, 84.0];
    let directions = [
        (1.0, 0.0, "start"),
        (-1.0, 0.0, "end"),
        (0.0, -1.0, "middle"),
        (0.0, 1.0, "middle"),
        (0.7, -0.7, "start"),
        (0.7, 0.7, "start"),
        (-0.7, -0.7, "end"),
        (-0.7, 0.7, "end"),
    ];
    rings.into_iter().flat_map(move |ring| {
        directions.into_iter().map(move |(across, down, anchor)| Spot {
            x: px + ring * across,
            anchor,
            middle: py + ring * down,
            led: ring > 30.0,
        })
    })
}

fn is_within(spot: &[f64; 4], inside: &[f64; 4]) -> bool {
    spot[0] >= inside[0] && spot[1] >= inside[1] && spot[2] <= inside[2] && spot[3] <= inside[3]
}

fn overlap(a: &[f64; 4], b: &[f64; 4]) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_covers_another_nor_a_point() {
        let points: Vec<Point> = (0..12)
            .map(|n| {
                let (x, y) = (200.0 + 3.0 * f64::from(n), 150.0 + 2.0 * f64::from(n % 3));
                Point { x, y, name: format!("name {n}"), class: "" }
            })
            .collect();
        let inside = [60.0, 20.0, 540.0, 300.0];
        let spots = place(inside, &points);
        let boxes: Vec<[f64; 4]> = spots
            .iter()
            .zip(&points)
            .filter_map(|(spot, point)| {
                let [left, top, right, bottom] = (*spot)?.covers(width(&point.name));
                Some([left + 2.0, top + 1.0, right - 2.0, bottom - 1.0])
            })
            .collect();
        assert!(boxes.len() >= 8, "{}", boxes.len());
        for (nth, one) in boxes.iter().enumerate() {
            assert!(is_within(one, &inside));
            assert!(boxes.iter().skip(nth + 1).all(|other| !overlap(one, other)));
            assert!(points.iter().all(|p| !overlap(one, &[p.x - 2.0, p.y - 2.0, p.x + 2.0, p.y + 2.0])));
        }
    }
}
