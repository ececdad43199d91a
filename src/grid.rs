//! The administrative grid as a tree (city, district, street, community, cell) with its outlines, read from GeoJSON; and in
//! which of its areas a point lies.
//!
//! A code says where an area hangs: 6 digits are a district (or, ending in `00`, a city), 9 a street, 12 a community, 15 a
//! cell. Outlines are WGS 84 longitude and latitude (RFC 7946). The deepest area that holds a point wins, of two that overlap
//! there the smaller one. Geometry is the `geo` crate's; the format is so small that serde reads it.

mod file;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use alerts::{duty::Words, streets::StreetNames};
use domain::Cell;
use geo::{Area as _, BooleanOps as _, BoundingRect as _, Intersects as _, MultiPolygon, Point, Rect};

pub(crate) use file::imported;
pub use file::{Fault, FileError, read, read_text};

/// Overlaps below this share of the smaller area are how outlines are drawn, not what they mean.
const DRAWN: f64 = 0.01;

/// How deep in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 市.
    City,
    /// 区.
    District,
    /// 街镇.
    Street,
    /// 居民区.
    Community,
    /// 单元网格.
    Cell,
}

/// One area of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    /// Its code.
    pub code: Cell,
    /// Its name.
    pub name: String,
    /// Its name in English, where that is given.
    pub name_en: String,
    /// Its outline; absent for one that is there for its name alone.
    shape: Option<MultiPolygon>,
}

/// The tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    /// By code, which puts each area before those within it.
    areas: BTreeMap<Cell, Area>,
}

/// What is odd about the outlines and keeps nobody from using them.
#[derive(Debug, Clone, PartialEq)]
pub enum Oddity {
    /// Two areas of one level overlap.
    Overlap {
        /// The one.
        one: Cell,
        /// The other.
        other: Cell,
        /// The share of the smaller one that lies in both.
        share: f64,
    },
    /// An area lies outside the one that its code puts it into.
    Outside {
        /// Which.
        area: Cell,
        /// The area of its code.
        parent: Cell,
    },
}

impl Area {
    /// How deep it is.
    #[must_use]
    pub fn level(&self) -> Level {
        level(&self.code)
    }

    /// Whether it has an outline.
    #[must_use]
    pub fn has_outline(&self) -> bool {
        self.shape.is_some()
    }

    fn bounds(&self) -> Option<Rect> {
        self.shape.as_ref()?.bounding_rect()
    }

    fn holds(&self, point: Point) -> bool {
        let within = self.bounds().is_some_and(|bounds| bounds.intersects(&point));
        within && self.shape.as_ref().is_some_and(|shape| shape.intersects(&point))
    }

    fn size(&self) -> f64 {
        self.shape.as_ref().map_or(f64::INFINITY, geo::Area::unsigned_area)
    }
}

impl Grid {
    /// All areas, each before those within it.
    pub fn areas(&self) -> impl Iterator<Item = &Area> {
        self.areas.values()
    }

    /// Whether there is no area at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// The deepest area that holds a point; none where no outline does. A point on a border lies in both.
    #[must_use]
    pub fn locate(&self, lon: f64, lat: f64) -> Option<&Area> {
        let point = Point::new(lon, lat);
        let holding = self.areas.values().filter(|area| area.holds(point));
        holding.min_by(|one, other| {
            other.level().cmp(&one.level()).then(one.size().total_cmp(&other.size())).then(one.code.cmp(&other.code))
        })
    }

    /// The areas from the city down to `code`, as far as the tree has them.
    #[must_use]
    pub fn path(&self, code: &Cell) -> Vec<&Area> {
        let mut path: Vec<_> = std::iter::successors(Some(code.clone()), parent).collect();
        path.reverse();
        path.iter().filter_map(|code| self.areas.get(code)).collect()
    }

    /// What its streets, districts and cities are called.
    #[must_use]
    pub fn street_names(&self) -> StreetNames {
        let streets = self.areas.values().filter(|area| area.level() <= Level::Street);
        let words = |area: &Area| Words { zh: area.name.clone(), en: area.name_en.clone() };
        streets.map(|street| (street.code.as_str().to_owned(), words(street))).collect()
    }

    /// What is odd about the outlines.
    #[must_use]
    pub fn oddities(&self) -> Vec<Oddity> {
        let mut oddities = Vec::new();
        let mut drawn: Vec<_> = self.areas.values().filter_map(|area| Some((area, area.bounds()?))).collect();
        // In the order of their western borders, each needs to be held against few others only.
        drawn.sort_by(|(_, one), (_, other)| one.min().x.total_cmp(&other.min().x));
        for (index, (one, bounds)) in drawn.iter().enumerate() {
            let near = drawn[index + 1..].iter().take_while(|(_, other)| other.min().x < bounds.max().x);
            for (other, _) in near.filter(|(other, b)| other.level() == one.level() && b.intersects(bounds)) {
                let share = overlap(one, other);
                if share > DRAWN {
                    let (one, other) =
                        (one.code.clone().min(other.code.clone()), one.code.clone().max(other.code.clone()));
                    oddities.push(Oddity::Overlap { one, other, share });
                }
            }
            let parent = parent(&one.code).and_then(|code| self.areas.get(&code));
            let inside = one.shape.as_ref().and_then(geo::InteriorPoint::interior_point);
            if let (Some(parent), Some(inside)) = (parent.filter(|parent| parent.has_outline()), inside)
                && !parent.holds(inside)
            {
                oddities.push(Oddity::Outside { area: one.code.clone(), parent: parent.code.clone() });
            }
        }
        oddities
    }
}

/// The share of the smaller area that lies in both.
fn overlap(one: &Area, other: &Area) -> f64 {
    match (&one.shape, &other.shape) {
        (Some(a), Some(b)) => a.intersection(b).unsigned_area() / one.size().min(other.size()),
        _ => 0.0,
    }
}

/// How deep a code reaches.
#[must_use]
pub fn level(code: &Cell) -> Level {
    match code.as_str().len() {
        6 if code.as_str().ends_with("00") => Level::City,
        6 => Level::District,
        9 => Level::Street,
        12 => Level::Community,
        _ => Level::Cell,
    }
}

/// The code of the area around; none around a city.
fn parent(code: &Cell) -> Option<Cell> {
    let digits = code.as_str();
    let parent = match level(code) {
        Level::City => return None,
        Level::District => format!("{}00", &digits[..4]),
        Level::Street | Level::Community | Level::Cell => digits[..digits.len() - 3].to_owned(),
    };
    parent.try_into().ok()
}

impl Level {
    /// In Chinese and English.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::City => ("市", "city"),
            Self::District => ("区", "district"),
            Self::Street => ("街镇", "street"),
            Self::Community => ("社区", "community"),
            Self::Cell => ("单元网格", "cell"),
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap { one, other, share } => write!(
                f,
                "{} and {} overlap by {:.0} % of the smaller one; a point in both goes to the smaller one",
                one.as_str(),
                other.as_str(),
                share * 100.0
            ),
            Self::Outside { area, parent } => write!(
                f,
                "{} lies outside {}, which its code puts it into; one of the two outlines or the code is wrong",
                area.as_str(),
                parent.as_str()
            ),
        }
    }
}
