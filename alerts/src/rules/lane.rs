//! How much of a lane's width is left where something stands in it.
//!
//! A lane runs along the longer direction of its polygon. Width is measured across that direction, where the thing
//! stands, so perspective cancels out: far away both the thing and the lane are small. A polygon without a longer
//! direction may run either way; there the narrower passage counts.

use domain::{Point, Polygon, Rect};

/// How much longer than wide a polygon must be to have a direction.
const ELONGATION: f64 = 1.5;
/// Places along a thing at which the lane is cut.
const CUTS: u16 = 5;

/// A direction in the picture, of length 1.
#[derive(Debug, Clone, Copy)]
struct Direction {
    x: f32,
    y: f32,
}

impl Direction {
    fn along(self, p: Point) -> f32 {
        p.x * self.x + p.y * self.y
    }

    fn across(self, p: Point) -> f32 {
        p.y * self.x - p.x * self.y
    }

    fn turned(self) -> Self {
        Self { x: -self.y, y: self.x }
    }
}

/// Share of `lane`'s width that `footings` block together, at the place where they block most of it; 0 to 1.
pub(super) fn blocked_share(lane: &Polygon, footings: &[Rect]) -> f32 {
    let (direction, elongation) = direction(lane.points());
    let share = |direction| blocked_across(lane.points(), direction, footings);
    if elongation >= ELONGATION { share(direction) } else { share(direction).max(share(direction.turned())) }
}

fn blocked_across(lane: &[Point], direction: Direction, footings: &[Rect]) -> f32 {
    let outlines: Vec<[Point; 4]> = footings.iter().map(|f| corners(*f)).collect();
    let mut most = 0.0_f32;
    for outline in &outlines {
        let along = outline.map(|p| direction.along(p));
        let (from, to) = along.iter().fold((f32::MAX, f32::MIN), |(a, b), u| (a.min(*u), b.max(*u)));
        for cut in 0..CUTS {
            let at = from + (to - from) * (f32::from(cut) + 0.5) / f32::from(CUTS);
            let free = chords(lane, direction, at);
            let width: f32 = free.iter().map(|(a, b)| b - a).sum();
            if width > 0.0 {
                let things = outlines.iter().flat_map(|outline| chords(outline, direction, at)).collect();
                most = most.max(common(&free, &joined(things)) / width);
            }
        }
    }
    most.clamp(0.0, 1.0)
}

fn corners(r: Rect) -> [Point; 4] {
    [[r.x0, r.y0], [r.x1, r.y0], [r.x1, r.y1], [r.x0, r.y1]].map(Point::from)
}

/// What of the line across `direction` at `at` lies inside `outline`.
fn chords(outline: &[Point], direction: Direction, at: f32) -> Vec<(f32, f32)> {
    let mut crossings = Vec::new();
    for (i, a) in outline.iter().enumerate() {
        let b = outline[(i + 1) % outline.len()];
        let (ua, ub) = (direction.along(*a), direction.along(b));
        if (ua < at) != (ub < at) {
            let share = (at - ua) / (ub - ua);
            let (va, vb) = (direction.across(*a), direction.across(b));
            crossings.push(va + (vb - va) * share);
        }
    }
    crossings.sort_unstable_by(f32::total_cmp);
    crossings.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// The same stretches without overlaps.
fn joined(mut stretches: Vec<(f32, f32)>) -> Vec<(f32, f32)> {
    stretches.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut out: Vec<(f32, f32)> = Vec::new();
    for (from, to) in stretches {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

/// Length that two lists of stretches without overlaps have in common.
fn common(a: &[(f32, f32)], b: &[(f32, f32)]) -> f32 {
    a.iter().flat_map(|x| b.iter().map(move |y| (x.1.min(y.1) - x.0.max(y.0)).max(0.0))).sum()
}

/// The polygon's longer direction and how much longer than wide it is, by its second moments of area.
fn direction(points: &[Point]) -> (Direction, f64) {
    let (mut area, mut sx, mut sy, mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for (i, a) in points.iter().enumerate() {
        let b = points[(i + 1) % points.len()];
        let (ax, ay, bx, by) = (f64::from(a.x), f64::from(a.y), f64::from(b.x), f64::from(b.y));
        let cross = ax * by - bx * ay;
        area += cross / 2.0;
        sx += cross * (ax + bx) / 6.0;
        sy += cross * (ay + by) / 6.0;
        xx += cross * (ax * ax + ax * bx + bx * bx) / 12.0;
        yy += cross * (ay * ay + ay * by + by * by) / 12.0;
        xy += cross * (ax * by + 2.0 * ax * ay + 2.0 * bx * by + bx * ay) / 24.0;
    }
    let (cx, cy) = (sx / area, sy / area);
    let (vxx, vyy, vxy) = (xx / area - cx * cx, yy / area - cy * cy, xy / area - cx * cy);
    let (mean, radius) = ((vxx + vyy) / 2.0, ((vxx - vyy) / 2.0).hypot(vxy));
    let elongation = ((mean + radius) / (mean - radius).max(1e-12)).sqrt();
    let angle = 0.5 * (2.0 * vxy).atan2(vxx - vyy);
    (Direction { x: angle.cos() as f32, y: angle.sin() as f32 }, elongation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lane: &[[f32; 2]], footings: &[[f32; 4]], expect: f32) {
        let lane = Polygon::new(lane.iter().copied().map(Point::from).collect()).expect("a polygon");
        let footings: Vec<Rect> = footings.iter().copied().map(Rect::from).collect();
        let share = blocked_share(&lane, &footings);
        assert!((share - expect).abs() < 0.02, "{share} is not {expect}");
    }

    const ACROSS_THE_PICTURE: &[[f32; 2]] = &[[0.0, 0.4], [1.0, 0.4], [1.0, 0.6], [0.0, 0.6]];
    const INTO_THE_PICTURE: &[[f32; 2]] = &[[0.45, 0.2], [0.55, 0.2], [0.8, 1.0], [0.2, 1.0]];
    const SLANTED: &[[f32; 2]] = &[[0.1, 0.0], [0.3, 0.0], [0.9, 0.6], [0.7, 0.6]];

    #[test]
    fn a_lane_is_blocked_across_its_direction() {
        check(ACROSS_THE_PICTURE, &[[0.2, 0.5, 0.4, 0.7]], 0.5);
        check(ACROSS_THE_PICTURE, &[[0.0, 0.58, 0.9, 0.6]], 0.1);
        check(SLANTED, &[[0.0, 0.0, 1.0, 1.0]], 1.0);
        check(SLANTED, &[[0.9, 0.0, 1.0, 0.1]], 0.0);
    }

    #[test]
    fn perspective_cancels_out() {
        // The lane is 0.35 wide at y 0.6 and 0.175 at y 0.32, to both sides of x 0.5.
        check(INTO_THE_PICTURE, &[[0.5, 0.599, 0.675, 0.601]], 0.5);
        check(INTO_THE_PICTURE, &[[0.5, 0.319, 0.587, 0.321]], 0.5);
    }

    #[test]
    fn things_side_by_side_block_together_and_things_in_a_row_do_not() {
        check(ACROSS_THE_PICTURE, &[[0.2, 0.4, 0.4, 0.46], [0.25, 0.54, 0.4, 0.6]], 0.6);
        check(ACROSS_THE_PICTURE, &[[0.2, 0.4, 0.4, 0.46], [0.5, 0.54, 0.7, 0.6]], 0.3);
        check(ACROSS_THE_PICTURE, &[[0.2, 0.4, 0.4, 0.5], [0.2, 0.45, 0.4, 0.5]], 0.5);
        check(ACROSS_THE_PICTURE, &[], 0.0);
    }

    #[test]
    fn where_the_direction_is_open_the_narrower_passage_counts() {
        check(&[[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.2, 0.6]], &[[0.2, 0.5, 0.5, 0.6]], 0.75);
    }
}
