//! GeoJSON files with outlines (RFC 7946): a FeatureCollection whose features have the properties `code`, `name` and perhaps
//! `name_en`, and a Polygon, a MultiPolygon or no geometry. All that is wrong is told at once.

use std::path::{Path, PathBuf};

use domain::Cell;
use geo::{Coord, LineString, MultiPolygon, Polygon, algorithm::Validation as _};
use serde::Deserialize;
use serde_json::Value;

use super::{Area, Grid, Level, level, parent};

/// What is wrong with a feature or a file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// No GeoJSON, or not of the form.
    #[error("it is no GeoJSON FeatureCollection: {0}")]
    Form(String),
    /// Another reference system.
    #[error(
        "its coordinates are in \"{0}\"; convert them to WGS 84 longitude and latitude (EPSG:4326), for instance with: ogr2ogr -t_srs EPSG:4326 OUT.geojson IN.geojson"
    )]
    Crs(String),
    /// A feature that does not read.
    #[error("feature {feature}: {message}")]
    Feature {
        /// Its number, from 1.
        feature: usize,
        /// What is wrong.
        message: String,
    },
    /// A code that hangs nowhere.
    #[error("feature {feature}: {code} is within {parent}, which no file has; add that area, or correct the code")]
    Orphan {
        /// Its number, from 1.
        feature: usize,
        /// Its code.
        code: String,
        /// The code of the area around.
        parent: String,
    },
    /// One code twice.
    #[error("feature {feature}: {code} is there already; every area needs a code of its own")]
    Twice {
        /// Its number, from 1.
        feature: usize,
        /// Its code.
        code: String,
    },
}

/// A file that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It reads and cannot be used.
    #[error("{path}: {}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "), path = path.display())]
    Faults {
        /// Which.
        path: PathBuf,
        /// All that is wrong.
        faults: Vec<Fault>,
    },
}

#[derive(Deserialize)]
struct Collection {
    #[serde(rename = "type")]
    kind: String,
    crs: Option<Value>,
    features: Vec<Value>,
}

#[derive(Deserialize)]
struct Feature {
    properties: Properties,
    geometry: Option<Geometry>,
}

#[derive(Deserialize)]
struct Properties {
    code: Code,
    #[serde(default)]
    name: String,
    #[serde(default)]
    name_en: String,
}

/// Some programs write digits as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Code {
    Text(String),
    Number(u64),
}

type Ring = Vec<Vec<f64>>;

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Geometry {
    Polygon {
        coordinates: Vec<Ring>,
    },
    MultiPolygon {
        coordinates: Vec<Vec<Ring>>,
    },
    #[serde(other)]
    Other,
}

/// The tree of these files together.
///
/// # Errors
/// All that is wrong with the first file that has a fault.
pub fn read(paths: &[PathBuf]) -> Result<Grid, FileError> {
    let mut grid = Grid::default();
    let mut numbered = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Read { path: path.clone(), source })?;
        let codes = read_text(&mut grid, &text).map_err(|faults| FileError::Faults { path: path.clone(), faults })?;
        numbered.push((path, codes));
    }
    for (path, codes) in numbered {
        let faults = orphans(&grid, &codes);
        if !faults.is_empty() {
            return Err(FileError::Faults { path: path.clone(), faults });
        }
    }
    Ok(grid)
}

/// Adds a file's areas to the tree; their codes, in the order of the file.
///
/// # Errors
/// All that is wrong with it; the tree is as it was.
pub fn read_text(grid: &mut Grid, text: &str) -> Result<Vec<Cell>, Vec<Fault>> {
    // Windows programs write a mark before the first byte.
    let text = text.trim_start_matches('\u{feff}');
    let collection: Collection = serde_json::from_str(text).map_err(|error| vec![Fault::Form(error.to_string())])?;
    if collection.kind != "FeatureCollection" {
        return Err(vec![Fault::Form(format!("its type is \"{}\"", collection.kind))]);
    }
    if let Some(other) = collection.crs.as_ref().and_then(other_crs) {
        return Err(vec![Fault::Crs(other)]);
    }
    let (mut after, mut faults, mut codes) = (grid.clone(), Vec::new(), Vec::new());
    for (feature, value) in (1..).zip(collection.features) {
        let area = match area(value) {
            Ok(area) => area,
            Err(message) => {
                faults.push(Fault::Feature { feature, message });
                continue;
            }
        };
        let code = area.code.clone();
        codes.push(code.clone());
        if after.areas.insert(code.clone(), area).is_some() {
            faults.push(Fault::Twice { feature, code: code.into() });
        }
    }
    if faults.is_empty() {
        *grid = after;
        Ok(codes)
    } else {
        Err(faults)
    }
}

/// Those whose surroundings no file has. A district stands by itself.
fn orphans(grid: &Grid, codes: &[Cell]) -> Vec<Fault> {
    let orphan = |(feature, code): (usize, &Cell)| {
        let parent = parent(code).filter(|_| level(code) > Level::District)?;
        let known = grid.areas.contains_key(&parent);
        (!known).then(|| Fault::Orphan { feature, code: code.as_str().to_owned(), parent: parent.into() })
    };
    (1..).zip(codes).filter_map(orphan).collect()
}

/// The name of a reference system that is not WGS 84; RFC 7946 knows no other and older files say so.
fn other_crs(crs: &Value) -> Option<String> {
    let name = crs.pointer("/properties/name").and_then(Value::as_str).map_or_else(|| crs.to_string(), str::to_owned);
    let is_wgs84 = ["CRS84", "EPSG:4326", "EPSG::4326"].iter().any(|known| name.ends_with(known));
    (!crs.is_null() && !is_wgs84).then_some(name)
}

fn area(value: Value) -> Result<Area, String> {
    let feature: Feature = serde_json::from_value(value)
        .map_err(|error| format!("{error}; it needs properties.code, and a Polygon or MultiPolygon"))?;
    let digits = match feature.properties.code {
        Code::Text(text) => text.trim().to_owned(),
        Code::Number(number) => number.to_string(),
    };
    let code: Cell = digits.try_into().map_err(|error: domain::GridError| error.to_string())?;
    let named = |message: String| format!("{}: {message}", code.as_str());
    let shape = match feature.geometry {
        None => None,
        Some(Geometry::Polygon { coordinates }) => Some(MultiPolygon(vec![polygon(coordinates).map_err(named)?])),
        Some(Geometry::MultiPolygon { coordinates }) => {
            let polygons = coordinates.into_iter().map(polygon).collect::<Result<_, _>>().map_err(named)?;
            Some(MultiPolygon(polygons))
        }
        Some(Geometry::Other) => return Err(named("its geometry is no Polygon or MultiPolygon".to_owned())),
    };
    if let Some(shape) = &shape {
        shape.check_validation().map_err(|error| {
            named(format!("its outline crosses or touches itself: {error}; mend it in a map editor"))
        })?;
    }
    Ok(Area { code, name: feature.properties.name, name_en: feature.properties.name_en, shape })
}

fn polygon(rings: Vec<Ring>) -> Result<Polygon, String> {
    let mut rings = rings.into_iter().map(ring);
    let outer = rings.next().ok_or("its polygon has no ring")??;
    Ok(Polygon::new(outer, rings.collect::<Result<_, _>>()?))
}

fn ring(positions: Ring) -> Result<LineString, String> {
    let coords = positions.iter().map(|position| coord(position)).collect::<Result<Vec<_>, _>>()?;
    if coords.len() < 4 {
        return Err(format!("a ring of {} positions; three corners and the first again are the fewest", coords.len()));
    }
    if coords.first() != coords.last() {
        return Err("a ring is not closed; repeat its first position at its end".to_owned());
    }
    Ok(LineString(coords))
}

fn coord(position: &[f64]) -> Result<Coord, String> {
    let &[x, y, ..] = position else { return Err("a position needs longitude and latitude".to_owned()) };
    if x.abs() <= 180.0 && y.abs() <= 90.0 {
        return Ok(Coord { x, y });
    }
    let remedy = if x.abs() <= 90.0 && y.abs() <= 180.0 {
        "swap the two: longitude comes first"
    } else {
        "convert a city's plane coordinates to WGS 84 (EPSG:4326)"
    };
    Err(format!("[{x}, {y}] is no longitude and latitude; {remedy}"))
}

/// Files that were imported into this folder, in the order of their names.
pub(crate) fn imported(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "geojson")).collect();
    files.sort();
    files
}
