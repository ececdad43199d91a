//! Whether what rows say of overlapping zones holds once they are imported. A configuration with an overlap that names no
//! zone is refused as a whole, so a row that would bring one about is bad.

use std::collections::{BTreeMap, BTreeSet};

use alerts::incident::{Zone, ZoneRef};

use super::{Elsewhere, Parsed, ParsedTable};
use crate::config::CameraConfig;

/// The zones of each camera.
type Zones = BTreeMap<String, Vec<Zone>>;

/// Makes rows bad whose overlaps name zones that will not be there, and rows that take away a zone that another camera names.
/// `before` are the cameras of the file that is written.
pub(super) fn refuse_misfits(parsed: &mut [Parsed], before: &[CameraConfig], elsewhere: &Elsewhere) {
    let mut known = elsewhere.zones.clone();
    known.extend(before.iter().map(|camera| (camera.id.to_string(), camera.zones.clone())));
    // A row that turns bad keeps its camera as it was, which may make another row bad.
    while let Some((row, reason)) = misfit(parsed, &known, elsewhere) {
        parsed[row].table = Err(reason);
    }
}

/// The first row that does not fit, and why.
fn misfit(parsed: &[Parsed], known: &Zones, elsewhere: &Elsewhere) -> Option<(usize, String)> {
    let mut after = known.clone();
    // By camera: the row that gives its zones.
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (row, Parsed { id, table, .. }) in parsed.iter().enumerate() {
        // Of several rows with one id the first counts, and none where another file has that id.
        if table.is_err() || elsewhere.ids.contains_key(id) || !seen.insert(id.as_str()) {
            continue;
        }
        match zones(table) {
            Some(zones) => {
                after.insert(id.clone(), zones);
                rows.insert(id, row);
            }
            // A row without a zone leaves those that are there.
            None => {
                after.entry(id.clone()).or_default();
            }
        }
    }
    let named = after.iter().flat_map(|(camera, zones)| {
        zones.iter().flat_map(move |zone| zone.overlaps.iter().map(move |there| (camera.as_str(), zone, there)))
    });
    named.into_iter().find_map(|(camera, zone, there)| {
        let reason = fault(camera, there, &after)?;
        match (rows.get(camera), rows.get(there.camera.as_str())) {
            (Some(row), _) => Some((*row, format!("zone_overlaps: {reason}"))),
            (None, Some(row)) => {
                let name = String::from(there.clone());
                Some((*row, format!("camera {camera} says that its zone {} overlaps {name}, which this row takes away; keep it, or change that camera first", zone.id)))
            }
            // It was so before, and is told when the configuration is read.
            (None, None) => None,
        }
    })
}

/// What is wrong with an overlap of `camera` that names `there`.
fn fault(camera: &str, there: &ZoneRef, after: &Zones) -> Option<String> {
    let ZoneRef { camera: other, zone } = there;
    if other.as_str() == camera {
        return Some(format!("\"{other}/{zone}\" is a zone of the same camera; name those of others"));
    }
    let Some(zones) = after.get(other.as_str()) else {
        return Some(format!("there is no camera \"{other}\"; name one as CAMERA/ZONE"));
    };
    if zones.iter().any(|known| known.id == *zone) {
        return None;
    }
    let names: Vec<_> = zones.iter().map(|zone| zone.id.as_str()).collect();
    Some(match names.as_slice() {
        [] => format!("camera \"{other}\" has no zone \"{zone}\", nor any other"),
        names => format!("camera \"{other}\" has no zone \"{zone}\", only: {}", names.join(", ")),
    })
}

/// The zones that a row gives; none where it gives none.
fn zones(table: &ParsedTable) -> Option<Vec<Zone>> {
    let (table, _) = table.as_ref().ok()?;
    table.get("zones")?;
    toml_edit::de::from_str::<CameraConfig>(&table.to_string()).ok().map(|camera| camera.zones)
}
