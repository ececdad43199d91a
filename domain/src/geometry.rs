//! Geometry in relative coordinates: (0, 0) is the picture's top left corner, (1, 1) its bottom right one, so that
//! zones survive a change of resolution.

use serde::{Deserialize, Serialize};

/// A polygon that cannot be a zone.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GeometryError {
    /// Fewer than three corners.
    #[error("a polygon needs at least 3 corners, this one has {0}")]
    TooFewPoints(usize),
    /// A corner outside the picture (or not a number).
    #[error(
        "corner {index} ({x}, {y}) lies outside the picture; both coordinates must be from 0 to 1, relative to width and height"
    )]
    OutsidePicture {
        /// Which corner, from 0.
        index: usize,
        /// Its x.
        x: f32,
        /// Its y.
        y: f32,
    },
    /// Two edges that cross.
    #[error("edges {a} and {b} cross each other; list the corners in order along the outline")]
    SelfCrossing {
        /// The first edge, from corner `a` to the next.
        a: usize,
        /// The second edge.
        b: usize,
    },
    /// Corners on one line.
    #[error("the polygon has no area")]
    NoArea,
}

/// A point in relative coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 2]", into = "[f32; 2]")]
pub struct Point {
    /// Rightwards, 0 to 1.
    pub x: f32,
    /// Downwards, 0 to 1.
    pub y: f32,
}

impl From<[f32; 2]> for Point {
    fn from([x, y]: [f32; 2]) -> Self {
        Self { x, y }
    }
}

impl From<Point> for [f32; 2] {
    fn from(p: Point) -> Self {
        [p.x, p.y]
    }
}

/// An upright box in relative coordinates, `x0 <= x1`, `y0 <= y1`; serialised as `[x0, y0, x1, y1]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 4]", into = "[f32; 4]")]
pub struct Rect {
    /// Left.
    pub x0: f32,
    /// Top.
    pub y0: f32,
    /// Right.
    pub x1: f32,
    /// Bottom.
    pub y1: f32,
}

impl From<[f32; 4]> for Rect {
    fn from([x0, y0, x1, y1]: [f32; 4]) -> Self {
        Self { x0: x0.min(x1), y0: y0.min(y1), x1: x0.max(x1), y1: y0.max(y1) }
    }
}

impl From<Rect> for [f32; 4] {
    fn from(r: Rect) -> Self {
        [r.x0, r.y0, r.x1, r.y1]
    }
}

impl Rect {
    /// The whole picture.
    pub const FULL: Self = Self { x0: 0.0, y0: 0.0, x1: 1.0, y1: 1.0 };

    /// Width, relative to the picture's.
    #[must_use]
    pub fn width(self) -> f32 {
        self.x1 - self.x0
    }

    /// Height, relative to the picture's.
    #[must_use]
    pub fn height(self) -> f32 {
        self.y1 - self.y0
    }

    /// Area, as a share of the picture's.
    #[must_use]
    pub fn area(self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    /// The middle.
    #[must_use]
    pub fn center(self) -> Point {
        Point { x: (self.x0 + self.x1) / 2.0, y: (self.y0 + self.y1) / 2.0 }
    }

    /// The middle of the lower edge: where a standing thing touches the ground.
    #[must_use]
    pub fn foot(self) -> Point {
        Point { x: (self.x0 + self.x1) / 2.0, y: self.y1 }
    }

    /// The common part, where there is one.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let r = Self {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
        };
        (r.x0 < r.x1 && r.y0 < r.y1).then_some(r)
    }

    /// The area of the common part, as a share of the picture; 0 where there is none.
    #[must_use]
    pub fn common_area(self, other: Self) -> f32 {
        self.intersection(other).map_or(0.0, Self::area)
    }

    /// The smallest box around both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    /// Intersection over union, 0 to 1.
    #[must_use]
    pub fn iou(self, other: Self) -> f32 {
        let common = self.intersection(other).map_or(0.0, Self::area);
        let all = self.area() + other.area() - common;
        if all > 0.0 { common / all } else { 0.0 }
    }

    /// The part of this box inside the picture.
    #[must_use]
    pub fn clamped(self) -> Self {
        Self {
            x0: self.x0.clamp(0.0, 1.0),
            y0: self.y0.clamp(0.0, 1.0),
            x1: self.x1.clamp(0.0, 1.0),
            y1: self.y1.clamp(0.0, 1.0),
        }
    }
}

/// A simple polygon inside the picture: at least three corners, no two edges crossing, some area.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Point>", into = "Vec<Point>")]
pub struct Polygon {
    points: Vec<Point>,
}

impl TryFrom<Vec<Point>> for Polygon {
    type Error = GeometryError;

    fn try_from(points: Vec<Point>) -> Result<Self, GeometryError> {
        Self::new(points)
    }
}

impl From<Polygon> for Vec<Point> {
    fn from(polygon: Polygon) -> Self {
        polygon.points
    }
}

impl Polygon {
    /// A polygon from its corners in order (either direction; the last joins the first).
    ///
    /// # Errors
    /// When the corners are too few, outside the picture, cross one another or enclose nothing.
    pub fn new(points: Vec<Point>) -> Result<Self, GeometryError> {
        let n = points.len();
        if n < 3 {
            return Err(GeometryError::TooFewPoints(n));
        }
        for (index, p) in points.iter().enumerate() {
            if !((0.0..=1.0).contains(&p.x) && (0.0..=1.0).contains(&p.y)) {
                return Err(GeometryError::OutsidePicture { index, x: p.x, y: p.y });
            }
        }
        for a in 0..n {
            for b in a + 1..n {
                let adjacent = b == a + 1 || (a == 0 && b == n - 1);
                if !adjacent && segments_touch([points[a], points[(a + 1) % n]], [points[b], points[(b + 1) % n]]) {
                    return Err(GeometryError::SelfCrossing { a, b });
                }
            }
        }
        if signed_area(&points).abs() < 1e-6 {
            return Err(GeometryError::NoArea);
        }
        Ok(Self { points })
    }

    /// The corners.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Area, as a share of the picture's.
    #[must_use]
    pub fn area(&self) -> f32 {
        signed_area(&self.points).abs()
    }

    /// The smallest box around it.
    #[must_use]
    pub fn bounds(&self) -> Rect {
        let mut r = Rect { x0: 1.0, y0: 1.0, x1: 0.0, y1: 0.0 };
        for p in &self.points {
            r = r.union(Rect { x0: p.x, y0: p.y, x1: p.x, y1: p.y });
        }
        r
    }

    /// Whether `p` lies inside (even-odd rule).
    #[must_use]
    pub fn contains(&self, p: Point) -> bool {
        let mut inside = false;
        let mut j = self.points.len() - 1;
        for i in 0..self.points.len() {
            let (a, b) = (self.points[i], self.points[j]);
            if (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x {
                inside = !inside;
            }
            j = i;
        }
        inside
    }

    /// The area that this polygon and `rect` have in common, as a share of the picture's.
    #[must_use]
    pub fn overlap_area(&self, rect: Rect) -> f32 {
        // Sutherland and Hodgman, "Reentrant polygon clipping" (1974): the box is the convex clip region, so the
        // polygon itself may be concave; the degenerate edges that this leaves add no area.
        let mut points = self.points.clone();
        for side in [Side::Left(rect.x0), Side::Right(rect.x1), Side::Top(rect.y0), Side::Bottom(rect.y1)] {
            points = side.clip(&points);
            if points.is_empty() {
                return 0.0;
            }
        }
        signed_area(&points).abs()
    }

    /// How much of `rect` lies inside, 0 to 1.
    #[must_use]
    pub fn share_of(&self, rect: Rect) -> f32 {
        let area = rect.area();
        if area > 0.0 { (self.overlap_area(rect) / area).min(1.0) } else { 0.0 }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Left(f32),
    Right(f32),
    Top(f32),
    Bottom(f32),
}

impl Side {
    /// Distance of `p` to the side, positive inside.
    fn inside_by(self, p: Point) -> f32 {
        match self {
            Self::Left(x) => p.x - x,
            Self::Right(x) => x - p.x,
            Self::Top(y) => p.y - y,
            Self::Bottom(y) => y - p.y,
        }
    }

    fn clip(self, points: &[Point]) -> Vec<Point> {
        let mut out = Vec::with_capacity(points.len() + 2);
        let Some(mut previous) = points.last().copied() else { return out };
        for &p in points {
            let (before, now) = (self.inside_by(previous), self.inside_by(p));
            if (before < 0.0) != (now < 0.0) {
                let t = before / (before - now);
                out.push(Point { x: previous.x + t * (p.x - previous.x), y: previous.y + t * (p.y - previous.y) });
            }
            if now >= 0.0 {
                out.push(p);
            }
            previous = p;
        }
        out
    }
}

/// The shoelace formula; positive where the corners run clockwise on the screen.
fn signed_area(points: &[Point]) -> f32 {
    let n = points.len();
    (0..n)
        .map(|i| {
            let (a, b) = (points[i], points[(i + 1) % n]);
            f64::from(a.x) * f64::from(b.y) - f64::from(b.x) * f64::from(a.y)
        })
        .sum::<f64>() as f32
        / 2.0
}

fn segments_touch([a, b]: [Point; 2], [c, d]: [Point; 2]) -> bool {
    let side = |p: Point, q: Point, r: Point| (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
    let within = |p: Point, q: Point, r: Point| {
        r.x >= p.x.min(q.x) && r.x <= p.x.max(q.x) && r.y >= p.y.min(q.y) && r.y <= p.y.max(q.y)
    };
    let (d1, d2, d3, d4) = (side(c, d, a), side(c, d, b), side(a, b, c), side(a, b, d));
    ((d1 > 0.0) != (d2 > 0.0) && (d3 > 0.0) != (d4 > 0.0) && d1 != 0.0 && d2 != 0.0 && d3 != 0.0 && d4 != 0.0)
        || (d1 == 0.0 && within(c, d, a))
        || (d2 == 0.0 && within(c, d, b))
        || (d3 == 0.0 && within(a, b, c))
        || (d4 == 0.0 && within(a, b, d))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn polygon(points: &[[f32; 2]]) -> Result<Polygon, GeometryError> {
        Polygon::new(points.iter().copied().map(Point::from).collect())
    }

    #[track_caller]
    fn check_share(points: &[[f32; 2]], rect: [f32; 4], expect: f32) {
        let share = polygon(points).expect("valid polygon").share_of(Rect::from(rect));
        assert!((share - expect).abs() < 1e-4, "{share} is not {expect}");
    }

    const LEFT_HALF: &[[f32; 2]] = &[[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
    const L_SHAPE: &[[f32; 2]] = &[[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.5, 0.5], [0.5, 1.0], [0.0, 1.0]];

    #[test]
    fn share_of_a_box_in_a_zone() {
        check_share(LEFT_HALF, [0.1, 0.1, 0.3, 0.3], 1.0);
        check_share(LEFT_HALF, [0.4, 0.1, 0.6, 0.3], 0.5);
        check_share(LEFT_HALF, [0.6, 0.1, 0.9, 0.3], 0.0);
        check_share(LEFT_HALF, [0.0, 0.0, 1.0, 1.0], 0.5);
        check_share(L_SHAPE, [0.0, 0.0, 1.0, 1.0], 0.75);
        check_share(L_SHAPE, [0.25, 0.25, 0.75, 0.75], 0.75);
        check_share(L_SHAPE, [0.6, 0.6, 0.9, 0.9], 0.0);
    }

    #[test]
    fn polygons_that_are_no_zones_say_why() {
        assert_eq!(polygon(&[[0.0, 0.0], [1.0, 1.0]]), Err(GeometryError::TooFewPoints(2)));
        assert_eq!(
            polygon(&[[0.0, 0.0], [1.2, 0.0], [1.0, 1.0]]),
            Err(GeometryError::OutsidePicture { index: 1, x: 1.2, y: 0.0 })
        );
        assert!(matches!(
            polygon(&[[0.0, f32::NAN], [1.0, 0.0], [1.0, 1.0]]),
            Err(GeometryError::OutsidePicture { index: 0, .. })
        ));
        assert_eq!(
            polygon(&[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]),
            Err(GeometryError::SelfCrossing { a: 0, b: 2 })
        );
        assert_eq!(polygon(&[[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]), Err(GeometryError::NoArea));
    }

    #[test]
    fn iou_of_boxes() {
        let a = Rect::from([0.0, 0.0, 0.2, 0.2]);
        assert!((a.iou(a) - 1.0).abs() < 1e-6);
        assert!(a.iou(Rect::from([0.5, 0.5, 0.6, 0.6])).abs() < 1e-6);
        assert!((a.iou(Rect::from([0.1, 0.0, 0.3, 0.2])) - 1.0 / 3.0).abs() < 1e-5);
    }

    proptest! {
        #[test]
        fn share_is_a_share(points in prop::collection::vec((0.0_f32..=1.0, 0.0_f32..=1.0), 3..8), r in prop::array::uniform4(-0.2_f32..1.2)) {
            let points: Vec<_> = points.into_iter().map(|(x, y)| Point { x, y }).collect();
            if let Ok(polygon) = Polygon::new(points) {
                let share = polygon.share_of(Rect::from(r));
                prop_assert!((0.0..=1.0).contains(&share));
                prop_assert!(polygon.overlap_area(Rect::FULL) <= polygon.area() + 1e-4);
            }
        }
    }
}
