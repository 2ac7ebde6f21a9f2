//! The renewal function: how many jobs one worker gets through in a time.

use super::BUCKETS;

/// `M(x)` at each edge: `M(x) = F(x) + integral of M(x - u) dF(u)` (Cox 1962), `mean` being that of the law.
///
/// The mass of each bucket stands at its own mean, and M is linear between edges. At an edge far beyond most of the
/// law `x - u` lies in the same bucket as `x`, so the equation is solved for `M(x)` where it appears on both sides;
/// that makes the slope there exactly 1 over the mean.
pub(super) fn function(
    edges: &[f64; BUCKETS],
    survival: &[f64; BUCKETS],
    integral: &[f64; BUCKETS],
    mean: f64,
) -> [f64; BUCKETS] {
    let masses = masses(edges, survival, integral);
    let mut renewals = [0.0; BUCKETS];
    for at in 0..BUCKETS {
        let (mut known, mut own) = (1.0 - survival[at], 0.0);
        let mut place = at;
        for &(mass, u) in &masses[..=at] {
            let x = edges[at] - u;
            if mass <= 0.0 || x <= 0.0 {
                continue;
            }
            while place > 0 && edges[place - 1] >= x {
                place -= 1;
            }
            let (from, before) =
                if place == 0 { (0.0, 0.0) } else { (edges[place - 1], renewals[place - 1]) };
            let part = (x - from) / (edges[place] - from);
            if place == at {
                known += mass * (1.0 - part) * before;
                own += mass * part;
            } else {
                known += mass * (before + part * (renewals[place] - before));
            }
        }
        // At most one completion a second-long job, and never fewer than at the edge before.
        let least = if at == 0 { 0.0 } else { renewals[at - 1] };
        renewals[at] = if own < 1.0 - 1e-12 { known / (1.0 - own) } else { edges[at] / mean }.max(least);
    }
    renewals
}

/// The mass of each bucket, and its mean place in seconds.
fn masses(
    edges: &[f64; BUCKETS],
    survival: &[f64; BUCKETS],
    integral: &[f64; BUCKETS],
) -> [(f64, f64); BUCKETS] {
    let (mut from, mut before, mut area) = (0.0, 1.0, 0.0);
    std::array::from_fn(|bucket| {
        let mass: f64 = before - survival[bucket];
        let width = edges[bucket] - from;
        let inside = (integral[bucket] - area - width * survival[bucket]) / mass.max(f64::MIN_POSITIVE);
        let place = from + inside.clamp(0.0, width);
        (from, before, area) = (edges[bucket], survival[bucket], integral[bucket]);
        (mass.max(0.0), place)
    })
}
