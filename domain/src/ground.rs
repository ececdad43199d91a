//! From a camera's picture to the ground: a homography that a few control points fix, so that two cameras can tell that
//! they see one thing.
//!
//! A street is nearly flat, and a pinhole camera maps a plane by a homography, which four point pairs fix; more of them
//! say how good it is. It is solved by the direct linear transformation with normalised coordinates (Hartley,
//! "In defense of the eight-point algorithm", 1997), as `fit` does. Only what touches the ground has a place on it: the
//! foot of a box. Beyond the horizon there is no ground, and near it a pixel is many metres: both give no place.

mod fit;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::fit::{Matrix, homography};
use crate::{Point, Rect};

/// Metres of a degree of latitude; of a degree of longitude at the equator (mean radius 6371008.8 m, IUGG).
const DEGREE: f64 = 111_195.08;
/// How far a place may move, in metres, when the picture's point moves by [`SHIFT`] to be a place at all.
const UNSURE: f64 = 5.0;
const SHIFT: f64 = 0.01;
/// Ground that one camera may see, in metres from end to end: anything else is another unit than metres or degrees.
const SPAN: std::ops::RangeInclusive<f64> = 0.5..=3_000.0;
/// The worst control point may be off by so many metres, or by this share of the span, whichever is more.
const ABSURD: (f64, f64) = (0.5, 0.1);

/// Control points that fix no ground.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GroundError {
    /// Too few.
    #[error("{0} control points; the ground needs 4 or more, no three of four on one line")]
    TooFew(usize),
    /// A number that cannot be.
    #[error("point {index}: {value} is no {expected}")]
    Value {
        /// Which point, from 1.
        index: usize,
        /// What it says.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// They lie on one line, or two are one.
    #[error(
        "the {what} lie (nearly) on one line, or on one another; choose points that span an area, no three of four on one line"
    )]
    Degenerate {
        /// Which side of the pairs.
        what: &'static str,
    },
    /// The unit is wrong.
    #[error("the points span {metres:.1} m on the ground; {crs} counts in {unit}, correct the numbers or crs")]
    Span {
        /// From end to end.
        metres: f64,
        /// The reference system.
        crs: Crs,
        /// What that counts in.
        unit: &'static str,
    },
    /// Some of them lie beyond the horizon that the others make.
    #[error("points lie on both sides of the horizon; one pair is mixed up: compare each pixel with its place")]
    Horizon,
    /// The pairs contradict one another.
    #[error(
        "the pairs contradict one another: point {index} is {off:.2} m off (all: {rms:.2} m); measure it again, or leave it out"
    )]
    Absurd {
        /// The worst one, from 1.
        index: usize,
        /// How far.
        off: f64,
        /// The root mean square of all.
        rms: f64,
    },
}

/// A coordinate reference system of the ground.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Crs {
    /// `EPSG:4326`: WGS 84 longitude and latitude in degrees, longitude first as in GeoJSON (RFC 7946).
    Wgs84,
    /// `local:NAME`: a plane of its own, in metres; cameras that name the same one share it.
    Local(String),
}

/// A name that is no reference system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither \"EPSG:4326\" (longitude, latitude) nor \"local:NAME\" (metres in a plane of that name)")]
pub struct CrsError(String);

impl TryFrom<String> for Crs {
    type Error = CrsError;

    fn try_from(name: String) -> Result<Self, CrsError> {
        match name.strip_prefix("local:") {
            Some(plane) if !plane.is_empty() => Ok(Self::Local(plane.to_owned())),
            None if name == "EPSG:4326" => Ok(Self::Wgs84),
            _ => Err(CrsError(name)),
        }
    }
}

impl From<Crs> for String {
    fn from(crs: Crs) -> Self {
        crs.to_string()
    }
}

impl fmt::Display for Crs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wgs84 => f.write_str("EPSG:4326"),
            Self::Local(plane) => write!(f, "local:{plane}"),
        }
    }
}

/// A point on the ground.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroundPoint {
    /// In which reference system.
    pub crs: Crs,
    /// Longitude, or metres.
    pub x: f64,
    /// Latitude, or metres.
    pub y: f64,
}

impl GroundPoint {
    /// Metres from here to there; none between two reference systems.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Option<f64> {
        if self.crs != other.crs {
            return None;
        }
        // Two ends of one street: the earth is flat.
        let (east, north) = scale(&self.crs, (self.y + other.y) / 2.0);
        Some(((self.x - other.x) * east).hypot((self.y - other.y) * north))
    }

    /// Longitude and latitude, where the reference system has them.
    #[must_use]
    pub fn lon_lat(&self) -> Option<(f64, f64)> {
        (self.crs == Crs::Wgs84).then_some((self.x, self.y))
    }
}

/// Metres of one unit of x and of y, near this y.
fn scale(crs: &Crs, y: f64) -> (f64, f64) {
    match crs {
        Crs::Wgs84 => (DEGREE * y.to_radians().cos(), DEGREE),
        Crs::Local(_) => (1.0, 1.0),
    }
}

/// One pair: a point of the picture and where that is on the ground.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPoint {
    /// In the picture, relative to width and height.
    pub pixel: [f64; 2],
    /// On the ground, in the reference system.
    pub at: [f64; 2],
}

/// The control points of a camera, as a configuration writes them.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPoints {
    /// The reference system of the ground.
    pub crs: Crs,
    /// Four or more.
    pub points: Vec<ControlPoint>,
}

/// How well the control points agree, in metres on the ground: the reprojection error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// How many there are. Four agree whatever they are.
    pub points: usize,
    /// The root mean square of their errors.
    pub rms: f64,
    /// The error of the worst one, and which that is, from 1.
    pub worst: (f64, usize),
}

/// The ground that one camera sees.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "ControlPoints")]
pub struct Ground {
    points: ControlPoints,
    /// What the metres of the matrix count from, in the reference system.
    origin: [f64; 2],
    /// From the picture to metres east and north of the origin.
    to_ground: Matrix,
    fit: Fit,
}

impl TryFrom<ControlPoints> for Ground {
    type Error = GroundError;

    fn try_from(points: ControlPoints) -> Result<Self, GroundError> {
        Self::new(points)
    }
}

impl Ground {
    /// The ground that these points fix.
    ///
    /// # Errors
    /// When they fix none, or contradict one another.
    pub fn new(points: ControlPoints) -> Result<Self, GroundError> {
        let pairs = &points.points;
        if pairs.len() < 4 {
            return Err(GroundError::TooFew(pairs.len()));
        }
        for (index, pair) in (1..).zip(pairs) {
            let refuse = |value, expected| Err(GroundError::Value { index, value, expected });
            if let Some(bad) = pair.pixel.into_iter().find(|v| !(0.0..=1.0).contains(v)) {
                return refuse(bad, "share of the picture's width or height, from 0 to 1");
            }
            let [x, y] = pair.at;
            match points.crs {
                Crs::Wgs84 if !(-180.0..=180.0).contains(&x) => return refuse(x, "longitude"),
                Crs::Wgs84 if !(-90.0..=90.0).contains(&y) => return refuse(y, "latitude (longitude comes first)"),
                Crs::Local(_) if !x.is_finite() || !y.is_finite() => return refuse(x, "number of metres"),
                Crs::Wgs84 | Crs::Local(_) => {}
            }
        }
        let n = pairs.len() as f64;
        let origin = [0, 1].map(|axis| pairs.iter().map(|pair| pair.at[axis]).sum::<f64>() / n);
        let (east, north) = scale(&points.crs, origin[1]);
        let pixels: Vec<_> = pairs.iter().map(|pair| pair.pixel).collect();
        let metres: Vec<_> =
            pairs.iter().map(|pair| [(pair.at[0] - origin[0]) * east, (pair.at[1] - origin[1]) * north]).collect();
        let apart = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        let span = metres.iter().flat_map(|a| metres.iter().map(move |b| apart(a, b))).fold(0.0, f64::max);
        if !SPAN.contains(&span) {
            let unit = if points.crs == Crs::Wgs84 { "degrees" } else { "metres" };
            return Err(GroundError::Span { metres: span, crs: points.crs, unit });
        }
        let to_ground = homography(&pixels, &metres)?;
        let errors: Vec<f64> = pixels
            .iter()
            .zip(&metres)
            .map(|(pixel, at)| to_ground.map(*pixel).map_or(f64::INFINITY, |found| apart(&found, at)))
            .collect();
        let rms = (errors.iter().map(|e| e * e).sum::<f64>() / n).sqrt();
        let worst =
            (1..).zip(&errors).fold((0.0, 1), |worst, (index, e)| if *e > worst.0 { (*e, index) } else { worst });
        if worst.0 > ABSURD.0.max(ABSURD.1 * span) {
            return Err(GroundError::Absurd { index: worst.1, off: worst.0, rms });
        }
        let fit = Fit { points: pairs.len(), rms, worst };
        Ok(Self { points, origin, to_ground, fit })
    }

    /// The reference system of the ground.
    #[must_use]
    pub fn crs(&self) -> &Crs {
        &self.points.crs
    }

    /// How well the control points agree.
    #[must_use]
    pub fn fit(&self) -> Fit {
        self.fit
    }

    /// Where on the ground this point of the picture is; none beyond the horizon, and where a step of a hundredth of the
    /// picture is more than 5 m.
    #[must_use]
    pub fn place(&self, point: Point) -> Option<GroundPoint> {
        let pixel = [f64::from(point.x), f64::from(point.y)];
        let [x, y] = self.to_ground.map(pixel)?;
        let moved = |[dx, dy]: [f64; 2]| {
            let there = self.to_ground.map([pixel[0] + dx, pixel[1] + dy]);
            there.map_or(f64::INFINITY, |[other_x, other_y]| (other_x - x).hypot(other_y - y))
        };
        let sure = [[SHIFT, 0.0], [0.0, SHIFT]].into_iter().all(|step| moved(step) <= UNSURE);
        let (east, north) = scale(&self.points.crs, self.origin[1]);
        sure.then(|| GroundPoint {
            crs: self.points.crs.clone(),
            x: self.origin[0] + x / east,
            y: self.origin[1] + y / north,
        })
    }

    /// Where a box stands: its foot, as far as that is known.
    #[must_use]
    pub fn foot(&self, bbox: Rect) -> Option<GroundPoint> {
        self.place(bbox.clamped().foot())
    }
}
